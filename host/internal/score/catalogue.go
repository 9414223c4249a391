package score

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Stages of a cycle that have scores.
const (
	Forecast = "forecast"
	Analysis = "analysis"
	Smoothed = "smoothed" // with observations of later cycles
)

// Score describes one score and computes it. A new one is a function and a row of the
// catalogue: the columns of tables, their documentation, the names in workflows and the
// printed scores derive from the row.
type Score struct {
	Name  string
	About string // description
	Unit  Unit
	Stage string // stage whose value is shown; both may have one
	Needs Need   // all of these
	Table string // table with its values by cycle; empty: it follows from whole series
	Mean  Averaging

	// Loss says that less is better, so that filters can win and lose. Some of the other
	// scores are best near a value, which a mean over cycles hides (1 for spread_skill and
	// nis, 0 for bias, the expected share for coverage), and some are only descriptive: a
	// filter that ignores observations has the largest weights_ess.
	Loss bool

	// Place is the position of the score in tables of results if the workflow does not
	// choose scores, from 1, with and without a truth; 0: it is not shown.
	Place struct{ Truth, Record int }

	// ByVariable says that the name ends with NAME, a placeholder for a variable of the
	// state that has a score of its own: Variable, once it is known.
	ByVariable bool
	Variable   string

	ofCase       func(*Case) float64
	ofPrediction func(Prediction) (float64, bool)
	ofInnovation func(Innovation) []float64
	ofHistory    func(*History) Mean
}

// Unit is the unit of a score.
type Unit string

// The units of scores.
const (
	UnitOne      Unit = "1"
	UnitState    Unit = "unit of the state"
	UnitVariable Unit = "unit of the variable"
	UnitObserved Unit = "unit of the observations"
	UnitMembers  Unit = "members"
)

// Need is what a score needs in addition to an ensemble.
type Need uint

// What scores need.
const (
	Truth      Need = 1 << iota
	Reference       // members of the brute-force posterior
	Predicted       // observations
	Parents         // a filter that says which forecast members those of its analysis descend from
	HeldOut         // observations that were not assimilated
	Record          // real observations instead of a truth
	FewMembers      // no more than 1000, because the cost grows with the square of their number
	Restarts        // when a trial diverges
)

// Averaging says how the number of a whole trial is computed.
type Averaging string

// The ways to compute the numbers of trials.
const (
	MeanOverTime     Averaging = "time mean"
	RootMeanOverTime Averaging = "root of the time mean of squares"
	WholeSeries      Averaging = "whole series"
)

func place(truth, record int) struct{ Truth, Record int } {
	return struct{ Truth, Record int }{truth, record}
}

// catalogue holds every score, in the order of the rows of metrics.arrow and of the
// columns of cycles.arrow. Scores by variable are next to each other.
var catalogue = []Score{
	{Name: "rmse", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(1, 0),
		About:  "root mean square error of the ensemble mean, over the state's values",
		ofCase: rmseOf},
	{Name: "spread", Unit: UnitState, Stage: Analysis, Table: "cycles", Mean: MeanOverTime, Place: place(2, 0),
		About:  "root of the mean variance of the members, with N - 1 or, for weights, 1 - Σw²",
		ofCase: spreadOf},
	{Name: "crps_fair", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(3, 0),
		About:  "fair continuous ranked probability score, mean over the state's values; its expectation does not depend on N",
		ofCase: func(c *Case) float64 { _, fair := c.CRPS(); return fair }},
	{Name: "mae", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true,
		About:  "mean absolute error of the ensemble mean, over the state's values",
		ofCase: func(c *Case) float64 { return mae(c.Mean, c.Truth) }},
	{Name: "bias", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime,
		About:  "mean error of the ensemble mean, over the state's values",
		ofCase: func(c *Case) float64 { return bias(c.Mean, c.Truth) }},
	{Name: "weights_ess", Unit: UnitMembers, Stage: Analysis, Table: "cycles", Mean: MeanOverTime, Place: place(4, 0),
		About:  "effective sample size, 1 / Σw²",
		ofCase: func(c *Case) float64 { return c.ess }},
	{Name: "w2_reference", Unit: UnitState, Stage: Analysis, Needs: Reference, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(5, 0),
		About:  "exact 2-Wasserstein distance to the members of the reference, from samples of 2000 if there are more",
		ofCase: func(c *Case) float64 { return w2(c.Reference()) }},
	{Name: "crps", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true,
		About:  "continuous ranked probability score of the ensemble as a distribution, mean over the state's values",
		ofCase: func(c *Case) float64 { crps, _ := c.CRPS(); return crps }},
	{Name: "energy_score_fair", Unit: UnitState, Stage: Analysis, Needs: Truth | FewMembers, Table: "cycles", Mean: MeanOverTime, Loss: true,
		About:  "fair energy score of whole states, from values at even distances if n N (N - 1) / 2 is above 2²⁵; null for more than 1000 members",
		ofCase: func(c *Case) float64 { return energyScoreFair(c.Truth, c.Members, c.Weights) }},
	{Name: "coverage_50", Unit: UnitOne, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime,
		About:  "fraction of true values in the central interval of the members with level 0.5",
		ofCase: func(c *Case) float64 { share, _ := Coverage(c.RankCounts(), 0.5); return share }},
	{Name: "coverage_90", Unit: UnitOne, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime,
		About:  "fraction of true values in the central interval of the members with level 0.9",
		ofCase: func(c *Case) float64 { share, _ := Coverage(c.RankCounts(), 0.9); return share }},
	{Name: "unique_ancestors", Unit: UnitMembers, Stage: Analysis, Needs: Parents, Table: "cycles", Mean: MeanOverTime,
		About:  "number of forecast members that have descendants; null if the filter moves its members",
		ofCase: func(c *Case) float64 { return distinct(c.Ancestors) }},
	{Name: "nis", Unit: UnitOne, Stage: Forecast, Needs: Predicted, Table: "innovations", Mean: MeanOverTime, Place: place(0, 5),
		About: "normalised innovation squared per observation, 1 on average if spread and observation error explain the innovations; " +
			"NaN if the operator gives no error variance",
		ofInnovation: func(in Innovation) []float64 { return defined([]float64{in.NIS}) }},
	{Name: "held_out_crps", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: MeanOverTime, Loss: true, Place: place(0, 3),
		About: "fair continuous ranked probability score of the predictions of held-out values",
		ofPrediction: func(p Prediction) (float64, bool) {
			if p.CRPSFair == nil {
				return 0, false
			}
			return *p.CRPSFair, true
		}},
	{Name: "held_out_rmse", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: RootMeanOverTime, Loss: true, Place: place(0, 1),
		About:        "root mean square error of the mean prediction of held-out values, which includes their observation errors",
		ofPrediction: func(p Prediction) (float64, bool) { return p.Mean - p.Value, true }},
	{Name: "held_out_spread", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: RootMeanOverTime, Place: place(0, 2),
		About:        "expected held_out_rmse if the ensemble and the error distribution are right",
		ofPrediction: func(p Prediction) (float64, bool) { return p.Spread, true }},
	{Name: "innovation_rms", Unit: UnitObserved, Stage: Forecast, Needs: Predicted | Record, Table: "innovations", Mean: RootMeanOverTime, Loss: true, Place: place(0, 4),
		About:        "root mean square of the innovations",
		ofInnovation: func(in Innovation) []float64 { return defined(in.Values) }},
	{Name: "rmse_NAME", Unit: UnitVariable, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(6, 0), ByVariable: true,
		About:  "root mean square error of the ensemble mean, over the values of one variable; for an estimated parameter its absolute error",
		ofCase: rmseOf},
	{Name: "spread_NAME", Unit: UnitVariable, Stage: Analysis, Table: "cycles", Mean: MeanOverTime, ByVariable: true,
		About:  "root of the mean variance of the members, over the values of one variable",
		ofCase: spreadOf},
	{Name: "rmse_total", Unit: UnitState, Stage: Analysis, Needs: Truth, Mean: WholeSeries, Loss: true,
		About:     "root of the time mean of rmse²",
		ofHistory: func(h *History) Mean { return h.series("rmse").RootTimeMean() }},
	{Name: "crps_reliability", Unit: UnitState, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "part of crps that is due to probabilities that are not observed frequencies; 0 for a calibrated ensemble of very many members",
		ofHistory: func(h *History) Mean { reliability, _ := h.crpsParts(); return h.number(reliability, math.NaN()) }},
	{Name: "crps_potential", Unit: UnitState, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "rest of crps, which the ensemble would have if its probabilities were corrected; the crps of the climatology minus this is the resolution",
		ofHistory: func(h *History) Mean { _, potential := h.crpsParts(); return h.number(potential, math.NaN()) }},
	{Name: "spread_skill", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "sqrt((N + 1) / N) spread / rmse, from their time means; 1 for a calibrated ensemble",
		ofHistory: func(h *History) Mean {
			return h.number(SpreadSkill(h.series("spread").TimeMean().Value, h.series("rmse").TimeMean().Value, h.Members), math.NaN())
		}},
	{Name: "coverage_50_expected", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "expected coverage_50 of N members: the interval ends at members, so it is not 0.5",
		ofHistory: func(h *History) Mean { _, half := Coverage(h.Ranks, 0.5); return h.number(half, 0) }},
	{Name: "coverage_90_expected", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "expected coverage_90 of N members",
		ofHistory: func(h *History) Mean { _, most := Coverage(h.Ranks, 0.9); return h.number(most, 0) }},
	{Name: "rank_flatness_p", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "p-value of Pearson's chi-square test that the rank histogram is flat, with counts scaled to rank_independent and ranks pooled to at least five expected counts",
		ofHistory: func(h *History) Mean { return h.number(FlatnessOf(h.Ranks, h.Independent).P, math.NaN()) }},
	{Name: "rank_independent", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "number of independent ranks that the ranks of neighbours in space and time are worth, from how much the histograms of single cycles vary",
		ofHistory: func(h *History) Mean {
			if h.Ranks == nil {
				return h.number(math.NaN(), math.NaN()) // nothing is known of a trial that has not ended
			}
			return h.number(h.Independent, math.NaN())
		}},
	{Name: "divergences", Unit: UnitOne, Stage: Analysis, Needs: Restarts, Mean: WholeSeries, Loss: true, Place: place(7, 6),
		About: "number of restarts after the model or the filter could not compute with the members, per 1000 cycles, burn-in included",
		ofHistory: func(h *History) Mean {
			return Mean{1000 * float64(*h.Divergences) / float64(h.Cycles), math.NaN(), h.Cycles}
		}},
}

func rmseOf(c *Case) float64 { return rmse(c.Mean, c.Truth) }

func spreadOf(c *Case) float64 { return Spread(c.Variance) }

// defined returns the values that are not NaN.
func defined(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// crpsParts returns the parts of the mean CRPS; NaN unless all cycles are known.
func (h *History) crpsParts() (reliability, potential float64) {
	if h.Decomposition == nil || h.Decomposition.Cycles != h.series("rmse").Values.Count {
		return math.NaN(), math.NaN()
	}
	return h.Decomposition.Parts()
}

// number returns a number that follows from all cycles with a truth.
func (h *History) number(v, se float64) Mean {
	return Mean{Value: v, SE: se, Count: h.series("rmse").Values.Count}
}

// series returns a series, which may be empty.
func (h *History) series(name string) *Series {
	if s := h.Series[name]; s != nil {
		return s
	}
	return new(Series)
}

// Catalogue returns every score, in the order of the rows of metrics.arrow and of the
// columns of cycles.arrow.
func Catalogue() []Score { return slices.Clone(catalogue) }

// OfRun returns the scores of a run in which the given variables have scores of their own,
// in the order of [Catalogue]; the scores of one variable are next to each other.
func OfRun(variables []string) []Score {
	first := slices.IndexFunc(catalogue, func(s Score) bool { return s.ByVariable })
	end := first
	for catalogue[end].ByVariable {
		end++
	}
	list := slices.Clone(catalogue[:first])
	for _, v := range variables {
		for _, s := range catalogue[first:end] {
			list = append(list, s.of(v))
		}
	}
	return append(list, catalogue[end:]...)
}

// OfCycles returns the scores that have a column in cycles.arrow, in their order, if the
// given variables have scores of their own.
func OfCycles(variables []string) []Score {
	return slices.DeleteFunc(OfRun(variables), func(s Score) bool { return s.Table != "cycles" })
}

// Find returns the score called name. The name of a score by variable has the variable in
// place of NAME, as in Find("rmse_temperature"). It returns false if there is no such score.
func Find(name string) (Score, bool) {
	row := rowOf(name)
	switch {
	case row == len(catalogue):
		return Score{}, false
	case !catalogue[row].ByVariable:
		return catalogue[row], true
	}
	s := catalogue[row]
	variable := strings.TrimPrefix(name, s.prefix())
	if taken(name) {
		variable = strings.TrimSuffix(variable, "_")
	}
	return s.of(variable), true
}

// rowOf returns the row of the score called name, or the number of rows.
func rowOf(name string) int {
	row := slices.IndexFunc(catalogue, func(s Score) bool { return s.Name == name })
	if row < 0 {
		row = slices.IndexFunc(catalogue, func(s Score) bool {
			return s.ByVariable && strings.HasPrefix(name, s.prefix()) && name != s.prefix()
		})
	}
	if row < 0 {
		return len(catalogue)
	}
	return row
}

// Order compares the places of two scores in the catalogue, by their names: it is negative
// if a comes first. Names that are not scores come last.
func Order(a, b string) int { return cmp.Or(rowOf(a)-rowOf(b), cmp.Compare(a, b)) }

// IsLoss reports whether less is better for the score called name.
func IsLoss(name string) bool {
	s, ok := Find(name)
	return ok && s.Loss
}

// StageOf returns the stage for which the score called name is shown: the analysis, except
// for scores that compare forecasts with observations.
func StageOf(name string) string {
	if s, ok := Find(name); ok {
		return s.Stage
	}
	return Analysis
}

// Shown returns the scores that are shown by default, in their order, the main one first,
// for a run with or without a truth.
func Shown(truth bool) []Score {
	place := func(s Score) int {
		if truth {
			return s.Place.Truth
		}
		return s.Place.Record
	}
	shown := slices.DeleteFunc(Catalogue(), func(s Score) bool { return place(s) == 0 })
	slices.SortFunc(shown, func(a, b Score) int { return place(a) - place(b) })
	return shown
}

// prefix returns the beginning of the names of a score by variable.
func (s Score) prefix() string { return strings.TrimSuffix(s.Name, "NAME") }

// of returns a score by variable for one variable. If the result would have the name of
// another score, as rmse_total for the variable total, an underscore is appended.
func (s Score) of(variable string) Score {
	s.Name, s.Variable = s.prefix()+variable, variable
	if taken(s.Name) {
		s.Name += "_"
	}
	return s
}

// taken reports whether name, without underscores at its end, is the name of a score of
// all variables.
func taken(name string) bool {
	name = strings.TrimRight(name, "_")
	return slices.ContainsFunc(catalogue, func(s Score) bool { return !s.ByVariable && s.Name == name })
}

// Costly reports whether computing the score takes long, so that it is computed only if
// it is used.
func (s Score) Costly() bool { return s.Needs&(Reference|FewMembers) != 0 }

// Of returns the score of c. It returns false if c does not have all that the score needs,
// or if it is not a score of cycles.
func (s Score) Of(c *Case) (float64, bool) {
	if s.ofCase == nil || s.Needs&^c.given() != 0 {
		return 0, false
	}
	return s.ofCase(c), true
}

// OfPrediction returns the score of one held-out value. It returns false if p does not have
// what the score needs, or if it is not a score of such values.
func (s Score) OfPrediction(p Prediction) (float64, bool) {
	if s.ofPrediction == nil {
		return 0, false
	}
	return s.ofPrediction(p)
}

// OfInnovation returns the values of the score of one cycle; none if it is not a score of
// innovations, or if it needs a record and there is none.
func (s Score) OfInnovation(in Innovation, record bool) []float64 {
	if s.ofInnovation == nil || s.Needs&Record != 0 && !record {
		return nil
	}
	return s.ofInnovation(in)
}

// OverTime returns the number of a trial. It returns false if there is none.
func (s Score) OverTime(h *History) (Mean, bool) {
	series := h.series(s.Name)
	if s.Mean == WholeSeries {
		series = h.series("rmse")
	}
	switch {
	case s.Needs&Restarts != 0:
		if h.Divergences == nil {
			return Mean{}, false
		}
	case series.Values.Count == 0:
		return Mean{}, false
	}
	switch s.Mean {
	case MeanOverTime:
		return series.TimeMean(), true
	case RootMeanOverTime:
		return series.RootTimeMean(), true
	}
	return s.ofHistory(h), true
}
