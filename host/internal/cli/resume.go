package cli

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/tomltext"
	"github.com/spf13/cobra"
)

func (a *app) resume() *cobra.Command {
	var root, moved string
	var how running
	var again experiment.Again
	var retry bool
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that was stopped",
		Long: `Resume does what is left of a run that was interrupted or killed, or some of whose trials
stopped because a plugin died or the disk was full. Trials go on from their last
checkpoint; truths, and a reference that was not finished, are made again. The finished
run has the tables of one that was never stopped, byte for byte but for the timings.
With --retry-failed trials go on, too, that failed because of something outside of the
run, such as a program that a model runs, once that is cured.

The workflow file, the plugins, plume, and the files that the results depend on must be
those the run began with; what differs is named. Those files are the ones of
observations and members, and what parameters of the model name, such as the program
that plugin process runs and its files. With --accept-changed a run goes on although
some have changed: trials that have ended keep what the old ones gave, all others begin
again with the new ones, and run.json says so. --workflow says where the workflow is
when it has moved, or when the run was copied from another machine.

RUN is a path, @last, or the beginning of a run's name.`,
		Example: `  plume resume @last
  plume resume runs/l63-twin/20260102T030405Z-1a2b --workers 4
  plume resume copied/20260102T030405Z-1a2b --workflow twin.toml`,
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
			if !retry || !info.Retryable {
				if done, err := a.nothingLeft(dir, info); done || err != nil {
					return err
				}
			}
			s := &source{path: cmp.Or(moved, info.Source), profile: info.Profile, set: info.Set, sweep: info.Sweep, format: "human", inProcess: info.InProcess}
			o, err := a.options(s, how)
			if err != nil {
				return err
			}
			if again.Path, err = filepath.Abs(s.path); err != nil {
				return err
			}
			w, err := s.load()
			if err != nil {
				return missing(err, dir, info)
			}
			r, err := experiment.Resume(c.Context(), w, dir, again, o)
			return a.conclude(r, s.shown(withChoice(err, dir)))
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory below which runs are")
	c.Flags().StringVar(&moved, "workflow", "", "the workflow `FILE`, when it is not where it was")
	c.Flags().BoolVar(&retry, "retry-failed", false, "go on with trials that have failed of a cause outside of the run, which is cured")
	c.Flags().BoolVar(&again.AcceptChanged, "accept-changed", false, "go on although input files have changed; see above")
	how.flags(c)
	return c
}

// missing says what to do about a workflow that is not where it was.
func missing(err error, dir string, info *archive.Info) error {
	var found *findings
	if errors.As(err, &found) {
		for _, f := range found.diagnostics {
			if f.Code == tomltext.CodeUnreadable && f.File == info.Source {
				f.WithNote("the run began with it; its own copy is %s", filepath.Join(dir, "workflow.toml")).
					WithHelp("say where it is now: plume resume %s --workflow FILE", word(dir))
			}
		}
	}
	return err
}

// withChoice says what to do about inputs that have changed.
func withChoice(err error, dir string) error {
	if !errors.As(err, new(*experiment.InputsError)) {
		return err
	}
	return fmt.Errorf("%w\nput back what has changed, or run the workflow again; plume resume %s --accept-changed goes on all the same:\n"+
		"trials that have ended keep what the old files gave, all others begin again with the new ones", err, word(dir))
}

// nothingLeft reports whether a run has nothing to resume. When it was stopped while it
// removed what it did not need any more, that is done now.
func (a *app) nothingLeft(dir string, info *archive.Info) (_ bool, err error) {
	if info.Finished == nil || info.Resumable {
		return false, nil
	}
	run, err := archive.Reopen(dir)
	if err != nil {
		return true, err
	}
	if !info.Retryable {
		err = run.Tidy()
	}
	if err := errors.Join(err, run.Release()); err != nil {
		return true, err
	}
	if info.Status != archive.OK {
		err := fmt.Errorf("%s: what is left would fail again: %s", dir, info.Error)
		if info.Retryable {
			err = fmt.Errorf("%w\nwhen the cause was outside of the run and is cured: plume resume %s --retry-failed", err, word(dir))
		}
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
