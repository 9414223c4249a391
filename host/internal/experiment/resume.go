package experiment

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk"
)

// reopen claims the run directory dir and checks that the run can go on with what is
// there now.
func (e *engine) reopen(ctx context.Context, dir string, a Again) error {
	run, err := archive.Reopen(dir)
	if err != nil {
		return err
	}
	e.run = run
	if err := e.goOn(ctx, dir, a); err != nil {
		return errors.Join(err, run.Release())
	}
	return nil
}

// goOn marks the run as running again, unless something is not what it began with.
func (e *engine) goOn(ctx context.Context, dir string, a Again) error {
	inputs, err := e.inputs(ctx)
	if err != nil {
		return err
	}
	info := e.run.Info()
	pairs := archive.Pairs(info.Inputs, inputs)
	if err := e.sameAs(info, dir, a.Path, pairs); err != nil {
		return err
	}
	changed := slices.DeleteFunc(archive.Changes(pairs), func(c archive.Change) bool { return c.Key == archive.Include }) // the workflow says the same
	if len(changed) > 0 && !a.AcceptChanged {
		return &InputsError{changed}
	}
	if err := e.accept(changed); err != nil {
		return err
	}
	return e.run.Begin(a.Path, inputs, changed)
}

// accept dates changes and forgets the checkpoints of trials: what has not ended begins
// again, so that each trial is of one state of the inputs.
func (e *engine) accept(changed []archive.Change) error {
	if len(changed) == 0 {
		return nil
	}
	for i := range changed {
		changed[i].At = time.Now().UTC()
	}
	for _, scenario := range e.Sweep.Scenarios {
		for _, p := range scenario.Plans {
			for i := range p.Trials {
				if err := e.run.Forget(checkpointOf(&p.Trials[i])); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// InputsError is the error of inputs that are not those a run began with.
type InputsError struct{ Changed []archive.Change }

func (e *InputsError) Error() string {
	lines := make([]string, len(e.Changed))
	for i, c := range e.Changed {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

// inputs returns what the results depend on, with checksums.
func (e *engine) inputs(ctx context.Context) ([]archive.Input, error) {
	var inputs []archive.Input
	for _, f := range e.Workflow.Included {
		inputs = append(inputs, archive.Input{Key: archive.Include, Path: f.Path, Bytes: int64(f.Bytes), SHA256: hex.EncodeToString(f.SHA256[:])})
	}
	for _, in := range e.Sweep.Inputs {
		inputs = append(inputs, archive.Input{Key: in.Key, Path: in.Path, Info: in.Info})
	}
	return inputs, archive.Sum(ctx, inputs)
}

// sameAs names what is not what the run began with. pairs are its inputs; the workflow is
// at path.
func (e *engine) sameAs(info archive.Info, dir, path string, pairs []archive.Pair) error {
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
	if change := firstChange(moved(string(was), info.Source, path, pairs), string(now)); change != "" {
		return &ChangedError{e.changedFile(pairs), change, filepath.Join(dir, "workflow.toml")}
	}
	return nil
}

// moved returns a resolved workflow with the paths of its inputs, and of all that is in the
// folder of the workflow, as they are now.
func moved(text, from, to string, pairs []archive.Pair) string {
	from, to = filepath.Dir(from), filepath.Dir(to)
	var change []string
	for _, p := range pairs {
		if p.Was.Path != "" && p.Now.Path != "" {
			change = append(change, strconv.Quote(p.Was.Path), strconv.Quote(p.Now.Path))
		}
	}
	inside := func(folder string) string { return strings.TrimSuffix(strconv.Quote(folder+"/"), `"`) }
	change = append(change, strconv.Quote(from), strconv.Quote(to), inside(from), inside(to))
	return strings.NewReplacer(change...).Replace(text)
}

// changedFile returns the file, the workflow or one that it includes, that is to blame
// for a workflow that has changed.
func (e *engine) changedFile(pairs []archive.Pair) string {
	for _, p := range pairs {
		if p.Was.Key == archive.Include && p.Now.Path != "" && p.Was.SHA256 != p.Now.SHA256 {
			return p.Now.Path
		}
	}
	return e.Workflow.File
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
