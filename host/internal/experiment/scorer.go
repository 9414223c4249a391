package experiment

import (
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// stages lists the stages of a cycle that have scores, in the order of their rows.
var stages = []string{score.Forecast, score.Analysis}

// stagesOf returns the stages of t that have scores.
func stagesOf(t *plan.Trial) []string {
	if t.Smooth == 0 {
		return stages
	}
	return append(slices.Clone(stages), score.Smoothed)
}

// scorer scores the cycles of one trial and stores the scores for the time means.
type scorer struct {
	plan      *plan.Plan
	trial     *plan.Trial
	scenario  *cycle.Scenario
	reference *cycle.Reference // nil: none
	chosen    []string         // scores in addition to rmse; nil: all that apply
	scores    []score.Score    // of the run
	values    stateValues
	observed  []float64 // factors that make observed variables comparable, see observedFactors; nil: all are 1
	variances []float64 // of the assimilated values of every component in time; nil with a truth
	climate   float64   // with a truth: the error of its time mean
	tally
	innovator score.Innovator
	described []archive.Value
	marginals *score.Marginals // of the stage that is being scored; reused
	scaled    *score.Marginals // likewise, of comparable values
}

// tally is what a scorer stores from cycle to cycle.
type tally struct {
	Cycles   int
	Rejected int                            // number of observations rejected by the background check
	Dropped  int                            // number of members that left the ensemble
	Diverged int                            // number of restarts
	Lost     bool                           // an analysis was not finite
	Series   map[string]series              // by stage, after burn-in
	Track    score.Track                    // of the error of every analysis or, without a truth, of squareInnovation
	Ranks    map[string][]float64           // by stage, after burn-in
	Varied   map[string]score.RankVariation // by stage, after burn-in
	Parts    map[string]score.Decomposition // by stage, after burn-in
	Sums     score.InnovationSums
	Passes   []archive.PassRow // over the whole record
	Lags     []series          // by lag, from 1, after burn-in
	Left     bool              // Series and Track of the cycles so far are left to the tables
}

// series is the sums of time means, by score.
type series map[string]*score.Series

// add appends values of a score.
func (s series) add(name string, values ...float64) {
	sums := s[name]
	if sums == nil && len(values) > 0 {
		sums = new(score.Series)
		s[name] = sums
	}
	for _, v := range values {
		sums.Add(v)
	}
}

func newTally(of *plan.Trial) tally {
	t := tally{Series: map[string]series{}, Ranks: map[string][]float64{}, Varied: map[string]score.RankVariation{}, Parts: map[string]score.Decomposition{}}
	for _, stage := range stagesOf(of) {
		t.Series[stage], t.Ranks[stage] = series{}, make([]float64, of.Size+1)
	}
	for range of.Smooth {
		t.Lags = append(t.Lags, series{})
	}
	return t
}

// remind sets the tally of s to that of a checkpoint.
func (s *scorer) remind(t tally) {
	all, varied, parts, lags := s.Series, s.Varied, s.Parts, s.Lags
	maps.Copy(all, t.Series)
	maps.Copy(varied, t.Varied)
	maps.Copy(parts, t.Parts)
	for i, l := range t.Lags {
		maps.Copy(lags[i], l)
	}
	s.tally, s.Series, s.Varied, s.Parts, s.Lags = t, all, varied, parts, lags // a checkpoint does not store empty maps
}

// leave leaves the series so far to the tables of the trial.
func (s *scorer) leave() {
	s.Left, s.Track = true, score.Track{}
	for _, series := range s.Series {
		clear(series)
	}
}

func newScorer(p *plan.Plan, t *plan.Trial, made *cycle.Scenario, r *cycle.Reference, described int) *scorer {
	values := archive.Described(p.State, described)
	columns := make([]int, len(values))
	for i, v := range values {
		columns[i] = v.Column
	}
	s := &scorer{
		plan: p, trial: t, scenario: made, reference: r, tally: newTally(t),
		scores: score.OfRun(p.Scored), values: newStateValues(p, made), observed: observedFactors(p, made.Record), variances: observedVariances(p, made.Record),
		described: values, marginals: score.NewMarginals(columns), scaled: score.NewMarginals([]int{}),
	}
	if made.Known() {
		s.climate, _ = inTime(s.values.truth(p, made))
	}
	s.marginals.Sample(p.Sites())
	if s.values.factors == nil {
		s.marginals.Decompose(t.Size, s.values.n)
	} else {
		s.scaled.Sample(plan.Evenly(len(s.values.columns)))
		s.scaled.Decompose(t.Size, len(s.values.columns))
	}
	return s
}

// rows scores and describes both stages of a cycle, after the past states that have become final.
func (s *scorer) rows(step *cycle.Step) ([]archive.CycleRow, []archive.Description) {
	s.Cycles++
	s.Rejected += len(step.Rejected)
	s.Dropped += len(step.Dropped)
	if step.Diverged != nil {
		s.Diverged++
	}
	s.Lost = s.Lost || !finite(s.plan, step.Analysis.Members)
	rows, descriptions := s.past(step)
	for i, e := range []cycle.Ensemble{step.Forecast, step.Analysis} { // the second one takes the memory of the first
		rows = append(rows, s.rowOf(s.caseOf(stages[i], step, step.Cycle, e), stages[i], step.Cycle, 0))
		descriptions = append(descriptions, s.describe(stages[i], step.Cycle, 0))
	}
	if rmse, ok := rows[len(rows)-1].Scores["rmse"]; ok {
		s.Track.Error(rmse, s.climate)
	}
	return rows, descriptions
}

// rowOf scores one stage of cycle k, in a step that is lag cycles later: the whole state, with comparable values if
// the score has the unit of the state, and single variables.
func (s *scorer) rowOf(all *score.Case, stage string, k, lag int) archive.CycleRow {
	state := all.Part(0, modelled(s.plan))
	state.Reference = all.Reference
	comparable := s.comparable(state)
	row := archive.CycleRow{Stage: stage, Lag: lag, Scores: map[string]float64{}}
	for _, sc := range s.scores {
		if sc.Costly() && !s.wants(sc.Name) {
			continue
		}
		c := state
		switch sc.Unit {
		case score.UnitVariable:
			c = all.Part(extent(s.plan, sc.Variable))
		case score.UnitState:
			c = comparable
		}
		if v, ok := sc.Of(c); ok {
			row.Scores[sc.Name] = v
			s.remember(k, stage, sc, v)
		}
	}
	if s.scored(k) && state.Truth != nil {
		ranks, varied, parts := state.RankCounts(), s.Varied[stage], s.Parts[stage]
		varied.Add(ranks)
		score.AddCounts(s.Ranks[stage], ranks)
		parts.Add(comparable.Marginals)
		s.Varied[stage], s.Parts[stage] = varied, parts
	}
	return row
}

// caseOf returns the case of a stage of a cycle, including estimated parameters.
func (s *scorer) caseOf(stage string, step *cycle.Step, k int, e cycle.Ensemble) *score.Case {
	weights, truth := linear(e.LogWeights), s.scenario.At(k)
	s.marginals.Set(e.Members, weights, truth)
	c := &score.Case{Marginals: s.marginals, Members: e.Members, Weights: weights, Truth: truth}
	if stage == score.Analysis {
		c.Ancestors = step.Ancestors
		if s.reference != nil {
			c.Reference = func() (analysis, posterior *mat.Dense) {
				return s.values.of(s.sample(step)), s.values.of(s.posterior(step.Cycle))
			}
		}
	}
	return c
}

// comparable returns state with the values that scores of the whole state use.
func (s *scorer) comparable(state *score.Case) *score.Case {
	if s.values.factors == nil {
		return state
	}
	members := s.values.of(state.Members)
	c := &score.Case{Marginals: s.scaled, Members: members, Weights: state.Weights, Ancestors: state.Ancestors, Reference: state.Reference}
	if state.Truth != nil {
		c.Truth = s.values.of(mat.NewDense(1, len(state.Truth), state.Truth)).RawRowView(0)
	}
	s.scaled.Set(members, c.Weights, c.Truth)
	return c
}

// scored reports whether time means include a cycle: one after burn-in, but not after the last
// observations of a record, where analyses are forecasts.
func (s *scorer) scored(cycle int) bool {
	return cycle > s.plan.Clock.BurnIn && cycle <= s.plan.LastObserved()
}

// remember stores values of a score for its time mean.
func (s *scorer) remember(cycle int, stage string, sc score.Score, values ...float64) {
	if s.scored(cycle) {
		s.Series[stage].add(sc.Name, values...)
	}
}

// modelled returns the number of values of a state that the model moves, which scores of the
// state are of.
func modelled(p *plan.Plan) int {
	_, values := p.Modelled()
	return values
}

// extent returns the index of the first value of a variable of the state, and that after
// its last.
func extent(p *plan.Plan, variable string) (first, end int) {
	for _, v := range p.State.Variables {
		if end = first + v.Size(); v.Name == variable {
			break
		}
		first = end
	}
	return first, end
}

// describe describes the stage of a cycle that has just been scored, in a step that is lag cycles later.
func (s *scorer) describe(stage string, at, lag int) archive.Description {
	d := s.marginalsAt(s.marginals, s.scenario.At(at))
	d.Stage, d.Lag = stage, lag
	return d
}

// marginalsAt describes the described values of m, whose true values are those of truth; nil if
// it is not known.
func (s *scorer) marginalsAt(m *score.Marginals, truth []float64) archive.Description {
	k := len(s.described)
	d := archive.Description{Mean: make([]float64, k), Spread: make([]float64, k),
		Quantiles: make([]float64, k*len(archive.Quantiles))}
	if truth != nil {
		d.Truth = make([]float64, k)
	}
	for i, v := range s.described {
		if truth != nil {
			d.Truth[i] = truth[v.Column]
		}
		d.Mean[i], d.Spread[i] = m.Mean[v.Column], math.Sqrt(m.Variance[v.Column])
		m.Quantiles(d.Quantiles[i*len(archive.Quantiles):(i+1)*len(archive.Quantiles)], v.Column, archive.Quantiles)
	}
	return d
}

// innovation compares the observations with the forecast; nil if the operator makes no
// predictions.
func (s *scorer) innovation(step *cycle.Step) *score.Innovation {
	if step.Predicted == nil {
		return nil
	}
	in := s.innovator.Innovate(step.Observation, step.Predicted, linear(step.Forecast.LogWeights), step.ErrorVariance)
	s.Sums.Add(in, step.Cycle, s.scored(step.Cycle))
	s.rememberInnovation(step.Cycle, in.Values, in.NIS)
	return &in
}

// rememberInnovation stores the scores of an innovation, in a unit in which the scores of
// several variables can be averaged.
func (s *scorer) rememberInnovation(cycle int, in []float64, nis float64) {
	if v, ok := s.squareInnovation(in); ok {
		s.Track.Innovation(v)
	}
	comparable := score.Innovation{Values: in, NIS: nis}
	if s.observed != nil {
		comparable.Values = make([]float64, len(in))
		for k, v := range in {
			comparable.Values[k] = v * s.observed[k]
		}
	}
	for _, sc := range s.scores {
		s.remember(cycle, score.Forecast, sc, sc.OfInnovation(comparable, s.scenario.Record != nil)...)
	}
}

// rankHistograms returns the rank histograms of all stages.
func (s *scorer) rankHistograms() []archive.RankHistogram {
	var list []archive.RankHistogram
	for _, stage := range stagesOf(s.trial) {
		list = append(list, archive.RankHistogram{Stage: stage, Counts: s.Ranks[stage]})
	}
	return list
}

// wants reports whether the workflow has chosen a score.
func (s *scorer) wants(metric string) bool {
	return len(s.chosen) == 0 || metric == "rmse" || slices.Contains(s.chosen, metric)
}

// metrics returns the numbers of the trial: time means, and numbers that follow from whole
// series.
func (s *scorer) metrics(id archive.TrialID, truth int, status archive.Status) []archive.Metric {
	var list []archive.Metric
	for _, stage := range stagesOf(s.trial) {
		varied, parts := s.Varied[stage], s.Parts[stage]
		h := &score.History{Members: s.trial.Size, Series: s.Series[stage], Ranks: s.Ranks[stage], Independent: varied.Independent(), Decomposition: &parts, Cycles: s.Cycles}
		if s.plan.Restart != plan.Never && stage != score.Smoothed {
			h.Divergences = &s.Diverged
		}
		for _, sc := range s.scores {
			if m, ok := sc.OverTime(h); ok && s.wants(sc.Name) {
				list = append(list, archive.Metric{TrialID: id, Truth: truth, Metric: sc.Name, Stage: stage, Value: m.Value, SE: m.SE, Cycles: m.Count, Status: status})
			}
		}
	}
	return list
}

// squareInnovation returns the mean square of an innovation whose values are divided by the
// standard deviations of the observations in time. It returns false if there is no such
// value.
func (s *scorer) squareInnovation(in []float64) (float64, bool) {
	var sum, n float64
	for j, variance := range s.variances {
		if d := in[j]; variance > 0 && !math.IsNaN(d) {
			sum, n = sum+d*d/variance, n+1
		}
	}
	return sum / n, n > 0
}

// diverged reports whether the trial has lost the truth or, without a truth, the
// observations.
func (s *scorer) diverged() bool {
	return s.Track.Diverged || !s.scenario.Known() && s.Lost
}

// baselines returns the time means of estimates that do not use observations: the
// time mean of the truth over the scored cycles, and the truth of the previous cycle. The CRPS of
// the climatology is that of the distribution in time of every value, the uncertainty of Hersbach (2000).
// Where there is no climatology, see [plan.Plan.Baselines], its scores are NaN.
func baselines(p *plan.Plan, of *plan.Scenario, made *cycle.Scenario) []archive.Metric {
	if made.Record != nil {
		return heldOutBaselines(p, of, made.Record)
	}
	first, rows := p.Clock.BurnIn+1, p.Clock.Cycles+1
	climatology, persistence, crps := make([]float64, rows-first), make([]float64, rows-first), make([]float64, rows-first) // sums over values
	values := newStateValues(p, made)
	size := float64(values.size())
	for all := range values.truth(p, made) {
		_, n := all.Dims()
		scored := all.Slice(first, rows, 0, n).(*mat.Dense)
		mean := ensemble.Mean(nil, scored, nil)
		for k := range climatology {
			climatology[k] = squares(climatology[k], mean, all.RawRowView(first+k))
			persistence[k] = squares(persistence[k], all.RawRowView(first+k-1), all.RawRowView(first+k))
		}
		for j := range n {
			for k, v := range score.ClimatologyCRPS(mat.Col(nil, j, scored)) {
				crps[k] += v / size
			}
		}
	}
	for k := range climatology {
		climatology[k], persistence[k] = math.Sqrt(climatology[k]/size), math.Sqrt(persistence[k]/size)
	}
	if p.Baselines()[workflow.Climatology] == nil {
		climatology, crps = []float64{math.NaN()}, []float64{math.NaN()}
	}
	return []archive.Metric{baseline(workflow.Climatology, "rmse", of, score.TimeMean(climatology)), baseline(workflow.Climatology, "crps", of, score.TimeMean(crps)), baseline(workflow.Persistence, "rmse", of, score.TimeMean(persistence))}
}

// squares adds the squares of the differences of two vectors to a sum.
func squares(sum float64, a, b []float64) float64 {
	for j, v := range b {
		d := a[j] - v
		sum += d * d
	}
	return sum
}

func baseline(name, metric string, of *plan.Scenario, m score.Mean) archive.Metric {
	id := archive.TrialID{Replicate: of.Replicate, Filter: name}
	return archive.Metric{TrialID: id, Truth: of.Number, Metric: metric, Stage: score.Analysis, Value: m.Value, SE: m.SE, Cycles: m.Count, Status: archive.OK}
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
// the analysis, or a draw from it if they have weights, are more than the reference has,
// or are too many for an exact distance.
// Random streams: branch "score" of the plan's seed.
func (s *scorer) sample(step *cycle.Step) *mat.Dense {
	rows, _ := step.Analysis.Members.Dims()
	n := min(rows, s.plan.Keep, score.W2Points)
	if step.Analysis.LogWeights == nil && n == rows {
		return step.Analysis.Members
	}
	return cycle.Draw(step.Analysis, n, s.plan.Seed.Child("score", step.Cycle))
}

// posterior returns the members of the reference, or a draw from them if they are too many
// for an exact distance. Random streams: branch "score-reference".
func (s *scorer) posterior(k int) *mat.Dense {
	members := s.reference.At(k)
	if s.plan.Keep <= score.W2Points {
		return members
	}
	return cycle.Draw(cycle.Ensemble{Members: members}, score.W2Points, s.plan.Seed.Child("score-reference", k))
}
