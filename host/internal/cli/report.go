package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/report"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

// watchEvery is how often the report of a run under way is written again.
const watchEvery = 5 * time.Second

func (a *app) reportCommand() *cobra.Command {
	var root, figures string
	var watch bool
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "Make a page and figures of a run",
		Long: `Report writes one self-contained HTML page into the run directory, report.html, and
prints its path. It needs no network and can be sent by mail. With --figures it also writes
figures for a paper into the folder figures of the run. A run that goes on, was killed or
was stopped gives a report of what it holds.

RUN is a path, @last, or the beginning of a run's name.`,
		Example: `  plume report @last
  plume report @last --figures svg
  plume report @last --watch`,
		Args: exactly(1, "one run"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			setup := reportSetup(dir)
			path := filepath.Join(dir, archive.ReportFile)
			if watch {
				err = report.Watch(c.Context(), dir, setup, watchEvery, func(path string) { a.say("%s  %s", time.Now().Format(time.TimeOnly), path) })
			} else {
				path, err = report.Write(dir, setup)
			}
			if err == nil {
				err = a.printFile(path)
			}
			if err != nil || figures == "" {
				return err
			}
			paths, err := report.Figures(dir, setup, figures)
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
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory below which runs are")
	c.Flags().StringVar(&figures, "figures", "", "also write figures: svg, png or pdf")
	completeFlag(c, "figures", words("svg", "png", "pdf"))
	c.Flags().BoolVar(&watch, "watch", false, fmt.Sprintf("write the page again every %v until the run has ended", watchEvery))
	return c
}

// reportSetup takes from a run's workflow what the report needs; nil when this version
// cannot read it.
func reportSetup(dir string) *report.Setup {
	w, found := workflow.Load(filepath.Join(dir, archive.ResolvedFile), workflow.Options{})
	if len(found) > 0 {
		return nil
	}
	s := &report.Setup{
		Description: w.Experiment.Description, Model: w.Model.Plugin,
		Cycles: w.Time.Cycles, BurnIn: w.Time.BurnIn, Interval: w.Time.Interval, Baseline: w.Verify.Baseline, Axes: w.Axes(),
	}
	for _, o := range w.Observations {
		if o.Plugin != "" {
			s.Operators = append(s.Operators, o.Plugin)
		}
	}
	for _, replicate := range w.Replicates() { // in the order of plan.Make
		for _, setting := range w.Settings() {
			for _, v := range setting.Variants {
				f := v.Filters[v.Filter]
				s.Trials = append(s.Trials, report.Trial{Number: len(s.Trials) + 1, Replicate: replicate, Filter: f.Label, Plugin: f.Plugin, Size: f.Size, Values: v.Values})
			}
		}
	}
	return s
}
