package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk"
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
			r, err := a.withPlugins(c.Context(), s, how, func(e *experiment) error { return e.reopen(dir) })
			return a.conclude(r, err)
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
	a.next("report", dir, "compare", dir)
	return true, a.printRun(dir, info.Status, nil)
}

// reopen claims the run directory dir and checks that the run can go on with what is
// there now.
func (e *experiment) reopen(dir string) error {
	run, err := archive.Reopen(dir)
	if err != nil {
		return err
	}
	if err := e.sameAs(run.Info(), dir); err != nil {
		return errors.Join(err, run.Release())
	}
	e.run = run
	return run.Begin()
}

// sameAs names what is not what the run began with.
func (e *experiment) sameAs(info archive.Info, dir string) error {
	if now := versionText(); now != info.Plume {
		return sdk.Errorf(sdk.KindPlugin, "plume", "is %s, but the run began with %s", now, info.Plume).
			WithHint("resume with that version, or run the workflow again")
	}
	for _, p := range e.pluginInfo() {
		i := slices.IndexFunc(info.Plugins, func(was archive.PluginInfo) bool { return was.Name == p.Name })
		if i < 0 {
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "was no part of the run")
		}
		if was := info.Plugins[i]; p != was {
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "has changed: version %s with checksum %.12s, but the run began with version %s, checksum %.12s", p.Version, p.SHA256, was.Version, was.SHA256).
				WithHint("put that one back, or run the workflow again")
		}
	}
	was, err := os.ReadFile(filepath.Join(dir, resolvedFile))
	if err != nil {
		return err
	}
	now, err := e.workflow.Resolved()
	if err != nil {
		return err
	}
	if change := firstChange(string(was), string(now)); change != "" {
		return &exitError{exitWorkflow, fmt.Errorf("%s has changed since the run began: %s; the run's own is %s", e.workflow.File, change, filepath.Join(dir, "workflow.toml"))}
	}
	return nil
}

// firstChange describes the first line of two TOML texts that differs, or is empty.
func firstChange(was, now string) string {
	before, after := strings.Split(was, "\n"), strings.Split(now, "\n")
	table := ""
	for i := range max(len(before), len(after)) {
		var b, n string
		if i < len(before) {
			b = before[i]
		}
		if i < len(after) {
			n = after[i]
		}
		if b != n {
			return strings.TrimSpace(fmt.Sprintf("%s got %q, want %q", table, n, b))
		}
		if strings.HasPrefix(b, "[") {
			table = b
		}
	}
	return ""
}
