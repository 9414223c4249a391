package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

var state = &sdk.Layout{Variables: []sdk.Variable{{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{3}, Dims: []string{"site"}}}}

func times(k int) float64 { return 0.5 * float64(k) }

// write makes a run of two trials of three cycles. The order in which trials are
// written must not matter. shift changes one number.
func write(t testing.TB, root string, order []int, shift float64) *Run {
	t.Helper()
	r, err := Create(root, Info{Name: "test", Seed: 3, Plume: "devel"}, []byte("format = 1\n"), []byte("format = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	scenario := &cycle.Scenario{Truth: mat.NewDense(4, 4, nil), Observations: mat.NewDense(3, 4, []float64{1, math.NaN(), 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})}
	truth := &plan.Scenario{Replicate: 1, Plans: []*plan.Plan{{State: state, Space: &sdk.ObservationSpace{Layout: state}, Clock: plan.Clock{Interval: 0.5, Cycles: 3}}}}
	if err := r.Scenario(truth, scenario); err != nil {
		t.Fatal(err)
	}
	trials := map[int]*Trial{}
	for _, n := range order {
		if trials[n], err = r.Trial(TrialID{n, n, fmt.Sprintf("f%d", n)}, state, state, Keep{Forecast: true, Analysis: true, Variables: 2}, 0); err != nil {
			t.Fatal(err)
		}
	}
	for k := 1; k <= 3; k++ {
		for _, n := range order {
			appendCycle(t, trials[n], n, k, shift)
		}
	}
	for _, n := range order {
		if err := trials[n].RankHistograms([]RankHistogram{{Forecast, []float64{1, 2, 9}}, {Analysis, []float64{4, 4, 4}}}); err != nil {
			t.Fatal(err)
		}
		if err := trials[n].Close(); err != nil {
			t.Fatal(err)
		}
	}
	rows := []TrialRow{{TrialID: TrialID{1, 1, "f1"}, Reference: -1, Plugin: "p", Size: 2, Status: OK, Cycles: 3}, {TrialID: TrialID{2, 1, "f2"}, Reference: -1, Plugin: "p", Size: 2, Status: Failed, Error: "cycle 3: it broke", Cycles: 3}}
	metrics := []Metric{
		{TrialID: TrialID{0, 1, "climatology"}, Metric: "rmse", Stage: Analysis, Value: 7.5, SE: math.NaN(), Cycles: 3, Status: OK},
		{TrialID: TrialID{1, 1, "f1"}, Metric: "rmse", Stage: Analysis, Value: 0.25, SE: 0.125, Cycles: 3, Status: OK},
	}
	if err := r.Finish(nil, rows, metrics, SomeFailed, false, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func appendCycle(t testing.TB, trial *Trial, n, k int, shift float64) {
	t.Helper()
	v := float64(100*n + 10*k)
	e := mat.NewDense(2, 4, []float64{v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7 + shift})
	step := &cycle.Step{
		Cycle: k, Time: times(k), Forecast: cycle.Ensemble{Members: e},
		Analysis: cycle.Ensemble{Members: e, LogWeights: []float64{math.Log(0.25), math.Log(0.75)}}, Ancestors: []int{0, 0},
		Metrics: map[string]float64{"b": 2, "a": 1},
	}
	err := trial.Append(step, []CycleRow{cycleRow(Forecast, map[string]float64{"rmse": v}), cycleRow(Analysis, map[string]float64{"rmse": v / 2, "w2_reference": 0.5})}, &score.Innovation{Values: []float64{v, math.NaN(), 2, 3}, NIS: 1.5, Expected: 2}, []Description{described(Forecast, v, nil), described(Analysis, v/2, []float64{v, 1, 2})})
	if err != nil {
		t.Fatal(err)
	}
}

// cycleRow returns a row with those scores and the ones every ensemble has.
func cycleRow(stage string, scores map[string]float64) CycleRow {
	row := CycleRow{Stage: stage, Scores: map[string]float64{"spread": 1, "weights_ess": 2}}
	maps.Copy(row.Scores, scores)
	return row
}

// described describes level, and the first and second value of u.
func described(stage string, v float64, truth []float64) Description {
	d := Description{Stage: stage, Truth: truth, Mean: []float64{v, v + 1, v + 2}, Spread: []float64{1, 2, 3}}
	for i := range 3 * len(Quantiles) {
		d.Quantiles = append(d.Quantiles, v+float64(i))
	}
	return d
}

func TestVariables(t *testing.T) {
	r := write(t, t.TempDir(), []int{2, 1}, 0)
	v, err := table.Read(filepath.Join(r.Dir, "variables.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Rows != 2*3*2*3 {
		t.Fatalf("got %d rows", v.Rows)
	}
	const row = 3*2*3 + 2*3 + 5 // trial 2, cycle 2, analysis, the second described value of u
	got := []any{}
	for _, c := range []string{"trial", "replicate", "filter", "cycle", "time", "stage", "variable", "index", "truth", "mean", "spread", "q05", "q95"} {
		got = append(got, cell(v, slices.Index(v.Names, c), row))
	}
	want := []any{int32(2), int32(2), "f2", int32(2), 1., "analysis", "u", int32(1), 2., 112., 3., 120., 124.}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if k := slices.Index(v.Names, "truth"); v.Valid[k][row-3] || !v.Valid[k][row] {
		t.Error("the truth should be null in the forecast and known in the analysis")
	}
}

func TestDescribedValues(t *testing.T) {
	l := &sdk.Layout{Variables: []sdk.Variable{{Name: "a"}, {Name: "b", Shape: []int{5, 2}}, {Name: "c"}}}
	var got []string
	for _, v := range Described(l, 4) {
		got = append(got, fmt.Sprint(v.Variable, v.Index, " ", v.Column))
	}
	if want := []string{"a0 0", "b0 1", "b2 3", "b5 6", "b7 8", "c0 11"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(Described(l, 10)); n != l.Size() {
		t.Errorf("%d of %d values", n, l.Size())
	}
	if n := len(Described(l, 0)); n != 0 {
		t.Errorf("%d values where none are wanted", n)
	}
}

func TestOrderOfTrialsDoesNotMatter(t *testing.T) {
	a, b := write(t, t.TempDir(), []int{1, 2}, 0), write(t, t.TempDir(), []int{2, 1}, 0)
	if lines, err := Compare(a.Dir, b.Dir); err != nil || len(lines) > 0 {
		t.Errorf("%v, %v", lines, err)
	}
}

func TestCompareNamesTheDifference(t *testing.T) {
	a, b := write(t, t.TempDir(), []int{1, 2}, 0), write(t, t.TempDir(), []int{1, 2}, 0.5)
	lines, err := Compare(a.Dir, b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "ensemble/trial=0001/part-00000.arrow differs: row 1, column u: [115 116 117] and [115 116 117.5]"
	if len(lines) != 2 || lines[0] != want {
		t.Errorf("got %q, want 2 lines, the first %q", lines, want)
	}
	if err := os.Remove(filepath.Join(b.Dir, "observations.arrow")); err != nil {
		t.Fatal(err)
	}
	if lines, _ := Compare(a.Dir, b.Dir); len(lines) != 3 || lines[2] != "observations.arrow is missing" {
		t.Errorf("got %q", lines)
	}
}

// checkFiles compares the files of a run with their checksums.
func checkFiles(t *testing.T, dir string) ([]string, error) {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.CheckFiles()
}

func TestCheckFiles(t *testing.T) {
	r := write(t, t.TempDir(), []int{1, 2}, 0)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(r.Dir, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{r.Dir, link} {
		if lines, err := checkFiles(t, dir); err != nil || len(lines) > 0 {
			t.Errorf("%s, untouched: %v, %v", dir, lines, err)
		}
	}
	if err := os.Mkdir(filepath.Join(r.Dir, FiguresDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ReportFile, filepath.Join(FiguresDir, "rmse.svg")} { // no results
		if err := os.WriteFile(filepath.Join(r.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err := checkFiles(t, r.Dir); err != nil || len(lines) > 0 {
		t.Errorf("with a report: %v, %v", lines, err)
	}
	if err := os.WriteFile(filepath.Join(r.Dir, "workflow.toml"), []byte("format = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.Dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := checkFiles(t, r.Dir)
	if got := strings.Join(lines, "; "); err != nil || got != "workflow.toml has changed since the run wrote it; notes.txt was added" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A manifest of which one bit is wrong, of its seal and the name of it too, is not read.
func TestFlippedBitsInManifest(t *testing.T) {
	dir := t.TempDir()
	finished := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	info := &Info{Format: format, Name: "flips", Plume: "0.1.0", Status: OK, Started: finished, Finished: &finished, Files: map[string]string{"metrics.arrow": unsealed}}
	if err := writeInfo(dir, info); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, infoFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadInfo(dir); err != nil {
		t.Fatal(err)
	}
	for at := range text {
		for bit := range 8 {
			flipped := bytes.Clone(text)
			flipped[at] ^= 1 << bit
			if json.Valid(flipped) && intact(flipped) {
				t.Errorf("bit %d of byte %d, in %q, is not seen", bit, at, flipped[max(0, at-20):min(len(flipped), at+20)])
			}
		}
	}
}

func TestInnovationsAndRanks(t *testing.T) {
	r := write(t, t.TempDir(), []int{2, 1}, 0)
	in, err := table.Read(filepath.Join(r.Dir, "innovations.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	level, u := in.Column("level").([]float64), in.Column("u").([][]float64)
	if in.Rows != 6 || level[3] != 210 || !math.IsNaN(u[3][0]) || u[3][1] != 2 || in.Column("nis").([]float64)[5] != 1.5 {
		t.Errorf("innovations: %+v", in)
	}
	ranks, err := table.Read(filepath.Join(r.Dir, "rank_histogram.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	if got := ranks.Column("count").([]float64); !slices.Equal(got, []float64{1, 2, 9, 4, 4, 4, 1, 2, 9, 4, 4, 4}) {
		t.Errorf("counts %v", got)
	}
}

func TestReadWhileWritten(t *testing.T) {
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, want ...int32) {
		t.Helper()
		reader, err := Open(r.Dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		for b, err := range reader.Cycles() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b.Trial...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: trials %v, want %v", when, got, want)
		}
	}
	check("no trial")
	var trials []*Trial
	for n := 1; n <= 2; n++ {
		trial, err := r.Trial(TrialID{n, 1, "f"}, state, state, Keep{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		trials = append(trials, trial)
	}
	for n, trial := range trials {
		appendCycle(t, trial, n+1, 1, 0)
	}
	check("under way", 1, 1, 2, 2)
	if err := trials[0].Close(); err != nil {
		t.Fatal(err)
	}
	appendCycle(t, trials[1], 2, 2, 0)
	check("one has ended", 1, 1, 2, 2, 2, 2)
	if err := trials[1].Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(nil, nil, nil, OK, false, nil); err != nil {
		t.Fatal(err)
	}
	check("the end", 1, 1, 2, 2, 2, 2)
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	if _, err := Find(root, Last); err == nil {
		t.Error("a run is found where there is none")
	}
	a := write(t, root, []int{1, 2}, 0)
	for _, name := range []string{a.Dir, Last, filepath.Base(a.Dir), "test/" + filepath.Base(a.Dir)[:6], filepath.Base(a.Dir)[:4]} {
		if dir, err := Find(root, name); err != nil || dir != a.Dir {
			t.Errorf("%q: got %q, %v", name, dir, err)
		}
	}
	b := write(t, root, []int{1, 2}, 0)
	if _, err := Find(root, "test/"); err == nil || !strings.Contains(err.Error(), a.Dir) || !strings.Contains(err.Error(), b.Dir) {
		t.Errorf("two runs of that name: %v", err)
	}
	if _, err := Find(root, "no such"); err == nil {
		t.Error("a run is found that is not there")
	}
	for range 20 { // in one second, or two
		newest := write(t, root, []int{1, 2}, 0)
		if dir, err := Find(root, Last); err != nil || dir != newest.Dir {
			t.Errorf("the newest run is %s, got %s, %v", newest.Dir, dir, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(b.Dir, infoFile))
	if err != nil {
		t.Fatal(err)
	}
	later := bytes.Replace(text, []byte(`"format": 1`), []byte(`"format": 2`), 1)
	if err := os.WriteFile(filepath.Join(b.Dir, infoFile), later, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadInfo(b.Dir); err == nil || !strings.HasSuffix(err.Error(), "run.json: format: got 2, want 1; use the version of plume that wrote the run") {
		t.Errorf("a run of another version: %v", err)
	}
}

// What a killed run leaves opens in pyarrow as a stream from byte 8, with all
// cycles that were complete.
func TestPythonReadsParts(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with pyarrow; make test sets it")
	}
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	trial, err := r.Trial(TrialID{1, 1, "f1"}, state, state, Keep{Analysis: true, Variables: 2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= 5; k++ {
		appendCycle(t, trial, 1, k, 0)
	}
	part := filepath.Join(r.Dir, "ensemble", "trial=0001", "part-00000.arrow.part")
	text, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, text[:len(text)-40], 0o600); err != nil { // the last cycle is cut
		t.Fatal(err)
	}
	const script = `
import sys, pyarrow as pa, pyarrow.ipc
cycles = []
with open(sys.argv[1], "rb") as file:
    file.seek(8)
    try:
        for batch in pa.ipc.open_stream(file):
            cycles.append(batch.column("cycle")[0].as_py())
    except (OSError, pa.ArrowInvalid):
        pass
print(cycles)
`
	out, err := exec.Command(python, "-c", script, part).CombinedOutput()
	if got := string(bytes.TrimSpace(out)); err != nil || got != "[1, 2, 3, 4]" {
		t.Errorf("got %q, %v", got, err)
	}
}

func BenchmarkAppend40x40(b *testing.B) {
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{40}}}}
	r, err := Create(b.TempDir(), Info{Name: "bench"}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	trial, err := r.Trial(TrialID{1, 1, "f"}, layout, layout, Keep{Forecast: true, Analysis: true, Variables: 100}, 0)
	if err != nil {
		b.Fatal(err)
	}
	e := cycle.Ensemble{Members: mat.NewDense(40, 40, nil)}
	step := &cycle.Step{Forecast: e, Analysis: e, Metrics: map[string]float64{"nis": 1}}
	rows := []CycleRow{cycleRow(Forecast, nil), cycleRow(Analysis, nil)}
	var stages []Description
	for _, stage := range []string{Forecast, Analysis} {
		stages = append(stages, Description{Stage: stage, Truth: make([]float64, 40), Mean: make([]float64, 40), Spread: make([]float64, 40), Quantiles: make([]float64, 200)})
	}
	in := &score.Innovation{Values: make([]float64, 40)}
	for b.Loop() {
		step.Cycle++
		if err := trial.Append(step, rows, in, stages); err != nil {
			b.Fatal(err)
		}
	}
}

// Stored ensembles take at most 1.1 times the bytes of the states alone; decision 12.
func TestStoredBytes(t *testing.T) {
	const cycles, members, n = 100, 40, 40
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{n}}}}
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	trial, err := r.Trial(TrialID{1, 1, "f"}, layout, layout, Keep{Forecast: true, Analysis: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := cycle.Ensemble{Members: mat.NewDense(members, n, nil)}
	for k := range cycles {
		if err := trial.Append(&cycle.Step{Cycle: k + 1, Forecast: e, Analysis: e}, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := trial.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(r.Dir, "ensemble", "trial=0001", "part-00000.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	payload := int64(2 * cycles * members * 8 * n)
	if info.Size() < payload || float64(info.Size()) > 1.1*float64(payload) {
		t.Errorf("%d bytes stored for %d, %.3f times", info.Size(), payload, float64(info.Size())/float64(payload))
	}
}

// Truth and observations of a file are those of memory, also in record batches of a few rows, in any
// order, with nulls, and by columns of several variables.
func TestStoredTruth(t *testing.T) {
	const cycles, n = 3000, 4
	run, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	made := &cycle.Scenario{Truth: mat.NewDense(cycles+1, n, nil), Observations: mat.NewDense(cycles, n, nil)}
	for k := range cycles + 1 {
		for j := range n {
			made.Truth.Set(k, j, float64(10*k+j))
		}
	}
	for k := range cycles {
		for j := range n {
			if made.Observations.Set(k, j, float64(-10*k-j)); (k+j)%7 == 0 {
				made.Observations.Set(k, j, math.NaN())
			}
		}
	}
	planned := &plan.Scenario{Replicate: 2, Number: 1, Plans: []*plan.Plan{{State: state, Space: &sdk.ObservationSpace{Layout: state}, Clock: plan.Clock{Interval: 0.5, Cycles: cycles}}}}
	defer func(most int) { truthBytes = most }(truthBytes)
	truthBytes = 8 * n * 700
	if err := run.Scenario(planned, made); err != nil {
		t.Fatal(err)
	}
	stored, err := run.StoredTruth(planned)
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	same := func(what string, got, want []float64) {
		t.Helper()
		if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
	for _, k := range []int{0, 1, 699, 700, 701, cycles, 3, 2047, 2048, 1400} {
		same(fmt.Sprintf("truth of cycle %d", k), stored.Truth(k), made.At(k))
		if k > 0 {
			same(fmt.Sprintf("observations of cycle %d", k), stored.Observation(k), made.Observation(k))
		}
	}
	for _, c := range [][2]int{{0, 1}, {0, 4}, {1, 2}, {2, 4}, {1, 4}, {0, 2}} {
		same(fmt.Sprintf("columns %v", c), mat.DenseCopyOf(stored.TruthColumns(c[0], c[1])).RawMatrix().Data, mat.DenseCopyOf(made.Columns(c[0], c[1])).RawMatrix().Data)
	}
	if err := stored.Err(); err != nil {
		t.Error(err)
	}
	if v := stored.Observation(cycles + 1); !math.IsNaN(v[0]) || stored.Err() == nil || !strings.Contains(stored.Err().Error(), "got no row 3000") {
		t.Errorf("got %v, %v", v, stored.Err())
	}
	if v := stored.Observation(1); !math.IsNaN(v[1]) {
		t.Errorf("after an error: %v", v)
	}
}
