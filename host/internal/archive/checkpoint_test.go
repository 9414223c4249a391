package archive

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
)

// What was saved is there as it was, or not at all: whichever bit of it was flipped, and
// wherever it was cut.
func TestDamagedCheckpoint(t *testing.T) {
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	type value struct {
		Numbers []float64 // stored next to the value
		Carry   []byte
		Status  Status
	}
	want := value{[]float64{0.2626, -1.5, 3}, []byte("carried"), OK}
	apart := func(v value) value { v.Numbers = nil; return v }
	work := ScenarioWork(&plan.Scenario{Replicate: 1})
	for name, test := range map[string]struct {
		save func() error
		load func(v *value) bool
	}{
		"trial=0001": {func() error { return r.Save("trial=0001", apart(want), want.Numbers) }, func(v *value) (ok bool) {
			numbers, ok := r.Load("trial=0001", v)
			v.Numbers = numbers
			return ok
		}},
		work.name + ".end": {func() error { return r.End(work, want, false) }, func(v *value) bool { return r.Ended(work, v) }},
	} {
		if err := test.save(); err != nil {
			t.Fatal(err)
		}
		path, got := filepath.Join(r.Dir, checkpoints, name), value{}
		if !test.load(&got) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %+v, want %+v", name, got, want)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range text {
			damaged := append([]byte(nil), text...)
			damaged[i] ^= 1 << (i % 8)
			for _, damaged := range [][]byte{damaged, text[:i]} {
				if err := os.WriteFile(path, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				if test.load(&value{}) {
					t.Errorf("%s: damaged at byte %d of %d, it is there", name, i, len(text))
				}
			}
		}
	}
}

// Tables that are opened to go on know whether they hold what they held.
func TestSumsOfDamagedTables(t *testing.T) {
	id, keep, tested := TrialID{1, 1, "f"}, Keep{Forecast: true, Analysis: true, Variables: 2}, 0
	for _, name := range append([]string{""}, TrialWork(1).files...) {
		r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		trial, err := r.Trial(id, state, state, keep, 0)
		if err != nil {
			t.Fatal(err)
		}
		appendCycle(t, trial, 1, 1, 0)
		appendCycle(t, trial, 1, 2, 0)
		want, err := trial.Sums()
		if err != nil {
			t.Fatal(err)
		}
		appendCycle(t, trial, 1, 3, 0)
		if err := trial.Close(); err != nil {
			t.Fatal(err)
		}
		if name != "" {
			path := filepath.Join(r.Dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				continue // the trial has no such table
			}
			text[len(text)/3] ^= 4
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tested++
		if again, err := r.Trial(id, state, state, keep, 2); err == nil {
			got, err := again.Sums()
			if err != nil || reflect.DeepEqual(got, want) != (name == "") {
				t.Errorf("damaged: %q: got the sums %v, want %v, %v", name, got, want, err)
			}
		} else if name == "" {
			t.Error(err)
		}
	}
	if tested < 7 {
		t.Errorf("%d tables", tested)
	}
}

// A run directory that a stranger has made is gone on with only when it holds files and
// folders: what plume writes must not go elsewhere, and nothing may wait for a pipe.
func TestReopenRefusesLinks(t *testing.T) {
	for what, plant := range map[string]func(path, target string) error{
		"a link":       func(path, target string) error { return os.Symlink(target, path) },
		"a named pipe": func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		for _, name := range []string{"run.json.next", "trials.arrow.part", "checkpoint/trial=0001", "cycles", "log.jsonl"} {
			root := t.TempDir()
			r, err := Create(root, Info{Name: "test"}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
			target := filepath.Join(root, "target")
			writeFile(t, target, "precious")
			path := filepath.Join(r.Dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), plant(path, target)); err != nil {
				t.Fatal(err)
			}
			if _, err := Reopen(r.Dir); err == nil || !strings.HasSuffix(err.Error(), name+": got "+what+", want a regular file") {
				t.Errorf("%s is %s: got %v", name, what, err)
			}
			if text, err := os.ReadFile(target); err != nil || string(text) != "precious" {
				t.Errorf("%s: the target of the link is %q, %v", name, text, err)
			}
		}
	}
}

// Where a link waits for a file that plume makes, the file takes its place.
func TestNewFilesFollowNoLinks(t *testing.T) {
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	writeFile(t, target, "precious")
	for _, name := range []string{"run.json.next", "trials.arrow.part", "metrics.arrow.part"} {
		if err := os.Symlink(target, filepath.Join(r.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writeInfo(r.Dir, &r.info), r.Finish(nil, nil, nil, OK, false, nil)); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "precious" {
		t.Errorf("the target of the links is %q, %v", text, err)
	}
	if err := onlyFiles(r.Dir); err != nil {
		t.Error(err)
	}
}

// A run directory that was removed stays away.
func TestRemovedRun(t *testing.T) {
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.Dir); err != nil {
		t.Fatal(err)
	}
	if err := r.Save("trial=0001", 1, nil); err == nil {
		t.Error("a checkpoint was saved")
	}
	if err := r.Finish(nil, nil, nil, OK, false, nil); err == nil {
		t.Error("the run was finished")
	}
	if _, err := os.Stat(r.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is back: %v", err)
	}
}

// A trial that has had no failure at its checkpoint goes on from there, also if one came after it, and the files say nothing of that one:
// neither here nor at the other end of a mirror.
func TestFailuresAfterCheckpoint(t *testing.T) {
	run, id, clock := newRun(t), TrialID{1, 1, "f"}, plan.Clock{Interval: 1, Cycles: 9}
	open := func(through int) *Failures {
		f, err := run.Failures(id, &clock, through)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, ends := range []bool{false, true} { // killed or stopped
		f := open(0)
		before := f.Sum()
		f.Add(Failure{Cycle: 5, Call: "forecast", Action: Repeated})
		if err := f.Flush(5); err != nil {
			t.Fatal(err)
		}
		if ends {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		other := newRun(t)
		put := func(p Piece) error { return other.Put(TrialWork(1), p) }
		if err := run.Mirror(TrialWork(1), put).Update(); err != nil {
			t.Fatal(err)
		}
		if f = open(3); f.Sum() != before {
			t.Errorf("ended %v: the table has the sum %q, at the checkpoint it had %q", ends, f.Sum(), before)
		}
		if err := run.Mirror(TrialWork(1), put).Begin(true); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*Run{run, other} {
			if left, _ := filepath.Glob(filepath.Join(r.Dir, "failures", "*")); len(left) > 0 {
				t.Errorf("ended %v: %v are left", ends, left)
			}
		}
		f.Add(Failure{Cycle: 4, Call: "forecast", Action: Repeated})
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if f = open(6); f.Sum() == before {
			t.Error("a failure before the checkpoint is forgotten")
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// newRun returns the directory of a run that is being written.
func newRun(t *testing.T) *Run {
	t.Helper()
	run, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Release() })
	return run
}
