package cli

import (
	"math"
	"regexp"
	"strings"
	"testing"
)

const refusedSmooth = `error[E313]: timid cannot smooth: it does not move states of earlier times
  --> window.toml:24:10
   |
24 | smooth = { lag = 2 }
   |          ^^^^^^^^^^^
   |
   = help: remove smooth, or choose a filter whose manifest says smooths = true
`

// A filter that does not say that it smooths is not asked to.
func TestSmoothRefused(t *testing.T) {
	t.Parallel()
	timid, err := goBuild(t.TempDir(), "./testdata/timid")
	if err != nil {
		t.Fatal(err)
	}
	code, _, said := plume(t, "plan", windowWorkflow(t, timid, "plugin = \"timid\"\nsmooth = { lag = 2 }\n"))
	if code == exitOK || !strings.HasPrefix(regexp.MustCompile(`--> .*/`).ReplaceAllString(said, "--> "), refusedSmooth) {
		t.Errorf("exit code %d\n%s", code, said)
	}
	code, _, said = plume(t, "plan", windowWorkflow(t, "", "plugin = \"filter-diffusion\"\nparams = { sampler = \"ode\" }\nsmooth = { lag = 2 }\n"))
	if code == exitOK || !strings.Contains(said, "states of earlier times need to know which kernel a member was drawn from") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// Smoothed states are the same however a run is executed.
func TestSmoothedTheSame(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, filter := range []string{
		"plugin = \"filter-enkf\"\nparams = { scheme = \"enkf-n\", rotation = true }\nwindow = \"auto\"\nsmooth = { lag = 5 }\n",
		"plugin = \"filter-diffusion\"\nsmooth = { lag = 2 }\n",
		"plugin = \"filter-pf\"\nsize = 50\nparams = { jitter = 0.2, threshold = 0.5 }\nsmooth = { lag = 2 }\n",
	} {
		dir := runTheSame(t, filter, root)
		for _, stage := range [][]string{{"--stage", "smoothed"}, {"--lag", "2"}, {"--lag", "0"}} {
			if code, said, _ := plume(t, append([]string{"compare", dir}, stage...)...); code != exitOK || !strings.Contains(said, " ± ") {
				t.Errorf("%v: %s", stage, said)
			}
		}
	}
	checkLags(t, root)
	if code, _, said := plume(t, "compare", "@last", "--run-dir", root, "--lag", "3"); code == exitOK || !strings.Contains(said, "no scores of the stage lag 3") {
		t.Errorf("a lag that there is not: %s", said)
	}
}

// checkLags wants the report of the last run below root to show scores by lag, those of the
// analysis first, in the page and as a figure.
func checkLags(t *testing.T, root string) {
	t.Helper()
	code, path, said := plume(t, "report", "@last", "--run-dir", root)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	var d struct {
		Lags   []struct{ Scores map[string][]float64 }
		Points []struct {
			Scores map[string]map[string][4]*float64
		}
	}
	if readPageData(t, strings.TrimSpace(path), &d); len(d.Lags) != 1 {
		t.Fatalf("lags %v", d.Lags)
	}
	for _, name := range []string{"rmse", "spread"} {
		analysis := d.Points[0].Scores["analysis"][name]
		if of, se := d.Lags[0].Scores[name], d.Lags[0].Scores[name+"_se"]; len(of) != 3 || math.Abs(of[0]-*analysis[0]) > 1e-4**analysis[0] || math.Abs(se[0]-*analysis[1]) > 1e-4**analysis[1] || of[2] >= of[0] {
			t.Errorf("%s by lag %v ± %v, of the analysis %v ± %v", name, of, se, *analysis[0], *analysis[1])
		}
	}
	if code, paths, said := plume(t, "report", "@last", "--run-dir", root, "--figures", "svg"); code != exitOK || !strings.Contains(paths, "lags.svg") {
		t.Errorf("exit code %d, figures %s\n%s", code, paths, said)
	}
}
