package archive

import (
	"iter"

	"github.com/plume-da/plume/sdk/wire/table"
)

// The kinds of values of free forecasts.
const (
	State    = "state"
	Observed = "observed" // predicted observations
)

// Ahead is what a free forecast says of one value at one lead time.
type Ahead struct {
	Of           string // State or Observed
	Variable     string
	Index        int // in the variable
	Lead         float64
	Mean, Spread float64
	Quantiles    []float64 // as [Quantiles]
	Exceed       []Exceedance
}

// Exceedance is the probability that a value exceeds a threshold.
type Exceedance struct{ Above, Probability float64 }

// Verified is a value that was forecast, with what a forecast said of it.
type Verified struct {
	Of          string // State or Observed
	Variable    string
	Index       int // in the variable
	Issued      int // cycle of the analysis that the forecast starts from
	Lead        float64
	Value       float64
	Mean        float64
	Spread      float64
	CRPSFair    *float64 // nil: the operator draws no errors
	Rank        float64
	Persistence *float64 // nil: not known
}

// aheadRows are the columns that the tables of forecasts have in common.
type aheadRows struct {
	when         []any // columns that are the same in all rows
	time         float64
	index        []int32
	of, variable []string
	lead, valid  []float64
}

func (t *Trial) aheadRows(n, cycle int, time float64) *aheadRows {
	return &aheadRows{when: t.id.columnsAt(n, cycle, time), time: time}
}

func (r *aheadRows) add(of, variable string, index int, lead float64) {
	r.of, r.variable, r.index, r.lead = append(r.of, of), append(r.variable, variable), append(r.index, int32(index)), append(r.lead, lead)
	r.valid = append(r.valid, r.time+lead)
}

func (r *aheadRows) values() []any {
	return append(r.when, r.lead, r.valid, r.of, r.variable, r.index)
}

// AppendAhead writes a free forecast from the analysis of a cycle.
func (t *Trial) AppendAhead(cycle int, time float64, list []Ahead) error {
	if len(list) == 0 {
		return nil
	}
	exceedances := 0
	for i := range list {
		exceedances += len(list[i].Exceed)
	}
	rows, exceed := t.aheadRows(len(list), cycle, time), t.aheadRows(exceedances, cycle, time)
	var mean, spread, above, probability []float64
	quantiles := make([][]float64, len(Quantiles))
	for _, a := range list {
		rows.add(a.Of, a.Variable, a.Index, a.Lead)
		mean, spread = append(mean, a.Mean), append(spread, a.Spread)
		for l, q := range a.Quantiles {
			quantiles[l] = append(quantiles[l], q)
		}
		for _, e := range a.Exceed {
			exceed.add(a.Of, a.Variable, a.Index, a.Lead)
			above, probability = append(above, e.Above), append(probability, e.Probability)
		}
	}
	values := append(rows.values(), mean, spread)
	for _, q := range quantiles {
		values = append(values, q)
	}
	if err := t.forecasts.Append(len(list), values...); err != nil || exceedances == 0 {
		return err
	}
	return t.exceedances.Append(exceedances, append(exceed.values(), above, probability)...)
}

// AppendVerified writes the values of a cycle that were forecast.
func (t *Trial) AppendVerified(cycle int, time float64, list []Verified) error {
	n := len(list)
	if n == 0 {
		return nil
	}
	rows, issued := t.aheadRows(n, cycle, time), make([]int32, n)
	value, mean, spread, rank := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i, v := range list {
		rows.add(v.Of, v.Variable, v.Index, v.Lead)
		issued[i], value[i], mean[i], spread[i], rank[i] = int32(v.Issued), v.Value, v.Mean, v.Spread, v.Rank
	}
	return t.verification.Append(n, append(rows.when, issued, rows.lead, rows.of, rows.variable, rows.index, value, mean, spread,
		nullable(list, func(v *Verified) (float64, bool) { return known(v.CRPSFair) }), rank,
		nullable(list, func(v *Verified) (float64, bool) { return known(v.Persistence) }))...)
}

// ForecastScore is a score of the free forecasts of a trial at one lead time.
type ForecastScore struct {
	Lead         float64
	Of, Variable string
	Metric       string
	Value, SE    float64
	Count        int
}

// ReliabilityRow compares probabilities of exceeding a threshold with how often that happened.
type ReliabilityRow struct {
	Lead                          float64
	Of, Variable                  string
	Above                         float64
	Bin                           int // tenth of the probabilities; -1: all
	Probability, Frequency, Brier float64
	Count                         int
}

// ForecastScores writes the scores of the free forecasts of a trial.
func (r *Run) ForecastScores(id TrialID, list []ForecastScore) error {
	n := len(list)
	lead, value, se, count := make([]float64, n), make([]float64, n), make([]float64, n), make([]int32, n)
	of, variable, metric := make([]string, n), make([]string, n), make([]string, n)
	for i, s := range list {
		lead[i], of[i], variable[i], metric[i], value[i], se[i], count[i] = s.Lead, s.Of, s.Variable, s.Metric, s.Value, s.SE, int32(s.Count)
	}
	return r.write(forecastScoresColumns, n, append(id.columns(n), lead, of, variable, metric, value, se, count), "forecast_scores", part(id.Trial))
}

// Reliability writes the reliability of the probabilities of a trial.
func (r *Run) Reliability(id TrialID, list []ReliabilityRow) error {
	n := len(list)
	lead, above, probability, frequency, brier := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	of, variable, bin, count := make([]string, n), make([]string, n), make([]int32, n), make([]int32, n)
	for i, s := range list {
		lead[i], of[i], variable[i], above[i], bin[i], count[i] = s.Lead, s.Of, s.Variable, s.Above, int32(s.Bin), int32(s.Count)
		probability[i], frequency[i], brier[i] = s.Probability, s.Frequency, s.Brier
	}
	return r.write(reliabilityColumns, n, append(id.columns(n), lead, of, variable, above, bin, probability, frequency, brier, count), "reliability", part(id.Trial))
}

// Forecasts holds what free forecasts say, one value at one lead time per row.
type Forecasts struct {
	Trial    []int32   `column:"trial"`
	Filter   []string  `column:"filter"`
	Cycle    []int32   `column:"cycle"`
	Time     []float64 `column:"time"`
	Lead     []float64 `column:"lead"`
	Of       []string  `column:"of"`
	Variable []string  `column:"variable"`
	Index    []int32   `column:"index"`
	Mean     []float64 `column:"mean"`
	Spread   []float64 `column:"spread"`
	Q05      []float64 `column:"q05"`
	Q25      []float64 `column:"q25"`
	Q50      []float64 `column:"q50"`
	Q75      []float64 `column:"q75"`
	Q95      []float64 `column:"q95"`
}

// Forecasts yields the free forecasts.
func (r *Reader) Forecasts() iter.Seq2[*Forecasts, error] { return scan[Forecasts](r, "forecasts") }

// Exceedances holds probabilities of exceeding thresholds, one per row.
type Exceedances struct {
	Trial       []int32   `column:"trial"`
	Filter      []string  `column:"filter"`
	Cycle       []int32   `column:"cycle"`
	Lead        []float64 `column:"lead"`
	Of          []string  `column:"of"`
	Variable    []string  `column:"variable"`
	Index       []int32   `column:"index"`
	Above       []float64 `column:"above"`
	Probability []float64 `column:"probability"`
}

// Exceedances yields the probabilities of exceeding thresholds.
func (r *Reader) Exceedances() iter.Seq2[*Exceedances, error] {
	return scan[Exceedances](r, "exceedances")
}

// Verification holds values that were forecast, one forecast of a value per row.
type Verification struct {
	Trial       []int32                 `column:"trial"`
	Cycle       []int32                 `column:"cycle"`
	Time        []float64               `column:"time"`
	Issued      []int32                 `column:"issued"`
	Lead        []float64               `column:"lead"`
	Of          []string                `column:"of"`
	Variable    []string                `column:"variable"`
	Index       []int32                 `column:"index"`
	Value       []float64               `column:"value"`
	Mean        []float64               `column:"mean"`
	Spread      []float64               `column:"spread"`
	CRPSFair    table.Nullable[float64] `column:"crps_fair"`
	Rank        []float64               `column:"rank"`
	Persistence table.Nullable[float64] `column:"persistence"`
}

// Verification yields the values that were forecast.
func (r *Reader) Verification() iter.Seq2[*Verification, error] {
	return scan[Verification](r, "verification")
}

// ForecastScores holds scores of free forecasts, one per row.
type ForecastScores struct {
	Trial    []int32   `column:"trial"`
	Filter   []string  `column:"filter"`
	Lead     []float64 `column:"lead"`
	Of       []string  `column:"of"`
	Variable []string  `column:"variable"`
	Metric   []string  `column:"metric"`
	Value    []float64 `column:"value"`
	SE       []float64 `column:"se"`
	Count    []int32   `column:"count"`
}

// ForecastScores yields the scores of free forecasts.
func (r *Reader) ForecastScores() iter.Seq2[*ForecastScores, error] {
	return scan[ForecastScores](r, "forecast_scores")
}

// Reliability holds probabilities and how often what they are of happened, one tenth of the
// probabilities per row.
type Reliability struct {
	Trial       []int32   `column:"trial"`
	Lead        []float64 `column:"lead"`
	Of          []string  `column:"of"`
	Variable    []string  `column:"variable"`
	Above       []float64 `column:"above"`
	Bin         []int32   `column:"bin"`
	Probability []float64 `column:"probability"`
	Frequency   []float64 `column:"frequency"`
	Brier       []float64 `column:"brier"`
	Count       []int32   `column:"count"`
}

// Reliability yields the reliability of the probabilities of free forecasts.
func (r *Reader) Reliability() iter.Seq2[*Reliability, error] {
	return scan[Reliability](r, "reliability")
}
