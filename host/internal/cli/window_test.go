package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk/wire/table"
)

// windowWorkflow writes a workflow of Lorenz-63 with a filter, which is the program timid if
// that is given.
func windowWorkflow(t *testing.T, timid, filter string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "window.toml")
	plugins := ""
	if timid != "" {
		plugins = fmt.Sprintf("[plugins]\ntimid = { command = [%q] }\n", timid)
	}
	text := `format = 1
[experiment]
name = "window"
seed = 1
` + plugins + `[time]
cycles   = 40
interval = 0.1
[model]
plugin = "lorenz63"
noise  = { sd = 0.1 }
[truth]
init = [1.5, -1.5, 25.0]
[observations]
plugin = "obs-nonlinear"
error  = { sd = 1.0 }
[ensemble]
size = 10
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label  = "f"
` + filter
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// runTheSame runs windowWorkflow with a filter below root: as it is, in one process and with
// replicas of the model. It wants the same bytes, and returns the first run.
func runTheSame(t *testing.T, filter, root string) string {
	t.Helper()
	file := windowWorkflow(t, "", filter)
	var dirs []string
	for _, how := range [][]string{{}, {"--in-process"}, {"--set", "model.replicas=3"}} {
		code, dir, said := plumeHere(t, nil, append([]string{"run", file, "--run-dir", root}, how...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", how, code, said)
		}
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs[1:] {
		if code, _, said := plume(t, "verify", dirs[0], dir); code != exitOK {
			t.Errorf("%s: %s", filter, said)
		}
	}
	return dirs[0]
}

// A trial of a sweep over what is part of the state of a filter in a window, here model noise, has
// the members of one that runs alone.
func TestWindowsOfASweep(t *testing.T) {
	t.Parallel()
	file, root := windowWorkflow(t, "", "plugin = \"filter-enkf\"\nwindow = \"auto\"\nsmooth = { lag = 1 }\n"), t.TempDir()
	members := func(trial int, more ...string) []float64 {
		code, dir, said := plumeHere(t, nil, append([]string{"run", file, "--run-dir", root}, more...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", more, code, said)
		}
		tab, err := table.Read(filepath.Join(dir, "ensemble", fmt.Sprintf("trial=%04d", trial), "part-00000.arrow"))
		if err != nil {
			t.Fatal(err)
		}
		return tab.Column("x").([]float64)
	}
	for trial, sd := range []string{"0.1", "0.0"} {
		if !slices.Equal(members(trial+1, "--sweep", "model.noise.sd=[0.1, 0.0]"), members(1, "--set", "model.noise.sd="+sd)) {
			t.Errorf("noise of %s: the members differ", sd)
		}
	}
}

// A window that is longer than the cycles that a plan tries counts with all of its runs: 2 k + 1 in cycle
// k up to 20, and then 41.
func TestLongWindowsArePlanned(t *testing.T) {
	t.Parallel()
	file := windowWorkflow(t, "", "plugin = \"filter-enkf\"\nwindow = { length = 20, passes = 2 }\n")
	if said, _ := out(t, exitOK, "plan", file, "--json"); !strings.Contains(said, `"model_runs":32,`) { // 31.5 in 40 cycles
		t.Error(said)
	}
}

const refusedWindow = `error[E312]: timid cannot be used with this window: it does not take fractions of the likelihood
  --> window.toml:24:21
   |
24 | window = { scheme = "mda" }
   |                     ^^^^^
   |
   = help: write scheme = "sda"
`

// A filter that does not say that it takes fractions of the likelihood is never sent one: the
// window that plume chooses has one pass, and others are refused.
func TestWindowWithoutFractions(t *testing.T) {
	t.Parallel()
	timid, err := goBuild(t.TempDir(), "./testdata/timid")
	if err != nil {
		t.Fatal(err)
	}
	code, dir, said := plume(t, "run", windowWorkflow(t, timid, "plugin = \"timid\"\nwindow = \"auto\"\n"), "--run-dir", t.TempDir())
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if lags := diagnostic(t, dir, "window_lag"); lags[len(lags)-1] < 1 {
		t.Errorf("the window has the lengths %v", lags)
	}
	code, _, said = plume(t, "plan", windowWorkflow(t, timid, "plugin = \"timid\"\nwindow = { scheme = \"mda\" }\n"))
	if code == exitOK || !strings.HasPrefix(regexp.MustCompile(`--> .*/`).ReplaceAllString(said, "--> "), refusedWindow) {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// diagnostic returns the values of a metric of the only trial of a run.
func diagnostic(t *testing.T, dir, name string) (values []float64) {
	t.Helper()
	tab, err := table.Read(filepath.Join(dir, "diagnostics.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range tab.Column("name").([]string) {
		if n == name {
			values = append(values, tab.Column("value").([]float64)[i])
		}
	}
	return values
}
