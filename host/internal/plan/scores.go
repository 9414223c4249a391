package plan

import (
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// scores checks the scores of single variables that the workflow names, and finds the
// variables that have such scores: those it names, estimated parameters, and all variables
// if they have different units.
func (m *maker) scores() {
	named := map[string]bool{}
	for i, name := range m.w.Verify.Metrics {
		m.scoreOf(named, name, "verify", "metrics", i)
	}
	if m.w.Expect != nil {
		for i, s := range m.w.Expect.Scores {
			m.scoreOf(named, s.Metric, "expect", "score", i, "metric")
		}
	}
	variables, _ := m.plan.Modelled()
	first, parameters := len(variables), len(m.observed.Variables)
	for i, v := range m.plan.State.Variables {
		parameter := i >= parameters && i < parameters+m.plan.Parameters
		if named[v.Name] || parameter || i < first && !m.plan.OneUnit() {
			m.plan.Scored = append(m.plan.Scored, v.Name)
		}
	}
}

// scoreOf adds the variable of the score called name, if it has one, to named.
func (m *maker) scoreOf(named map[string]bool, name string, path ...any) {
	s, ok := score.Find(name)
	if ok && s.Needs&score.Predicted != 0 && !slices.Contains(m.plan.Space.Offers, sdk.Predicted) {
		m.add(codeCapability, path, "there is no score %q: it is of predictions, which %s not offer here", name, m.observers("does", "do")).
			WithLabel("never known").WithHelp("remove it, or have Plume predict from readings of the operator: [observations] repeats = 5")
		return
	}
	if !ok || !s.ByVariable { // the workflow has been checked for other names
		return
	}
	if i := slices.IndexFunc(m.plan.State.Variables, func(v sdk.Variable) bool { return v.Name == s.Variable }); i >= 0 {
		if named[s.Variable] = true; m.plan.State.Variables[i].Diagnostic {
			m.add(codeDiagnostic, path, "there is no score %q: `%s` is a diagnostic, which filters do not move", name, s.Variable).
				WithLabel("not scored").WithHelp("the scores of observations say how it is forecast; name a score of %s", describe(m.plan.State.Prognostic()))
		}
		return
	}
	var all []string
	for _, s := range score.OfRun(variables(m.plan.State)) {
		all = append(all, s.Name)
	}
	d := m.add(codeVariable, path, "there is no score %q: the state has no variable `%s`", name, s.Variable).
		WithLabel("not a variable").WithHelp("it has %s", describe(m.plan.State))
	if near := diag.Suggest(name, all); near != "" {
		d.WithLabel("did you mean %q?", near)
	}
}

// OneUnit reports whether the variables of the model have one unit, so that a mean over the
// values of a state is meaningful. A missing unit is that of a dimensionless number.
func (p *Plan) OneUnit() bool {
	variables, _ := p.Modelled()
	return oneUnit(variables)
}

// ObservedInOneUnit reports whether the observed variables have one unit.
func (p *Plan) ObservedInOneUnit() bool { return oneUnit(p.Space.Layout.Variables) }

// mostSites is the largest number of values of a state whose distributions are scored. Scores of more
// would cost more than a forecast, and the error of their mean over so many values is below a hundredth of
// what it varies by from cycle to cycle even where only one in a hundred is independent.
const mostSites = 100_000

// Sites returns the values of the state whose CRPS and ranks are computed, in increasing order: nil for
// all, or mostSites of a state with more, at even distances in every variable, at least one of each.
func (p *Plan) Sites() []int {
	n := p.State.Size()
	if n <= mostSites {
		return nil
	}
	var sites []int
	first := 0
	for _, v := range p.State.Variables {
		size := v.Size()
		sites = evenly(sites, first, size, int(math.Ceil(float64(size)*mostSites/float64(n))))
		first += size
	}
	return sites
}

// Evenly returns what [Plan.Sites] does for a state of one variable.
func Evenly(size int) []int {
	if size <= mostSites {
		return nil
	}
	return evenly(nil, 0, size, mostSites)
}

// evenly appends to sites some of size values, at even distances, the first of which is first.
func evenly(sites []int, first, size, some int) []int {
	for k := range some {
		sites = append(sites, first+k*size/some)
	}
	return sites
}

// ScoreNotes explains the scores of large states and those over variables of different units.
func (p *Plan) ScoreNotes() []string {
	var notes []string
	if n := p.State.Size(); n > mostSites && p.Record == nil {
		notes = append(notes, fmt.Sprintf("The state has %d values. CRPS, ranks and what follows from them are those of %d of them, at even distances; "+
			"rmse and spread are those of all.", n, len(p.Sites())))
	}
	if p.Record == nil && p.Baselines()[workflow.Climatology] == nil {
		notes = append(notes, "One cycle is scored. A climatology, the distribution of the truth in time, is not defined, so that it has no scores.")
	}
	switch {
	case p.OneUnit():
	case p.Record == nil:
		notes = append(notes, "The variables of the model have different units. For scores of the whole state, values are divided by the standard deviation in time "+
			"of the truth of their variable; rmse_NAME and spread_NAME are those of single variables, in their units.")
	default:
		notes = append(notes, "The variables of the model have different units, and without a truth there is nothing to divide them by: "+
			"spread is that of the unscaled values; spread_NAME is that of a single variable, in its unit.")
	}
	if p.Record != nil && !p.ObservedInOneUnit() {
		notes = append(notes, "The observed variables have different units. For scores of held-out values and for innovation_rms, values are divided by the standard deviation "+
			"in time of the assimilated values of their variable.")
	}
	if first, end := p.Diagnostics(); first < end && p.Record != nil && p.Record.HoldsOut() {
		notes = append(notes, "The model has diagnostics, which analyses lack. Held-out values are scored by forecasts, and by analyses only of windows over the whole record.")
	}
	return notes
}

func oneUnit(variables []sdk.Variable) bool {
	unit := func(v sdk.Variable) string {
		if v.Unit == "" {
			return "1"
		}
		return v.Unit
	}
	return !slices.ContainsFunc(variables, func(v sdk.Variable) bool { return unit(v) != unit(variables[0]) })
}
