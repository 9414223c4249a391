package experiment

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
)

// reopen claims the run directory dir and checks that the run can be continued with what is
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

// goOn marks the run as running again, unless something differs from what it began with.
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
	if info.Inputs == nil { // the run is of a version that did not keep them, or has none
		pairs = nil
	}
	changed := slices.DeleteFunc(archive.Changes(pairs), func(c archive.Change) bool { return c.Key == archive.Include }) // the comparison of workflows covers these
	arrivals := info.Arrivals
	if a.grown {
		if len(arrivals) != len(a.known.Arrivals) {
			return errors.New("the run was continued in the meantime; try again")
		}
		changed = slices.DeleteFunc(changed, func(c archive.Change) bool { return archive.IsObservations(c.Key) }) // their rows have been compared
		if arrivals = e.arrivals(arrivals); len(arrivals) == len(info.Arrivals) && info.Finished != nil && !info.Resumable {
			return ErrNothingNew
		}
	}
	if len(changed) > 0 && !a.AcceptChanged {
		return &InputsError{changed}
	}
	if err := e.accept(changed); err != nil {
		return err
	}
	return e.run.Begin(a.Path, inputs, changed, arrivals)
}

// arrivals returns what has arrived of observations in files, known and, if there is more, now;
// nil if settings of the sweep read the files in different ways, or the truth is observed.
func (e *Experiment) arrivals(known []observations.Arrival) []observations.Arrival {
	var now []observations.Arrival
	for _, s := range e.Sweep.Scenarios {
		for _, p := range s.Plans {
			if p.Record == nil {
				return nil
			}
			if a := p.Record.Arrival(); len(now) == 0 {
				now = append(now, a)
			} else if !reflect.DeepEqual(a, now[0]) {
				return nil
			}
		}
	}
	if n := len(known); n > 0 && slices.Equal(known[n-1].SHA256, now[0].SHA256) {
		return known
	}
	return append(slices.Clip(known), now...)
}

// accept dates changes and removes the checkpoints of trials: trials that have not ended
// start again, so that every trial uses one state of the inputs.
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

// InputsError is the error of inputs that have changed since a run began.
type InputsError struct{ Changed []archive.Change }

func (e *InputsError) Error() string {
	lines := make([]string, len(e.Changed))
	for i, c := range e.Changed {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

// inputs returns the inputs that the results depend on, with checksums.
func (e *engine) inputs(ctx context.Context) ([]archive.Input, error) {
	var inputs []archive.Input
	for _, f := range e.Workflow.Included {
		inputs = append(inputs, archive.Input{Key: archive.Include, Path: f.Path, Bytes: int64(f.Bytes), SHA256: hex.EncodeToString(f.SHA256[:])})
	}
	for _, in := range e.Sweep.Inputs {
		input := archive.Input{Key: in.Key, Path: in.Path, Info: in.Info}
		for i, o := range e.Workflow.Observations {
			if e.Bytes != nil && e.Workflow.Path(o.File) == in.Path {
				input.Upto = e.Bytes[i]
			}
		}
		inputs = append(inputs, input)
	}
	return inputs, archive.Sum(ctx, inputs)
}

// sameAs returns an error if plume, a plugin or the workflow differs from what the run began
// with. pairs are its inputs; the workflow is at path.
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
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "was not part of the run")
		}
		if was := info.Plugins[i]; p != was {
			return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "has changed: version %s with checksum %.12s, but the run began with version %s, checksum %.12s", p.Version, p.SHA256, was.Version, was.SHA256).
				WithHint("restore that plugin, or run the workflow again")
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

// moved returns a resolved workflow with the present paths of its inputs and of everything
// in the folder of the workflow.
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

// changedFile returns the file, the workflow or one that it includes, that has changed.
func (e *engine) changedFile(pairs []archive.Pair) string {
	for _, p := range pairs {
		if p.Was.Key == archive.Include && p.Now.Path != "" && p.Was.SHA256 != p.Now.SHA256 {
			return p.Now.Path
		}
	}
	return e.Workflow.File
}

// ChangedError is the error of a workflow that has changed since a run began.
type ChangedError struct {
	File   string
	Change string // the first line that differs
	Own    string // the copy of the workflow in the run directory
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s has changed since the run began: %s; the workflow of the run is %s", e.File, e.Change, e.Own)
}

// firstChange describes the first line that differs between two TOML texts; empty if there
// is none.
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
