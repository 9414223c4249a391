package cli

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/tomltext"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

func (a *app) resume() *cobra.Command {
	var root, moved string
	var how running
	var again experiment.Again
	var retry bool
	var from source
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Continue a run that was stopped",
		Long: `Resume completes a run that was interrupted or killed, or that has trials that
stopped because a plugin died or the disk was full. Trials continue from their
last checkpoint; truths, and a reference that was not finished, are computed
again. The tables of the finished run are those of a run that was never stopped,
byte for byte, except for the timings. With --retry-failed, resume also
continues trials that failed because of something outside of the run, such as a
program that a model runs, after you have fixed the cause.

The workflow file, the plugins, plume, and the files that the results depend on
must be the same as when the run began; resume names those that differ. The
files are those of observations and members, and those that parameters of the
model name, such as the program that plugin process runs and its files. With
--accept-changed, a run continues although some of them have changed: trials
that have ended keep their results, all others start again with the new files,
and run.json records this. --workflow says where the workflow is if it has
moved, or if the run was copied from another machine.

RUN is a path, @last, or the first characters of the name of a run.`,
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
			s, w, o, err := a.reload("resume", dir, info, moved, from, how)
			if err != nil {
				return err
			}
			if again.Path, err = filepath.Abs(s.path); err != nil {
				return err
			}
			r, err := experiment.Resume(c.Context(), w, dir, again, o)
			return a.conclude(s, r, s.shown(withChoice(err, dir)))
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&moved, "workflow", "", "the workflow `FILE`, if it has moved")
	c.Flags().BoolVar(&retry, "retry-failed", false, "also continue trials that failed for a reason outside of the run that you have fixed")
	c.Flags().BoolVar(&again.AcceptChanged, "accept-changed", false, "continue although input files have changed; see above")
	how.flags(c)
	from.placeFlags(c)
	return c
}

// reload reads the workflow of a run again for a command: at moved, unless that is empty.
func (a *app) reload(command, dir string, info *archive.Info, moved string, from source, how running) (*source, *workflow.Workflow, experiment.Options, error) {
	s := &source{path: cmp.Or(moved, info.Source), profile: info.Profile, set: info.Set, sweep: info.Sweep, format: "human", inProcess: info.InProcess, site: from.site, place: from.place}
	w, o, err := a.prepare(s, how)
	if err != nil {
		return nil, nil, o, missing(err, command, dir, info)
	}
	return s, w, o, nil
}

// missing says what to do about a workflow that has moved.
func missing(err error, command, dir string, info *archive.Info) error {
	var found *findings
	if errors.As(err, &found) {
		for _, f := range found.diagnostics {
			if f.Code == tomltext.CodeUnreadable && f.File == info.Source {
				f.WithNote("the run began with it; the copy in the run directory is %s", filepath.Join(dir, "workflow.toml")).
					WithHelp("say where it is now: plume %s %s --workflow FILE", command, word(dir))
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
	return fmt.Errorf("%w\nif rows have been added to observations: plume continue %s; otherwise restore the files, or run the workflow again;\n"+
		"plume resume %s --accept-changed continues with the changed files:\n"+
		"trials that have ended keep their results, all others start again with the new files", err, word(dir), word(dir))
}

// nothingLeft reports whether a run has nothing to resume. If it was stopped while it
// removed files that it no longer needed, they are removed now.
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
		err := fmt.Errorf("%s: the trials that are left would fail again: %s", dir, info.Error)
		if info.Retryable {
			err = fmt.Errorf("%w\nif the cause was outside of the run and you have fixed it: plume resume %s --retry-failed", err, word(dir))
		}
		if info.Status == archive.SomeFailed {
			err = &exitError{exitSomeFailed, err}
		}
		return true, err
	}
	a.say("%s is complete", dir)
	a.next("report", dir)
	a.next("compare", dir)
	return true, a.printRun(dir, info.Status, info.Trials)
}
