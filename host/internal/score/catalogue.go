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
)

// Score describes one score and computes it. A new one is a function and a row of the
// catalogue: tables and their documentation, what a workflow can name and what is printed
// derive from the row.
type Score struct {
	Name  string
	About string // what it is
	Unit  Unit
	Stage string // whose value is shown; both stages may have one
	Needs Need   // all of these
	Table string // with its values of cycles; empty: it follows from whole series
	Mean  Averaging

	// Loss says that less is better, so that filters can win and lose. Of the other scores
	// some are best near a value, which a mean over cycles hides (1 for spread_skill and
	// nis, 0 for bias, the expected share for coverage), and some only describe: a filter
	// that ignores observations has the largest weights_ess.
	Loss bool

	// Place says where the score stands in tables of results when nobody has chosen any,
	// from 1, with and without a truth; 0: nowhere.
	Place struct{ Truth, Record int }

	// ByVariable says that the name ends with NAME, which stands for a variable of the
	// state that has such a score of its own: Variable, once it is known.
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
	UnitState    Unit = "that of the state"
	UnitVariable Unit = "that of the variable"
	UnitObserved Unit = "that of the observations"
	UnitMembers  Unit = "members"
)

// Need is what a score needs next to an ensemble.
type Need uint

// What scores need.
const (
	Truth      Need = 1 << iota
	Reference       // members of the brute-force posterior
	Predicted       // observations
	Parents         // a filter that says which forecast members those of its analysis descend from
	HeldOut         // observations that were not assimilated
	Record          // real observations in the place of a truth
	FewMembers      // no more than 1000, as the cost grows with the square of their number
)

// Averaging is how the number of a whole trial is made.
type Averaging string

// How the numbers of trials are made.
const (
	MeanOverTime     Averaging = "time mean"
	RootMeanOverTime Averaging = "root of the time mean of squares"
	WholeSeries      Averaging = "whole series"
)

func place(truth, record int) struct{ Truth, Record int } {
	return struct{ Truth, Record int }{truth, record}
}

// catalogue holds every score, in the order of the rows of metrics.arrow and of the
// columns of cycles.arrow. Scores by variable stand together.
var catalogue = []Score{
	{Name: "rmse", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(1, 0),
		About:  "root mean square error of the mean over the state's values",
		ofCase: rmseOf},
	{Name: "spread", Unit: UnitState, Stage: Analysis, Table: "cycles", Mean: MeanOverTime, Place: place(2, 0),
		About:  "root mean variance of the members, N - 1; weighted, 1 - Σw²",
		ofCase: spreadOf},
	{Name: "crps_fair", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(3, 0),
		About:  "continuous ranked probability score, mean over the state's values, fair to small ensembles",
		ofCase: func(c *Case) float64 { _, fair := c.both(); return fair }},
	{Name: "mae", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true,
		About:  "mean absolute error of the mean over the state's values",
		ofCase: func(c *Case) float64 { return MAE(c.Mean, c.Truth) }},
	{Name: "bias", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime,
		About:  "mean error of the mean over the state's values",
		ofCase: func(c *Case) float64 { return Bias(c.Mean, c.Truth) }},
	{Name: "weights_ess", Unit: UnitMembers, Stage: Analysis, Table: "cycles", Mean: MeanOverTime, Place: place(4, 0),
		About:  "effective sample size, 1 / Σw²",
		ofCase: func(c *Case) float64 { return c.ess }},
	{Name: "w2_reference", Unit: UnitState, Stage: Analysis, Needs: Reference, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(5, 0),
		About:  "2-Wasserstein distance to the reference's members, exact, of samples of 2000 where there are more",
		ofCase: func(c *Case) float64 { return W2(c.Reference()) }},
	{Name: "crps", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true,
		About:  "continuous ranked probability score of the members as they are, mean over the state's values",
		ofCase: func(c *Case) float64 { crps, _ := c.both(); return crps }},
	{Name: "energy_score_fair", Unit: UnitState, Stage: Analysis, Needs: Truth | FewMembers, Table: "cycles", Mean: MeanOverTime, Loss: true,
		About:  "energy score of whole states, fair to small ensembles; null above 1000 members",
		ofCase: func(c *Case) float64 { return EnergyScoreFair(c.Truth, c.Members, c.Weights) }},
	{Name: "coverage_50", Unit: UnitOne, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime,
		About:  "share of truths in the central interval of members of level 0.5",
		ofCase: func(c *Case) float64 { share, _ := Coverage(c.Ranks(), 0.5); return share }},
	{Name: "coverage_90", Unit: UnitOne, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime,
		About:  "share of truths in the central interval of members of level 0.9",
		ofCase: func(c *Case) float64 { share, _ := Coverage(c.Ranks(), 0.9); return share }},
	{Name: "unique_ancestors", Unit: UnitMembers, Stage: Analysis, Needs: Parents, Table: "cycles", Mean: MeanOverTime,
		About:  "how many forecast members have descendants; null when the filter moves its members",
		ofCase: func(c *Case) float64 { return distinct(c.Ancestors) }},
	{Name: "nis", Unit: UnitOne, Stage: Forecast, Needs: Predicted, Table: "innovations", Mean: MeanOverTime, Place: place(0, 5),
		About: "normalised innovation squared per observation, 1 on average when spread and observation error explain the innovations; " +
			"NaN when the operator gives no error variance",
		ofInnovation: func(in Innovation) []float64 { return defined([]float64{in.NIS}) }},
	{Name: "held_out_crps", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: MeanOverTime, Loss: true, Place: place(0, 3),
		About: "continuous ranked probability score of the predictions of values held out, fair to small ensembles",
		ofPrediction: func(p Prediction) (float64, bool) {
			if p.CRPSFair == nil {
				return 0, false
			}
			return *p.CRPSFair, true
		}},
	{Name: "held_out_rmse", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: RootMeanOverTime, Loss: true, Place: place(0, 1),
		About:        "root mean square error of the mean prediction of values held out, whose errors it includes",
		ofPrediction: func(p Prediction) (float64, bool) { return p.Mean - p.Value, true }},
	{Name: "held_out_spread", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: RootMeanOverTime, Place: place(0, 2),
		About:        "what held_out_rmse is on average when the ensemble and the distribution of errors account for it",
		ofPrediction: func(p Prediction) (float64, bool) { return p.Spread, true }},
	{Name: "innovation_rms", Unit: UnitObserved, Stage: Forecast, Needs: Predicted | Record, Table: "innovations", Mean: RootMeanOverTime, Loss: true, Place: place(0, 4),
		About:        "root mean square of the innovations",
		ofInnovation: func(in Innovation) []float64 { return defined(in.Values) }},
	{Name: "rmse_NAME", Unit: UnitVariable, Stage: Analysis, Needs: Truth, Table: "cycles", Mean: MeanOverTime, Loss: true, Place: place(6, 0), ByVariable: true,
		About:  "root mean square error of the mean over the values of one variable, or the absolute error of a parameter that is estimated",
		ofCase: rmseOf},
	{Name: "spread_NAME", Unit: UnitVariable, Stage: Analysis, Table: "cycles", Mean: MeanOverTime, ByVariable: true,
		About:  "root mean variance of the members over the values of that variable",
		ofCase: spreadOf},
	{Name: "rmse_total", Unit: UnitState, Stage: Analysis, Needs: Truth, Mean: WholeSeries, Loss: true,
		About:     "root of the time mean of rmse²",
		ofHistory: func(h *History) Mean { return RootTimeMean(h.Series["rmse"]) }},
	{Name: "spread_skill", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "sqrt((N + 1) / N) spread / rmse, of their time means; 1 for a calibrated ensemble",
		ofHistory: func(h *History) Mean {
			return h.number(SpreadSkill(TimeMean(h.Series["spread"]).Value, TimeMean(h.Series["rmse"]).Value, h.Members), math.NaN())
		}},
	{Name: "coverage_50_expected", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "what coverage_50 is expected to be for N members: the interval ends at members, so that it is not 0.5",
		ofHistory: func(h *History) Mean { _, half := Coverage(h.Ranks, 0.5); return h.number(half, 0) }},
	{Name: "coverage_90_expected", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About:     "what coverage_90 is expected to be for N members",
		ofHistory: func(h *History) Mean { _, most := Coverage(h.Ranks, 0.9); return h.number(most, 0) }},
	{Name: "rank_flatness_p", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "p-value of Pearson's chi-square test that the rank histogram is flat, its counts scaled to one independent rank per cycle and its ranks pooled to expect five in each pool",
		ofHistory: func(h *History) Mean { // the values of one state count for one rank: neighbours are not independent
			return h.number(FlatnessOf(h.Ranks, float64(len(h.Series["rmse"]))).P, math.NaN())
		}},
}

func rmseOf(c *Case) float64 { return RMSE(c.Mean, c.Truth) }

func spreadOf(c *Case) float64 { return Spread(c.Variance) }

// defined returns the values that are not NaN.
func defined(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// number is a number that follows from the cycles with a truth as a whole.
func (h *History) number(v, se float64) Mean {
	return Mean{Value: v, SE: se, Count: len(h.Series["rmse"])}
}

// Catalogue returns every score, in the order of the rows of metrics.arrow and of the
// columns of cycles.arrow.
func Catalogue() []Score { return slices.Clone(catalogue) }

// OfRun returns the scores of a run of which those variables have scores of their own, in
// the order of [Catalogue]; the scores of one variable stand together.
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

// OfCycles returns the scores that cycles.arrow has a column of, in their order, when
// those variables have scores of their own.
func OfCycles(variables []string) []Score {
	return slices.DeleteFunc(OfRun(variables), func(s Score) bool { return s.Table != "cycles" })
}

// Find returns the score called name. That of a variable has its name in the place of
// NAME: Find("rmse_temperature") is one. It is false for what no score is called.
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
// when a comes first. What is no score comes last.
func Order(a, b string) int { return cmp.Or(rowOf(a)-rowOf(b), cmp.Compare(a, b)) }

// IsLoss says whether less is better of the score called name.
func IsLoss(name string) bool {
	s, ok := Find(name)
	return ok && s.Loss
}

// StageOf returns the stage that the score called name is shown of: the analysis, but for
// what compares forecasts with observations.
func StageOf(name string) string {
	if s, ok := Find(name); ok {
		return s.Stage
	}
	return Analysis
}

// Shown returns the scores that are shown when nobody has chosen any, in their order, the
// main one first: of a run with a truth, or without.
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

// prefix is what the names of a score by variable begin with.
func (s Score) prefix() string { return strings.TrimSuffix(s.Name, "NAME") }

// of returns a score by variable of one variable. A variable whose name would make that
// of another score, total of rmse_total, is set apart by an underscore at the end.
func (s Score) of(variable string) Score {
	s.Name, s.Variable = s.prefix()+variable, variable
	if taken(s.Name) {
		s.Name += "_"
	}
	return s
}

// taken says whether name, but for underscores at its end, is that of a score of all
// variables.
func taken(name string) bool {
	name = strings.TrimRight(name, "_")
	return slices.ContainsFunc(catalogue, func(s Score) bool { return !s.ByVariable && s.Name == name })
}

// Costly says that computing the score takes long, so that it is not done for nobody.
func (s Score) Costly() bool { return s.Needs&(Reference|FewMembers) != 0 }

// Of returns the score of c. It is false when c has not all that it needs, or when it is
// not a score of cycles.
func (s Score) Of(c *Case) (float64, bool) {
	if s.ofCase == nil || s.Needs&^c.given() != 0 {
		return 0, false
	}
	return s.ofCase(c), true
}

// OfPrediction returns the score of one value that was held out. It is false when p has
// not what it needs, or when it is not a score of such values.
func (s Score) OfPrediction(p Prediction) (float64, bool) {
	if s.ofPrediction == nil {
		return 0, false
	}
	return s.ofPrediction(p)
}

// OfInnovation returns the values of the score of one cycle, none when it is not a score
// of innovations or needs a record and there is none.
func (s Score) OfInnovation(in Innovation, record bool) []float64 {
	if s.ofInnovation == nil || s.Needs&Record != 0 && !record {
		return nil
	}
	return s.ofInnovation(in)
}

// OverTime returns the number of a trial. It is false when there is none.
func (s Score) OverTime(h *History) (Mean, bool) {
	series := h.Series[s.Name]
	if s.Mean == WholeSeries {
		series = h.Series["rmse"]
	}
	if len(series) == 0 {
		return Mean{}, false
	}
	switch s.Mean {
	case MeanOverTime:
		return TimeMean(series), true
	case RootMeanOverTime:
		return RootTimeMean(series), true
	}
	return s.ofHistory(h), true
}
