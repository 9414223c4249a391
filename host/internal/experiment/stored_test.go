package experiment

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"gonum.org/v1/gonum/mat"
)

// storeTruths has all truths stay in their files, and few of their columns looked at at a time.
func storeTruths(t *testing.T) {
	stored, values := truthStored, truthValues
	t.Cleanup(func() { truthStored, truthValues = stored, values })
	truthStored, truthValues = func(p *plan.Plan) bool { return p.Record == nil }, 50
}

// Whether a truth stays in its files or in memory, a run has the same bytes: with references and
// sweeps, windows over some cycles and all of them, smoothing, free forecasts, noise and failing
// members, for any number of workers, and after a stop.
func TestStoredTruth(t *testing.T) {
	smoothed := "[[filter]]\nlabel = \"late\"\nplugin = \"fake-filter\"\nwindow = { length = 4 }\nparams = { scheme = \"shift\" }\n"
	for name, text := range map[string]string{
		"reference": swept + threeFilters,
		"record":    records,
		"window":    twin + oneModel + smoothed + filterOf("nudge"),
		"forecasts": twin + "forecast = { horizon = 5.0, step = 1.0, every = 2 }\n" + oneModel + filterOf("choose"),
		"noise":     strings.Replace(twin, "truth      = {", "truth      = { noise = { sd = 1, memory = 0.5 },", 1) + oneModel + filterOf("nudge"),
	} {
		t.Run(name, func(t *testing.T) {
			want := ran(t, text, Options{Workers: 2})
			storeTruths(t)
			sameRun(t, want.Dir, ran(t, text, Options{Workers: 1}).Dir)
			w := loadText(t, text, workflow.Options{})
			dir := stopped(t, w, 21, Options{Workers: 3})
			resumed(t, w, dir, Options{Workers: 2})
			sameRun(t, want.Dir, dir)
		})
	}
}

// A truth that cannot be read any more fails the trials that need it, and says which file.
func TestStoredTruthIsCut(t *testing.T) {
	storeTruths(t)
	w, root := loadText(t, twin+oneModel+filterOf("nudge")+filterOf("choose"), workflow.Options{Set: []string{"time.cycles=20_000"}}), t.TempDir()
	o := Options{Workers: 1, InProcess: true}
	o.Observer = &after{at: 5, do: func() {
		files, err := filepath.Glob(filepath.Join(root, "fakes", "*", "truth", "*", "*.arrow"))
		if err != nil || len(files) != 1 {
			t.Errorf("got %v, %v", files, err)
			return
		}
		if err := os.Truncate(files[0], 2000); err != nil {
			t.Error(err)
		}
	}}
	r, err := Run(t.Context(), w, root, Source{}, o)
	if err == nil || r.Status != archive.Failed || len(r.Trials) != 2 {
		t.Fatalf("got %+v, %v", r, err)
	}
	for _, row := range r.Trials {
		if !strings.Contains(row.Error, "part-00000.arrow: EOF") {
			t.Errorf("trial %d: got %q", row.Trial, row.Error)
		}
	}
}

// slowTruth is a truth whose columns are there when that is allowed.
type slowTruth struct {
	cycle.Stored
	asked, allowed chan struct{}
	once           sync.Once
}

func (s *slowTruth) TruthColumns(first, end int) *mat.Dense {
	s.once.Do(func() { close(s.asked) })
	<-s.allowed
	return s.Stored.TruthColumns(first, end)
}

// engineOf returns an engine with a run of its own.
func engineOf(t *testing.T, x *Experiment) *engine {
	t.Helper()
	run, err := archive.Create(t.TempDir(), archive.Info{Name: "fakes"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Release(); err != nil {
			t.Error(err)
		}
	})
	return &engine{Experiment: x, Options: Options{Observer: unobserved{}}, run: run, outcomes: map[int]outcome{}, baselines: map[*plan.Scenario][]archive.Metric{}}
}

// While the baselines of a truth are computed, trials of others end, and other truths are written.
func TestBaselinesHoldUpNobody(t *testing.T) {
	x, err := Open(t.Context(), loadText(t, swept+threeFilters, workflow.Options{}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	e := engineOf(t, x)
	all := newSchedule(x.Sweep, 1, func(*plan.Scenario, *plan.Plan, *plan.Trial) bool { return true })
	first, second := all.unmade[0], all.unmade[1]
	for _, sc := range []*scenario{first, second} {
		if sc.made, err = e.storeTruth(t.Context(), sc); err != nil {
			t.Fatal(err)
		}
		defer sc.forget()
	}
	slow := &slowTruth{Stored: first.made.Stored, asked: make(chan struct{}), allowed: make(chan struct{})}
	first.made.Stored = slow
	written := make(chan error)
	go func() { written <- e.writeScenario(first) }()
	<-slow.asked
	others := make(chan error)
	go func() {
		e.record(&second.jobs[0], outcome{})
		others <- e.writeScenario(second)
	}()
	select {
	case err := <-others:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("others wait for the baselines of a truth")
	}
	close(slow.allowed)
	if err := <-written; err != nil {
		t.Error(err)
	}
	if a, b := e.baselines[first.planned], e.baselines[second.planned]; len(a) != 3 || len(b) != 3 {
		t.Errorf("got baselines %v and %v", a, b)
	}
}
