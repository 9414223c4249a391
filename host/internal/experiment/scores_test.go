package experiment

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/wire/table"
)

// metricKey names a number of a trial.
type metricKey struct {
	trial         int32
	metric, stage string
}

// metricsOf returns metrics.arrow without its baselines.
func metricsOf(t *testing.T, dir string) map[metricKey]score.Mean {
	t.Helper()
	m := tableOf(t, dir, "metrics.arrow")
	trials, names, stages := m.Column("trial").([]int32), m.Column("metric").([]string), m.Column("stage").([]string)
	values, errors, cycles := m.Column("value").([]float64), m.Column("se").([]float64), m.Column("cycles").([]int32)
	list := map[metricKey]score.Mean{}
	for i, there := range m.Valid[slices.Index(m.Names, "trial")] {
		if there {
			list[metricKey{trials[i], names[i], stages[i]}] = score.Mean{Value: values[i], SE: errors[i], Count: int(cycles[i])}
		}
	}
	return list
}

// perCycle returns the values of a column after burn-in, by trial and stage, that are
// not null.
func perCycle(t *testing.T, from *table.Table, column string, burnIn int32) map[metricKey][]float64 {
	t.Helper()
	trials, cycles := from.Column("trial").([]int32), from.Column("cycle").([]int32)
	stages, ok := from.Column("stage").([]string)
	if !ok { // innovations are of forecasts
		stages = slices.Repeat([]string{score.Forecast}, from.Rows)
	}
	values, valid := from.Column(column).([]float64), from.Valid[slices.Index(from.Names, column)]
	series := map[metricKey][]float64{}
	for i := range from.Rows {
		if cycles[i] > burnIn && valid[i] {
			k := metricKey{trials[i], column, stages[i]}
			series[k] = append(series[k], values[i])
		}
	}
	return series
}

func equal(a, b score.Mean) bool {
	same := func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }
	return same(a.Value, b.Value) && same(a.SE, b.SE) && a.Count == b.Count
}

// The number of a trial in metrics.arrow is the one that its values of cycles give, of
// every score in the catalogue.
func TestNumbersFollowFromCycles(t *testing.T) {
	seen, restarted := map[string]bool{}, false
	check := func(dir string, scored []string) {
		t.Helper()
		got := metricsOf(t, dir)
		want := map[metricKey]score.Mean{}
		add := func(name string, mean func([]float64) score.Mean, series map[metricKey][]float64) {
			for k, values := range series {
				k.metric = name
				want[k] = mean(values)
			}
		}
		cycles, innovations := tableOf(t, dir, "cycles.arrow"), tableOf(t, dir, "innovations.arrow")
		for _, s := range score.OfCycles(scored) {
			add(s.Name, score.TimeMean, perCycle(t, cycles, s.Name, 10))
		}
		add("nis", score.TimeMean, perCycle(t, innovations, "nis", 10))
		if _, err := os.Stat(filepath.Join(dir, "held_out.arrow")); err == nil {
			heldOut := tableOf(t, dir, "held_out.arrow")
			add("held_out_spread", score.RootTimeMean, perCycle(t, heldOut, "spread", 10))
			add("held_out_crps", score.TimeMean, perCycle(t, heldOut, "crps_fair", 10))
			errors := perCycle(t, heldOut, "mean", 10)
			for k, values := range perCycle(t, heldOut, "value", 10) {
				k.metric = "mean"
				for i, v := range values {
					errors[k][i] -= v
				}
			}
			add("held_out_rmse", score.RootTimeMean, errors)
			add("innovation_rms", score.RootTimeMean, innovationsOf(innovations, 10))
		}
		ranks := tableOf(t, dir, "rank_histogram.arrow")
		for k, rmse := range perCycle(t, cycles, "rmse", 10) {
			counts := countsOf(ranks, k.trial, k.stage)
			number := func(name string, v, se float64) {
				want[metricKey{k.trial, name, k.stage}] = score.Mean{Value: v, SE: se, Count: len(rmse)}
			}
			total, spread := score.RootTimeMean(rmse), want[metricKey{k.trial, "spread", k.stage}]
			_, half := score.Coverage(counts, 0.5)
			_, most := score.Coverage(counts, 0.9)
			number("rmse_total", total.Value, total.SE)
			number("spread_skill", score.SpreadSkill(spread.Value, score.TimeMean(rmse).Value, 8), math.NaN())
			number("coverage_50_expected", half, 0)
			number("coverage_90_expected", most, 0)
			independent := got[metricKey{k.trial, "rank_independent", k.stage}] // the ranks of single cycles are not stored
			all := 0.0
			for _, c := range counts {
				all += c
			}
			if independent.Value < 1 || independent.Value > all+1e-9 || len(rmse) < 20 && independent.Value != float64(len(rmse)) {
				t.Errorf("%v independent ranks of %v in %d cycles", independent.Value, all, len(rmse))
			}
			number("rank_independent", independent.Value, math.NaN())
			reliability, potential := got[metricKey{k.trial, "crps_reliability", k.stage}].Value, got[metricKey{k.trial, "crps_potential", k.stage}].Value // nor are the members
			if crps := want[metricKey{k.trial, "crps", k.stage}].Value; math.Abs(reliability+potential-crps) > 1e-12*crps || reliability < 0 {
				t.Errorf("crps of the %s of trial %d: %v, but reliability %v and potential %v", k.stage, k.trial, crps, reliability, potential)
			}
			number("crps_reliability", reliability, math.NaN())
			number("crps_potential", potential, math.NaN())
			number("rank_flatness_p", score.FlatnessOf(counts, independent.Value).P, math.NaN())
		}
		if failures := tableOf(t, dir, "failures.arrow"); restarted {
			for i, action := range failures.Column("action").([]string) {
				if action != archive.Restarted {
					t.Errorf("failure %d: %s", i, action)
				}
				for _, stage := range stages { // one in 40 cycles
					want[metricKey{failures.Column("trial").([]int32)[i], "divergences", stage}] = score.Mean{Value: 25, SE: math.NaN(), Count: 40}
				}
			}
		}
		for k, m := range want {
			if found, ok := got[k]; !ok || !equal(found, m) {
				t.Errorf("%s of the %s of trial %d: metrics.arrow has %v, its cycles give %v", k.metric, k.stage, k.trial, found, m)
			}
			s, _ := score.Find(k.metric)
			seen[strings.TrimSuffix(s.Name, s.Variable)] = true
		}
		for k := range got {
			if _, ok := want[k]; !ok {
				t.Errorf("%s of the %s of trial %d is in metrics.arrow alone", k.metric, k.stage, k.trial)
			}
		}
	}
	reference := "reference = { plugin = \"fake-filter\", size = 20, store = 6 }\n"
	filters := filterOf("nudge") + filterOf("weigh") + filterOf("choose")
	check(ran(t, twin+oneModel+reference+filters, Options{Workers: 2}).Dir, nil)
	check(ran(t, twin+estimated+filters, Options{Workers: 2}).Dir, []string{"memory"})
	check(ran(t, recorded(t, "x")+oneModel+filters, Options{Workers: 2}).Dir, nil)
	restarted = true
	check(ran(t, restarting("restart")+modelWith("member")+filters, Options{Workers: 2}).Dir, nil)
	check(ran(t, restarting("climatology")+oneModel+faulty("f", "diverged"), Options{Workers: 2}).Dir, nil)
	for _, s := range score.Catalogue() {
		if !seen[strings.TrimSuffix(s.Name, "NAME")] {
			t.Errorf("no run had the score %s", s.Name)
		}
	}
}

// innovationsOf returns the innovations after burn-in by trial.
func innovationsOf(from *table.Table, burnIn int32) map[metricKey][]float64 {
	series := map[metricKey][]float64{}
	trials, cycles := from.Column("trial").([]int32), from.Column("cycle").([]int32)
	first := slices.Index(from.Names, "rms_expected") + 1
	for i := range from.Rows {
		for _, column := range from.Columns[first:] {
			for _, v := range column.([][]float64)[i] {
				if k := (metricKey{trials[i], "", score.Forecast}); cycles[i] > burnIn && !math.IsNaN(v) {
					series[k] = append(series[k], v)
				}
			}
		}
	}
	return series
}

func countsOf(from *table.Table, trial int32, stage string) []float64 {
	var counts []float64
	for i, v := range from.Column("count").([]float64) {
		if from.Column("trial").([]int32)[i] == trial && from.Column("stage").([]string)[i] == stage {
			counts = append(counts, v)
		}
	}
	return counts
}

const estimated = `
[model]
plugin = "fake-model"
[model.estimate.memory]
init = { dist = "normal", mean = 0.5, sd = 0.1 }
walk_sd = 0.01
`

// recorded is a workflow without a truth. Of every variable one value is observed, and in
// some cycles held out.
func recorded(t *testing.T, variables ...string) string {
	t.Helper()
	return recordedFor(t, 41, variables...)
}

func recordedFor(t *testing.T, cycles int, variables ...string) string {
	t.Helper()
	text := strings.Builder{}
	text.WriteString("time," + strings.Join(variables, ",") + "\n")
	for k := range cycles {
		fmt.Fprintf(&text, "%d", k+1)
		for i := range variables {
			fmt.Fprintf(&text, ",%g", math.Pow(1000, float64(i))*math.Sin(0.7*float64(k)+float64(i)))
		}
		text.WriteString("\n")
	}
	path := filepath.Join(t.TempDir(), "record.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, v := range variables {
		columns = append(columns, fmt.Sprintf(`{ column = %q, variable = %q, index = 1 }`, v, v))
	}
	return fmt.Sprintf(`format = 1
experiment = { name = "record", seed = 3 }
time       = { start = 0.0, burn_in = 10 }
ensemble   = { size = 8, init = { dist = "normal", mean = 0.0, sd = 1.0 } }
observations = { plugin = "fake-operator", error = { sd = 0.5 }, file = %q, time = { column = "time" }, map = [%s], hold_out = { every = 3 } }
`, path, strings.Join(columns, ", "))
}

// shorten leaves the first rows alone in the file of observations of a workflow, until the
// function that it returns is called.
func shorten(t *testing.T, text string, rows int) (restore func()) {
	t.Helper()
	path := regexp.MustCompile(`file = "(.*?)"`).FindStringSubmatch(text)[1]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(bytes.Join(bytes.SplitAfter(whole, []byte("\n"))[:1+rows], nil))
	return func() { write(whole) }
}

// Of a model whose variables have different units, the scores of the whole state do not
// depend on the units, and single variables have scores in their units. Powers of two make
// the numbers the same to the last bit.
func TestUnits(t *testing.T) {
	run := func(unit float64, units string) (map[metricKey]score.Mean, *Result) {
		text := strings.Replace(twin, "error = { sd = 0.5 }", fmt.Sprintf("error = { sd = [0.5, 0.5, %g, %g] }", unit/2, unit/2), 1)
		for _, sd := range []string{"truth      = { init", "init"} {
			text = strings.Replace(text, sd+` = { dist = "normal", mean = 0.0, sd = 1.0 }`, fmt.Sprintf(`%s = { dist = "normal", mean = 0.0, sd = { t = 1.0, h = %g } }`, sd, unit), 1)
		}
		text += fmt.Sprintf("model = { plugin = \"fake-model\", params = { variables = [\"t\", \"h\"], units = %s, scales = [1.0, %g] } }\n", units, unit)
		r := ran(t, text+filterOf("nudge")+filterOf("weigh"), Options{})
		return metricsOf(t, r.Dir), r
	}
	small, r := run(1, `["K", "m"]`)
	large, _ := run(1024, `["K", "m"]`)
	if len(small) == 0 || len(small) != len(large) || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "different units") {
		t.Fatalf("%d scores and %d, notes %q", len(small), len(large), r.Notes)
	}
	for k, m := range small {
		factor := 1.0
		if strings.HasSuffix(k.metric, "_h") {
			factor = 1024
		}
		if got := large[k]; got.Value != factor*m.Value && !(math.IsNaN(got.Value) && math.IsNaN(m.Value)) {
			t.Errorf("%s of the %s of trial %d: got %v, want %v times %v", k.metric, k.stage, k.trial, got.Value, factor, m.Value)
		}
	}
	for _, name := range []string{"rmse_t", "spread_t", "rmse_h", "spread_h"} {
		if _, ok := small[metricKey{1, name, score.Analysis}]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if info, err := archive.ReadInfo(r.Dir); err != nil || !slices.Equal(info.Notes, r.Notes) {
		t.Errorf("run.json has the notes %q, %v", info.Notes, err)
	}
	checkNormalised(t, r.Dir)

	same, r := run(1, `["m", "m"]`)
	if _, ok := same[metricKey{1, "rmse_h", score.Analysis}]; ok || len(r.Notes) > 0 {
		t.Errorf("variables with one unit: notes %q, scores %v", r.Notes, slices.Collect(maps.Keys(same)))
	}
	if a, b := same[metricKey{1, "rmse", score.Analysis}], small[metricKey{1, "rmse", score.Analysis}]; a.Value == b.Value {
		t.Errorf("rmse %v of one unit is that of normalised values", a.Value)
	}
}

// checkNormalised recomputes rmse of every cycle from variables.arrow and the truth.
func checkNormalised(t *testing.T, dir string) {
	t.Helper()
	truth := tableOf(t, dir, "truth", "replicate=001", "part-00000.arrow")
	sd := map[string]float64{}
	for _, name := range []string{"t", "h"} {
		rows := truth.Column(name).([][]float64)
		var sum float64
		for j := range 2 {
			var mean, squares float64
			for _, row := range rows {
				mean += row[j] / float64(len(rows))
			}
			for _, row := range rows {
				squares += (row[j] - mean) * (row[j] - mean)
			}
			sum += squares / float64(len(rows)-1) / 2
		}
		sd[name] = math.Sqrt(sum)
	}
	v, cycles := tableOf(t, dir, "variables.arrow"), tableOf(t, dir, "cycles.arrow")
	type at struct {
		trial, cycle int32
		stage        string
	}
	squares := map[at]float64{}
	for i := range v.Rows {
		name := v.Column("variable").([]string)[i]
		d := (v.Column("mean").([]float64)[i] - v.Column("truth").([]float64)[i]) / sd[name]
		squares[at{v.Column("trial").([]int32)[i], v.Column("cycle").([]int32)[i], v.Column("stage").([]string)[i]}] += d * d
	}
	for i, got := range cycles.Column("rmse").([]float64) {
		k := at{cycles.Column("trial").([]int32)[i], cycles.Column("cycle").([]int32)[i], cycles.Column("stage").([]string)[i]}
		if want := math.Sqrt(squares[k] / 4); math.Abs(got-want) > 1e-13*want { // some hundred roundings
			t.Fatalf("%v: rmse is %v, want %v", k, got, want)
		}
	}
}

// A variable that stays constant has nothing to be divided by, and is left out.
func TestConstantVariableIsLeftOut(t *testing.T) {
	model := `model = { plugin = "fake-model", params = { variables = ["t", "still"], units = ["K", "m"] } }` + "\n"
	got := metricsOf(t, ran(t, twin+model+filterOf("nudge"), Options{}).Dir)
	whole, alone := got[metricKey{1, "rmse", score.Analysis}], got[metricKey{1, "rmse_t", score.Analysis}]
	spread := got[metricKey{1, "spread_t", score.Analysis}].Value / got[metricKey{1, "spread", score.Analysis}].Value
	if ratio := alone.Value / whole.Value; !(math.Abs(ratio/spread-1) < 1e-12) {
		t.Errorf("rmse_t is %v times rmse, but spread_t %v times spread", ratio, spread)
	}
	if _, ok := got[metricKey{1, "rmse_still", score.Analysis}]; !ok {
		t.Error("there is no rmse_still")
	}
}

// Scores of observations do not depend on the units of what is observed either.
func TestUnitsOfObservations(t *testing.T) {
	model := `model = { plugin = "fake-model", params = { variables = ["t", "h"], units = ["K", "m"], scales = [1.0, 1000.0] } }` + "\n"
	r := ran(t, recorded(t, "t", "h")+model+filterOf("nudge"), Options{})
	if len(r.Notes) != 2 {
		t.Errorf("got the notes %q", r.Notes)
	}
	for k, m := range metricsOf(t, r.Dir) {
		if strings.HasPrefix(k.metric, "held_out") && !(m.Value > 0.01 && m.Value < 5) { // h is 1000 times as large
			t.Errorf("%s of the %s is %v, not of order 1", k.metric, k.stage, m.Value)
		}
	}
	for _, m := range r.Metrics {
		if m.Trial == 0 && !(m.Value > 0.1 && m.Value < 3) {
			t.Errorf("%s of %s is %v, not of order 1", m.Metric, m.Filter, m.Value)
		}
	}
}

// A workflow may ask for the score of any variable, and of none that there is not.
func TestScoresByName(t *testing.T) {
	r := ran(t, twin+oneModel+filterOf("nudge")+"[verify]\nmetrics = [\"rmse_x\", \"mae\"]\n", Options{})
	var names []string
	for _, m := range r.Metrics {
		if m.Trial > 0 && m.Stage == score.Analysis {
			names = append(names, m.Metric)
		}
	}
	if got := strings.Join(names, " "); got != "rmse mae rmse_x" {
		t.Errorf("got %s", got)
	}
	w := loadText(t, twin+oneModel+filterOf("nudge")+"[verify]\nmetrics = [\"rmse_totl\", \"rmse_y\"]\n", workflow.Options{})
	_, err := Open(t.Context(), w, true)
	var found *FindingsError
	if !asFindings(err, &found) {
		t.Fatalf("got %v", err)
	}
	text := found.Diagnostics.Text(false)
	for _, want := range []string{"there is no score \"rmse_totl\": the state has no variable `totl`", "did you mean \"rmse_total\"?", "there is no score \"rmse_y\"", "it has x[2]"} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %s:\n%s", want, text)
		}
	}
}
