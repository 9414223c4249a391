package cli

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/spf13/cobra"
)

// checkLate reports a policy for late rows that does not exist; empty is that of the workflow.
func checkLate(late string) error {
	if !slices.Contains([]string{"", "refuse", "ignore", "rerun"}, late) {
		return usage("--late must be refuse, ignore or rerun, but is %q", late)
	}
	return nil
}

func (a *app) continueCommand() *cobra.Command {
	var root, moved, late string
	var how running
	var from source
	var again experiment.Again
	c := &cobra.Command{
		Use:   "continue RUN",
		Short: "Go on with a run whose observations have grown",
		Long: `Continue assimilates the rows that have been added to the files of observations
of a run, from its last cycles on. The tables are then those of one run over the
whole files, byte for byte, except for the timings. Stopped runs are completed
too, as by resume.

The last cycle of the run is made again, since rows may have been added to it.
A row of an earlier time is late. late in [observations], or --late for once,
says what happens with it: refuse (the default) names the row and changes
nothing; ignore leaves it out, and it is listed in the table of rejections;
rerun goes back to its cycle. Rows that were there before must be as they were,
unless late is rerun: continue then goes back to before the change. It goes back
to the last checkpoint that fits, which takes at most about twice as many
cycles.

The workflow, the plugins, plume, and all other inputs must be the same as when
the run began. A workflow whose observations are not from files, or are read in
different ways by an axis of its sweep, cannot be continued.

RUN is a path, @last, or the first characters of the name of a run.`,
		Example: `  plume continue @last
  plume continue runs/gauge/20260102T030405Z-1a2b --late rerun`,
		Args:              exactly(1, "one run"),
		ValidArgsFunction: completeRuns(&root),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			if err := checkLate(late); err != nil {
				return err
			}
			info, err := archive.ReadInfo(dir)
			if err != nil {
				return err
			}
			if info.Arrivals == nil {
				return usage("%s cannot be continued: its observations are not from files, an axis of its sweep changes how they are read, or it is of an older version; run the workflow again", dir)
			}
			s, w, o, err := a.reload("continue", dir, info, moved, from, how)
			if err != nil {
				return err
			}
			if again.Path, err = filepath.Abs(s.path); err != nil {
				return err
			}
			r, err := experiment.Continue(c.Context(), w, dir, again, late, o)
			if errors.Is(err, experiment.ErrNothingNew) {
				a.say("%s: %v", dir, err)
				return a.printRun(dir, info.Status, info.Trials)
			}
			return a.conclude(s, r, s.shown(err))
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&moved, "workflow", "", "the workflow `FILE`, if it has moved")
	c.Flags().StringVar(&late, "late", "", "what happens with late rows: refuse, ignore or rerun; if omitted, what the workflow says")
	how.flags(c)
	from.placeFlags(c)
	return c
}
