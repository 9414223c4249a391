package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk/wire/table"
)

// A run starts from the last members of another, with the values of an estimated parameter,
// and the resolved workflow says so too.
func TestRestart(t *testing.T) {
	const text = `format = 1
experiment = { name = "NAME", seed = 1 }
time = { cycles = 4, interval = 0.1 }
model.plugin = "lorenz63"
model.estimate.rho = { ESTIMATE }
truth = { init = [1.5, -1.5, 25], spin_up = 5 }
observations = { plugin = "obs-nonlinear", error = { sd = 1 } }
ensemble = { size = 3, init = { INIT } }
filter = [{ label = "f", plugin = "filter-enkf" }]
output.ensemble = "both"
`
	root := t.TempDir()
	start := func(name, estimate, init string, code int) (dir, stderr string) {
		t.Helper()
		file := filepath.Join(root, name+".toml")
		if err := os.WriteFile(file, []byte(strings.NewReplacer("NAME", name, "ESTIMATE", estimate, "INIT", init).Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
		got, dir, stderr := plumeHere(t, nil, "run", file, "--run-dir", root)
		if got != code {
			t.Fatalf("%s: exit code %d, want %d\n%s", name, got, code, stderr)
		}
		return dir, stderr
	}
	first, _ := start("first", `init = { dist = "normal", mean = 28, sd = 1 }`, `dist = "normal", around = "truth", sd = 1`, exitOK)
	members := fmt.Sprintf(`dist = "samples", file = %q, trial = 1, stage = "analysis"`, first)
	next, stderr := start("next", "walk_sd = 0.0", members+", cycle = -1", exitOK)
	const strange = "warning: ensemble.init: the members are those of a run, and what that run observed is not the truth of this twin experiment"
	if !strings.Contains(stderr, strange) {
		t.Errorf("the members followed another truth, but it says only\n%s", stderr)
	}
	if code, _, stderr := plumeHere(t, nil, "plan", filepath.Join(root, "next.toml")); code != exitOK || !strings.Contains(stderr, strange) {
		t.Errorf("plan: exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := plumeHere(t, nil, "plan", filepath.Join(root, "next.toml"), "--set", "truth.spin_up=0"); code != exitOK || strings.Contains(stderr, "warning") {
		t.Errorf("a truth that is stated: exit code %d\n%s", code, stderr)
	}
	last, begun := estimates(t, first, 4, "analysis"), estimates(t, next, 1, "forecast")
	if !slices.Equal(last, begun) { // without a random walk a forecast does not change them
		t.Errorf("it starts with the estimates %v, want those of the end of the other run, %v", begun, last)
	}
	code, again, stderr := plumeHere(t, nil, "run", filepath.Join(next, "workflow.resolved.toml"), "--run-dir", root)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := plumeHere(t, nil, "verify", next, again); code != exitOK {
		t.Errorf("the resolved workflow gives another run:\n%s", stderr)
	}
	if _, stderr := start("all", "walk_sd = 0.0", members, exitWorkflow); !strings.Contains(stderr, "has the members of several cycles, 1 to 4") {
		t.Errorf("got\n%s", stderr)
	}
	if _, stderr := start("twice", `init = { dist = "normal", mean = 28, sd = 1 }`, members+", cycle = 4", exitWorkflow); !strings.Contains(stderr, "the column rho is of no variable, and not used") {
		t.Errorf("got\n%s", stderr)
	}
}

// estimates returns the values of rho in one cycle and stage.
func estimates(t *testing.T, dir string, cycle int32, stage string) []float64 {
	t.Helper()
	stored, err := table.Read(filepath.Join(dir, "ensemble", "trial=0001", "part-00000.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	cycles, stages, rho := stored.Column("cycle").([]int32), stored.Column("stage").([]string), stored.Column("rho").([]float64)
	var values []float64
	for i := range rho {
		if cycles[i] == cycle && stages[i] == stage {
			values = append(values, rho[i])
		}
	}
	if len(values) != 3 {
		t.Fatalf("got %v", values)
	}
	return values
}
