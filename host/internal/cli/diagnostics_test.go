//go:build linux

package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk/wire/table"
)

// diagnosed is a linear twin without noise, in which OBSERVED is observed; WITH adds to the model.
const diagnosed = `format = 1
[experiment]
name = "stops"
seed = 11
[time]
cycles   = 40
interval = 0.3
burn_in  = 5
[model]
plugin = "linear"
[model.params]
variables = ["c", "s", "b"]
matrix    = [-0.05, -1.0, 0.2, 1.0, -0.05, 0.0, 0.0, 0.0, -0.1]
WITH
[truth]
init    = { dist = "normal", mean = [1, 0, 1], sd = 0.5 }
spin_up = 3.0
[observations]
plugin = "obs-nonlinear"
params = { variables = ["OBSERVED"] }
error  = { sd = 0.3 }
[ensemble]
size = 20
init = { dist = "normal", around = "truth", sd = 1.0 }
[forecast]
horizon = 0.9
[output]
ensemble = "both"
[[filter]]
label  = "stochastic"
plugin = "filter-enkf"
params = { scheme = "stochastic" }
[[filter]]
label  = "smoother"
plugin = "filter-enkf"
smooth = { lag = 4 }
[[filter]]
label  = "window"
plugin = "filter-enkf"
window = { length = 3 }
smooth = { lag = 5 }
[[filter]]
label  = "auto"
plugin = "filter-enkf"
window = "auto"
[[filter]]
label  = "every"
plugin = "filter-enkf"
every  = 3
[[filter]]
label  = "whole"
plugin = "filter-enkf"
window = { length = "all" }
[[filter]]
label  = "particles"
plugin = "filter-pf"
params = { jitter = 0.3 }
size   = 60
[[filter]]
label  = "joint"
plugin = "filter-diffusion"
[[filter]]
label  = "newton"
plugin = "filter-enkf"
window = { length = "all", scheme = "gauss-newton" }
`

// diagnosedWorkflow writes the workflow diagnosed, in which s is observed or, as a diagnostic, what has its value.
// more follows the parameters of the model.
func diagnosedWorkflow(t *testing.T, observed, more string) string {
	t.Helper()
	with := ""
	if observed != "s" {
		with = `diagnostics = ["` + observed + `"]` + "\ndiagnostic_matrix = [0, 1, 0]"
	}
	with += more
	file := filepath.Join(t.TempDir(), "stops.toml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("WITH", with, "OBSERVED", observed).Replace(diagnosed)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A diagnostic that is a variable of the state is observed like that variable: forecasts, analyses, smoothed states and scores
// are the same, bit by bit. The diagnostic itself is in what the model has computed, and nowhere else. A step of Gauss-Newton
// decomposes a matrix with one column more, so it is the same to rounding.
func TestDiagnosticsAreObservedLikeTheState(t *testing.T) {
	t.Parallel()
	var dirs []string
	for _, observed := range []string{"s", "seen"} {
		code, dir, said := plumeHere(t, nil, "run", diagnosedWorkflow(t, observed, ""), "--in-process", "--run-dir", t.TempDir())
		if code != exitOK {
			t.Fatalf("exit code %d\n%s", code, said)
		}
		dirs = append(dirs, dir)
	}
	const newton = "trial=0009"
	parts, err := filepath.Glob(filepath.Join(dirs[1], "*", "trial=*", "part-00000.arrow"))
	if err != nil || len(parts) != 9+2 { // two of them smooth
		t.Fatal(parts, err)
	}
	for _, part := range parts {
		name, err := filepath.Rel(dirs[1], part)
		if err != nil {
			t.Fatal(err)
		}
		plain, with := read(t, dirs[0], name), read(t, dirs[1], name)
		tolerance := 0.0
		if strings.Contains(name, newton) {
			tolerance = 1e-11 // values up to 3: 1e4 ulps
		}
		for _, variable := range []string{"c", "s", "b"} {
			for i, want := range plain.Column(variable).([]float64) {
				if got := with.Column(variable).([]float64)[i]; !(math.Abs(got-want) <= tolerance) {
					t.Fatalf("%s: row %d: %s is %v, want %v", name, i, variable, got, want)
				}
			}
		}
		checkSeen(t, name, with)
	}
	plain, with := read(t, dirs[0], "metrics.arrow"), read(t, dirs[1], "metrics.arrow")
	want, got, filters := plain.Column("value").([]float64), with.Column("value").([]float64), plain.Column("filter").([]string)
	if len(want) != len(got) {
		t.Fatalf("%d scores, want %d", len(got), len(want))
	}
	for i, w := range want {
		if filters[i] != "newton" && got[i] != w && !(math.IsNaN(got[i]) && math.IsNaN(w)) {
			t.Errorf("%s: score %s is %v, want %v", filters[i], plain.Column("metric").([]string)[i], got[i], w)
		}
	}
	for _, args := range [][]string{{"report", dirs[1], "--figures", "svg"}, {"verify", dirs[1]}, {"forecast", dirs[1], "--scores", "--variable", "seen"},
		{"export", dirs[1], "--format", "netcdf", "--to", filepath.Join(t.TempDir(), "out")}} {
		if code, _, said := plume(t, args...); code != exitOK {
			t.Errorf("%v: exit code %d\n%s", args, code, said)
		}
	}
}

// checkSeen wants the diagnostic of an ensemble where no filter has moved it: in forecasts, in analyses of cycles without
// one, and in the last run over a record.
func checkSeen(t *testing.T, name string, e *table.Table) {
	t.Helper()
	state, cycles, stages := e.Column("s").([]float64), e.Column("cycle").([]int32), e.Column("stage").([]string)
	for i, seen := range e.Column("seen").([]float64) {
		there := stages[i] == "forecast"
		switch {
		case strings.HasSuffix(filepath.Dir(name), "5"): // every third cycle
			there = there || cycles[i]%3 > 0
		case strings.HasSuffix(filepath.Dir(name), "6"), strings.HasSuffix(filepath.Dir(name), "9"): // whole records
			there = true
		case strings.HasSuffix(filepath.Dir(name), "3"), strings.HasSuffix(filepath.Dir(name), "4"): // windows run the model again
			there = there || !math.IsNaN(seen)
		}
		if there && seen != state[i] || !there && !math.IsNaN(seen) {
			t.Fatalf("%s: row %d, %s of cycle %d: the diagnostic is %v, the state %v", name, i, stages[i], cycles[i], seen, state[i])
		}
	}
}

// Runs with diagnostics are the same however they are executed, also with noise, whose shocks are moved in windows.
func TestDiagnosticsTheSame(t *testing.T) {
	t.Parallel()
	file, root := diagnosedWorkflow(t, "seen", "\n[model.noise]\nsd = 0.1"), t.TempDir()
	var dirs []string
	for _, how := range [][]string{{}, {"--in-process"}, {"--set", "model.replicas=3", "--workers", "2"}} {
		code, dir, said := plumeHere(t, nil, append([]string{"run", file, "--run-dir", root}, how...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", how, code, said)
		}
		dirs = append(dirs, dir)
	}
	stopped := halfDone(t, file, root, "SIGKILL to the host")
	if code, _, said := plumeHere(t, nil, "resume", stopped); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	for _, dir := range append(dirs[1:], stopped) {
		if code, _, said := plume(t, "verify", dirs[0], dir); code != exitOK {
			t.Errorf("%s", said)
		}
	}
}

// Held-out values are scored by forecasts where analyses lack diagnostics, and never by the few analyses of cycles without a
// filter: tables show the score of the forecasts, and say so. Over a whole record analyses have them all.
func TestHeldOutValuesOfDiagnostics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := "t,flow\n"
	for k := 1; k <= 30; k++ {
		data += fmt.Sprintf("%d,%g\n", k, 1+0.1*float64(k%5))
	}
	file := filepath.Join(dir, "gauge.toml")
	for name, text := range map[string]string{"data.csv": data, "gauge.toml": `format = 1
experiment = { name = "gauge", seed = 1 }
time = {}
model = { plugin = "linear", params = { variables = ["level"], diagnostics = ["flow"], diagnostic_matrix = [0.5] }, noise = { sd = 0.1 } }
ensemble = { size = 20, init = { dist = "normal", mean = 2, sd = 1 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }]
[observations]
plugin = "obs-nonlinear"
params = { variables = ["flow"] }
error = { sd = 0.1 }
file = "data.csv"
time.column = "t"
hold_out.every = 4
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	code, run, said := plumeHere(t, nil, "run", file, "--in-process", "--run-dir", root)
	if code != exitOK || !strings.Contains(said, "held_out_rmse (forecast)") || !strings.Contains(said, "Held-out values are scored by forecasts") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	stagesOf := func(run string) map[string]bool {
		t.Helper()
		m, there := read(t, run, "metrics.arrow"), map[string]bool{}
		for i, name := range m.Column("metric").([]string) {
			if trial, cycles := m.Column("trial").([]int32)[i], m.Column("cycles").([]int32)[i]; name == "held_out_rmse" && trial > 0 {
				if there[m.Column("stage").([]string)[i]] = true; cycles != 7 {
					t.Errorf("a mean over %d held-out values, want all 7", cycles)
				}
			}
		}
		return there
	}
	if got := stagesOf(run); !got["forecast"] || got["analysis"] {
		t.Errorf("held_out_rmse has the stages %v, want the forecast", got)
	}
	for want, args := range map[string][]string{
		"held_out_rmse (forecast)":  {"compare", run},
		`"stage": "forecast"`:       {"compare", run, "--metric", "held_out_rmse", "--format", "json"},
		"held_out_rmse (forecast) ": {"runs", "--run-dir", root},
	} {
		code, out, said := plume(t, args...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, does not say %s\n%s%s", args, code, want, out, said)
		}
		if args[0] == "compare" && len(args) == 2 && (!strings.Contains(out, "persistence") || strings.Contains(out, "–")) {
			t.Errorf("baselines have no score:\n%s", out)
		}
	}
	code, run, said = plumeHere(t, nil, "run", file, "--in-process", "--run-dir", t.TempDir(), "--set", `filter.etkf.window={ length = "all", passes = 1 }`)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if got := stagesOf(run); !got["forecast"] || !got["analysis"] {
		t.Errorf("over the record held_out_rmse has the stages %v, want both", got)
	}
	whole := run
	code, run, said = plumeHere(t, nil, "run", file, "--in-process", "--run-dir", t.TempDir(), "--set", `filter.etkf.label="cycles"`,
		"--set", `expect={ score = [{ filter = "cycles", metric = "held_out_rmse", value = 0, tolerance = 9 }] }`)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if code, out, said := plume(t, "verify", run); code != exitOK {
		t.Errorf("an expected score of forecasts: exit code %d\n%s%s", code, out, said)
	}
	for _, args := range [][]string{{"compare", whole, run}, {"compare", run, whole}} { // one has analyses, the other has none
		code, out, said := plume(t, args...)
		if lines := strings.Split(strings.TrimSpace(out), "\n"); code != exitOK || !strings.Contains(lines[0], "held_out_rmse (forecast)") || strings.Count(out, "0.") < 2 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, said)
		}
	}
}
