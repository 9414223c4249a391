package cli

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/spf13/cobra"
)

func (a *app) verify() *cobra.Command {
	s := &source{}
	var root string
	var how running
	c := &cobra.Command{
		Use:   "verify WORKFLOW | RUN [RUN]",
		Short: "Check expected scores, the files of a run, or two runs",
		Long: `Verify WORKFLOW runs the workflow and checks its scores against its [expect]
table. Verify RUN checks that the files of a run, and the files that it read,
have not changed since, and checks its scores. Verify RUN RUN checks that all
tables of two runs except timings and failures are the same, byte for byte, so
that members of another output.precision differ and their scores do not. Both
runs must have ended: a run that was killed or interrupted has incomplete
tables, in parts, and must be resumed first.

RUN is a path, @last, or the first characters of the name of a run. Exit code 6
means that something differs.`,
		Example: `  plume verify workflows/sakov2008-lorenz96.toml --profile short
  plume verify @last
  plume verify 20260102T030405Z-1a2b @last`,
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
				s, shown := a.show(r)
				if err := cmp.Or(err, shown); err != nil {
					return err
				}
				return a.checkRun(c.Context(), s)
			}
			dirs, err := findRuns(root, args)
			if err != nil {
				return err
			}
			if len(dirs) == 2 {
				return a.compareRuns(dirs[0], dirs[1])
			}
			r, err := archive.Open(dirs[0])
			if err != nil {
				return err
			}
			return a.checkRun(c.Context(), &storedRun{Reader: r})
		},
	}
	s.flags(c)
	c.ValidArgsFunction = completeWorkflowsAndRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	how.flags(c)
	return c
}

func (a *app) compareRuns(first, second string) error {
	for _, dir := range []string{first, second} {
		info, err := archive.ReadStatus(dir)
		if err == nil {
			err = mustEnd("verify", dir, info)
		}
		if err != nil {
			return err
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
		return &exitError{exitDiffers, fmt.Errorf("%s", diag.Plural(len(lines), "difference"))}
	}
	a.say("the results are identical")
	return nil
}

// verdict is the result of verify.
type verdict struct {
	Differences []string      `json:"differences"` // one line each
	Expected    []expectation `json:"expected,omitempty"`
}

// expectation is an expected score next to that of the run.
type expectation struct {
	Filter    string   `json:"filter"`
	Metric    string   `json:"metric"`
	Expected  float64  `json:"expected"`
	Tolerance float64  `json:"tolerance"`
	Got       *float64 `json:"got"` // null if there is none
	SE        *float64 `json:"se"`  // null if not known
	Verdict   string   `json:"verdict"`
	text      string   // what was got, for people
}

// checkRun checks files, inputs and expectations of a run.
func (a *app) checkRun(ctx context.Context, s *storedRun) error {
	changed, remarks, err := archive.CheckInputs(ctx, s.Dir)
	if err != nil {
		return err
	}
	lines, err := s.CheckFiles()
	if err == nil && len(lines)+len(changed) == 0 && s.Info.Status == archive.Interrupted {
		a.next("resume", s.Dir)
		return fmt.Errorf("%s: no file has changed, but the run was %s; it has scores when it is complete", s.Dir, s.Info.Error)
	}
	if err != nil && len(changed) > 0 { // the run has not ended
		return fmt.Errorf("%s\n%w", strings.Join(changed, "\n"), err)
	}
	if err != nil {
		return err
	}
	expected, err := a.checkExpected(s)
	if err != nil && len(lines) == 0 { // otherwise it is a file of lines that is damaged
		return err
	}
	for _, line := range remarks {
		a.say("%s", line)
	}
	lines = append(lines, changed...)
	n := len(lines)
	for _, e := range expected {
		if e.Verdict != compare.OK {
			n++
		}
	}
	if err := a.showVerdict(verdict{lines, expected}); err != nil {
		return err
	}
	if n > 0 {
		return &exitError{exitDiffers, fmt.Errorf("%s: %s", s.Dir, diag.Plural(n, "difference"))}
	}
	a.say("%s: no file has changed since the run wrote it", s.Dir)
	a.next("report", s.Dir)
	return nil
}

func (a *app) showVerdict(v verdict) error {
	if a.json {
		v.Differences = append([]string{}, v.Differences...) // an empty list, not null
		return a.printJSON(v)
	}
	for _, line := range v.Differences {
		fmt.Fprintln(a.stdout, fold(line, widthOf(a.stdout)))
	}
	if len(v.Expected) == 0 {
		return nil
	}
	var rows [][]string
	for _, e := range v.Expected {
		rows = append(rows, []string{e.Filter, e.Metric, score.Mean{Value: e.Expected, SE: e.Tolerance}.Text(), e.text, e.Verdict})
	}
	fmt.Fprintln(a.stderr)
	return printTable(a.stderr, []column{{head: "filter"}, {head: "metric"}, {head: "expected"}, {head: "got"}, {fold: true, style: verdictStyle}}, rows)
}

// verdictStyle is the style of a verdict: one that is not good stands out.
func verdictStyle(_ int, cell string, c colours) string {
	if cell == compare.OK {
		return ""
	}
	return c.red
}

// checkExpected returns the expected scores with those of the run.
func (a *app) checkExpected(s *storedRun) ([]expectation, error) {
	if s.workflow == nil {
		if err := s.load(); err != nil {
			return nil, err
		}
	}
	w := s.workflow
	if w == nil {
		return nil, s.findings
	}
	if w.Expect == nil {
		a.say("the workflow has no [expect] table, so no score is checked")
		return nil, nil
	}
	if len(w.Axes()) > 0 {
		a.say("the expected scores are for the workflow without axes, so they are not checked")
		return nil, nil
	}
	r, err := s.scores()
	if err != nil {
		return nil, err
	}
	var list []expectation
	for _, s := range w.Expect.Scores {
		if !w.Runs(s.Filter) && slices.Contains(w.Labels(), s.Filter) {
			a.say("%s is not part of the sweep; its %s is not checked", s.Filter, s.Metric)
			continue
		}
		want := compare.Expected{Filter: s.Filter, Metric: s.Metric, Stage: s.Stage, Value: s.Value, Tolerance: s.Tolerance}
		if s.Relative > 0 {
			want.Tolerance = s.Relative * math.Abs(s.Value)
		}
		got, verdict, err := r.Judge(want)
		if err != nil {
			return nil, err
		}
		metric := want.Metric
		if s.Stage != "" {
			metric += " of the " + s.Stage
		}
		list = append(list, expectation{want.Filter, metric, want.Value, want.Tolerance,
			finite(got.Value), finite(got.SE), verdict, got.Text()})
	}
	return list, nil
}
