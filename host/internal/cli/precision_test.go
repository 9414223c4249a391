//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ways are how a run may be executed, with the site file next to the workflow.
func ways(dir string) map[string][]string {
	return map[string][]string{
		"processes": {}, "in this process": {"--in-process"}, "replicas": {"--set", "model.replicas=3", "--workers", "2"},
		"another machine": {"--set", `model.executor="shell"`, "--site", filepath.Join(dir, "site.toml")},
	}
}

const shellSite = "[executor.shell]\nstart = [\"sh\", \"-c\", \"exec {{.Shell}}\"]\n"

// writeAll writes files by name into a new folder, and returns it.
func writeAll(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runs runs a workflow in all ways, and returns the folder of one of them; the others have the same
// results.
func runs(t *testing.T, env []string, dir, file string, by map[string][]string, more ...string) (first string) {
	t.Helper()
	for name, how := range by {
		code, run, said := plumeHere(t, env, slices.Concat([]string{"run", filepath.Join(dir, file), "--run-dir", filepath.Join(dir, "runs"), "-q"}, how, more)...)
		if code != exitOK {
			t.Fatalf("%s: exit code %d\n%s", name, code, said)
		}
		if first == "" {
			first = run
		} else if code, _, said := plume(t, "verify", first, run); code != exitOK {
			t.Errorf("%s: %s", name, said)
		}
	}
	return first
}

// allSingle reports whether all values of a column of the stored ensembles of a stage are float32 numbers.
func allSingle(t *testing.T, run, column, stage string) bool {
	t.Helper()
	stored := read(t, run, "ensemble/trial=0001/part-00000.arrow")
	lists, isList := stored.Column(column).([][]float64)
	for i, of := range stored.Column("stage").([]string) {
		values := []float64{}
		if isList {
			values = lists[i]
		} else {
			values = append(values, stored.Column(column).([]float64)[i])
		}
		if of == stage && slices.ContainsFunc(values, func(v float64) bool { return v != float64(float32(v)) }) {
			return false
		}
	}
	return true
}

// odd has two variables with an odd number of values, a parameter that is estimated, windows, past states and free
// forecasts; no noise, so that forecasts are what the model gives.
const odd = `format = 1
experiment = { name = "odd", seed = 3 }
time = { cycles = 12, interval = 0.5 }
[model]
plugin = "lorenz96-tracer"
precision = "float32"
params = { n = 9 }
estimate.forcing = { init = { dist = "normal", mean = 8.0, sd = 0.5 }, walk_sd = 0.01 }
[truth]
init = { dist = "uniform", low = 1.0, high = 3.0 }
spin_up = 5.0
[[observations]]
label = "wind"
plugin = "obs-nonlinear"
params = { variables = ["x"] }
error = { sd = 0.5 }
[ensemble]
size = 14
init = { dist = "lognormal", around = "truth", sd = 0.1 }
[[filter]]
label = "etkf"
plugin = "filter-enkf"
params = { scheme = "etkf" }
[[filter]]
label = "window"
plugin = "filter-enkf"
params = { scheme = "etkf" }
window = { length = 2 }
smooth = { lag = 4 }
[output]
ensemble = "both"
[forecast]
horizon = 1.0
every = 4
`

// Runs in single precision are the same however they are executed. Forecasts are float32 numbers;
// what filters compute and parameters are not.
func TestSinglePrecisionTheSame(t *testing.T) {
	t.Parallel()
	dir := writeAll(t, map[string]string{"odd.toml": odd, "site.toml": shellSite})
	run := runs(t, nil, dir, "odd.toml", ways(dir))
	for column, wants := range map[string]map[string]bool{"x": {"forecast": true, "analysis": false}, "c": {"forecast": true, "analysis": false}, "forcing": {"forecast": false, "analysis": false}} {
		for stage, want := range wants {
			if got := allSingle(t, run, column, stage); got != want {
				t.Errorf("%s of the %s: float32 numbers: %v, want %v", column, stage, got, want)
			}
		}
	}
	code, double, said := plumeHere(t, nil, "run", filepath.Join(dir, "odd.toml"), "--run-dir", dir, "-q", "--set", `model.precision="float64"`)
	if code != exitOK {
		t.Fatal(said)
	}
	code, said, _ = plume(t, "plan", filepath.Join(dir, "odd.toml"), "--json", "-q", "--sweep", `model.precision=["float32","float64"]`)
	if code != exitOK || !strings.Contains(said, `"truths":1,`) {
		t.Errorf("the settings of a sweep do not share a truth: %s", said)
	}
	sameFile(t, "truth/replicate=001/part-00000.arrow", double, run)
	sameFile(t, "observations.arrow", double, run)
}

// sameFile compares the bytes of a file of two runs.
func sameFile(t *testing.T, name, a, b string) {
	t.Helper()
	x, err1 := os.ReadFile(filepath.Join(a, name))
	y, err2 := os.ReadFile(filepath.Join(b, name))
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(x, y) {
		t.Errorf("%s differs: %v", name, err)
	}
}

// A run in single precision that is stopped goes on to the same results.
func TestSinglePrecisionStops(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "stops.toml")
	text := strings.Replace(stopsWorkflow, "[model]\n", "[model]\nprecision = \"float32\"\n", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	whole, random := uninterrupted(t, file, root), rand.New(rand.NewPCG(7, 8))
	for i, options := range [][]string{{}, {"--in-process"}} {
		checkStop(t, file, filepath.Join(root, fmt.Sprintf("stop-%d", i)), whole.dir(t), "SIGKILL to the host", 200e6, random, options...)
	}
}
