package cli

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/spf13/cobra"
)

func (a *app) compare() *cobra.Command {
	var root string
	var how comparing
	var lag int
	c := &cobra.Command{
		Use:   "compare RUN [RUN...]",
		Short: "Compare filters by their paired scores",
		Long: `Compare prints the time mean of a score for every filter, number of members and
setting of a sweep, and its difference from that of another filter. The filters
of a replicate have the same truth, observations and model noise, so the
difference is more precise than the scores.

With several replicates, a score is the mean over them ± its standard error, a
difference is the mean of the differences within replicates, and wins is the
number of replicates in which the filter is better. With a single replicate,
standard errors are those of time means, corrected for autocorrelation,
differences are taken cycle by cycle, and wins is the share of cycles. A tie
counts as half a win. A trial that diverged or failed is not part of any mean:
0.31 (8/10) is the mean of the eight of ten trials that did not. If trials are
restarted when they diverge ([ensemble] on_divergence), divergences is how often
that was, per 1000 cycles. rank_flatness_p is a p-value: for several replicates
it is that of the sum of their rank histograms.

The other filter is the one that --against names, otherwise the baseline in
[verify] of the workflow, otherwise the first filter. It has the same values of
the axes that apply to both and, if there is such a trial, as many members. If
several of its settings match, the best one is taken. With several runs and
without --against, it is the filter of the same name in the first run; the
truths must be the same. Values of an axis experiment.seed count as replicates.

The column published has the numbers in [published] of the workflow: what others
got for the same filter, or with a method that the run does not have.

RUN is a path, @last, or the first characters of the name of a run.`,
		Example: `  plume compare @last
  plume compare @last --metric crps_fair --against enkf --format latex`,
		Args: oneOrMore("runs"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("lag") {
				how.lag = &lag
			}
			if err := how.check(); err != nil {
				return err
			}
			dirs, err := findRuns(root, args)
			if err != nil {
				return err
			}
			return a.printComparison(dirs, how)
		},
	}
	c.ValidArgsFunction = completeRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&how.metric, "metric", "",
		"the score, one of those in metrics.arrow; without it w2_reference, rmse, held_out_rmse or another, the first that the run has")
	c.Flags().StringVar(&how.stage, "stage", "",
		"of the cycle: forecast, analysis or, of filters with smooth, smoothed; without it the one that plume run shows the score of")
	c.Flags().IntVar(&lag, "lag", 0, "of smoothed states: cycles of later observations that have changed them, 0 for those of the analysis")
	c.Flags().StringVar(&how.against, "against", "", "label of the filter that others are compared with")
	how.formatFlag(c)
	completeFlag(c, "metric", completeMetrics(&root))
	completeFlag(c, "stage", words(archive.Forecast, archive.Analysis, archive.Smoothed))
	completeFlag(c, "against", completeLabels(&root))
	return c
}

// findRuns returns the directories of runs below root.
func findRuns(root string, names []string) ([]string, error) {
	dirs := make([]string, len(names))
	for i, name := range names {
		dir, err := archive.Find(root, name)
		if err != nil {
			return nil, usage("%v", err)
		}
		dirs[i] = dir
	}
	return dirs, nil
}

// comparing says what is compared, and how the table is printed. Empty strings are defaults.
type comparing struct {
	metric, stage, against, format string
	lag                            *int // nil: the stage says what
}

func (h *comparing) formatFlag(c *cobra.Command) {
	c.Flags().StringVar(&h.format, "format", "text", "text, markdown, latex, csv or json")
	completeFlag(c, "format", words(slices.Sorted(maps.Keys(comparisonFormats))...))
}

// check reports wrong usage.
func (h *comparing) check() error {
	if stages := []string{archive.Forecast, archive.Analysis, archive.Smoothed}; h.stage != "" && !slices.Contains(stages, h.stage) {
		return usage("--stage: got %q, want one of %s", h.stage, strings.Join(stages, ", "))
	}
	if h.lag != nil && h.stage != "" && h.stage != archive.Smoothed {
		return usage("--lag is for smoothed states, not for the %s; remove --stage", h.stage)
	}
	if comparisonFormats[h.format] == nil {
		return usage("--format: got %q, want one of %s", h.format, strings.Join(slices.Sorted(maps.Keys(comparisonFormats)), ", "))
	}
	return nil
}

// printComparison compares the runs in directories.
func (a *app) printComparison(dirs []string, how comparing) error {
	var runs []*compare.Run
	var first *storedRun
	for _, dir := range dirs {
		s, err := endedRun(dir)
		if err != nil {
			return err
		}
		r, err := s.scores()
		a.sayNotes(s)
		if err != nil {
			return err
		}
		runs, first = append(runs, r), cmp.Or(first, s)
	}
	stage := how.stage
	if how.lag != nil {
		stage = compare.LagStage(*how.lag)
	}
	m := runs[0].Opening(stage)
	m.Name = cmp.Or(how.metric, m.Name)
	m.Stage = cmp.Or(stage, compare.StageOf(m.Name, runs...))
	table, err := compare.Compare(runs, m, how.against)
	if errors.Is(err, compare.ErrChoice) {
		return usage("--%v", err)
	}
	if err != nil {
		return err
	}
	if !a.json {
		err := comparisonFormats[how.format](a.stdout, table)
		a.sayPublished(first, runs[0])
		if _, why := compare.Best(table.Rows); why != "" && score.IsLoss(m.Name) {
			a.say("no score is marked as the best: %s", why)
		}
		return errors.Join(err, a.hint(first))
	}
	for _, line := range comparisonObjects(table) {
		if err := a.printJSON(line); err != nil {
			return err
		}
	}
	return nil
}

// sayPublished says where the published numbers of a table are from, and which of them no table shows.
func (a *app) sayPublished(s *storedRun, r *compare.Run) {
	p := s.workflow.Published
	if p == nil {
		return
	}
	a.say("published: %s", p.Source)
	if p.Differs != "" {
		a.say("there: %s", p.Differs)
	}
	for _, p := range r.Unshown() {
		a.say("not shown: %s, which the run does not have", p.Text())
	}
}
