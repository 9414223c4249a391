package experiment

import (
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/workflow"
)

// Every score of a run can be named in a workflow.
func TestMetricsCanBeNamed(t *testing.T) {
	w := &workflow.Workflow{Observations: []workflow.Observations{{File: "gauges.csv"}}}
	for _, name := range slices.Concat(metricOrder, rootOrder, []string{"rmse_total", "spread_skill", "coverage_50_expected", "coverage_90_expected", "rank_flatness_p"}) {
		if !slices.Contains(w.Metrics(), name) {
			t.Errorf("%s is not in host/internal/workflow/metrics.go", name)
		}
	}
}
