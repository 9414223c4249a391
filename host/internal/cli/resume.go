package cli

import (
	"errors"
	"fmt"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/spf13/cobra"
)

func (a *app) resume() *cobra.Command {
	var root string
	var how running
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that was stopped",
		Long: `Resume does what is left of a run that was interrupted or killed, or some of whose trials
stopped because a plugin died or the disk was full. Trials go on from their last
checkpoint; truths, and a reference that was not finished, are made again. The finished run has the tables of one that was never stopped, byte for byte
but for the timings.

The workflow file, the plugins and plume must be those the run began with; what differs
is named. RUN is a path, @last, or the beginning of a run's name.`,
		Example: `  plume resume @last
  plume resume runs/l63-twin/20260102T030405Z-1a2b --workers 4`,
		Args:              exactly(1, "one run"),
		ValidArgsFunction: completeRuns(&root),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			info, err := archive.ReadInfo(dir)
			if err != nil {
				return err
			}
			if done, err := a.nothingLeft(dir, info); done || err != nil {
				return err
			}
			s := &source{path: info.Source, profile: info.Profile, set: info.Set, sweep: info.Sweep, format: "human", inProcess: info.InProcess}
			o, err := a.options(s, how)
			if err != nil {
				return err
			}
			w, err := s.load()
			if err != nil {
				return err
			}
			r, err := experiment.Resume(c.Context(), w, dir, o)
			return a.conclude(r, s.shown(err))
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory below which runs are")
	how.flags(c)
	return c
}

// nothingLeft says whether a run has nothing to resume. When it was stopped while it
// removed what it did not need any more, that is done now.
func (a *app) nothingLeft(dir string, info *archive.Info) (_ bool, err error) {
	if info.Finished == nil || info.Resumable {
		return false, nil
	}
	run, err := archive.Reopen(dir)
	if err != nil {
		return true, err
	}
	if err := errors.Join(run.Tidy(), run.Release()); err != nil {
		return true, err
	}
	if info.Status != archive.OK {
		err := fmt.Errorf("%s: what is left would fail again: %s", dir, info.Error)
		if info.Status == archive.SomeFailed {
			err = &exitError{exitSomeFailed, err}
		}
		return true, err
	}
	a.say("%s is complete", dir)
	a.next("report", dir)
	a.next("compare", dir)
	return true, a.printRun(dir, info.Status, nil)
}
