// Package grpc4bmi runs the workflow next to it, whose model is on servers of grpc4bmi.
package grpc4bmi

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/examples/internal/examplestest"
	"gonum.org/v1/gonum/stat"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// The recession constant is found, more than five of the last standard deviations from where it was
// looked for at first; and the same model without servers, in a plugin in Python, gives the same numbers.
func TestHBV(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with grpc4bmi and hbv; make test sets it")
	}
	t.Setenv("PATH", filepath.Dir(python)+":"+os.Getenv("PATH")) // where run-bmi-server is
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	forcing := exec.Command(python, "forcing.py")
	forcing.Dir = dir
	if out, err := forcing.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := run(t, filepath.Join(dir, "hbv.toml"))
	kf := found["kf"]
	for i, q := range found["Q"] { // 12 members of the forecast, and then of the analysis
		if math.IsNaN(q) != (i%24 >= 12) {
			t.Fatalf("the discharge in row %d of the ensemble is %g; it exists in forecasts alone", i, q)
		}
	}
	last := kf[len(kf)-12:]
	mean, sd := stat.MeanStdDev(last, nil)
	if math.Abs(mean-0.2) > 4*sd || math.Abs(mean-0.5) < 5*sd {
		t.Errorf("kf is %.4f ± %.4f", mean, sd)
	}
	t.Logf("kf is %.4f ± %.4f", mean, sd)

	text, err := os.ReadFile(filepath.Join(dir, "hbv.toml"))
	if err != nil {
		t.Fatal(err)
	}
	within := strings.NewReplacer(
		`plugin = "grpc4bmi"`, `plugin = "bmi"`, `command    = ["run-bmi-server", "--name", "HBV.HBV"]`, `model = "HBV:HBV"`,
		`time_unit  = "d"`, `scale = 86400.0`, "[model]\n", "[plugins]\nbmi = { command = ['"+python+"', '-m', 'plume.bmi'] }\n[model]\n",
	).Replace(string(text))
	if err := os.WriteFile(filepath.Join(dir, "within.toml"), []byte(within), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, values := range run(t, filepath.Join(dir, "within.toml")) {
		if !slices.EqualFunc(values, found[name], func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Errorf("%s differs in a plugin without servers", name)
		}
	}
}

// run runs a workflow and returns the analysis ensemble, by variable.
func run(t *testing.T, workflow string) map[string][]float64 {
	t.Helper()
	tab := examplestest.Table(t, examplestest.Run(t, plume, workflow), "ensemble", "trial=0001", "part-00000.arrow")
	values := map[string][]float64{}
	for _, name := range []string{"Su", "Sf", "Ss", "Q", "kf"} {
		values[name] = tab.Column(name).([]float64)
	}
	return values
}
