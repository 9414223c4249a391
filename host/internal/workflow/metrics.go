package workflow

import (
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// metrics are the scores that a workflow can name. A test of package cli holds them
// to those of a run. Each parameter that is estimated adds rmse_NAME and spread_NAME.
var metrics = []string{
	"rmse", "spread", "crps_fair", "bias", "weights_ess", "w2_reference", "crps", "energy_score_fair",
	"coverage_50", "coverage_90", "unique_ancestors", "nis", "rmse_total", "spread_skill",
	"coverage_50_expected", "coverage_90_expected", "rank_flatness_p",
}

// Metrics returns the names of the scores that a run of w may have.
func (w *Workflow) Metrics() []string {
	all := slices.Clone(metrics)
	if w.Real() {
		all = append(all, "held_out_rmse", "held_out_spread", "held_out_crps", "innovation_rms")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Model.Estimate)) {
		all = append(all, "rmse_"+name, "spread_"+name)
	}
	return all
}

// judgeMetrics reports scores that there are not, and those that are expected but
// not chosen.
func (w *Workflow) judgeMetrics(found *diag.Findings) {
	all := w.Metrics()
	unknown := func(at diag.Span, name string) {
		d := found.Add(codeReference, at, "there is no score %s", tomltext.Show(name)).WithHelp("scores: %s", list(all, "and"))
		if meant := diag.Suggest(name, all); meant != "" {
			d.WithLabel("did you mean %q?", meant)
		}
	}
	for i, name := range w.Verify.Metrics {
		if !slices.Contains(all, name) {
			unknown(w.At("verify", "metrics", i), name)
		}
	}
	if w.Expect == nil {
		return
	}
	for i, s := range w.Expect.Scores {
		switch at := w.At("expect", "score", i, "metric"); {
		case s.Metric == "":
		case !slices.Contains(all, s.Metric):
			unknown(at, s.Metric)
		case s.Metric != "rmse" && len(w.Verify.Metrics) > 0 && !slices.Contains(w.Verify.Metrics, s.Metric):
			found.Add(codeConflict, at, "%s is expected, but not among `verify.metrics`", s.Metric).WithLabel("not computed").
				WithNote("the scores are chosen at %s", w.At("verify", "metrics").Where()).WithHelp("add it there, or remove verify.metrics")
		}
	}
}
