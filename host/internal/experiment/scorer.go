package experiment

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// scorer scores the cycles of one trial and remembers them for the time means.
type scorer struct {
	plan      *plan.Plan
	trial     *plan.Trial
	scenario  *cycle.Scenario
	reference *cycle.Reference // nil: none
	chosen    []string         // scores beside rmse; nil: all that apply
	tally
	values    []archive.Value             // that are described
	marginals map[string]*score.Marginals // of the cycle, by stage; reused
}

// tally is what a scorer remembers from cycle to cycle.
type tally struct {
	Cycles   int
	Rejected int                  // observations, by the background check
	Lost     bool                 // some analysis was not finite
	Series   map[series][]float64 // after burn-in
	RMSE     []float64            // of every analysis
	Ranks    map[string][]float64 // by stage, after burn-in
}

// remind gives j the tally of a checkpoint.
func (j *scorer) remind(t tally) {
	if t.Series == nil {
		t.Series = map[series][]float64{}
	}
	j.tally = t
}

// series is one score of one stage.
type series struct{ Metric, Stage string }

func newScorer(p *plan.Plan, t *plan.Trial, made *cycle.Scenario, r *cycle.Reference, described int) *scorer {
	ranks := map[string][]float64{archive.Forecast: make([]float64, t.Size+1), archive.Analysis: make([]float64, t.Size+1)}
	return &scorer{plan: p, trial: t, scenario: made, reference: r, tally: tally{Series: map[series][]float64{}, Ranks: ranks},
		values: archive.Described(p.State, described), marginals: map[string]*score.Marginals{}}
}

// rows scores both stages of a cycle.
func (j *scorer) rows(s *cycle.Step) []archive.CycleRow {
	j.Cycles++
	j.Rejected += len(s.Rejected)
	forecast := j.row(archive.Forecast, s, s.Forecast)
	analysis := j.row(archive.Analysis, s, s.Analysis)
	j.RMSE = append(j.RMSE, analysis.RMSE)
	j.Lost = j.Lost || !finite(s.Analysis.Members)
	if s.Ancestors != nil {
		n := float64(uniqueCount(s.Ancestors))
		analysis.UniqueAncestors = &n
	}
	if j.reference != nil && j.wants("w2_reference") {
		n := modelled(j.plan)
		w2 := score.W2(firstValues(j.sample(s), n), firstValues(j.posterior(s.Cycle), n))
		analysis.W2Reference = &w2
	}
	if s.Cycle > j.plan.Clock.BurnIn {
		j.remember(forecast)
		j.remember(analysis)
	}
	return []archive.CycleRow{forecast, analysis}
}

// energyMembers is the largest ensemble whose energy score is computed: its cost
// grows with the square of the size, and at 1000 members of 40 values is 20 ms.
const energyMembers = 1000

func (j *scorer) row(stage string, s *cycle.Step, e cycle.Ensemble) archive.CycleRow {
	n, weights := modelled(j.plan), linear(e.LogWeights)
	m := score.MarginalsOf(j.marginals[stage], e.Members, weights)
	j.marginals[stage] = m
	truth, members := j.scenario.At(s.Cycle), firstValues(e.Members, n)
	if truth == nil {
		if s.Cycle > j.plan.Clock.BurnIn {
			j.rememberParameters(stage, s.Cycle)
		}
		rows, _ := e.Members.Dims()
		return archive.CycleRow{Stage: stage, Truthless: true, Spread: score.Spread(m.Variance[:n]), ESS: ensemble.ESS(weights, rows)}
	}
	truth = truth[:n]
	sc := score.Of(truth, m.First(n))
	row := archive.CycleRow{Stage: stage, RMSE: sc.RMSE, Bias: sc.Bias, Spread: sc.Spread, CRPS: sc.CRPS, CRPSFair: sc.CRPSFair, ESS: sc.ESS}
	rows, _ := e.Members.Dims() // fewer than the trial has when some were dropped
	if rows <= energyMembers && j.wants("energy_score_fair") {
		energy := score.EnergyScoreFair(truth, members, weights)
		row.EnergyScoreFair = &energy
	}
	counts := make([]float64, rows+1)
	score.Ranks(counts, truth, members, weights)
	row.Coverage50, _ = score.Coverage(counts, 0.5)
	row.Coverage90, _ = score.Coverage(counts, 0.9)
	if s.Cycle > j.plan.Clock.BurnIn {
		score.AddCounts(j.Ranks[stage], counts)
		j.rememberParameters(stage, s.Cycle)
	}
	return row
}

// rememberParameters remembers the error and the spread of each parameter that is
// estimated.
func (j *scorer) rememberParameters(stage string, cycle int) {
	m, truth := j.marginals[stage], j.scenario.At(cycle)
	for i := modelled(j.plan); i < j.plan.State.Size(); i++ {
		add := func(metric string, v float64) {
			k := series{parameterMetric(metric, j.plan, i), stage}
			j.Series[k] = append(j.Series[k], v)
		}
		if truth != nil {
			add("rmse", math.Abs(m.Mean[i]-truth[i]))
		}
		add("spread", math.Sqrt(m.Variance[i]))
	}
}

// parameterMetric names a score of the parameter that is value i of the state.
func parameterMetric(metric string, p *plan.Plan, i int) string {
	return metric + "_" + p.State.Variables[len(p.State.Variables)-p.State.Size()+i].Name
}

// modelled returns how many values of a state the model moves: all but the
// parameters that are estimated, which scores of the state leave out.
func modelled(p *plan.Plan) int { return p.State.Size() - p.Parameters }

// firstValues returns the first n columns of m.
func firstValues(m *mat.Dense, n int) *mat.Dense {
	rows, _ := m.Dims()
	return m.Slice(0, rows, 0, n).(*mat.Dense)
}

// descriptions describes both stages of the cycle that rows has scored.
func (j *scorer) descriptions(s *cycle.Step) []archive.Description {
	var list []archive.Description
	truth := j.scenario.At(s.Cycle)
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		m, k := j.marginals[stage], len(j.values)
		d := archive.Description{Stage: stage, Mean: make([]float64, k), Spread: make([]float64, k),
			Quantiles: make([]float64, k*len(archive.Quantiles))}
		if truth != nil {
			d.Truth = make([]float64, k)
		}
		for i, v := range j.values {
			if truth != nil {
				d.Truth[i] = truth[v.Column]
			}
			d.Mean[i], d.Spread[i] = m.Mean[v.Column], math.Sqrt(m.Variance[v.Column])
			m.Quantiles(d.Quantiles[i*len(archive.Quantiles):(i+1)*len(archive.Quantiles)], v.Column, archive.Quantiles)
		}
		list = append(list, d)
	}
	return list
}

// innovation compares the observations with the forecast; nil when the operator
// predicts none.
func (j *scorer) innovation(s *cycle.Step) *archive.Innovation {
	if s.Predicted == nil {
		return nil
	}
	in := score.Innovate(s.Observation, s.Predicted, linear(s.Forecast.LogWeights), s.ErrorVariance)
	if j.scenario.Truth == nil && s.Cycle > j.plan.Clock.BurnIn {
		j.rememberInnovations(in.Values)
	}
	if !math.IsNaN(in.NIS) && s.Cycle > j.plan.Clock.BurnIn {
		k := series{"nis", archive.Forecast}
		j.Series[k] = append(j.Series[k], in.NIS)
	}
	return &archive.Innovation{Values: in.Values, NIS: in.NIS, Expected: in.Expected}
}

// rankHistograms returns the rank histograms of both stages.
func (j *scorer) rankHistograms() []archive.RankHistogram {
	var list []archive.RankHistogram
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		list = append(list, archive.RankHistogram{Stage: stage, Counts: j.Ranks[stage]})
	}
	return list
}

func (j *scorer) remember(r archive.CycleRow) {
	add := func(metric string, v float64) {
		k := series{metric, r.Stage}
		j.Series[k] = append(j.Series[k], v)
	}
	add("spread", r.Spread)
	add("weights_ess", r.ESS)
	if !r.Truthless {
		add("rmse", r.RMSE)
		add("bias", r.Bias)
		add("crps", r.CRPS)
		add("crps_fair", r.CRPSFair)
		add("coverage_50", r.Coverage50)
		add("coverage_90", r.Coverage90)
	}
	for metric, v := range map[string]*float64{"energy_score_fair": r.EnergyScoreFair, "w2_reference": r.W2Reference, "unique_ancestors": r.UniqueAncestors} {
		if v != nil {
			add(metric, *v)
		}
	}
}

// wants says whether the workflow has chosen a score.
func (j *scorer) wants(metric string) bool {
	return len(j.chosen) == 0 || metric == "rmse" || slices.Contains(j.chosen, metric)
}

// metricOrder is how the time means of scores stand in tables.
var metricOrder = []string{"rmse", "spread", "crps_fair", "bias", "weights_ess", "w2_reference",
	"crps", "energy_score_fair", "coverage_50", "coverage_90", "unique_ancestors", "nis", "held_out_crps"}

// rootOrder is how the root time means of scores stand in tables, after those.
var rootOrder = []string{"held_out_rmse", "held_out_spread", "innovation_rms"}

// metrics returns the time means of the trial that apply, and what follows from
// the whole of its series.
func (j *scorer) metrics(id archive.TrialID, truth int, status archive.Status) []archive.Metric {
	var list []archive.Metric
	for _, stage := range []string{archive.Forecast, archive.Analysis} {
		add := func(metric string, m score.Mean) {
			if !j.wants(metric) {
				return
			}
			list = append(list, archive.Metric{TrialID: id, Truth: truth, Metric: metric, Stage: stage, Value: m.Value, SE: m.SE, Cycles: m.Count, Status: status})
		}
		for _, metric := range metricOrder {
			if values := j.Series[series{metric, stage}]; len(values) > 0 {
				add(metric, score.TimeMean(values))
			}
		}
		for _, metric := range rootOrder {
			if values := j.Series[series{metric, stage}]; len(values) > 0 {
				add(metric, score.RootTimeMean(values))
			}
		}
		for i := modelled(j.plan); i < j.plan.State.Size(); i++ {
			for _, metric := range []string{"rmse", "spread"} {
				name := parameterMetric(metric, j.plan, i)
				if values := j.Series[series{name, stage}]; len(values) > 0 {
					add(name, score.TimeMean(values))
				}
			}
		}
		errors := j.Series[series{"rmse", stage}]
		if len(errors) == 0 {
			continue
		}
		rmse, spread := score.TimeMean(errors), score.TimeMean(j.Series[series{"spread", stage}])
		exactly := func(v, se float64) score.Mean { return score.Mean{Value: v, SE: se, Count: rmse.Count} }
		add("rmse_total", score.RootTimeMean(errors))
		add("spread_skill", exactly(score.SpreadSkill(spread.Value, rmse.Value, j.trial.Size), math.NaN()))
		_, half := score.Coverage(j.Ranks[stage], 0.5)
		_, most := score.Coverage(j.Ranks[stage], 0.9)
		add("coverage_50_expected", exactly(half, 0))
		add("coverage_90_expected", exactly(most, 0))
		// the values of one state count for one rank: neighbours are not independent
		add("rank_flatness_p", exactly(score.FlatnessOf(j.Ranks[stage], float64(rmse.Count)).P, math.NaN()))
	}
	return list
}

// diverged says whether the trial has lost the truth, or without one the range of
// numbers.
func (j *scorer) diverged() bool {
	if j.scenario.Truth == nil {
		return j.Lost
	}
	return score.Diverged(j.RMSE, climatologySpread(j.plan, j.scenario))
}

// baselines returns the time means of estimates that know no observations: the
// time mean of the truth over the scored cycles, and the truth of the cycle before.
func baselines(p *plan.Plan, of *plan.Scenario, made *cycle.Scenario) []archive.Metric {
	if made.Record != nil {
		return heldOutBaselines(p, of, made.Record)
	}
	cycles, _ := made.Truth.Dims()
	n := modelled(p)
	scored := made.Truth.Slice(p.Clock.BurnIn+1, cycles, 0, n).(*mat.Dense)
	mean := ensemble.Mean(nil, scored, nil)
	var climatology, persistence []float64
	for k := p.Clock.BurnIn + 1; k < cycles; k++ {
		truth := made.Truth.RawRowView(k)[:n]
		climatology = append(climatology, score.RMSE(mean, truth))
		persistence = append(persistence, score.RMSE(made.Truth.RawRowView(k - 1)[:n], truth))
	}
	return []archive.Metric{baseline("climatology", "rmse", of, score.TimeMean(climatology)), baseline("persistence", "rmse", of, score.TimeMean(persistence))}
}

func baseline(name, metric string, of *plan.Scenario, m score.Mean) archive.Metric {
	id := archive.TrialID{Replicate: of.Replicate, Filter: name}
	return archive.Metric{TrialID: id, Truth: of.Number, Metric: metric, Stage: archive.Analysis, Value: m.Value, SE: m.SE, Cycles: m.Count, Status: archive.OK}
}

// climatologySpread returns the spread of the truth around its time mean.
func climatologySpread(p *plan.Plan, made *cycle.Scenario) float64 {
	truth := firstValues(made.Truth, modelled(p))
	return score.Spread(ensemble.Variance(nil, truth, ensemble.Mean(nil, truth, nil), nil))
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
// reference has or an exact distance can be had of.
// Streams: branch "score" of the plan's seed.
func (j *scorer) sample(s *cycle.Step) *mat.Dense {
	rows, _ := s.Analysis.Members.Dims()
	n := min(rows, j.plan.Keep, score.W2Points)
	if s.Analysis.LogWeights == nil && n == rows {
		return s.Analysis.Members
	}
	return cycle.Draw(s.Analysis, n, j.plan.Seed.Child("score", s.Cycle))
}

// posterior returns the members of the reference, or a draw from them when an exact
// distance cannot be had of so many. Streams: branch "score-reference".
func (j *scorer) posterior(k int) *mat.Dense {
	members := j.reference.At(k)
	if j.plan.Keep <= score.W2Points {
		return members
	}
	return cycle.Draw(cycle.Ensemble{Members: members}, score.W2Points, j.plan.Seed.Child("score-reference", k))
}

func uniqueCount(ancestors []int) int {
	seen := map[int]bool{}
	for _, a := range ancestors {
		seen[a] = true
	}
	return len(seen)
}
