// Package surrogate runs the workflow next to it, whose model is a network in an ONNX file.
package surrogate

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/examples/internal/examplestest"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// The network keeps the promises of plugins, with members in any number of calls, and a filter with
// it is worse than one with the model itself, but far better than the error of observations.
func TestSurrogate(t *testing.T) {
	if os.Getenv("PLUME_PYTHON") == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with onnxruntime; make test sets it")
	}
	check := exec.Command(plume, "plugins", "test", "surrogate.py")
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	network, err := filepath.Abs("lorenz63.onnx")
	if err != nil {
		t.Fatal(err)
	}
	plan := exec.Command(plume, "plan", "surrogate.toml", "--set", "model.params.network="+network) // wherever the network is
	if out, err := plan.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile("surrogate.toml")
	if err != nil {
		t.Fatal(err)
	}
	model := strings.NewReplacer("plugin = \"surrogate\"\nparams = { network = \"lorenz63.onnx\" }", "plugin = \"lorenz63\"",
		"[plugins]\nsurrogate = { python = \"surrogate.py\" }\n", "", "[truth]\nplugin = \"lorenz63\"", "[truth]").Replace(string(text))
	itself := filepath.Join(t.TempDir(), "model.toml")
	if err := os.WriteFile(itself, []byte(model), 0o644); err != nil {
		t.Fatal(err)
	}
	with, without := rmse(t, "surrogate.toml"), rmse(t, itself)
	t.Logf("RMSE %.3f with the surrogate, %.3f with the model", with, without)
	if with > 0.4 || without > with*1.02 {
		t.Errorf("RMSE %.3f with the surrogate, %.3f with the model", with, without)
	}
}

// rmse runs a workflow and returns the mean error of its analyses after the burn-in.
func rmse(t *testing.T, workflow string) float64 {
	t.Helper()
	analyses := examplestest.Table(t, examplestest.Run(t, plume, workflow), "variables.arrow")
	truths, means := analyses.Column("truth").([]float64), analyses.Column("mean").([]float64)
	sum, n := 0.0, 0
	for i, stage := range analyses.Column("stage").([]string) {
		if stage == "analysis" && i > len(means)/5 {
			sum, n = sum+math.Pow(means[i]-truths[i], 2), n+1
		}
	}
	return math.Sqrt(sum / float64(n))
}
