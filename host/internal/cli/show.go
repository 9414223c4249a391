package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/score"
)

// shownRows bounds the result table.
const shownRows = 60

// show prints the result table: one row for every filter and combination of axis
// values, and one per baseline. Scores are time means after burn-in with their
// standard errors; of several replicates or seeds means over them, with the standard
// error that follows from how they differ.
func (a *app) show(r *experiment.Result) {
	if a.quiet {
		return
	}
	rows := tableRows(r)
	fmt.Fprintln(a.stderr)
	columns, cells := scoreTable(withoutSeed(r.Axes), shownMetrics(r.Chosen, r.Metrics), rows[:min(len(rows), shownRows)], widthOf(a.stderr) > 0)
	if printTable(a.stderr, columns, cells) != nil {
		return
	}
	if r.Observed != "" {
		a.say("observations: %s", r.Observed)
	}
	for _, rejected := range r.Rejected {
		a.say("%s: the background check rejected %s", rejected.Trial, plural(rejected.Count, "observation"))
	}
	if more := len(rows) - shownRows; more > 0 {
		fmt.Fprintf(a.stderr, "... and %s more; all are in metrics.arrow\n", plural(more, "row"))
	}
}

// scoreTable returns the columns of a table of scores and its cells. It is to be short on
// a terminal; otherwise every axis has a column with its key.
func scoreTable(axes, metrics []string, rows []*tableRow, short bool) ([]column, [][]string) {
	columns := append([]column{{head: "filter"}, {head: "members", right: true}}, axisColumns(axes, short)...)
	for k, m := range metrics {
		drop := len(metrics) - k // the last ones first
		if k == 0 {
			drop = 0
		}
		columns = append(columns, column{head: m, right: true, drop: drop}, column{head: "± se", right: true, drop: drop})
	}
	columns = append(columns, column{head: "status"})
	var cells [][]string
	for _, row := range rows {
		line := append([]string{row.filter, row.size}, axisCells(row.filter, axes, row.axes, short)...)
		for _, m := range metrics {
			line = append(line, row.mean(m)...)
		}
		cells = append(cells, append(line, row.statusText()))
	}
	return columns, cells
}

// axisColumns returns the columns for the values of axes: one for each, or a short one for
// all of them.
func axisColumns(axes []string, short bool) []column {
	if short {
		return []column{{head: settingHead(axes), fold: true}}
	}
	columns := make([]column, len(axes))
	for k, axis := range axes {
		columns[k] = column{head: axis}
	}
	return columns
}

// axisCells returns the cells in the columns of [axisColumns] for a filter.
func axisCells(filter string, axes, values []string, short bool) []string {
	if short {
		return []string{settingText(filter, axes, values, true)}
	}
	return values
}

// settingHead is the head of a column of [settingText].
func settingHead(axes []string) string {
	if len(axes) == 0 || len(axes) == 1 && axes[0] == "ensemble.size" {
		return ""
	}
	return "setting"
}

// settingText returns what differs in a sweep, for a filter: the values of axes after the
// ends of their keys; where it is to be short, after the last two words or as many as tell
// an axis from the others. The number of members has a column of its own.
func settingText(filter string, axes, values []string, short bool) string {
	var parts []string
	for k, axis := range axes {
		if axis == "ensemble.size" || values[k] == "" {
			continue
		}
		name := strings.ReplaceAll(strings.TrimPrefix(axis, "filter."+filter+"."), "params.", "")
		words := strings.Split(name, ".")
		for n := 2; short && n < len(words); n++ {
			end := strings.Join(words[len(words)-n:], ".")
			if !slices.ContainsFunc(axes, func(other string) bool { return other != axis && strings.HasSuffix(other, "."+end) }) {
				name = end
				break
			}
		}
		parts = append(parts, name+"="+values[k])
	}
	return strings.Join(parts, " ")
}

// shownMetrics returns which of the scores of a run to show: those the workflow has chosen,
// or the usual ones and the errors of parameters that are estimated.
func shownMetrics(chosen []string, metrics []archive.Metric) []string {
	names := append([]string{"rmse"}, chosen...)
	if len(chosen) == 0 {
		if slices.ContainsFunc(metrics, func(m archive.Metric) bool { return m.Metric == "innovation_rms" }) { // there is no truth
			names = []string{"held_out_rmse", "held_out_spread", "held_out_crps", "innovation_rms", "nis"}
		} else {
			names = append(names, "spread", "crps_fair", "weights_ess", "w2_reference")
		}
		for _, m := range metrics {
			if strings.HasPrefix(m.Metric, "rmse_") && m.Metric != "rmse_total" {
				names = append(names, m.Metric)
			}
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again || !slices.ContainsFunc(metrics, func(m archive.Metric) bool { return m.Metric == name && m.Stage == score.StageOf(name) })
	})
}

// tableRow is the trials that differ in their replicate or seed alone, or a baseline.
type tableRow struct {
	filter, size string
	axes         []string
	status       []archive.Status
	values       map[string][]archive.Metric // of the analysis, of the trials that have it
}

// tableRows returns the trials in their order, then the baselines.
func tableRows(r *experiment.Result) []*tableRow {
	var rows []*tableRow
	byKey, byTrial, axes := map[string]*tableRow{}, map[int]*tableRow{}, withoutSeed(r.Axes)
	row := func(filter, size string, axes []string) *tableRow {
		key := fmt.Sprintf("%q", append([]string{filter, size}, axes...))
		if byKey[key] == nil {
			byKey[key] = &tableRow{filter: filter, size: size, axes: axes, values: map[string][]archive.Metric{}}
			rows = append(rows, byKey[key])
		}
		return byKey[key]
	}
	for _, t := range r.Trials {
		of := row(t.Filter, fmt.Sprint(t.Size), axisValues(axes, t.Values))
		of.status = append(of.status, t.Status)
		byTrial[t.Trial] = of
	}
	for _, m := range r.Metrics {
		if m.Stage != score.StageOf(m.Metric) {
			continue
		}
		of := byTrial[m.Trial]
		if m.Trial == 0 {
			of = row(m.Filter, "", make([]string, len(axes)))
		}
		of.values[m.Metric] = append(of.values[m.Metric], m)
	}
	return rows
}

// mean returns the cells of a score and its standard error.
func (r *tableRow) mean(metric string) []string {
	values := r.values[metric]
	if len(values) == 0 {
		return []string{"", ""}
	}
	mean, se := meanOf(values)
	if math.IsNaN(se) {
		return []string{fmt.Sprintf("%.4g", mean), ""}
	}
	return []string{fmt.Sprintf("%.4g", mean), fmt.Sprintf("%.2g", se)}
}

// statusText says how many trials ended in a way, when not all did in one.
func (r *tableRow) statusText() string {
	var texts []string
	for _, s := range []archive.Status{archive.OK, archive.Diverged, archive.Failed, archive.Interrupted} {
		n := 0
		for _, status := range r.status {
			if status == s {
				n++
			}
		}
		switch {
		case n > 0 && n == len(r.status):
			return string(s)
		case n > 0:
			texts = append(texts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(texts, ", ")
}

// meanOf returns the mean of a score over replicates and its standard error, which
// follows from how they differ. One replicate has the standard error in time.
func meanOf(values []archive.Metric) (mean, se float64) {
	n := float64(len(values))
	if n == 1 {
		return values[0].Value, values[0].SE
	}
	var squares float64
	for _, m := range values {
		mean += m.Value / n
	}
	for _, m := range values {
		squares += (m.Value - mean) * (m.Value - mean)
	}
	return mean, math.Sqrt(squares / (n - 1) / n)
}
