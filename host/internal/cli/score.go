package cli

import (
	"math"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// judge scores the cycles of one trial and remembers them for the time means.
type judge struct {
	plan      *plan.Plan
	trial     *plan.Trial
	twin      *cycle.Twin
	reference *cycle.Reference // nil: none
	cycles    int
	series    map[series][]float64 // after burn-in
	rmse      []float64            // of every analysis
}

// series is one score of one stage.
type series struct{ metric, stage string }

func newJudge(p *plan.Plan, t *plan.Trial, twin *cycle.Twin, r *cycle.Reference) *judge {
	return &judge{plan: p, trial: t, twin: twin, reference: r, series: map[series][]float64{}}
}

// rows scores both stages of a cycle.
func (j *judge) rows(s *cycle.Step) []archive.CycleRow {
	j.cycles++
	forecast := j.row(archive.Forecast, s, s.Forecast)
	analysis := j.row(archive.Analysis, s, s.Analysis)
	j.rmse = append(j.rmse, analysis.RMSE)
	if s.Ancestors != nil {
		n := float64(uniqueCount(s.Ancestors))
		analysis.UniqueAncestors = &n
	}
	if j.reference != nil {
		w2 := score.W2(j.sample(s), j.reference.At(s.Cycle))
		analysis.W2Reference = &w2
	}
	if s.Cycle > j.plan.Clock.BurnIn {
		j.remember(forecast)
		j.remember(analysis)
	}
	return []archive.CycleRow{forecast, analysis}
}

func (j *judge) row(stage string, s *cycle.Step, e cycle.Ensemble) archive.CycleRow {
	sc := score.Of(j.twin.Truth.RawRowView(s.Cycle), e.Members, linear(e.LogWeights))
	return archive.CycleRow{Stage: stage, RMSE: sc.RMSE, Bias: sc.Bias, Spread: sc.Spread, CRPSFair: sc.CRPSFair, ESS: sc.ESS}
}

func (j *judge) remember(r archive.CycleRow) {
	add := func(metric string, v float64) {
		k := series{metric, r.Stage}
		j.series[k] = append(j.series[k], v)
	}
	add("rmse", r.RMSE)
	add("bias", r.Bias)
	add("spread", r.Spread)
	add("crps_fair", r.CRPSFair)
	add("weights_ess", r.ESS)
	if r.W2Reference != nil {
		add("w2_reference", *r.W2Reference)
	}
}

// metricOrder is how metrics stand in tables.
var metricOrder = []string{"rmse", "spread", "spread_skill", "crps_fair", "bias", "weights_ess", "w2_reference"}

// metrics returns the time means of the trial.
func (j *judge) metrics(status archive.Status) []archive.Metric {
	var list []archive.Metric
	add := func(metric, stage string, value, se float64, cycles int) {
		list = append(list, archive.Metric{Trial: j.trial.Number, Filter: j.trial.Label, Metric: metric, Stage: stage, Value: value, SE: se, Cycles: cycles, Status: status})
	}
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		for _, metric := range metricOrder {
			values := j.series[series{metric, stage}]
			if metric == "spread_skill" {
				rmse, spread := score.TimeMean(j.series[series{"rmse", stage}]), score.TimeMean(j.series[series{"spread", stage}])
				add(metric, stage, score.SpreadSkill(spread.Value, rmse.Value, j.trial.Size), math.NaN(), rmse.Count)
				continue
			}
			if metric == "w2_reference" && len(values) == 0 {
				continue // not applicable
			}
			m := score.TimeMean(values)
			add(metric, stage, m.Value, m.SE, m.Count)
		}
	}
	return list
}

// diverged says whether the trial has lost the truth.
func (j *judge) diverged() bool { return score.Diverged(j.rmse, climatologySpread(j.twin)) }

// baselines returns the time means of estimates that know no observations: the
// time mean of the truth over the scored cycles, and the truth of the cycle before.
func baselines(p *plan.Plan, twin *cycle.Twin) []archive.Metric {
	cycles, n := twin.Truth.Dims()
	scored := twin.Truth.Slice(p.Clock.BurnIn+1, cycles, 0, n).(*mat.Dense)
	mean := ensemble.Mean(nil, scored, nil)
	var climatology, persistence []float64
	for k := p.Clock.BurnIn + 1; k < cycles; k++ {
		truth := twin.Truth.RawRowView(k)
		climatology = append(climatology, score.RMSE(mean, truth))
		persistence = append(persistence, score.RMSE(twin.Truth.RawRowView(k-1), truth))
	}
	metric := func(name string, series []float64) archive.Metric {
		m := score.TimeMean(series)
		return archive.Metric{Filter: name, Metric: "rmse", Stage: archive.Analysis, Value: m.Value, SE: m.SE, Cycles: m.Count, Status: archive.OK}
	}
	return []archive.Metric{metric("climatology", climatology), metric("persistence", persistence)}
}

// climatologySpread returns the spread of the truth around its time mean.
func climatologySpread(twin *cycle.Twin) float64 {
	return score.Spread(twin.Truth, ensemble.Mean(nil, twin.Truth, nil), nil)
}

// linear returns weights from log-weights; nil stays nil.
func linear(logWeights []float64) []float64 {
	if logWeights == nil {
		return nil
	}
	w, _ := ensemble.Normalise(nil, logWeights)
	return w
}

// sample returns equally weighted members to compare with the reference: those of
// the analysis, or a draw from it when they have weights or are more than the
// reference has, since the cost of an exact distance grows with their product.
// Streams: branch "score" of the plan's seed.
func (j *judge) sample(s *cycle.Step) *mat.Dense {
	n := min(j.trial.Size, j.plan.Keep)
	if s.Analysis.LogWeights == nil && n == j.trial.Size {
		return s.Analysis.Members
	}
	return cycle.Draw(s.Analysis, n, j.plan.Seed.Child("score", s.Cycle))
}

func uniqueCount(ancestors []int) int {
	seen := map[int]bool{}
	for _, a := range ancestors {
		seen[a] = true
	}
	return len(seen)
}
