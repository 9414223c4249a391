package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/report"
	"github.com/spf13/cobra"
)

// watchEvery is the time between two reports of a run in progress.
const watchEvery = 5 * time.Second

func (a *app) reportCommand() *cobra.Command {
	var root, figures string
	var watch bool
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "Write a page and figures about a run",
		Long: `Report writes one self-contained HTML page into the run directory, report.html,
and prints its path. The page needs no network and can be sent by mail. With
--figures it also writes figures for a paper into the folder figures of the run.
For a run that is running, was killed or was stopped, the report shows what has
been written so far.

RUN is a path, @last, or the first characters of the name of a run.`,
		Example: `  plume report @last
  plume report @last --figures svg
  plume report @last --watch`,
		Args: exactly(1, "one run"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			r, err := a.writeReport(c.Context(), dir, watch)
			if err != nil || figures == "" {
				return err
			}
			paths, err := r.Figures(figures)
			for _, path := range paths {
				err = errors.Join(err, a.printFile(path))
			}
			if errors.Is(err, report.ErrFormat) {
				return usage("--figures: %v", err)
			}
			return err
		},
	}
	c.ValidArgsFunction = completeRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&figures, "figures", "", "also write figures: svg, png or pdf")
	completeFlag(c, "figures", words("svg", "png", "pdf"))
	c.Flags().BoolVar(&watch, "watch", false, fmt.Sprintf("write the page again every %v until the run has ended", watchEvery))
	return c
}

// writeReport writes the page of a run, once or until the run has ended, and prints its
// path.
func (a *app) writeReport(ctx context.Context, dir string, watch bool) (*report.Report, error) {
	s, err := openRun(dir)
	if err != nil {
		return nil, err
	}
	var r *report.Report
	if watch {
		written := func(path string) { a.say("%s  %s", time.Now().Format(time.TimeOnly), path) }
		r, err = report.Watch(ctx, dir, s.reported(), watchEvery, written)
	} else {
		r, err = s.page()
	}
	if err != nil {
		return nil, err
	}
	return r, a.printFile(filepath.Join(dir, archive.ReportFile))
}

// page writes the page of a run with what stands out.
func (s *storedRun) page() (*report.Report, error) {
	setup := s.reported()
	if setup != nil {
		hint, err := s.hint()
		if err != nil {
			return nil, err
		}
		setup.Hint = hint
	}
	r, err := report.Read(s.Reader, setup)
	if err != nil {
		return nil, err
	}
	_, err = r.Write()
	return r, err
}

// reported returns what a report takes from the workflow; nil if this version cannot read
// the workflow.
func (s *storedRun) reported() *report.Setup {
	w := s.workflow
	if w == nil {
		return nil
	}
	to := &report.Setup{
		Setup: s.setup(), Description: w.Experiment.Description,
		Model: w.Model.Plugin, Cycles: w.Time.Cycles, Interval: w.Time.Interval,
		Parameters: slices.Sorted(maps.Keys(w.Model.Estimate)),
	}
	for _, o := range w.Observations {
		if o.Plugin != "" {
			to.Operators = append(to.Operators, o.Plugin)
		}
	}
	for _, replicate := range w.Replicates() { // in the order of plan.Make
		for _, setting := range w.Settings() {
			for _, v := range setting.Variants {
				f := v.Filters[v.Filter]
				id := archive.TrialID{Trial: len(to.Trials) + 1, Replicate: replicate, Filter: f.Label}
				to.Trials = append(to.Trials, archive.TrialRow{TrialID: id, Plugin: f.Plugin, Size: f.Size, Values: v.Values})
			}
		}
	}
	return to
}
