package cli

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/plume-da/plume/host/internal/archive"
)

// show prints the result table: one row per filter and baseline, time means after
// burn-in with their standard errors.
func (a *app) show(r *result) {
	if a.quiet {
		return
	}
	metrics := []string{"rmse", "spread", "crps_fair", "weights_ess", "w2_reference"}
	has := map[string]bool{}
	for _, m := range r.metrics {
		has[m.Metric] = true
	}
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(out, "filter\tmembers\t")
	for _, m := range metrics {
		if has[m] {
			fmt.Fprintf(out, "%s\t± se\t", m)
		}
	}
	fmt.Fprintln(out, "status\t")
	for _, row := range tableRows(r) {
		fmt.Fprintf(out, "%s\t%s\t", row.filter, row.size)
		for _, m := range metrics {
			if has[m] {
				fmt.Fprintf(out, "%s\t%s\t", number(row.values, m), standardError(row.values, m))
			}
		}
		fmt.Fprintf(out, "%s\t\n", row.status)
	}
	if err := out.Flush(); err == nil {
		fmt.Fprintf(a.stderr, "\n%s", b.String())
	}
}

type tableRow struct {
	filter, size string
	status       archive.Status
	values       map[string]archive.Metric // of the analysis
}

// tableRows returns the trials in their order, then the baselines.
func tableRows(r *result) []tableRow {
	values := map[string]map[string]archive.Metric{}
	var labels []string
	for _, m := range r.metrics {
		if m.Stage != archive.Analysis {
			continue
		}
		if values[m.Filter] == nil {
			values[m.Filter] = map[string]archive.Metric{}
			labels = append(labels, m.Filter)
		}
		values[m.Filter][m.Metric] = m
	}
	var rows []tableRow
	isTrial := map[string]bool{}
	for _, t := range r.trials {
		isTrial[t.Filter] = true
		rows = append(rows, tableRow{t.Filter, fmt.Sprint(t.Size), t.Status, values[t.Filter]})
	}
	for _, label := range labels {
		if !isTrial[label] {
			rows = append(rows, tableRow{label, "", "", values[label]})
		}
	}
	return rows
}

func number(values map[string]archive.Metric, name string) string {
	m, ok := values[name]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.4g", m.Value)
}

func standardError(values map[string]archive.Metric, name string) string {
	m, ok := values[name]
	if !ok || math.IsNaN(m.SE) {
		return ""
	}
	return fmt.Sprintf("%.2g", m.SE)
}
