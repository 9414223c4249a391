package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/compare"
)

// The vendored files are those of the package uplot 1.6.32 of the npm registry.
func TestVendoredFiles(t *testing.T) {
	for name, want := range map[string]string{
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"LICENSE":           "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
	} {
		text, err := os.ReadFile(filepath.Join("web", "uplot", name))
		if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: %x, %v", name, sum, err)
		}
	}
}

// Of a long series every bucket keeps its extremes, in the order in which they
// occurred, whatever lies between.
func TestThinKeepsExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 100_003
	s := &series{Values: map[string][]float64{}}
	for k := range n {
		s.Time = append(s.Time, 0.5*float64(k+1))
		for _, name := range []string{"a", "b"} {
			s.Values[name] = append(s.Values[name], r.NormFloat64())
		}
	}
	a, b := s.Values["a"], s.Values["b"]
	a[17], a[n-1], b[50_001] = 99, -98, 97 // one cycle wide
	for k := 60_000; k < 70_000; k++ {
		b[k] = math.NaN()
	}
	for _, points := range []int{60, 1000, 4000} {
		out := thin(s, points)
		if len(out.Time) != points || !slices.IsSorted(out.Time) {
			t.Fatalf("%d points: %d times", points, len(out.Time))
		}
		for _, name := range []string{"a", "b"} {
			values := out.Values[name]
			for bucket := range points / 2 {
				from, to := bucket*n/(points/2), (bucket+1)*n/(points/2)
				there := slices.DeleteFunc(slices.Clone(s.Values[name][from:to]), math.IsNaN)
				low, high := math.NaN(), math.NaN()
				if len(there) > 0 {
					low, high = slices.Min(there), slices.Max(there)
				}
				got := values[2*bucket : 2*bucket+2]
				if !same(min(got[0], got[1]), low) || !same(max(got[0], got[1]), high) {
					t.Fatalf("%d points, %s, bucket %d: got %v, want %v and %v", points, name, bucket, got, low, high)
				}
			}
		}
		if !slices.Contains(out.Values["a"], 99) || !slices.Contains(out.Values["a"], -98) || !slices.Contains(out.Values["b"], 97) {
			t.Errorf("%d points: an extreme is lost", points)
		}
	}
	if short := (&series{Time: []float64{1, 2, 3}}); thin(short, 4) != short {
		t.Error("a short series is changed")
	}
	if out := thin(&series{Time: []float64{1, 2, 3, 4}, Values: map[string][]float64{"a": {3, 9, 1, 5}}}, 2); !slices.Equal(out.Values["a"], []float64{9, 1}) {
		t.Errorf("order: %v", out.Values)
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// A truth of uniform ranks is inside the band in 95 % of the bars; the share over 400
// histograms of 20 bars is known to 0.003 (one standard error of a binomial of 8000,
// 0.0024, rounded up), and the normal approximation errs by less than 0.01 at 25 a bar.
func TestHistogramBand(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	inside, all := 0, 0
	for range 400 {
		counts := make([]float64, 20)
		for range 500 {
			counts[r.IntN(20)]++
		}
		h := histogramOf(counts, 500)
		for _, y := range h.heights {
			all++
			if y >= h.low && y <= h.high {
				inside++
			}
		}
	}
	if share := float64(inside) / float64(all); math.Abs(share-0.95) > 0.02 {
		t.Errorf("%.3f of the bars are inside", share)
	}
}

func TestHistogramPutsRanksTogether(t *testing.T) {
	counts := slices.Repeat([]float64{3}, 101)
	h := histogramOf(counts, 0)
	if len(h.heights) != fewBars || len(h.edges) != fewBars+1 || h.edges[0] != -0.5 || h.edges[fewBars] != 100.5 || !math.IsNaN(h.low) {
		t.Fatalf("%+v", h)
	}
	for _, y := range h.heights {
		if math.Abs(y-1) > 1e-12 {
			t.Errorf("a flat histogram has a bar of %v", y)
		}
	}
	if h := histogramOf([]float64{1, 2, 9}, 0); !slices.Equal(h.heights, []float64{0.25, 0.5, 2.25}) {
		t.Errorf("%v", h.heights)
	}
}

// sweep is a run of filters a and b at two sizes with three replicates. The rmse of a trial
// is its replicate, and a half more for b. In the first group a trial has diverged, in the
// second one has failed after three cycles.
func sweep() archivetest.Run {
	run := archivetest.Run{BurnIn: 1, Axes: []string{sizeAxis, "same"}, Workflow: "# the workflow\n"}
	for _, size := range []int{10, 20} {
		for _, filter := range []string{"a", "b"} {
			for replicate := 1; replicate <= 3; replicate++ {
				id := archive.TrialID{Trial: len(run.Trials) + 1, Replicate: replicate, Filter: filter}
				t := archivetest.Trial{TrialRow: archive.TrialRow{TrialID: id, Reference: -1, Plugin: "filter", Size: size, Status: archive.OK, Cycles: 6, Values: map[string]any{sizeAxis: int64(size), "same": "x"}}}
				v := float64(replicate)
				if filter == "b" {
					v += 0.5
				}
				switch id.Trial {
				case 3:
					t.Status, v = archive.Diverged, 1e9
				case 6:
					t.Status, t.Cycles, t.Error = archive.Failed, 3, "it broke"
				}
				t.Scores, t.Ranks = map[string][]map[string]float64{}, map[string][]float64{archive.Analysis: slices.Repeat([]float64{1}, size+1)}
				for _, stage := range stages {
					for range t.Cycles {
						t.Scores[stage] = append(t.Scores[stage], map[string]float64{"rmse": v, "spread": 1, "weights_ess": float64(size)})
					}
				}
				run.Trials = append(run.Trials, t)
			}
		}
	}
	run.Baselines = []archive.Metric{{TrialID: archive.TrialID{Replicate: 1, Filter: "climatology"}, Metric: "rmse", Stage: archive.Analysis, Value: 7, SE: math.NaN(), Status: archive.OK}}
	return run
}

// open reads the report of the run in dir.
func open(t *testing.T, dir string, setup *Setup) (*Report, error) {
	t.Helper()
	reader, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Read(reader, setup)
}

func mustOpen(t *testing.T, dir string, setup *Setup) *Report {
	t.Helper()
	r, err := open(t, dir, setup)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines returns a table as text.
func lines(t *textTable) []string {
	var out []string
	for _, row := range t.Rows {
		var cells []string
		for _, c := range row {
			cells = append(cells, c.Text)
		}
		out = append(out, strings.Join(cells, " | "))
	}
	return out
}

// A trial that diverged or failed is in no cell, whatever it wrote, and is counted as
// missing; the table has all metrics of the run.
func TestTables(t *testing.T) {
	run := sweep()
	r := mustOpen(t, run.Write(t, t.TempDir()), &Setup{Setup: compare.Setup{BurnIn: 1}})
	if len(r.axes) != 1 || !slices.Equal(r.axes[0].numbers, []float64{10, 20}) {
		t.Fatalf("axes %+v", r.axes)
	}
	v := r.view()
	var head []string
	for _, h := range v.Scores[0].Head {
		head = append(head, h.Text)
	}
	if got := strings.Join(head, " "); got != "filter N rmse spread weights_ess rank_flatness_p status" {
		t.Errorf("head %s", got)
	}
	scores := lines(v.Scores[0])
	want := []string{"a | 10 | 1.50 ± 0.50 (2/3) | 1 ± 0 (2/3) | 10 ± 0 (2/3) | 1 (2/3) | 2 ok, 1 diverged", "b | 10 | 2.00 ± 0.50 (2/3) | 1 ± 0 (2/3) | 10 ± 0 (2/3) | 1 (2/3) | 2 ok, 1 failed",
		"a | 20 | 2.00 ± 0.58 | 1 ± 0 | 20 ± 0 | 1 | ok", "b | 20 | 2.50 ± 0.58 | 1 ± 0 | 20 ± 0 | 1 | ok", "climatology |  | 7 |  |  |  | ok"}
	if !slices.Equal(scores, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(scores, "\n"), strings.Join(want, "\n"))
	}
	if got, want := lines(v.Differences), []string{"b | 10 | +0.5 ± 0 | 0/2 | a, N 10", "b | 20 | +0.5 ± 0 | 0/3 | a, N 20"}; !slices.Equal(got, want) {
		t.Errorf("differences %q", got)
	}
	if got := lines(v.Pivots[0]); len(v.Pivots) != 1 || got[1] != "b | 2.00 ± 0.50 (2/3) | 2.50 ± 0.58" {
		t.Errorf("pivots %q", got)
	}
	if got, want := lines(v.Failures), []string{"3 | 3 | a | 10 | diverged | 6 | ", "6 | 3 | b | 10 | failed | 3 | it broke"}; !slices.Equal(got, want) {
		t.Errorf("failures %q", got)
	}
}

// A page holds all filters and no number that a table of scores does not have.
func TestData(t *testing.T) {
	run := sweep()
	dir := run.Write(t, t.TempDir())
	path, err := mustOpen(t, dir, &Setup{Setup: compare.Setup{BurnIn: 1}}).Write("")
	if err != nil || path != filepath.Join(dir, "report.html") {
		t.Fatalf("%s, %v", path, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `id="data">`)
	encoded, _, _ := strings.Cut(rest, "</script>")
	var d struct {
		Opening, Baseline string
		Trials            []struct{ Scores map[string]any }
		Points            []struct {
			Scores map[string]map[string][4]*float64
		}
		Differences []struct {
			Scores  map[string][4]float64
			Against map[string]string
		}
	}
	if err := json.Unmarshal([]byte(encoded), &d); err != nil {
		t.Fatal(err)
	}
	if d.Opening != "rmse" || d.Baseline != "a" || len(d.Trials) != 12 || len(d.Points) != 4 || len(d.Differences) != 2 {
		t.Errorf("got %+v", d)
	}
	if p := d.Points[1].Scores["analysis"]["rmse"]; *p[0] != 2 || *p[1] != 0.5 || *p[2] != 2 || *p[3] != 3 {
		t.Errorf("got %v", p)
	}
	if x := d.Differences[1]; x.Scores["rmse"] != [4]float64{0.5, 0, 0, 3} || x.Against["rmse"] != "a, N 20" {
		t.Errorf("got %v", x)
	}
}

// No filter is left out of a figure or page because there are many.
func TestManyFilters(t *testing.T) {
	run := sweep()
	run.Trials, run.Axes = run.Trials[:3], nil
	for i := range run.Trials {
		run.Trials[i].Values, run.Trials[i].Replicate, run.Trials[i].Status = nil, 1, archive.OK
	}
	for k := range 12 {
		run.Trials = append(run.Trials, run.Trials[k%3])
		run.Trials[3+k].Trial = 4 + k
	}
	for i := range run.Trials {
		run.Trials[i].Filter = fmt.Sprintf("filter-%c", 'a'+i)
	}
	r := mustOpen(t, run.Write(t, t.TempDir()), nil)
	if text, err := json.Marshal(r.data()); err != nil || strings.Contains(string(text), `"setting":null`) { // charts go through it
		t.Errorf("a setting is null, %v", err)
	}
	paths, err := r.Figures("", "svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); name == "rmse.svg" || name == "rank-histograms.svg" || name == "timings.svg" {
			for _, label := range r.filters {
				if !strings.Contains(string(text), label) {
					t.Errorf("%s does not show %s", name, label)
				}
			}
		}
	}
	if !strings.Contains(pageScript, "filters: D.filters.map(() => true)") {
		t.Error("the page does not begin with all filters")
	}
}

// Described cycles need not be those that have scores: their trajectories have all of them.
func TestDescribedCycles(t *testing.T) {
	run := sweep()
	run.Trials = run.Trials[:2]
	for _, stage := range stages {
		run.Trials[0].Scores[stage] = run.Trials[0].Scores[stage][:4]
	}
	r := mustOpen(t, run.Write(t, t.TempDir()), nil)
	for k, x := range r.trials {
		for _, stage := range stages {
			if n := x.scores[stage].n; n != 4+2*k {
				t.Errorf("trial %d, %s: %d cycles have scores", k+1, stage, n)
			}
			for _, s := range x.curves[stage] {
				if !slices.Equal(s.Time, []float64{1, 2, 3, 4, 5, 6}) || slices.ContainsFunc(s.Values["mean"], math.IsNaN) {
					t.Errorf("trial %d, %s: got %+v", k+1, stage, s)
				}
			}
		}
	}
}

// Of a run with more cycles than charts have points they show the extremes, and means over blocks.
func TestLongRun(t *testing.T) {
	run := sweep()
	run.Trials = run.Trials[:1]
	x := &run.Trials[0]
	x.Cycles = 3*mostPoints + 7
	for _, stage := range stages {
		x.Scores[stage] = nil
		for k := range x.Cycles {
			v := 1.0
			if k == 10_003 {
				v = 99
			}
			x.Scores[stage] = append(x.Scores[stage], map[string]float64{"rmse": v, "spread": 1, "weights_ess": 10})
		}
	}
	r := mustOpen(t, run.Write(t, t.TempDir()), &Setup{Setup: compare.Setup{BurnIn: 20}})
	d := r.data()
	s := d.Trials[0].Scores[archive.Analysis]
	if !d.Thinned || len(s.Time) != mostPoints || slices.Max(s.Values["rmse"]) != 99 || slices.Max(s.Values["spread"]) != 1 {
		t.Errorf("%d points of rmse up to %v", len(s.Time), slices.Max(s.Values["rmse"]))
	}
	block := 10_003 * blocks / x.Cycles
	from, to := block*x.Cycles/blocks, (block+1)*x.Cycles/blocks
	if want := (float64(to-from) + 98) / float64(to-from); len(s.Means.Time) != blocks || s.Means.Values["rmse"][block] != want || d.Block != x.Cycles/blocks {
		t.Errorf("means %v, want %v in block %d", s.Means.Values["rmse"], want, block)
	}
	if d.BurnIn == nil || *d.BurnIn != 20 || r.trials[0].weighted(archive.Analysis) {
		t.Errorf("burn-in %v, weights vary", d.BurnIn)
	}
	reports := d.Trials[0].Reports
	if reports == nil || len(reports.Time) != mostPoints || slices.Min(reports.Values["gain"]) != 0.5 {
		t.Errorf("reported by the filter: %+v", reports)
	}
	if c := d.Trials[0].Curves[archive.Analysis]; len(c) != 3 || len(c[0].Time) != mostPoints || c[2].Values["mean"][mostPoints-1] != 3 {
		t.Errorf("%d trajectories", len(c))
	}
}

// While a run goes on the workflow says what its trials are, and their scores are those of
// the cycles so far.
func TestUnfinished(t *testing.T) {
	run := sweep()
	run.Trials, run.Open = run.Trials[6:8], true
	planned := []archive.TrialRow{run.Trials[0].TrialRow, run.Trials[1].TrialRow, run.Trials[1].TrialRow}
	planned[2].Trial, planned[2].Filter = 9, "c"
	for i := range planned {
		planned[i].Status, planned[i].Cycles = "", 0
	}
	dir := run.Write(t, t.TempDir())
	r := mustOpen(t, dir, &Setup{Setup: compare.Setup{BurnIn: 1, Trials: planned}})
	if got := lines(r.scoresTable(archive.Analysis)); !slices.Equal(got, []string{"a | 20 | 1.50 ± 0.50 | 1 ± 0 | 20 ± 0 | 1.50 ± 0.50 | 0.77 ± 0.26 | 2 stopped", "c | 20 | – (0/1) | – (0/1) | – (0/1) | – (0/1) | – (0/1) | waiting"}) {
		t.Errorf("got %q", got)
	}
	if r := mustOpen(t, dir, nil); len(r.notes) != 1 || len(r.rows) != 1 { // without a workflow those with cycles are all there are
		t.Errorf("notes %q, %d rows", r.notes, len(r.rows))
	}
}

// A damaged table is an error that names it; a run of another version is a note.
func TestDamagedRun(t *testing.T) {
	run := sweep()
	dir := run.Write(t, t.TempDir())
	path := filepath.Join(dir, "variables.arrow")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, nil); err == nil || !strings.Contains(err.Error(), path+": damaged: its sha256 is ") {
		t.Errorf("got %v", err)
	}
	reader, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	delete(reader.Info.Files, "variables.arrow")
	r, err := Read(reader, &Setup{})
	if err != nil || !slices.Equal(r.notes, []string{"The run was written by another version of plume, devel: there is no variables.arrow."}) {
		t.Errorf("notes %v, %v", r, err)
	}
}

// Watch writes the page of a run that has ended once, and gives its report for figures.
func TestWatchOfEnded(t *testing.T) {
	run := sweep()
	var written []string
	r, err := Watch(t.Context(), run.Write(t, t.TempDir()), nil, time.Hour, func(path string) { written = append(written, path) })
	if err != nil || r == nil || len(written) != 1 {
		t.Fatalf("%v, %v, %v", r, err, written)
	}
	if text, err := os.ReadFile(written[0]); err != nil || strings.Contains(string(text), "data-reload=") {
		t.Errorf("the page of a run that has ended loads itself again, %v", err)
	}
}

func TestNumbers(t *testing.T) {
	text, err := json.Marshal(numbers{1.0 / 3, math.NaN(), math.Inf(1), -1e-9, 123456})
	if err != nil || string(text) != "[0.33333,null,null,-1e-09,1.2346e+05]" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestRoundTicks(t *testing.T) {
	var labels []string
	for _, tick := range roundTicks(5).Ticks(-0.7, 1.1) {
		labels = append(labels, tick.Label)
	}
	if got := strings.Join(labels, " "); got != "−0.5 0 0.5 1" {
		t.Errorf("got %s", got)
	}
}

// Observations that went through an operator are not drawn over the variable.
func TestForeignObservations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, known := range []bool{true, false} {
		var direct, foreign nearness
		for range 500 {
			x, truth := 3*r.NormFloat64(), math.NaN()
			if known {
				truth = x
			}
			observed, mean := x+1.4*r.NormFloat64(), x+0.3*r.NormFloat64()
			direct.add(truth, mean, observed)
			foreign.add(truth, mean, math.Abs(x))
		}
		if direct.foreign() || !foreign.foreign() {
			t.Errorf("truth known %v: the wrong ones are dropped", known)
		}
	}
}

// Labels of an axis that would overlap are left out, ticks are not.
func TestValueTicks(t *testing.T) {
	labels := []string{"1", "1.01", "1.02", "1.04", "1.06", "1.1", "1.15", "1.2"}
	xs := []float64{1, 1.01, 1.02, 1.04, 1.06, 1.1, 1.15, 1.2}
	var got []string
	ticks := valueTicks(xs, labels, func(x float64) float64 { return x })
	for _, tick := range ticks {
		if tick.Label != "" {
			got = append(got, tick.Label)
		}
	}
	if text := strings.Join(got, " "); len(ticks) != len(xs) || text != "1 1.02 1.06 1.1 1.15 1.2" {
		t.Errorf("%d ticks, labels %s", len(ticks), text)
	}
}

// Scores of held-out values that forecasts alone have, as with a model that has diagnostics, are those that the
// report opens with, in the stage that has them.
func TestHeldOutValuesOfForecastsAlone(t *testing.T) {
	shared := map[string]float64{"spread": 1, "weights_ess": 10}
	held := map[string]float64{"spread": 1, "weights_ess": 10, "held_out_rmse": 2}
	run := &archivetest.Run{Workflow: archivetest.Workflow(0, []string{"a"}, "")}
	run.Trials = []archivetest.Trial{{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Trial: 1, Replicate: 1, Filter: "a"}, Size: 10, Status: archive.OK, Cycles: 2}, Scores: map[string][]map[string]float64{
		archive.Forecast: {held, held}, archive.Analysis: {shared, shared}}}}
	for filter, value := range map[string]float64{"climatology": 5, "persistence": 3} {
		run.Baselines = append(run.Baselines, archive.Metric{TrialID: archive.TrialID{Replicate: 1, Filter: filter}, Metric: "held_out_rmse", Stage: archive.Forecast, Value: value, SE: math.NaN(), Cycles: 2, Status: archive.OK})
	}
	r := mustOpen(t, run.Write(t, t.TempDir()), &Setup{})
	m := r.metric("held_out_rmse")
	if m.Stage != archive.Forecast || r.opening != "held_out_rmse" || r.rows[0].cells[m].Value != 2 {
		t.Errorf("got %+v, the report opens with %s, and has %+v", m, r.opening, r.rows[0].cells)
	}
	table := r.scoresTable(archive.Forecast)
	if !slices.ContainsFunc(table.Head, func(h headCell) bool { return strings.HasPrefix(h.Text, "held_out_rmse") }) || len(table.Rows) != 3 {
		t.Errorf("got %+v", table)
	}
	if of := r.scoresTable(archive.Analysis); len(of.Rows) != 1 {
		t.Errorf("baselines of forecasts are among the scores of analyses: %+v", of)
	}
}
