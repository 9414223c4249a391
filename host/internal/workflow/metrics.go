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
		if w.Real() || s.Needs&(score.HeldOut|score.Record) == 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// judgeMetrics reports scores that do not exist, and scores that are expected but not
// chosen. Package plan checks scores of single variables.
func (w *Workflow) judgeMetrics(found *diag.Findings) {
	all := w.Metrics()
	var ofVariables []string
	for _, s := range score.Catalogue() {
		if s.ByVariable {
			ofVariables = append(ofVariables, s.Name)
		}
	}
	exists := func(at diag.Span, name string) bool {
		if s, ok := score.Find(name); slices.Contains(all, name) || ok && s.ByVariable {
			return true
		}
		d := found.Add(codeReference, at, "there is no score %s", tomltext.Show(name)).
			WithHelp("scores: %s; of a variable of the state %s", list(all, "and"), list(ofVariables, "and"))
		if meant := diag.Suggest(name, all); meant != "" {
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
