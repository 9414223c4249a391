package archive

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// collect returns all batches of a table as one: their columns one after the other.
func collect[T any](t *testing.T, batches func(func(*T, error) bool)) T {
	t.Helper()
	var all T
	to := reflect.ValueOf(&all).Elem()
	for b, err := range batches {
		if err != nil {
			t.Fatal(err)
		}
		for i := range to.NumField() {
			from, field := reflect.ValueOf(b).Elem().Field(i), to.Field(i)
			switch from.Kind() {
			case reflect.Slice:
				field.Set(reflect.AppendSlice(field, from))
			case reflect.Struct: // table.Nullable
				for k := range from.NumField() {
					field.Field(k).Set(reflect.AppendSlice(field.Field(k), from.Field(k)))
				}
			default:
				field.Set(from)
			}
		}
	}
	return all
}

// full writes a run of one trial of one cycle in which every table has rows and no two
// columns of one have the same values.
func full(t *testing.T) string {
	t.Helper()
	done := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run, err := Create(t.TempDir(), Info{Name: "test", Plume: "devel"}, nil, nil)
	done(err)
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{2}, Dims: []string{"site"}}}}
	layout.Coordinates = &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{40}, Points: mat.NewDense(3, 1, []float64{1, 2, 3})}
	streams := []observations.Stream{{Label: "gauge"}}
	p := &plan.Plan{State: layout, Places: layout.Coordinates, Space: &sdk.ObservationSpace{Layout: layout}, Clock: plan.Clock{Interval: 0.5, Cycles: 1}, Streams: streams}
	rejected := []observations.Value{{Row: 7, Cycle: 1, Time: 0.25, Component: 2, Y: 9, Status: observations.OutOfRange}}
	planned := &plan.Scenario{Replicate: 3, Number: 4, Plans: []*plan.Plan{p}}
	done(run.Scenario(planned, &cycle.Scenario{Truth: mat.NewDense(2, 3, []float64{0, 0, 0, 11, 12, 13}), Observations: mat.NewDense(1, 3, []float64{21, math.NaN(), 23})}))
	done(run.Coordinates(planned))
	done(run.rejections(planned, &observations.Record{Rejected: rejected}))
	id := TrialID{2, 3, "f"}
	tables, err := run.Trial(id, layout, layout, Keep{Scored: []string{"u"}, Forecast: true, Analysis: true, Variables: 2, HeldOut: true, Rejected: true, Fit: true}, 0)
	done(err)
	e := mat.NewDense(2, 3, []float64{31, 32, 33, 34, 35, 36})
	step := &cycle.Step{Cycle: 1, Time: 0.5, Forecast: cycle.Ensemble{Members: e}, Analysis: cycle.Ensemble{Members: e, LogWeights: []float64{-1, -2}}, Ancestors: []int{1, 0},
		Metrics: map[string]float64{"gain": 41}, Rejected: rejected}
	step.Timing.Forecast, step.Timing.Observe, step.Timing.Analyse = time.Second, 2*time.Second, 3*time.Second
	step.Timing.Score, step.Timing.Archive, step.Timing.Since = 4*time.Second, 5*time.Second, time.Now()
	crps := 74.
	row := CycleRow{Stage: Analysis, Scores: map[string]float64{}}
	for i, sc := range score.OfCycles([]string{"u"}) {
		row.Scores[sc.Name] = float64(50 + i)
	}
	described := Description{Stage: Analysis, Truth: []float64{81, 82, 83}, Mean: []float64{84, 85, 86}, Spread: []float64{87, 88, 89}}
	for i := range 3 * len(Quantiles) {
		described.Quantiles = append(described.Quantiles, float64(90+i))
	}
	done(tables.Append(step, []CycleRow{row}, &score.Innovation{Values: []float64{63, 64, 65}, NIS: 66, Expected: 67}, []Description{described}))
	done(tables.AppendHeldOut(step, []HeldOutRow{{Forecast, 2, score.Prediction{Value: 71, Mean: 72, Spread: 73, CRPSFair: &crps}}}))
	done(tables.AppendRejections(step, streams))
	done(tables.AppendFit(step, []FitRow{{Forecast, 2, 201, 202, 203, 204, []float64{205, 206, 207, 208, 209}}}))
	done(tables.Passes([]PassRow{{Number: 3, Assimilated: 0.4, Values: 5, Known: true, Misfit: 6, Least: 7, Largest: 8, Start: described}, {Start: described}}))
	done(tables.Observed(score.InnovationSums{Count: []int32{0, 1, 4}, Forecast: []float64{0, 4, 16}, Error: []float64{0, 9, 36}, First: []float64{math.NaN(), 5, 6},
		Largest: []float64{0, -7, 8}, At: []int32{0, 9, 10}}))
	done(tables.RankHistograms([]RankHistogram{{Forecast, []float64{1, 2, 3}}, {Analysis, []float64{4, 5, 6}}}))
	done(tables.Close())
	failures, err := run.Failures(id, &p.Clock, 0)
	done(err)
	failures.Add(Failure{1, "observe", 5, 6, "it broke", Dropped})
	done(failures.Close())
	trials := []TrialRow{{id, 4, 5, "plugin", 6, map[string]any{"a.whole": int64(7), "b.real": 7.5, "c.text": "t"}, Failed, "it broke", 8}, {TrialID: TrialID{3, 1, "g"}, Reference: -1, Status: OK}}
	metrics := []Metric{{TrialID{0, 1, "climatology"}, 2, "rmse", Analysis, 3, 4, 5, OK}, {id, 4, "spread", Forecast, 6, 7, 8, Diverged}}
	done(run.Finish([]string{"a.whole", "b.real", "c.text"}, trials, metrics, SomeFailed, false, nil))
	done(run.Release())
	return run.Dir
}

// Every value is read under the name it was written under: two columns that are swapped by
// the writer, or by the reader, are noticed.
func TestReadersReadWhatWritersWrite(t *testing.T) {
	r, err := Open(full(t))
	if err != nil {
		t.Fatal(err)
	}
	equal := func(what string, got any, want string) {
		t.Helper()
		if text := fmt.Sprintf("%+v", got); text != want {
			t.Errorf("%s: got\n%s\nwant\n%s", what, text, want)
		}
	}
	trials, axes, err := r.Trials()
	equal("trials", []any{trials, axes, err}, "[[{TrialID:{Trial:2 Replicate:3 Filter:f} Truth:4 Reference:5 Plugin:plugin Size:6 Values:map[a.whole:7 b.real:7.5 c.text:t] Status:failed Error:it broke Cycles:8} "+
		"{TrialID:{Trial:3 Replicate:1 Filter:g} Truth:0 Reference:-1 Plugin: Size:0 Values:map[] Status:ok Error: Cycles:0}] [a.whole b.real c.text] <nil>]")
	var metrics []Metric
	for m, err := range r.Metrics() {
		if err != nil {
			t.Fatal(err)
		}
		metrics = append(metrics, m)
	}
	equal("metrics", metrics, "[{TrialID:{Trial:0 Replicate:1 Filter:climatology} Truth:2 Metric:rmse Stage:analysis Value:3 SE:4 Cycles:5 Status:ok} "+
		"{TrialID:{Trial:2 Replicate:3 Filter:f} Truth:4 Metric:spread Stage:forecast Value:6 SE:7 Cycles:8 Status:diverged}]")
	cycles := collect(t, r.Cycles())
	for i, sc := range score.OfCycles([]string{"u"}) {
		equal(sc.Name, cycles.Scores[sc.Name], fmt.Sprintf("{Values:[%d] Valid:[true]}", 50+i))
		delete(cycles.Scores, sc.Name)
	}
	equal("cycles", cycles, "{Trial:[2] Cycle:[1] Time:[0.5] Stage:[analysis] Scores:map[]}")
	equal("keys of cycles", collect(t, r.Keys("cycles")), "{Trial:[2] Cycle:[1] Stage:[analysis]}")
	equal("keys of innovations", collect(t, r.Keys("innovations")), "{Trial:[2] Cycle:[1] Stage:[]}")
	equal("one score of cycles", collect(t, r.Cycles("spread")), "{Trial:[2] Cycle:[1] Time:[0.5] Stage:[analysis] Scores:map[spread:{Values:[51] Valid:[true]}]}")
	begun, err := r.Begun()
	equal("begun", []any{begun, err}, "[[{TrialID:{Trial:2 Replicate:3 Filter:f} Truth:0 Reference:-1 Plugin: Size:0 Values:map[] Status: Error: Cycles:1}] <nil>]")
	var ranks []TrialRanks
	for h, err := range r.RankHistograms() {
		if err != nil {
			t.Fatal(err)
		}
		ranks = append(ranks, *h)
	}
	equal("rank histograms", ranks, "[{TrialID:{Trial:2 Replicate:3 Filter:f} RankHistogram:{Stage:forecast Counts:[1 2 3]}} {TrialID:{Trial:2 Replicate:3 Filter:f} RankHistogram:{Stage:analysis Counts:[4 5 6]}}]")
	equal("variables", collect(t, r.Variables()), "{Trial:[2 2 2] Cycle:[1 1 1] Time:[0.5 0.5 0.5] Stage:[analysis analysis analysis] Variable:[level u u] Index:[0 0 1] "+
		"Truth:[81 82 83] Mean:[84 85 86] Spread:[87 88 89] Q05:[90 95 100] Q25:[91 96 101] Q50:[92 97 102] Q75:[93 98 103] Q95:[94 99 104]}")
	const fields = " Fields:[{Variable:{Name:level Shape:[] Dims:[] Unit:m Diagnostic:false} Single:false values:[%v]} {Variable:{Name:u Shape:[2] Dims:[site] Unit: Diagnostic:false} Single:false values:[[%v]]}]}"
	equal("innovations", collect(t, r.Innovations()), "{Trial:[2] Cycle:[1] Time:[0.5] NIS:[66] Expected:[67]"+fmt.Sprintf(fields, 63, "64 65"))
	equal("observed", collect(t, r.Observed()), "{Trial:[2 2 2] Variable:[level u u] Index:[0 0 1] Count:[0 1 4] Spread:[NaN 2 2] Error:[NaN 3 3] First:[NaN 5 6] Largest:[NaN -7 8] At:[0 9 10] "+
		"Fields:[{Variable:{Name:position Shape:[1] Dims:[] Unit: Diagnostic:false} Single:false values:[[1] [2] [3]]} {Variable:{Name:period Shape:[1] Dims:[] Unit: Diagnostic:false} Single:false values:[[40] [40] [40]]}]}")
	equal("positions", collect(t, r.Positions()), "{Truth:[4 4 4 4 4 4] Of:[state state state observed observed observed] Variable:[level u u level u u] Index:[0 0 1 0 0 1] "+
		"Axis:[site site site site site site] Position:[1 2 3 1 2 3] Period:[40 40 40 40 40 40]}")
	equal("held out", collect(t, r.HeldOut()), "{Trial:[2] Replicate:[3] Filter:[f] Cycle:[1] Time:[0.5] Stage:[forecast] Variable:[u] Index:[1] Value:[71] Mean:[72] Spread:[73] CRPSFair:{Values:[74] Valid:[true]}}")
	equal("rejections", collect(t, r.Rejections()), "{Trial:{Values:[2 0] Valid:[true false]} Replicate:[3 3] Stream:[gauge gauge] Row:{Values:[7 7] Valid:[true true]} Cycle:{Values:[1 1] Valid:[true true]} "+
		"Time:[0.25 0.25] Variable:{Values:[u u] Valid:[true true]} Index:{Values:[1 1] Valid:[true true]} Value:{Values:[9 9] Valid:[true true]} Reason:[range range]}")
	equal("passes", collect(t, r.Passes()), "{Trial:[2 2] Replicate:[3 3] Filter:[f f] Pass:[3 0] Assimilated:[0.4 0] Values:[5 0] Misfit:{Values:[6 NaN] Valid:[true false]} "+
		"Least:{Values:[7 NaN] Valid:[true false]} Largest:{Values:[8 NaN] Valid:[true false]}}")
	equal("start", collect(t, r.Starts()), "{Trial:[2 2 2 2 2 2] Replicate:[3 3 3 3 3 3] Filter:[f f f f f f] Pass:[3 3 3 0 0 0] Variable:[level u u level u u] Index:[0 0 1 0 0 1] "+
		"Truth:[81 82 83 81 82 83] Mean:[84 85 86 84 85 86] Spread:[87 88 89 87 88 89] Q05:[90 95 100 90 95 100] Q25:[91 96 101 91 96 101] Q50:[92 97 102 92 97 102] Q75:[93 98 103 93 98 103] Q95:[94 99 104 94 99 104]}")
	equal("fit", collect(t, r.Fits()), "{Trial:[2] Replicate:[3] Filter:[f] Cycle:[1] Time:[0.5] Stage:[forecast] Variable:[u] Index:[1] Value:[201] Error:[202] Mean:[203] Spread:[204] Q05:[205] Q25:[206] Q50:[207] Q75:[208] Q95:[209]}")
	equal("diagnostics", collect(t, r.Diagnostics()), "{Trial:[2] Cycle:[1] Name:[gain] Value:[41]}")
	timings := collect(t, r.Timings())
	timings.Archive[0] = math.Floor(timings.Archive[0]) // and what this write took
	equal("timings", timings, "{Trial:[2] Cycle:[1] Forecast:[1] Observe:[2] Analyse:[3] Score:[4] Archive:[5] Wait:[0]}")
	failures, err := r.Failures()
	equal("failures", []any{failures, err}, "[[{TrialID:{Trial:2 Replicate:3 Filter:f} Failure:{Cycle:1 Call:observe Member:5 Members:6 Reason:it broke Action:dropped}}] <nil>]")
	states := func(name string) string {
		var lines []string
		for s, err := range r.States(name) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range s.Cycle {
				line := fmt.Sprint(s.Cycle[i], " ", s.Time[i])
				if s.Replicate != nil {
					line += fmt.Sprint(" of ", s.Replicate[i], " ", s.Truth[i])
				}
				if s.Member != nil {
					line += fmt.Sprintf(" %s %d %.3f %d %v", s.Stage[i], s.Member[i], s.LogWeight[i], s.Parent.Values[i], s.Parent.Valid[i])
				}
				lines = append(lines, fmt.Sprint(line, ": ", s.Fields[0].Row(i), " ", s.Fields[1].Row(i)))
			}
		}
		return strings.Join(lines, "\n")
	}
	equal("truth", states("truth"), "0 0: [0] [0 0]\n1 0.5: [11] [12 13]")
	equal("a truth", states("truth/replicate=003/part-00004"), "0 0: [0] [0 0]\n1 0.5: [11] [12 13]")
	equal("observations", states("observations"), "1 0.5 of 3 4: [21] [NaN 23]")
	equal("ensemble", states("ensemble"), "1 0.5 forecast 0 -0.693 0 false: [31] [32 33]\n1 0.5 forecast 1 -0.693 0 false: [34] [35 36]\n"+
		"1 0.5 analysis 0 -1.000 1 true: [31] [32 33]\n1 0.5 analysis 1 -2.000 0 true: [34] [35 36]")
	if missing := r.Missing(); len(missing) > 0 {
		t.Errorf("missing: %v", missing)
	}
}

// readAll reads all tables of a run and returns the errors.
func readAll(r *Reader) []error {
	_, _, trials := r.Trials()
	_, failures := r.Failures()
	errs := []error{trials, failures}
	for _, err := range r.Metrics() {
		errs = append(errs, err)
	}
	for _, err := range r.Cycles() {
		errs = append(errs, err)
	}
	for _, err := range r.RankHistograms() {
		errs = append(errs, err)
	}
	for _, err := range r.Variables() {
		errs = append(errs, err)
	}
	for _, err := range r.Innovations() {
		errs = append(errs, err)
	}
	for _, err := range r.Observed() {
		errs = append(errs, err)
	}
	for _, err := range r.Positions() {
		errs = append(errs, err)
	}
	for _, err := range r.HeldOut() {
		errs = append(errs, err)
	}
	for _, err := range r.Rejections() {
		errs = append(errs, err)
	}
	for _, err := range r.Diagnostics() {
		errs = append(errs, err)
	}
	for _, err := range r.Timings() {
		errs = append(errs, err)
	}
	for _, err := range r.Passes() {
		errs = append(errs, err)
	}
	for _, err := range r.Starts() {
		errs = append(errs, err)
	}
	for _, err := range r.Fits() {
		errs = append(errs, err)
	}
	for _, name := range []string{"truth", "observations", "ensemble"} {
		for _, err := range r.States(name) {
			errs = append(errs, err)
		}
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// Whichever table of a finished run is damaged, missing, or something else than a file, is
// named by the one error there is; none is waited for.
func TestDamagedTables(t *testing.T) {
	dir := full(t)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := r.Tables()
	if err != nil || len(tables) != 19 {
		t.Fatalf("%d tables, %v: %v", len(tables), tables, err)
	}
	for _, name := range tables {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipped := slices.Clone(good)
		flipped[len(flipped)/2] ^= 1
		for what, damage := range map[string]func() error{
			"damaged: its sha256 is ":              func() error { return os.WriteFile(path, flipped, 0o600) },
			"no such file":                         func() error { return nil },
			"got a named pipe, want a regular":     func() error { return syscall.Mkfifo(path, 0o600) },
			"got a link, want a regular file":      func() error { return os.Symlink("/dev/zero", path) },
			"got a directory, want a regular file": func() error { return os.Mkdir(path, 0o700) },
		} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			r, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			errs := readAll(r)
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), path+": ") || !strings.Contains(errs[0].Error(), what) {
				t.Errorf("%s, %s: got %v", name, what, errs)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A file is compared with its checksum once, when it is first read.
func TestCheckedOnce(t *testing.T) {
	dir := full(t)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		sum     string
		noticed bool
	}{{r.Info.Files["trials.arrow"], false}, {"another", false}, {"another", true}} {
		if step.noticed {
			r.checked = map[string]*check{}
		}
		r.Info.Files["trials.arrow"] = step.sum
		if _, _, err := r.Trials(); (err != nil) != step.noticed {
			t.Errorf("sum %s: got %v", step.sum, err)
		}
	}
	if lines, err := r.CheckFiles(); err != nil || !slices.Equal(lines, []string{"trials.arrow has changed since the run wrote it"}) {
		t.Errorf("got %q, %v", lines, err)
	}
	path := filepath.Join(dir, "metrics.arrow") // which CheckFiles has read
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Check("metrics.arrow"); err != nil {
		t.Error(err)
	}
}

// A pipe in the place of a table of a run that goes on, or of its manifest, is not waited
// for either.
func TestPipesInRunUnderWay(t *testing.T) {
	run, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := run.Path("cycles", "trial=0001.arrow"+table.Part)
	if err == nil {
		err = syscall.Mkfifo(path, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(run.Dir, "cycles", "trial=0001.arrow"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(run.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.Cycles() {
		if err == nil || !strings.Contains(err.Error(), "got a named pipe") {
			t.Errorf("got %v", err)
		}
	}
	manifest := filepath.Join(run.Dir, infoFile)
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(run.Dir); err == nil || !strings.Contains(err.Error(), "got a named pipe") {
		t.Errorf("got %v", err)
	}
}

// Of a run of another version what is missing reads as null and is said, once; without the
// columns that say what rows are about a table is an error.
func TestRunOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, rows int, columns []table.Column, values ...any) {
		t.Helper()
		w, err := table.Create(filepath.Join(dir, name), columns, nil)
		if err == nil {
			err = w.Append(rows, values...)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(name string) table.Column { return table.Column{Name: name, Type: table.Text} }
	whole := func(name string) table.Column { return table.Column{Name: name, Type: table.Int32} }
	number := func(name string) table.Column { return table.Column{Name: name, Type: table.Float64} }
	put("trials.arrow", 1, []table.Column{whole("trial"), whole("replicate"), text("filter"), whole("size"), text("status"), number("axis")}, []int32{1}, []int32{2}, []string{"f"}, []int32{3}, []string{"ok"}, []float64{4})
	put("innovations.arrow", 1, []table.Column{whole("trial"), whole("replicate"), text("filter"), whole("cycle"), number("time"), text("nis")}, []int32{1}, []int32{2}, []string{"f"}, []int32{3}, []float64{4}, []string{"5"})
	put("cycles.arrow", 1, []table.Column{whole("trial"), number("rmse")}, []int32{1}, []float64{2})
	sums, err := checksums(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeInfo(dir, &Info{Format: format, Plume: "0.1", Status: OK, Files: sums}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		trials, axes, err := r.Trials()
		if got := fmt.Sprintf("%+v %v %v", trials, axes, err); got != "[{TrialID:{Trial:1 Replicate:2 Filter:f} Truth:0 Reference:-1 Plugin: Size:3 Values:map[axis:4] Status:ok Error: Cycles:0}] [axis] <nil>" {
			t.Errorf("got %s", got)
		}
		if in := collect(t, r.Innovations()); len(in.NIS) != 1 || !math.IsNaN(in.NIS[0]) || !math.IsNaN(in.Expected[0]) {
			t.Errorf("got %+v", in)
		}
	}
	if got := collect(t, r.Variables()); got.Trial != nil {
		t.Errorf("got %+v", got)
	}
	if got := collect(t, r.HeldOut()); got.Trial != nil { // which not every run has
		t.Errorf("got %+v", got)
	}
	want := []string{"trials.arrow has no column truth", "trials.arrow has no column reference", "trials.arrow has no column plugin", "trials.arrow has no column cycles",
		"trials.arrow has no column error", "innovations.arrow has no column nis", "innovations.arrow has no column rms_expected", "there is no variables.arrow"}
	if got := r.Missing(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, err := range r.Cycles() {
		if err == nil || !strings.HasSuffix(err.Error(), "cycles.arrow: columns: got trial, rmse, missing cycle, time, stage; the run was written by plume 0.1") {
			t.Errorf("got %v", err)
		}
	}
}

// Tables of cycles without model times have them where they are dates, also those of cycles
// that a run gains while a table is open.
func TestTimesWhereTheyAreDates(t *testing.T) {
	for _, dates := range []*Dates{nil, {Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Seconds: 3600, Calendar: "proleptic_gregorian"}} {
		run, err := Create(t.TempDir(), Info{Name: "test", Dates: dates}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		id, clock := TrialID{1, 1, "f"}, plan.Clock{Times: []float64{0.5}, Cycles: 1}
		trial, err := run.Trial(id, state, state, Keep{Forecast: true, Analysis: true, Variables: 2}, 0)
		if err != nil {
			t.Fatal(err)
		}
		failures, err := run.Failures(id, &clock, 0)
		if err != nil {
			t.Fatal(err)
		}
		clock = plan.Clock{Times: []float64{0.5, 1}, Cycles: 2}
		for k := 1; k <= 2; k++ {
			appendCycle(t, trial, 1, k, 0)
			failures.Add(Failure{Cycle: k, Call: "forecast", Action: Repeated})
		}
		if err := errors.Join(trial.Close(), failures.Close(), run.Finish(nil, nil, nil, OK, false, nil), run.Release()); err != nil {
			t.Fatal(err)
		}
		r, err := Open(run.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string][]float64{"diagnostics": {0.5, 0.5, 1, 1}, "timings": {0.5, 1}, "failures": {0.5, 1}} {
			type batch struct {
				Cycle []int32   `column:"cycle"`
				Time  []float64 `column:"time,nil"`
			}
			var got []float64
			for b, err := range scan[batch](r, name) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b.Time...)
			}
			if dates == nil {
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: got the times %v, want %v", name, got, want)
			}
		}
	}
}
