package cli

import (
	"strings"
	"testing"
)

// Analyses of the observations of several cycles are the same however a run is executed. Only innovations
// of the first cycle after each are looked at for what is wrong: later ones share the errors of a forecast.
func TestEveryTheSame(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, filter := range []string{
		"plugin = \"filter-enkf\"\nparams = { scheme = \"stochastic\", inflation = 1.05 }\nevery = 3\nsmooth = { lag = 4 }\n",
		"plugin = \"filter-diffusion\"\nevery = 3\n",
		"plugin = \"filter-pf\"\nsize = 50\nparams = { jitter = 0.2, threshold = 0.5 }\nevery = 7\n",
	} {
		runTheSame(t, filter, root)
	}
	file := windowWorkflow(t, "", "plugin = \"filter-enkf\"\nparams = { scheme = \"etkf\", inflation = 1.05 }\nevery = 5\n")
	code, dir, said := plumeHere(t, nil, "run", file, "--run-dir", root, "--set", "time.cycles=300")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	if code, said, _ := plume(t, "why", dir); code != exitOK || !strings.Contains(said, "180 innovations in 60 cycles") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
