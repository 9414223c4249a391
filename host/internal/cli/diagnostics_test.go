//go:build linux

package cli

import (
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
