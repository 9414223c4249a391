package archive

import (
	"os"
	"path/filepath"
	"reflect"
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
		Members []float64
		Carry   []byte
		Status  Status
	}
	want := value{[]float64{0.2626, -1.5, 3}, []byte("carried"), OK}
	work := ScenarioWork(&plan.Scenario{Replicate: 1})
	for name, test := range map[string]struct {
		save func() error
		load func(v *value) bool
	}{
		"trial=0001":       {func() error { return r.Save("trial=0001", want) }, func(v *value) bool { return r.Load("trial=0001", v) }},
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
