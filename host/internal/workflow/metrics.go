package workflow

import (
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Metrics returns the names of the scores that a run of w may have, as far as they are
// known without the model: of the scores of single variables, only those of estimated
// parameters.
func (w *Workflow) Metrics() []string {
	var names []string
	for _, s := range score.OfRun(slices.Sorted(maps.Keys(w.Model.Estimate))) {
		if w.lacks(s) == "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// lacks says why no run of w has a score, whichever the model is, and what would give it; empty if one may
// have it.
func (w *Workflow) lacks(s score.Score) string {
	needs := func(n score.Need) bool { return s.Needs&n != 0 }
	heldOut := slices.ContainsFunc(w.Observations, func(o Observations) bool { return o.HoldOut != nil })
	switch {
	case needs(score.Truth) && w.Real():
		return "it needs a truth, and observations come from files; scores of held-out values, see hold_out, need none"
	case needs(score.Record|score.HeldOut) && !w.Real():
		return "it is of observations from files, and these are simulated"
	case needs(score.HeldOut) && !heldOut:
		return "no observations are held out; add hold_out to [observations], such as hold_out = { every = 10 }"
	case needs(score.Reference) && w.Reference == nil:
		return "there is no [reference]; add one"
	case needs(score.Restarts) && !w.restarts():
		return "trials that diverge end; write ensemble.on_divergence = \"restart\""
	}
	return ""
}

// restarts reports whether trials that diverge may begin again: also where an axis says that they do, and
// where fail is given, which is so of a setting of such an axis.
func (w *Workflow) restarts() bool {
	return w.Ensemble.OnDivergence != "" || slices.Contains(w.Axes(), "ensemble.on_divergence")
}

// judgeMetrics reports scores that no run of w has, and scores that are expected but not
// chosen. Package plan checks scores of single variables.
func (w *Workflow) judgeMetrics(found *diag.Findings) {
	all := w.Metrics()
	var ofVariables []string
	for _, s := range score.Catalogue() {
		if s.ByVariable && w.lacks(s) == "" {
			ofVariables = append(ofVariables, s.Name)
		}
	}
	exists := func(at diag.Span, name string) bool {
		s, known := score.Find(name)
		if slices.Contains(all, name) || known && s.ByVariable && w.lacks(s) == "" {
			return true
		}
		d := found.Add(codeReference, at, "there is no score %s", tomltext.Show(name)).
			WithHelp("scores: %s; of a variable of the state %s", list(all, "and"), list(ofVariables, "and"))
		if why := w.lacks(s); known && why != "" {
			d.WithNote("%s", why)
		} else if meant := diag.Suggest(name, all); meant != "" {
			d.WithLabel("did you mean %q?", meant)
		}
		return false
	}
	for i, name := range w.Verify.Metrics {
		exists(w.At("verify", "metrics", i), name)
	}
	if w.Published != nil {
		for i, s := range w.Published.Scores {
			exists(w.At("published", "score", i, "metric"), s.Metric)
		}
	}
	if w.Expect == nil {
		return
	}
	for i, s := range w.Expect.Scores {
		at := w.At("expect", "score", i, "metric")
		if s.Metric == "" || !exists(at, s.Metric) {
			continue
		}
		if s.Metric != "rmse" && len(w.Verify.Metrics) > 0 && !slices.Contains(w.Verify.Metrics, s.Metric) {
			found.Add(codeConflict, at, "%s is expected, but not among `verify.metrics`", s.Metric).WithLabel("not computed").
				WithNote("the scores are chosen at %s", w.At("verify", "metrics").Where()).WithHelp("add it there, or remove verify.metrics")
		}
	}
}
