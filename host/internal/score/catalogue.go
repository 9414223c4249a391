package score

import (
	"slices"
	"strings"
)

// Stages of a cycle that have scores.
const (
	Forecast = "forecast"
	Analysis = "analysis"
)

// Score describes one score. A new one is a function and a row of the catalogue: tables,
// their documentation, what a workflow can name and what is printed derive from the row.
type Score struct {
	Name  string
	About string // what it is
	Unit  Unit
	Stage string // whose value is shown; both stages may have one
	Needs Need   // all of these
	Table string // with its values of cycles; empty: it follows from a whole series
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
	// state that has such a score of its own.
	ByVariable bool
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
	Truth     Need = 1 << iota
	Reference      // members of the brute-force posterior
	Predicted      // observations
	Parents        // a filter that says which forecast members those of its analysis descend from
	HeldOut        // observations that were not assimilated
	Record         // real observations in the place of a truth
)

// Averaging is how the number of a whole trial is made.
type Averaging int

// How the numbers of trials are made.
const (
	MeanOverTime     Averaging = iota // mean of the values of cycles
	RootMeanOverTime                  // root of the mean of their squares
	WholeSeries                       // from one or more series as a whole
)

func place(truth, record int) struct{ Truth, Record int } {
	return struct{ Truth, Record int }{truth, record}
}

// catalogue holds every score, in the order of the rows of metrics.arrow.
var catalogue = []Score{
	{Name: "rmse", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Loss: true, Place: place(1, 0),
		About: "root mean square error of the mean over the state's values"},
	{Name: "spread", Unit: UnitState, Stage: Analysis, Table: "cycles", Place: place(2, 0),
		About: "root mean variance of the members, N - 1; weighted, 1 - Σw²"},
	{Name: "crps_fair", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Loss: true, Place: place(3, 0),
		About: "continuous ranked probability score, mean over the state's values, fair to small ensembles"},
	{Name: "bias", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles",
		About: "mean error of the mean over the state's values"},
	{Name: "weights_ess", Unit: UnitMembers, Stage: Analysis, Table: "cycles", Place: place(4, 0),
		About: "effective sample size, 1 / Σw²"},
	{Name: "w2_reference", Unit: UnitState, Stage: Analysis, Needs: Truth | Reference, Table: "cycles", Loss: true, Place: place(5, 0),
		About: "2-Wasserstein distance to the reference's members, exact, of samples of 2000 where there are more"},
	{Name: "crps", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Loss: true,
		About: "continuous ranked probability score of the members as they are, mean over the state's values"},
	{Name: "energy_score_fair", Unit: UnitState, Stage: Analysis, Needs: Truth, Table: "cycles", Loss: true,
		About: "energy score of whole states, fair to small ensembles; null above 1000 members"},
	{Name: "coverage_50", Unit: UnitOne, Stage: Analysis, Needs: Truth, Table: "cycles",
		About: "share of truths in the central interval of members of level 0.5"},
	{Name: "coverage_90", Unit: UnitOne, Stage: Analysis, Needs: Truth, Table: "cycles",
		About: "share of truths in the central interval of members of level 0.9"},
	{Name: "unique_ancestors", Unit: UnitMembers, Stage: Analysis, Needs: Parents, Table: "cycles",
		About: "how many forecast members have descendants"},
	{Name: "nis", Unit: UnitOne, Stage: Forecast, Needs: Predicted, Table: "innovations", Place: place(0, 5),
		About: "normalised innovation squared per observation, 1 on average when spread and observation error explain the innovations; NaN when the operator gives no error variance"},
	{Name: "held_out_crps", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Loss: true, Place: place(0, 3),
		About: "continuous ranked probability score of the predictions of values held out, fair to small ensembles"},
	{Name: "held_out_rmse", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: RootMeanOverTime, Loss: true, Place: place(0, 1),
		About: "root mean square error of the mean prediction of values held out, whose errors it includes"},
	{Name: "held_out_spread", Unit: UnitObserved, Stage: Analysis, Needs: HeldOut, Table: "held_out", Mean: RootMeanOverTime, Place: place(0, 2),
		About: "what held_out_rmse is on average when the ensemble and the error law account for it"},
	{Name: "innovation_rms", Unit: UnitObserved, Stage: Forecast, Needs: Predicted | Record, Table: "innovations", Mean: RootMeanOverTime, Loss: true, Place: place(0, 4),
		About: "root mean square of the innovations"},
	{Name: "rmse_NAME", Unit: UnitVariable, Stage: Analysis, Needs: Truth, Table: "cycles", Loss: true, Place: place(6, 0), ByVariable: true,
		About: "root mean square error of the mean over the values of one variable or of a parameter that is estimated"},
	{Name: "spread_NAME", Unit: UnitVariable, Stage: Analysis, Table: "cycles", ByVariable: true,
		About: "root mean variance of the members over the values of that variable"},
	{Name: "rmse_total", Unit: UnitState, Stage: Analysis, Needs: Truth, Mean: WholeSeries, Loss: true,
		About: "root of the time mean of rmse²"},
	{Name: "spread_skill", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "sqrt((N + 1) / N) spread / rmse, of their time means; 1 for a calibrated ensemble"},
	{Name: "coverage_50_expected", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "what coverage_50 is expected to be for N members: the interval ends at members, so that it is not 0.5"},
	{Name: "coverage_90_expected", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "what coverage_90 is expected to be for N members"},
	{Name: "rank_flatness_p", Unit: UnitOne, Stage: Analysis, Needs: Truth, Mean: WholeSeries,
		About: "p-value of Pearson's chi-square test that the rank histogram is flat, its counts scaled to one independent rank per cycle and its ranks pooled to expect five in each pool"},
}

// Catalogue returns every score, in the order of the rows of metrics.arrow.
func Catalogue() []Score { return slices.Clone(catalogue) }

// Find returns the score called name. That of a variable has its name in the place of
// NAME: Find("rmse_temperature") is one. It is false for what no score is called.
func Find(name string) (Score, bool) {
	for _, s := range catalogue {
		if !s.ByVariable && s.Name == name {
			return s, true
		}
	}
	for _, s := range catalogue {
		if prefix := s.prefix(); s.ByVariable && len(name) > len(prefix) && strings.HasPrefix(name, prefix) {
			s.Name = name
			return s, true
		}
	}
	return Score{}, false
}

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

// Losses returns the names of the scores of which less is better.
func Losses() []string {
	var names []string
	for _, s := range catalogue {
		if s.Loss {
			names = append(names, s.Name)
		}
	}
	return names
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

// Of returns the name of a score by variable of one variable. A variable whose name would
// make that of another score, total of rmse_total, is set apart by an underscore at the end.
func (s Score) Of(variable string) string {
	name := s.prefix() + variable
	taken := func(other Score) bool { return !other.ByVariable && other.Name == strings.TrimRight(name, "_") }
	if slices.ContainsFunc(catalogue, taken) {
		name += "_"
	}
	return name
}
