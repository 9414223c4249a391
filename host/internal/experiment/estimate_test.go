package experiment

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/pace"
)

// slowModel is oneModel with one that sleeps for 1 ms per unit of time.
var slowModel = strings.Replace(oneModel, "fake-model\"", "fake-model\", params = { sleep = 1.0 }", 1)

// A trial whose cycles take long is tried for one cycle.
func TestLongCyclesAreTriedOnce(t *testing.T) {
	e, err := Open(t.Context(), loadText(t, twin+oneModel+filterOf("nudge"), workflow.Options{}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p := e.Sweep.Scenarios[0].Plans[0]
	for enough, want := range map[time.Duration]int64{0: 1, time.Hour: probeCycles} {
		probe, err := newProbe(t.Context(), p, 0)
		if err != nil {
			t.Fatal(err)
		}
		probe.enough = enough
		before := analysed.Load()
		if pace, err := probe.pace(t.Context(), &p.Trials[0]); err != nil || pace.over(p.Clock) <= 0 || analysed.Load() != before+want {
			t.Errorf("enough: %v: got %v, %v after %d cycles, want %d", enough, pace, err, analysed.Load()-before, want)
		}
	}
}

// The model runs of a window whose length follows a rule are those of its longest, however few cycles are tried.
func TestModelRunsOfWindowsByRule(t *testing.T) {
	e, err := Open(t.Context(), loadText(t, twin+oneModel+filterOf("nudge")+"window = \"auto\"\n", workflow.Options{}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	part := e.parts()[1]
	probe, err := newProbe(t.Context(), part.plan, 0)
	if err != nil {
		t.Fatal(err)
	}
	probe.enough = 0 // one cycle
	row, err := e.try(t.Context(), probe, part)
	if err != nil || row.Runs != 7 {
		t.Errorf("got %d model runs a cycle, %v, want two passes over windows of 3 cycles, and the forecast", row.Runs, err)
	}
}

// A record that begins with a gap has one long cycle, and the others do not take as long: 100 ms
// before the first observation, and 40 to the last.
func TestEstimateOfARecordThatBeginsLate(t *testing.T) {
	text := recordedFor(t, 41, "x") + slowModel + filterOf("nudge")
	e, err := Open(t.Context(), loadText(t, text, workflow.Options{Set: []string{"time.start=-100.0"}}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p := e.Sweep.Scenarios[0].Plans[0]
	for _, enough := range []time.Duration{0, 50 * time.Millisecond, time.Hour} {
		probe, err := newProbe(t.Context(), p, 0)
		if err != nil {
			t.Fatal(err)
		}
		probe.enough = enough
		pace, err := probe.pace(t.Context(), &p.Trials[0])
		if err != nil {
			t.Fatal(err)
		}
		if got := pace.over(p.Clock); got < 0.1 || got > 0.5 {
			t.Errorf("enough: %v: got %.3g s after %d cycles, want 0.14", enough, got, len(pace.tried))
		}
	}
}

// The truth spins up once, here in 200 ms, and then takes 40 ms.
func TestEstimateOfASpinUp(t *testing.T) {
	text := twin + slowModel + filterOf("nudge")
	est := estimateOf(t, text, "truth.spin_up=200.0")
	if truth := est.Rows[0]; truth.Filter != "truth" || truth.Seconds < 0.2 || truth.Seconds > 0.8 {
		t.Errorf("got %.3g s for the %s, want 0.24", truth.Seconds, truth.Filter)
	}
}

// The time of a trial includes that of its forecasts: here there are 30 of 200 model runs each,
// which sleep for 1 ms at least.
func TestForecastsAreEstimated(t *testing.T) {
	text := twin + slowModel + "forecast.horizon = 200\n" + filterOf("nudge")
	if got := estimateOf(t, text).Seconds; got < 6 {
		t.Errorf("got %.3g s, want at least 6", got)
	}
}

// A window of no cycles, for passes at one time, takes a run of the model a cycle as does no window.
func TestWindowsOfNoCyclesAreEstimated(t *testing.T) {
	est := estimateOf(t, twin+slowModel+filterOf("nudge"), "filter.nudge.window.length=0")
	if got := est.Rows[1].Seconds; got < 0.04 || got > 0.8 {
		t.Errorf("got %.3g s, want 40 ms that the model sleeps", got)
	}
}

// When trying has taken long, one trial of each filter and size is tried, and counts for the
// others of its kind.
func TestOneOfEachKindIsTried(t *testing.T) {
	const text = twin + oneModel + "sweep.axes = { \"filter.nudge.params.scheme\" = [\"nudge\", \"weigh\", \"choose\"], \"ensemble.size\" = [6, 8] }\n"
	e, err := Open(t.Context(), loadText(t, text+filterOf("nudge"), workflow.Options{}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for tryFor, want := range map[time.Duration]int{0: 2, time.Hour: 6} {
		before := analysed.Load()
		est, err := e.estimate(t.Context(), func(time.Duration) {}, tryFor)
		if err != nil {
			t.Fatal(err)
		}
		if got := analysed.Load() - before; got != int64(want*probeCycles) {
			t.Errorf("for %v: %d analyses, want those of %d trials", tryFor, got, want)
		}
		untried := 0
		for i, r := range est.Rows[1:] {
			if r.Trial != i+1 || len(r.Axes) != 2 || r.Seconds <= 0 || r.Bytes <= 0 {
				t.Errorf("for %v: row %d is %+v", tryFor, i+1, r)
			}
			if r.Untried {
				untried++
			}
		}
		if untried != 6-want {
			t.Errorf("for %v: %d trials are marked as untried", tryFor, untried)
		}
	}
}

// As many trials run at a time as there is memory for, unless a number is asked for.
func TestTrialsThatFit(t *testing.T) {
	defer runtime.GOMAXPROCS(pace.Processors())
	e, err := Open(t.Context(), loadText(t, twin+oneModel+threeFilters, workflow.Options{Set: []string{"ensemble.size=1_000_000"}}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	grows := func(workers int) float64 { return e.Memory(workers).Host - launch.Self().Resident }
	for _, c := range []struct {
		workers, want int
		all           float64
		fits          bool
	}{
		{0, 3, math.Inf(1), true},
		{0, 2, (grows(2) + grows(3)) / 2, true},
		{0, 1, (grows(1) + grows(2)) / 2, true},
		{0, 1, grows(1) / 2, false},
		{2, 2, (grows(1) + grows(2)) / 2, false},
	} {
		runtime.GOMAXPROCS(3) // the host of an earlier test may have taken some back since
		m, why := e.fitting(c.workers, launch.Room{All: c.all, Each: math.Inf(1)})
		if m.Workers != c.want || (why == "") != c.fits {
			t.Errorf("%d workers in %s: got %d, %q", c.workers, Bytes(c.all), m.Workers, why)
		}
	}
}

// What members carry counts in memory: as much as it was in the cycles that were tried, and what
// it grows by in each of the others.
func TestCarriedBytesCount(t *testing.T) {
	estimated := func(set ...string) (float64, error) {
		w := loadText(t, twin+oneModel+filterOf("weigh"), workflow.Options{Set: append([]string{"ensemble.size=20", "time.cycles=100"}, set...)})
		e, err := Open(t.Context(), w, true)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if _, err := e.Estimate(t.Context(), func(time.Duration) {}); err != nil {
			return 0, err
		}
		with := e.Memory(1).Host
		e.carried = 1e15
		if _, err := e.checkRoom(1); err == nil {
			t.Error("there is room for 1e15 bytes")
		}
		e.carried = 0
		return with - e.Memory(1).Host, nil
	}
	for _, c := range []struct {
		set  []string
		want float64 // before and after a forecast, here and in the model, which is linked
	}{
		{nil, 0},
		{[]string{"model.params.keeps=1_000_000"}, 4 * 20 * 1e6},
		{[]string{"model.params.keeps_more=10_000"}, 4 * 20 * 1e6},
		{[]string{"model.params.keeps=1_000_000", "filter.weigh.window.length=3"}, 7 * 20 * 1e6},
	} {
		got, err := estimated(c.set...)
		if err != nil || got < c.want-5e6 || got > 1.2*c.want+20e6 { // the heap, and what waits to be collected, differ
			t.Errorf("%v: got %s more, %v; want %s", c.set, Bytes(got), err, Bytes(c.want))
		}
	}
}

// A setting of Go that estimates of memory do not know is warned of.
func TestGarbageSettingIsWarnedOf(t *testing.T) {
	for set, want := range map[string]bool{"": false, "off": true, "400": true, "junk": true} {
		t.Setenv("GOGC", set)
		est := estimateOf(t, twin+oneModel+filterOf("nudge"))
		if got := slices.ContainsFunc(est.Warnings, func(w string) bool { return strings.Contains(w, "GOGC is set to") }); got != want {
			t.Errorf("GOGC=%s: got %q", set, est.Warnings)
		}
	}
}

// However many trials run at a time, the longest one comes after what it needs.
func TestTimeWithSeveralWorkers(t *testing.T) {
	if got := (&Estimate{Cost: Cost{Seconds: 1e12}}).TimeWith(2); got < 290*365*24*time.Hour {
		t.Errorf("10^12 seconds on two workers: got %v", got)
	}
	cost := func(seconds float64) Cost { return Cost{Seconds: seconds} }
	e := &Estimate{Cost: cost(40), Rows: []EstimatedRow{
		{Filter: "truth", Cost: cost(4)}, {Filter: "reference", Cost: cost(6)},
		{Trial: 1, Filter: "a", Cost: cost(20)}, {Trial: 2, Filter: "b", Cost: cost(10)},
	}}
	for workers, want := range map[int]time.Duration{1: 40 * time.Second, 2: 30 * time.Second, 8: 30 * time.Second} {
		if got := e.TimeWith(workers); got != want {
			t.Errorf("with %d workers: got %v, want %v", workers, got, want)
		}
	}
}

// estimateOf returns the estimate of a workflow with some keys set.
func estimateOf(t *testing.T, text string, set ...string) *Estimate {
	t.Helper()
	e, err := Open(t.Context(), loadText(t, text, workflow.Options{Set: set}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	est, err := e.Estimate(t.Context(), func(time.Duration) {})
	if err != nil {
		t.Fatal(err)
	}
	return est
}

// What plan says that a run would store with a setting of [output] is what one with it stores, and a run that stores
// little is not warned about. A run of few cycles is not told to store the ensembles of later ones.
func TestSavings(t *testing.T) {
	text := twin + oneModel + filterOf("nudge") + "[output]\nensemble = \"both\"\n"
	t.Run("enough cycles", func(t *testing.T) { checkSavings(t, text) })
	t.Run("few cycles", func(t *testing.T) { checkSavings(t, text, "time.cycles=9", "time.burn_in=3") })
}

func checkSavings(t *testing.T, text string, set ...string) {
	t.Helper()
	x, err := Open(t.Context(), loadText(t, text, workflow.Options{Set: set}), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}()
	stored := x.stores()
	for _, s := range x.savings() {
		w := loadText(t, text, workflow.Options{Set: append(set[:len(set):len(set)], s.Setting)})
		y, err := Open(t.Context(), w, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := y.stores(); got != s.Bytes || got >= stored {
			t.Errorf("%s: %g bytes, but %g are promised, of %g", s.Setting, got, s.Bytes, stored)
		}
		if warnings := y.Warnings(); len(warnings) > 0 {
			t.Errorf("%s: %v", s.Setting, warnings)
		}
		if err := y.Close(); err != nil {
			t.Error(err)
		}
	}
	est := &Estimate{Cost: Cost{Bytes: stored}}
	if x.Save(est, t.TempDir()); len(est.Warnings) > 0 || len(est.Savings) > 0 {
		t.Errorf("got %v", est.Warnings)
	}
	est.Bytes = 2 * large
	if x.Save(est, t.TempDir()); len(est.Warnings) != 1 || len(est.Savings) < 3 {
		t.Errorf("got %v, %v", est.Warnings, est.Savings)
	}
}
