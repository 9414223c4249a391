package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/score"
)

// shownRows bounds the result table.
const shownRows = 60

// show prints the result table of a run and opens its directory. The table has one row for
// every filter and combination of axis values, and one for every baseline that does not
// use observations.
func (a *app) show(r *experiment.Result) (*storedRun, error) {
	s, err := openRun(r.Dir)
	if err != nil || a.quiet {
		return s, err
	}
	return s, a.showScores(r, s)
}

func (a *app) showScores(r *experiment.Result, s *storedRun) error {
	scores, err := s.scores()
	if err != nil {
		return err
	}
	columns, rows, err := scoreTable(scores, scores.Shown(s.workflow.Verify.Metrics), widthOf(a.stderr) > 0)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stderr)
	_ = printTable(a.stderr, columns, rows[:min(len(rows), shownRows)]) // nobody has to look
	for _, note := range r.Notes {
		a.say("%s", note)
	}
	if r.Observed != "" {
		a.say("observations: %s", r.Observed)
	}
	for _, rejected := range r.Rejected {
		a.say("%s: the background check rejected %s", rejected.Trial, diag.Plural(rejected.Count, "observation"))
	}
	for _, dropped := range r.Dropped {
		a.say("%s: %s could not be forecast and left the ensemble, see failures.arrow", dropped.Trial, diag.Plural(dropped.Count, "member"))
	}
	for _, beyond := range r.Beyond {
		a.say("%s: %s of its ensembles, beyond the range of float32, stored as null; output.precision = \"float64\" stores them", beyond.Trial, diag.Plural(beyond.Count, "value"))
	}
	if more := len(rows) - shownRows; more > 0 {
		a.say("... and %s more; all are in metrics.arrow", diag.Plural(more, "row"))
	}
	a.sayReplicas(r.Replicas)
	return a.hint(s)
}

// sayReplicas prints what the replicas on other machines did.
func (a *app) sayReplicas(replicas []archive.Replica) {
	if len(replicas) == 0 {
		return
	}
	columns := []column{{head: "replica"}, {head: "node"}, {head: "job", drop: 1}, {head: "cores", right: true}, {head: "memory", right: true, drop: 2}, {head: "calls", right: true}, {head: "busy", right: true}, {head: "lost", right: true}}
	var rows [][]string
	for _, r := range replicas[:min(len(replicas), shownRows)] {
		row := []string{fmt.Sprintf("%s %d", r.Plugin, r.Replica), "not started", "", "", "", "", "", ""}
		if r.Node != "" {
			row = append(row[:1], r.Node, r.Job, strconv.Itoa(r.Cores), "", strconv.Itoa(r.Calls), fmt.Sprintf("%.0f %%", 100*r.Busy/max(r.Seconds, 1e-9)), strconv.Itoa(r.Lost))
		}
		if r.Memory > 0 {
			row[4] = experiment.Bytes(float64(r.Memory))
		}
		rows = append(rows, row)
	}
	if !slices.ContainsFunc(replicas, func(r archive.Replica) bool { return r.Job != "" }) { // an engine without numbers
		columns = slices.Delete(columns, 2, 3)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 2, 3)
		}
	}
	fmt.Fprintln(a.stderr)
	_ = printTable(a.stderr, columns, rows) // nobody has to look
	if more := len(replicas) - shownRows; more > 0 {
		a.say("... and %s more; all are in run.json", diag.Plural(more, "replica"))
	}
}

// scoreTable returns the columns of a table of the scores of a run, and its cells. If short,
// as on a terminal, names of axes are short; otherwise every axis has a column with its key.
func scoreTable(r *compare.Run, metrics []compare.Metric, short bool) ([]column, [][]string, error) {
	columns := append([]column{{head: "filter"}, {head: "members", right: true}}, axisColumns(r.Axes, short)...)
	for k, m := range metrics {
		drop := len(metrics) - k // the last ones first
		if k == 0 {
			drop = 0
		}
		columns = append(columns, column{head: m.Label(), right: true, drop: drop})
	}
	columns = append(columns, column{head: "status", style: statusStyle})
	var cells [][]string
	groups := r.Groups
	if len(metrics) > 0 { // without scores there is nothing to compare
		groups = slices.Concat(groups, r.Baselines)
	}
	rows := make([][]compare.Row, len(metrics))
	for i, g := range groups {
		line := append([]string{g.Filter, g.SizeText()}, axisCells(g.Filter, r.Axes, g.Values, short)...)
		for k, m := range metrics {
			mean, err := r.Mean(g, m)
			if err != nil {
				return nil, nil, err
			}
			line = append(line, mean.Text())
			if i < len(r.Groups) { // baselines do not compete
				rows[k] = append(rows[k], compare.Row{Group: g, Run: r, Mean: mean})
			}
		}
		cells = append(cells, append(line, g.Status()))
	}
	for k, m := range metrics {
		if score.IsLoss(m.Name) {
			best, _ := compare.Best(rows[k])
			columns[len(columns)-1-len(metrics)+k].style = rowStyle(best)
		}
	}
	return columns, cells, nil
}

// axisColumns returns the columns for the values of axes: one for each or, if short, a
// single one for all of them.
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
	if !slices.ContainsFunc(axes, func(axis string) bool { return !compare.IsSize(axis) }) {
		return ""
	}
	return "setting"
}

// settingText returns the setting of a filter in a sweep: the values of axes with their
// keys. If short, only the last two words of a key are written, or as many as distinguish
// the axis from the others. The number of members has a column of its own.
func settingText(filter string, axes, values []string, short bool) string {
	var parts []string
	for k, axis := range axes {
		if compare.IsSize(axis) || values[k] == "" {
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
