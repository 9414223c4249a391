package why

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
)

// walk is the record of the exact Kalman filter of m independent random walks with
// variances of the step and of the observation error that are not those of the truth.
func walk(m, cycles int, step, error, trueStep, trueError float64) *record {
	r := rand.New(rand.NewPCG(1, 2))
	p := (step + math.Sqrt(step*step+4*step*error)) / 2 // variance of the forecast, steady
	rec := &record{Trial: &compare.Trial{}}
	state, estimate := make([]float64, m), make([]float64, m)
	for j := range m {
		rec.values = append(rec.values, value{name: fmt.Sprintf("x[%d]", j), variable: "x", spread: math.Sqrt(p), error: math.Sqrt(error), first: 1})
	}
	for k := range cycles {
		d, y := make([]float64, m), make([]float64, m)
		var nis float64
		for j := range m {
			state[j] += math.Sqrt(trueStep) * r.NormFloat64()
			y[j] = state[j] + math.Sqrt(trueError)*r.NormFloat64()
			d[j] = y[j] - estimate[j]
			estimate[j] += p / (p + error) * d[j]
			nis += d[j] * d[j] / (p + error) / float64(m)
		}
		rec.cycle, rec.nis, rec.expected = append(rec.cycle, int32(k+1)), append(rec.nis, nis), append(rec.expected, math.Sqrt(p+error))
		rec.innovation, rec.observed = append(rec.innovation, d), append(rec.observed, y)
	}
	return rec
}

// For random walks the variances that the innovations ask for are exact, whatever the
// filter believes: here within four standard errors of 40,000 innovations.
func TestAskedVariancesAreExact(t *testing.T) {
	for _, c := range []struct{ step, error, trueStep, trueError float64 }{
		{1, 1, 1, 1}, {1, 0.1, 1, 1}, {1, 9, 1, 1}, {0.01, 1, 1, 1}, {10, 1, 1, 1}, {0.1, 4, 1, 0.25},
	} {
		n := walk(20, 2000, c.step, c.error, c.trueStep, c.trueError).study(Setup{}, 0).all
		error, spread := n.asked()
		// of the filter with the wrong gain g the forecast error has the variance
		// p = (1-g)² p + g² r + q
		p := (c.step + math.Sqrt(c.step*c.step+4*c.step*c.error)) / 2
		g := p / (p + c.error)
		variance := (g*g*c.trueError + c.trueStep) / (g * (2 - g))
		tolerance := 4 * (n.share*n.ratio.SE + n.lagged.SE) * (p + c.error)
		if got := error * (p + c.error); math.Abs(got-c.trueError) > tolerance {
			t.Errorf("%+v: error variance: got %v, want %v ± %v", c, got, c.trueError, tolerance)
		}
		tolerance = 4 * ((1-n.share)*n.ratio.SE + n.lagged.SE) * (p + c.error)
		if got := spread * (p + c.error); math.Abs(got-variance) > tolerance {
			t.Errorf("%+v: forecast variance: got %v, want %v ± %v", c, got, variance, tolerance)
		}
	}
}

// decided returns the verdict on a record.
func decided(t *testing.T, r *record) Verdict {
	t.Helper()
	setup := Setup{Streams: []Stream{{Error: "observations.error.variance"}}, Params: map[string]map[string]any{"f": {"inflation": int64(1)}}}
	j := &judge{Verdict: Verdict{Group: &compare.Group{Filter: "f", Size: 100}, Cause: None}, setup: setup, study: r.study(setup, 0)}
	if err := j.decide(&compare.Run{}); err != nil {
		t.Fatal(err)
	}
	return j.Verdict
}

// The same two numbers tell four causes apart.
func TestBalance(t *testing.T) {
	for _, c := range []struct {
		step, error float64
		cause       Cause
		try         string
	}{
		{1, 1, None, ""},
		{1, 0.1, ErrorSmall, "--set observations.error.variance=1"},
		{1, 20, ErrorLarge, "--set observations.error.variance=1"},
		{0.003, 1, SpreadSmall, "--set filter.f.params.inflation=1.05 (it is 1)"},
		{30, 1, SpreadLarge, "less [model.noise], or less jitter or relaxation of the filter"},
	} {
		v := decided(t, walk(20, 2000, c.step, c.error, 1, 1))
		if v.Cause != c.cause || (c.try == "") != (len(v.Try) == 0) || c.try != "" && v.Try[0] != c.try {
			t.Errorf("%+v: got %s, %q\n%+v", c, v.Cause, v.Try, v.Evidence)
		}
	}
}

// Every conversion is recognised in the first innovations of 40 values, and none where
// there is none, where the first ensemble is far too wide, or far away but good later.
func TestConversions(t *testing.T) {
	made := func(factor, offset, scale float64) *record {
		r := rand.New(rand.NewPCG(3, 4))
		rec := &record{Trial: &compare.Trial{}}
		var d, y []float64
		for j := range 40 {
			x := 10 + r.NormFloat64()*scale
			forecast := x + r.NormFloat64()
			rec.values = append(rec.values, value{name: fmt.Sprint(j), variable: "x", spread: 1, error: 1})
			y = append(y, factor*x+offset)
			d = append(d, y[j]-forecast)
			rec.values[j].first = d[j] / math.Sqrt2
		}
		rec.cycle, rec.innovation, rec.observed = []int32{1}, [][]float64{d}, [][]float64{y}
		return rec
	}
	for _, c := range conversions {
		if c.factor == 1/1.8 { // the record is of around 10, which is near 0 degrees Celsius
			continue
		}
		got := made(c.factor, c.offset, 5).conversion()
		if got == nil || got.about != c.about {
			t.Errorf("%v, %v: got %+v, want %s", c.factor, c.offset, got, c.about)
		}
	}
	if got := made(1, 0, 5).conversion(); got != nil {
		t.Errorf("got %+v without a fault", got)
	}
	if r := walk(20, 200, 1, 1, 1, 1); true {
		for j := range r.values {
			r.values[j].first = r.innovation[0][j] / 300 // the first ensemble was that wide
		}
		if v := decided(t, r); v.Cause != None {
			t.Errorf("a wide first ensemble: got %s: %s", v.Cause, v.Text)
		}
	}
}

// What does not change is stuck only if others do and if the forecasts say that it should:
// rounded values, and a dry season, are not.
func TestStandstill(t *testing.T) {
	set := func(change func(r *record)) *standstill {
		r := walk(10, 300, 1, 1, 1, 1)
		change(r)
		return r.standstill()
	}
	hold := func(r *record, from, n int) {
		for k := from; k < from+n; k++ {
			r.innovation[k][4] += r.observed[from][4] - r.observed[k][4] // the forecast stays
			r.observed[k][4] = r.observed[from][4]
		}
	}
	if s := set(func(r *record) { hold(r, 100, 60) }); s == nil || s.name != "x[4]" || s.length != 60 || s.from != 101 {
		t.Errorf("60 of 300: got %+v", s)
	}
	if s := set(func(r *record) { hold(r, 100, shortest-1) }); s != nil {
		t.Errorf("a few: got %+v", s)
	}
	if s := set(func(*record) {}); s != nil {
		t.Errorf("none: got %+v", s)
	}
	rounded := func(r *record) {
		for k := range r.observed {
			for j, y := range r.observed[k] {
				r.observed[k][j] = 40 * math.Round(y/40)
			}
		}
	}
	if s := set(rounded); s != nil {
		t.Errorf("rounded: got %+v", s)
	}
	dry := func(r *record) {
		hold(r, 100, 60)
		for k := 100; k < 160; k++ {
			r.innovation[k][4] = 0.1 // as forecast
		}
	}
	if s := set(dry); s != nil {
		t.Errorf("a state at rest: got %+v", s)
	}
}

// A spike is an outlier, and the start of a series of large innovations is not.
func TestOutlier(t *testing.T) {
	r := walk(10, 300, 1, 1, 1, 1)
	r.innovation[50][3] += 40
	r.values[3].largest, r.values[3].at = r.innovation[50][3]/r.values[3].scale(), 51
	if v := decided(t, r); v.Cause != Outlier || v.Text != "x[3] is 24 standard deviations from its forecast in cycle 51" {
		t.Errorf("got %s: %s", v.Cause, v.Text)
	}
	r.values[3].tails = true // errors are that large at times
	if v := decided(t, r); v.Cause != None {
		t.Errorf("heavy tails: got %s: %s", v.Cause, v.Text)
	}
	r.values[3].tails = false
	r.innovation[51][3] += 30
	if v := decided(t, r); v.Cause != None {
		t.Errorf("got %s: %s", v.Cause, v.Text)
	}
}

// One sensor of many with an offset is named; a filter that does nothing too, and nothing
// is said about means of a few cycles.
func TestOtherCauses(t *testing.T) {
	r := walk(10, 400, 1, 1, 1, 1)
	for k := range r.innovation {
		r.innovation[k][7] += 2
	}
	if v := decided(t, r); v.Cause != Bias || v.Text != "1 of 10 observed values have a bias, or their operator: x[7]" {
		t.Errorf("got %s: %s", v.Cause, v.Text)
	}
	for k := range r.innovation {
		for j := range r.innovation[k] {
			r.innovation[k][j]++
		}
	}
	if v := decided(t, r); v.Cause != Bias || v.Brief != "the forecasts are biased" {
		t.Errorf("got %s: %s", v.Cause, v.Text)
	}
	if v := decided(t, walk(10, fewest-1, 1, 1, 1, 100)); v.Cause != Unknown {
		t.Errorf("few cycles: got %s", v.Cause)
	}
	j := &judge{Verdict: Verdict{Group: &compare.Group{}}, study: &study{unmoved: true}}
	if !j.idle() || j.Cause != Idle {
		t.Errorf("got %s", j.Cause)
	}
}

// Directions are those of the innovations, within the cutoff or in all.
func TestModes(t *testing.T) {
	r := walk(12, 4000, 1, 1, 1, 1)
	for j := range r.values {
		r.values[j].position, r.values[j].period = []float64{float64(j)}, []float64{12}
	}
	for cutoff, want := range map[float64]float64{0: 12, 3: 3, 7: 5} { // a third of it to both sides
		if got := r.modes(cutoff); math.Abs(got-want) > 0.3 {
			t.Errorf("cutoff %g: got %v, want %v", cutoff, got, want)
		}
	}
	for k := range r.innovation { // two directions
		for j := range r.innovation[k] {
			r.innovation[k][j] = r.innovation[k][j%2]
		}
	}
	if got := r.modes(0); math.Abs(got-2) > 0.05 {
		t.Errorf("two directions: got %v", got)
	}
}

// Of many observed values, most are looked at, at even distances.
func TestKept(t *testing.T) {
	for _, m := range []int{1, most, most + 1, 1999, 123456} {
		n, last, widest := 0, 0, 0
		for j := range m {
			if kept(j, m) {
				widest, last, n = max(widest, j-last), j, n+1
			}
		}
		if n != min(m, most) || widest > (m+most-1)/most {
			t.Errorf("of %d: %d, up to %d apart", m, n, widest)
		}
	}
}

// Values that are looked at are those of their rows, wherever these lie, and have an index if their variable
// has others, also when none of those is looked at. Of what no table says more they have the same names.
func TestNamesOfObservedValues(t *testing.T) {
	const m = 3 * most
	all := &archive.ObservedValues{Trial: slices.Repeat([]int32{1}, m)}
	for j := range m {
		all.Variable, all.Index = append(all.Variable, "x"), append(all.Index, int32(j))
		all.Spread, all.Error, all.First, all.Largest = append(all.Spread, float64(j)), append(all.Error, 1), append(all.First, 2), append(all.Largest, 3)
		all.At = append(all.At, 4)
	}
	all.Variable[m-1], all.Index[m-1] = "y", 0
	batches := func() iter.Seq2[*archive.ObservedValues, error] {
		return func(yield func(*archive.ObservedValues, error) bool) {
			for _, at := range [][2]int{{0, 7}, {7, m}} {
				from, to := at[0], at[1]
				if !yield(&archive.ObservedValues{Trial: all.Trial[from:to], Variable: all.Variable[from:to], Index: all.Index[from:to], Spread: all.Spread[from:to],
					Error: all.Error[from:to], First: all.First[from:to], Largest: all.Largest[from:to], At: all.At[from:to]}, nil) {
					return
				}
			}
		}
	}
	known, err := readObserved(batches, Setup{})
	if err != nil {
		t.Fatal(err)
	}
	got := known[1]
	names := map[string]bool{}
	for _, v := range got {
		if want := fmt.Sprintf("x[%d]", int(v.spread)); v.variable == "x" && v.name != want || v.variable == "y" && v.name != "y" {
			t.Errorf("value %v of %s is called %s", v.spread, v.variable, v.name)
		}
		names[v.name] = true
	}
	if len(got) != most || !names["x[0]"] {
		t.Errorf("%d values, with x[0]: %t", len(got), names["x[0]"])
	}
	plain := valuesOf([]archive.Field{{Variable: sdk.Variable{Name: "x", Shape: []int{m - 1}}}, {Variable: sdk.Variable{Name: "y"}}}, Setup{})
	if len(plain) != len(got) {
		t.Fatalf("%d values without a table, want %d", len(plain), len(got))
	}
	for j, v := range plain {
		if v.name != got[j].name || !math.IsNaN(v.spread) {
			t.Errorf("value %d is called %s with a spread of %v, want %s", j, v.name, v.spread, got[j].name)
		}
	}
}

func TestHint(t *testing.T) {
	named := func(filter, brief string, weight float64) Verdict {
		return Verdict{Group: &compare.Group{Filter: filter}, Brief: brief, weight: weight}
	}
	none, a, b, c := named("n", "", 9), named("a", "is a", 1), named("b", "is b", 2), named("c", "is c", 0)
	for want, list := range map[string][]Verdict{
		"": {none}, "a: is a": {none, a}, "b: is b; another one stands out too": {a, b}, "b: is b; 2 others stand out too": {c, none, a, b},
	} {
		if got := Hint(list); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Of a long trial only the first cycles after burn-in are studied.
func TestLongTrials(t *testing.T) {
	defer func(n int) { studied = n }(studied)
	trial := archivetest.Trial{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Trial: 1, Replicate: 1, Filter: "f"}, Size: 10, Status: archive.OK, Cycles: 83}, Scores: map[string][]map[string]float64{}}
	for k := range 83 {
		for _, stage := range []string{score.Forecast, score.Analysis} {
			trial.Scores[stage] = append(trial.Scores[stage], map[string]float64{"rmse": float64(k), "spread": 1, "weights_ess": 10})
		}
	}
	of := archivetest.Run{Workflow: archivetest.Workflow(3, []string{"f"}, ""), BurnIn: 3, Trials: []archivetest.Trial{trial}}
	dir := of.Write(t, t.TempDir())
	for most, want := range map[int]int{50_000: 80, 60: 60} {
		studied = most
		reader, err := archive.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := compare.Read(reader, compare.Setup{BurnIn: 3})
		if err != nil {
			t.Fatal(err)
		}
		all, err := studyAll(reader, scores, Setup{BurnIn: 3})
		if err != nil || all[1] == nil || all[1].nis.Count != want || all[1].used != want {
			t.Errorf("at most %d cycles: got %+v, %v, want %d", most, all[1], err, want)
		}
	}
}

// The mean of trials has the error of independent ones.
func TestMeanOf(t *testing.T) {
	m := meanOf([]score.Mean{{Value: 1, SE: 3, Count: 5}, {Value: 3, SE: 4, Count: 6}})
	if m.Value != 2 || m.SE != 2.5 || m.Count != 11 {
		t.Errorf("got %+v", m)
	}
	if got := slices.Contains([]bool{far(score.Mean{Value: 3, SE: 1}, 2, 0.4), far(score.Mean{Value: 1.9, SE: 0}, 2, 0.4)}, true); got {
		t.Error("what may be by chance is far")
	}
}

// A verdict says how many trials diverged, and is about the kind of trials that there are
// more of.
func TestDivergedTrialsAreNamed(t *testing.T) {
	for where, want := range map[string]string{
		"in the others ": "1 of 2 trials diverged; in the others the observation error is too small",
		"":               "1 of 2 trials diverged; the observation error is too small",
	} {
		r := walk(20, 2000, 1, 0.1, 1, 1)
		trials := []*compare.Trial{{TrialRow: archive.TrialRow{Status: archive.Diverged}}, {TrialRow: archive.TrialRow{Status: archive.OK}}}
		j := &judge{Verdict: Verdict{Group: &compare.Group{Filter: "f", Size: 100, Trials: trials}, Cause: None}, study: r.study(Setup{}, 0), where: where}
		if err := j.decide(&compare.Run{}); err != nil || j.Text != want || j.Cause != ErrorSmall {
			t.Errorf("got %v, %q (%s), want %q", err, j.Text, j.Cause, want)
		}
	}
}

// What nothing stands out of could show follows from how well its numbers are known: of
// many, the limits of the rules; of a few, only large faults.
func TestWhatCouldStandOut(t *testing.T) {
	for cycles, want := range map[int]string{
		2000: "40000 innovations in 2000 cycles; what would stand out: innovations 1.4 times as large as expected or more, or 0.63 times or less; a mean of 0.3 expected standard deviations",
		12:   "24 innovations in 12 cycles; what would stand out: innovations however large, or ",
	} {
		m := 20
		if cycles < 100 {
			m = 2
		}
		v := decided(t, walk(m, cycles, 1, 1, 1, 1))
		if v.Cause != None || len(v.Doubts) != 1 || !strings.HasPrefix(v.Doubts[0], want) {
			t.Errorf("got %s, %q, want %q", v.Cause, v.Doubts, want)
		}
	}
}

// A run that has not ended is said to be partial, with how much there is of it.
func TestPartial(t *testing.T) {
	trial := func(status archive.Status, cycles int) *compare.Trial {
		return &compare.Trial{TrialRow: archive.TrialRow{Status: status, Cycles: cycles}}
	}
	for _, test := range []struct {
		run    archive.Status
		trials []*compare.Trial
		want   string
	}{
		{archive.Running, []*compare.Trial{trial(archive.Running, 7)}, "this is partial: the run is running; there are 7 of 50 cycles"},
		{archive.Stopped, []*compare.Trial{trial(archive.Stopped, 7)}, "this is partial: the run was stopped: its process is gone; there are 7 of 50 cycles"},
		{archive.Interrupted, []*compare.Trial{trial(archive.OK, 50), trial(archive.Interrupted, 3), trial(archive.Waiting, 0)},
			"this is partial: the run was interrupted; 2 of 3 trials have not ended, which have at most 3 of 50 cycles"},
		{archive.Interrupted, []*compare.Trial{trial(archive.OK, 50)}, ""},
		{archive.OK, []*compare.Trial{trial(archive.OK, 50)}, ""},
	} {
		j := &judge{Verdict: Verdict{Group: &compare.Group{Trials: test.trials}}, setup: Setup{Cycles: 50}}
		j.partial(&archive.Info{Status: test.run})
		if got := strings.Join(j.Doubts, "\n"); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
