package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk"
)

// reopen claims the run directory dir and checks that the run can go on with what is
// there now.
func (e *engine) reopen(dir string) error {
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
func (e *engine) sameAs(info archive.Info, dir string) error {
	if now := e.Plume; now != info.Plume {
		return sdk.Errorf(sdk.KindPlugin, "plume", "is %s, but the run began with %s", now, info.Plume).
			WithHint("resume with that version, or run the workflow again")
	}
	plugins, err := e.pluginInfo()
	if err != nil {
		return err
	}
	for _, p := range plugins {
		i := slices.IndexFunc(info.Plugins, func(was archive.PluginInfo) bool { return was.Name == p.Name })
		if i < 0 {
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "was no part of the run")
		}
		if was := info.Plugins[i]; p != was {
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "has changed: version %s with checksum %.12s, but the run began with version %s, checksum %.12s", p.Version, p.SHA256, was.Version, was.SHA256).
				WithHint("put that one back, or run the workflow again")
		}
	}
	was, err := os.ReadFile(filepath.Join(dir, archive.ResolvedFile))
	if err != nil {
		return err
	}
	now, err := e.Workflow.Resolved()
	if err != nil {
		return err
	}
	if change := firstChange(string(was), string(now)); change != "" {
		return &ChangedError{e.Workflow.File, change, filepath.Join(dir, "workflow.toml")}
	}
	return nil
}

// ChangedError is the error of a workflow that is not the one a run began with.
type ChangedError struct {
	File   string
	Change string // the first line that differs
	Own    string // the run's copy of the workflow
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s has changed since the run began: %s; the run's own is %s", e.File, e.Change, e.Own)
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
