package archive

import (
	"iter"
	"slices"

	"github.com/plume-da/plume/sdk/wire/table"
)

// Trials returns the trials of the run in their order and the keys of the axes of its sweep.
// There are none while the run is running: the table is written at its end.
func (r *Reader) Trials() (rows []TrialRow, axes []string, err error) {
	type batch struct {
		Trial     []int32               `column:"trial"`
		Replicate []int32               `column:"replicate"`
		Truth     []int32               `column:"truth,null"`
		Reference table.Nullable[int32] `column:"reference,null"`
		Filter    []string              `column:"filter"`
		Plugin    []string              `column:"plugin,null"`
		Size      []int32               `column:"size"`
		Status    []string              `column:"status"`
		Cycles    []int32               `column:"cycles,null"`
		Error     []string              `column:"error,null"`
		All       *table.Table          `column:"*"`
	}
	for b, err := range scan[batch](r, "trials") {
		if err != nil {
			return nil, nil, err
		}
		axes = slices.DeleteFunc(slices.Clone(b.All.Names), func(name string) bool {
			return slices.ContainsFunc(trialsColumns, func(c table.Column) bool { return c.Name == name })
		})
		for i := range b.Trial {
			t := TrialRow{
				TrialID: TrialID{int(b.Trial[i]), int(b.Replicate[i]), b.Filter[i]}, Truth: int(b.Truth[i]), Reference: -1,
				Plugin: b.Plugin[i], Size: int(b.Size[i]), Values: map[string]any{},
				Status: Status(b.Status[i]), Error: b.Error[i], Cycles: int(b.Cycles[i]),
			}
			if b.Reference.Valid[i] {
				t.Reference = int(b.Reference.Values[i])
			}
			for _, axis := range axes {
				if k := slices.Index(b.All.Names, axis); b.All.Valid[k][i] {
					t.Values[axis] = cell(b.All, k, i)
				}
			}
			rows = append(rows, t)
		}
	}
	return rows, axes, nil
}

// Metrics yields the time means of the run in the order of the table. Baselines, which do
// not use observations, have trial 0.
func (r *Reader) Metrics() iter.Seq2[Metric, error] {
	type batch struct {
		Trial     []int32   `column:"trial"`
		Replicate []int32   `column:"replicate"`
		Truth     []int32   `column:"truth,null"`
		Filter    []string  `column:"filter"`
		Metric    []string  `column:"metric"`
		Stage     []string  `column:"stage"`
		Value     []float64 `column:"value"`
		SE        []float64 `column:"se"`
		Cycles    []int32   `column:"cycles"`
		Status    []string  `column:"status,null"`
	}
	return func(yield func(Metric, error) bool) {
		for b, err := range scan[batch](r, "metrics") {
			if err != nil {
				yield(Metric{}, err)
				return
			}
			for i := range b.Trial {
				m := Metric{TrialID{int(b.Trial[i]), int(b.Replicate[i]), b.Filter[i]}, int(b.Truth[i]),
					b.Metric[i], b.Stage[i], b.Value[i], b.SE[i], int(b.Cycles[i]), Status(b.Status[i])}
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// CycleScores holds scores of stages of cycles.
type CycleScores struct {
	Trial  []int32                            `column:"trial"`
	Cycle  []int32                            `column:"cycle"`
	Time   []float64                          `column:"time"`
	Stage  []string                           `column:"stage"`
	Scores map[string]table.Nullable[float64] `column:"*"` // by name
}

// Cycles yields the named scores, or all scores, of all cycles, in the order of trials and
// cycles.
func (r *Reader) Cycles(scores ...string) iter.Seq2[*CycleScores, error] {
	return ahead(scan[CycleScores](r, "cycles", scores...))
}

// StageRows is the rows of a batch that are of one stage of a trial.
type StageRows struct {
	Trial int32
	Stage string
	Rows  []int
}

// ByStage returns the rows of the batch by stage, in the order in which the stages begin.
func (b *CycleScores) ByStage() []StageRows {
	var list []StageRows
	for i, trial := range b.Trial {
		k := len(list) - 1
		for k >= 0 && list[k].Trial == trial && list[k].Stage != b.Stage[i] {
			k--
		}
		if k < 0 || list[k].Trial != trial {
			k = len(list)
			list = append(list, StageRows{Trial: trial, Stage: b.Stage[i]})
		}
		list[k].Rows = append(list[k].Rows, i)
	}
	return list
}

// Keys says which rows of a table are of which cycle.
type Keys struct {
	Trial []int32  `column:"trial"`
	Cycle []int32  `column:"cycle"`
	Stage []string `column:"stage,nil"`
}

// Keys yields the keys of the rows of a table of cycles, of which nothing else is decoded.
func (r *Reader) Keys(name string) iter.Seq2[*Keys, error] { return ahead(scan[Keys](r, name)) }

// LagScores holds scores by lag, one per row.
type LagScores struct {
	Trial  []int32   `column:"trial"`
	Lag    []int32   `column:"lag"`
	Metric []string  `column:"metric"`
	Value  []float64 `column:"value"`
	SE     []float64 `column:"se"`
	Cycles []int32   `column:"cycles"`
}

// Lags yields the scores of smoothed states by lag; none without a filter that smooths.
func (r *Reader) Lags() iter.Seq2[*LagScores, error] { return scan[LagScores](r, "lags") }

// RankHistograms yields the rank histograms of trials.
func (r *Reader) RankHistograms() iter.Seq2[*TrialRanks, error] {
	type batch struct {
		Trial     []int32   `column:"trial"`
		Replicate []int32   `column:"replicate"`
		Filter    []string  `column:"filter"`
		Stage     []string  `column:"stage"`
		Count     []float64 `column:"count"`
	}
	return func(yield func(*TrialRanks, error) bool) {
		var h *TrialRanks
		for b, err := range scan[batch](r, "rank_histogram") {
			if err != nil {
				yield(nil, err)
				return
			}
			for i, trial := range b.Trial {
				if h == nil || h.Trial != int(trial) || h.Stage != b.Stage[i] {
					if h != nil && !yield(h, nil) {
						return
					}
					h = &TrialRanks{TrialID{int(trial), int(b.Replicate[i]), b.Filter[i]}, RankHistogram{Stage: b.Stage[i]}}
				}
				h.Counts = append(h.Counts, b.Count[i])
			}
		}
		if h != nil {
			yield(h, nil)
		}
	}
}

// TrialRanks is a rank histogram of a trial.
type TrialRanks struct {
	TrialID
	RankHistogram
}

// Descriptions holds the marginal distributions of described values, one per row.
type Descriptions struct {
	Trial    []int32   `column:"trial"`
	Cycle    []int32   `column:"cycle"`
	Time     []float64 `column:"time"`
	Stage    []string  `column:"stage"`
	Variable []string  `column:"variable"`
	Index    []int32   `column:"index"`
	Truth    []float64 `column:"truth,null"` // NaN if it is not known
	Mean     []float64 `column:"mean,null"`
	Spread   []float64 `column:"spread,null"`
	Q05      []float64 `column:"q05,null"` // quantiles
	Q25      []float64 `column:"q25,null"`
	Q50      []float64 `column:"q50,null"`
	Q75      []float64 `column:"q75,null"`
	Q95      []float64 `column:"q95,null"`
}

// Variables yields the descriptions of the values of states.
func (r *Reader) Variables() iter.Seq2[*Descriptions, error] {
	return ahead(scan[Descriptions](r, "variables"))
}

// Innovations holds innovations of cycles.
type Innovations struct {
	Trial    []int32   `column:"trial"`
	Cycle    []int32   `column:"cycle"`
	Time     []float64 `column:"time"`
	NIS      []float64 `column:"nis,null"`
	Expected []float64 `column:"rms_expected,null"`
	Fields   []Field   `column:"*"` // observation minus prediction; NaN where there is none
}

// Innovations yields the innovations of all cycles. Trials may observe different variables.
func (r *Reader) Innovations() iter.Seq2[*Innovations, error] {
	return ahead(scan[Innovations](r, "innovations"))
}

// ObservedValues holds what is known of the innovations of observed values.
type ObservedValues struct {
	Trial    []int32   `column:"trial"`
	Variable []string  `column:"variable"`
	Index    []int32   `column:"index"`
	Count    []int32   `column:"count"`
	Spread   []float64 `column:"spread"`
	Error    []float64 `column:"error"`
	First    []float64 `column:"first"`
	Largest  []float64 `column:"largest"`
	At       []int32   `column:"largest_cycle"`
	Fields   []Field   `column:"*"` // position and period; none without coordinates
}

// Observed yields what is known of the innovations of every observed value of the trials
// that have ended.
func (r *Reader) Observed() iter.Seq2[*ObservedValues, error] {
	return scan[ObservedValues](r, "observed")
}

// HeldOutValues holds held-out values and their predictions.
type HeldOutValues struct {
	Trial     []int32                 `column:"trial"`
	Replicate []int32                 `column:"replicate"`
	Filter    []string                `column:"filter"`
	Cycle     []int32                 `column:"cycle"`
	Time      []float64               `column:"time"`
	Stage     []string                `column:"stage"`
	Variable  []string                `column:"variable"`
	Index     []int32                 `column:"index"`
	Value     []float64               `column:"value"`
	Mean      []float64               `column:"mean"`
	Spread    []float64               `column:"spread"`
	CRPSFair  table.Nullable[float64] `column:"crps_fair,null"`
}

// HeldOut yields the held-out values.
func (r *Reader) HeldOut() iter.Seq2[*HeldOutValues, error] {
	return scan[HeldOutValues](r, "held_out")
}

// Rejections holds values that were not used.
type Rejections struct {
	Trial     table.Nullable[int32]   `column:"trial"` // null: for all trials
	Replicate []int32                 `column:"replicate"`
	Stream    []string                `column:"stream"`
	Row       table.Nullable[int32]   `column:"row"`
	Cycle     table.Nullable[int32]   `column:"cycle"`
	Time      []float64               `column:"time"`
	Variable  table.Nullable[string]  `column:"variable"`
	Index     table.Nullable[int32]   `column:"index"`
	Value     table.Nullable[float64] `column:"value"`
	Reason    []string                `column:"reason"`
}

// Rejections yields the values that were not used.
func (r *Reader) Rejections() iter.Seq2[*Rejections, error] {
	return scan[Rejections](r, "rejections")
}

// Diagnostics holds numbers that filters report.
type Diagnostics struct {
	Trial []int32   `column:"trial"`
	Cycle []int32   `column:"cycle"`
	Name  []string  `column:"name"`
	Value []float64 `column:"value"`
}

// Diagnostics yields the numbers that filters report.
func (r *Reader) Diagnostics() iter.Seq2[*Diagnostics, error] {
	return ahead(scan[Diagnostics](r, "diagnostics"))
}

// Timings holds the times of cycles, in seconds.
type Timings struct {
	Trial    []int32   `column:"trial"`
	Cycle    []int32   `column:"cycle"`
	Forecast []float64 `column:"forecast_s,null"`
	Observe  []float64 `column:"observe_s,null"`
	Analyse  []float64 `column:"analyse_s,null"`
	Score    []float64 `column:"score_s,nil"` // this and the following are nil for runs of earlier versions
	Archive  []float64 `column:"archive_s,nil"`
	Wait     []float64 `column:"wait_s,nil"`
}

// Timings yields the times of all cycles.
func (r *Reader) Timings() iter.Seq2[*Timings, error] { return ahead(scan[Timings](r, "timings")) }

// TrialFailure is a failure in a trial.
type TrialFailure struct {
	TrialID // trial 0: of the reference
	Failure
}

// Failures returns the failures of plugins and members that on_failure applied to.
func (r *Reader) Failures() ([]TrialFailure, error) {
	type batch struct {
		Trial     []int32  `column:"trial"`
		Replicate []int32  `column:"replicate"`
		Filter    []string `column:"filter"`
		Cycle     []int32  `column:"cycle"`
		Call      []string `column:"call"`
		Member    []int32  `column:"member"`
		Members   []int32  `column:"members"`
		Reason    []string `column:"reason"`
		Action    []string `column:"action"`
	}
	var list []TrialFailure
	for b, err := range scan[batch](r, "failures") {
		if err != nil {
			return nil, err
		}
		for i := range b.Trial {
			list = append(list, TrialFailure{TrialID{int(b.Trial[i]), int(b.Replicate[i]), b.Filter[i]},
				Failure{int(b.Cycle[i]), b.Call[i], int(b.Member[i]), int(b.Members[i]), b.Reason[i], b.Action[i]}})
		}
	}
	return list, nil
}

// States holds rows of a table of states or observations. A column that the table does not
// have is nil.
type States struct {
	Replicate []int32               `column:"replicate,nil"`
	Truth     []int32               `column:"truth,nil"`
	Cycle     []int32               `column:"cycle"`
	Time      []float64             `column:"time"`
	Stage     []string              `column:"stage,nil"`
	Member    []int32               `column:"member,nil"`
	LogWeight []float64             `column:"log_weight,nil"`
	Parent    table.Nullable[int32] `column:"parent,nil"`
	Lag       []int32               `column:"lag,nil"`
	Fields    []Field               `column:"*"`
}

// States yields the rows of a table of states or observations: truth, observations,
// ensemble or reference for all parts, or a part such as truth/replicate=001/part-00000.
func (r *Reader) States(name string) iter.Seq2[*States, error] { return scan[States](r, name) }

// StateRows yields the rows of a table of states or observations without the values of
// variables, which are then not decoded.
func (r *Reader) StateRows(name string) iter.Seq2[*States, error] {
	return scan[States](r, name, []string{}...)
}
