package cli

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/wire/table"
	"github.com/spf13/cobra"
)

func (a *app) verify() *cobra.Command {
	s := &source{}
	var root string
	var how running
	c := &cobra.Command{
		Use:   "verify WORKFLOW | RUN [RUN]",
		Short: "Check expected scores, a run's files, or that two runs are identical",
		Long: `Verify WORKFLOW runs the workflow and checks its scores against its [expect] table.
Verify RUN checks that a run's files are those the run wrote, that the files it read
have not changed since, and its scores.
Verify RUN RUN checks that all tables but timings and failures are the same, byte for byte,
of runs that have come to their end: one that was killed or interrupted has its tables in
parts, as far as they came, and has to be resumed first.

RUN is a path, @last, or the beginning of a run's name. Exit code 6 means that
something differs.`,
		Example: `  plume verify workflows/sakov2008-lorenz96.toml --profile short
  plume verify @last
  plume verify runs/l63-twin/20260102T030405Z-1a2b runs/l63-twin/20260102T030512Z-9f00`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage("%s takes a workflow, a run or two runs, got %d arguments; see %s --help", c.CommandPath(), len(args), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && strings.HasSuffix(args[0], ".toml") {
				s.path = args[0]
				r, err := a.perform(c.Context(), s, root, how)
				if r == nil {
					return err
				}
				a.show(r)
				if err != nil {
					return err
				}
				return a.checkRun(c.Context(), r.Dir)
			}
			dirs := make([]string, len(args))
			for i, name := range args {
				dir, err := archive.Find(root, name)
				if err != nil {
					return usage("%v", err)
				}
				dirs[i] = dir
			}
			if len(dirs) == 2 {
				return a.compareRuns(dirs[0], dirs[1])
			}
			return a.checkRun(c.Context(), dirs[0])
		},
	}
	s.flags(c)
	c.ValidArgsFunction = completeWorkflowsAndRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory below which runs are")
	how.flags(c)
	return c
}

func (a *app) compareRuns(first, second string) error {
	for _, dir := range []string{first, second} {
		info, err := archive.ReadInfo(dir)
		if err != nil {
			return err
		}
		if info.Status == archive.Running || info.Status == archive.Interrupted {
			return fmt.Errorf("%s: the run is %q: want one that has come to its end; plume resume goes on with it", dir, info.Status)
		}
	}
	lines, err := archive.Compare(first, second)
	if err != nil {
		return err
	}
	if err := a.showVerdict(verdict{Differences: lines}); err != nil {
		return err
	}
	if len(lines) > 0 {
		return &exitError{exitDiffers, fmt.Errorf("%s", plural(len(lines), "difference"))}
	}
	a.say("the results are identical")
	return nil
}

// verdict is what verify found.
type verdict struct {
	Differences []string      `json:"differences"` // one line each
	Expected    []expectation `json:"expected,omitempty"`
}

// expectation is an expected score beside that of the run.
type expectation struct {
	Filter    string   `json:"filter"`
	Metric    string   `json:"metric"`
	Expected  float64  `json:"expected"`
	Tolerance float64  `json:"tolerance"`
	Got       *float64 `json:"got"` // null: there is none
	SE        *float64 `json:"se"`  // null: not known
	Verdict   string   `json:"verdict"`
}

// checkRun checks files, inputs and expectations of a run.
func (a *app) checkRun(ctx context.Context, dir string) error {
	changed, remarks, err := archive.CheckInputs(ctx, dir)
	if err != nil {
		return err
	}
	lines, err := archive.CheckFiles(dir)
	if err != nil {
		return err
	}
	lines = append(lines, changed...)
	for _, line := range remarks {
		a.say("%s", line)
	}
	w, found := workflow.Load(filepath.Join(dir, archive.ResolvedFile), workflow.Options{})
	if len(found) > 0 {
		return &findings{found, "human"}
	}
	expected, err := a.checkExpected(w, dir)
	if err != nil {
		return err
	}
	n := len(lines)
	for _, e := range expected {
		if e.Verdict != "ok" {
			n++
		}
	}
	if err := a.showVerdict(verdict{lines, expected}); err != nil {
		return err
	}
	if n > 0 {
		return &exitError{exitDiffers, fmt.Errorf("%s: %s", dir, plural(n, "difference"))}
	}
	a.say("%s: all files are as the run left them", dir)
	a.next("report", dir)
	return nil
}

func (a *app) showVerdict(v verdict) error {
	if a.json {
		v.Differences = append([]string{}, v.Differences...) // an empty list, not null
		return a.printJSON(v)
	}
	for _, line := range v.Differences {
		fmt.Fprintln(a.stdout, line)
	}
	if len(v.Expected) == 0 {
		return nil
	}
	var rows [][]string
	for _, e := range v.Expected {
		rows = append(rows, []string{e.Filter, e.Metric, fmt.Sprintf("%.4g ± %.2g", e.Expected, e.Tolerance), digits("%.4g", e.Got), digits("%.2g", e.SE), e.Verdict})
	}
	fmt.Fprintln(a.stderr)
	return printTable(a.stderr, []column{{head: "filter"}, {head: "metric"}, {head: "expected"}, {head: "got"}, {head: "± se"}, {fold: true}}, rows)
}

// digits formats a number that may be missing.
func digits(format string, v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf(format, *v)
}

// checkExpected returns the expected scores beside the run's, means over replicates.
func (a *app) checkExpected(w *workflow.Workflow, dir string) ([]expectation, error) {
	if w.Expect == nil {
		a.say("the workflow expects no scores")
		return nil, nil
	}
	if len(w.Axes()) > 0 {
		a.say("the expected scores are those of the workflow without its axes; they are not checked")
		return nil, nil
	}
	metrics, err := readMetrics(dir)
	if err != nil {
		return nil, err
	}
	var list []expectation
	for _, s := range w.Expect.Scores {
		if !w.Runs(s.Filter) && slices.Contains(w.Labels(), s.Filter) {
			a.say("%s is no part of the sweep; its %s is not checked", s.Filter, s.Metric)
			continue
		}
		e := expectation{Filter: s.Filter, Metric: s.Metric, Expected: s.Value, Tolerance: s.Tolerance, Verdict: "ok"}
		if s.Relative > 0 {
			e.Tolerance = s.Relative * math.Abs(s.Value)
		}
		m := metrics[metricKey{s.Filter, s.Metric}]
		if m.count > 0 && !math.IsNaN(m.value) && !math.IsInf(m.value, 0) {
			e.Got = &m.value
		}
		if m.count > 0 && !math.IsNaN(m.se) && !math.IsInf(m.se, 0) {
			e.SE = &m.se
		}
		switch {
		case m.count == 0:
			e.Verdict = "there is no such score"
		case m.count < len(w.Replicates()):
			e.Verdict = "the filter has failed in a replicate"
		case m.status != archive.OK:
			e.Verdict = fmt.Sprintf("the filter has %s", m.status)
		case !(math.Abs(m.value-s.Value) <= e.Tolerance):
			e.Verdict = "outside"
		}
		list = append(list, e)
	}
	return list, nil
}

type metricKey struct{ filter, metric string }

// storedMetric is a score, the mean of those of all replicates.
type storedMetric struct {
	value, se float64 // se: of one replicate the standard error in time
	count     int
	status    archive.Status // the first one that is not ok
}

// readMetrics returns the metrics of the stages they are shown of of a run without axes.
func readMetrics(dir string) (map[metricKey]storedMetric, error) {
	t, err := table.Read(filepath.Join(dir, "metrics.arrow"))
	if err != nil {
		return nil, err
	}
	filter, ok1 := t.Column("filter").([]string)
	metric, ok2 := t.Column("metric").([]string)
	stage, ok3 := t.Column("stage").([]string)
	value, ok4 := t.Column("value").([]float64)
	se, ok5 := t.Column("se").([]float64)
	status, ok6 := t.Column("status").([]string)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 {
		return nil, fmt.Errorf("%s: metrics.arrow does not have the columns of this version", dir)
	}
	rows := map[metricKey][]archive.Metric{}
	for i := range t.Rows {
		if stage[i] == score.StageOf(metric[i]) {
			key := metricKey{filter[i], metric[i]}
			rows[key] = append(rows[key], archive.Metric{Value: value[i], SE: se[i], Status: archive.Status(status[i])})
		}
	}
	metrics := map[metricKey]storedMetric{}
	for key, of := range rows {
		m := storedMetric{count: len(of), status: archive.OK}
		m.value, m.se = meanOf(of)
		for _, r := range of {
			if m.status == archive.OK {
				m.status = r.Status
			}
		}
		metrics[key] = m
	}
	return metrics, nil
}
