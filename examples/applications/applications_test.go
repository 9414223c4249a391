// Package applications runs the workflows in the folders next to it.
package applications

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/plume-da/plume/examples/internal/examplestest"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// run copies the folder of an application, prepares it with the Python scripts that are named, and
// runs its workflow. All of them together may leave no temporary file.
func run(t *testing.T, folder, workflow string, scripts []string, more ...string) (dir string) {
	t.Helper()
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with what requirements.txt lists; make test sets it")
	}
	work := t.TempDir()
	if err := os.CopyFS(work, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	command := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		var stderr strings.Builder
		cmd.Dir, cmd.Stderr = work, &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	for _, s := range scripts {
		command(python, s)
	}
	dir = filepath.Join(work, command(plume, append([]string{"run", workflow}, more...)...))
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left in $TMPDIR: %v, %v", left, err)
	}
	return dir
}

// estimates returns by filter the last mean and spread of a variable in a table, and the first spread.
func estimates(t *testing.T, dir, name, variable string) map[string][3]float64 {
	t.Helper()
	tab := examplestest.Table(t, dir, name+".arrow")
	of := map[string][3]float64{}
	filter, mean, spread := tab.Column("filter").([]string), tab.Column("mean").([]float64), tab.Column("spread").([]float64)
	for i, v := range tab.Column("variable").([]string) {
		if v != variable {
			continue
		}
		first := spread[i]
		if seen, ok := of[filter[i]]; ok {
			first = seen[2]
		}
		of[filter[i]] = [3]float64{mean[i], spread[i], first}
	}
	if len(of) == 0 {
		t.Fatalf("%s has no %s", name, variable)
	}
	return of
}

// Murray (2002), doi:10.1007/b98868, section 10.2, has 202 / 763 boys for the ratio of recovery to
// contacts, a basic reproduction number of 3.78. Estimates from other days and errors differ by some per cent.
func TestInfluenza(t *testing.T) {
	dir := run(t, "influenza", "influenza.toml", nil)
	contacts, recovery := estimates(t, dir, "start", "contacts"), estimates(t, dir, "start", "recovery")
	for filter, c := range contacts {
		r := recovery[filter]
		if number := c[0] / r[0]; math.Abs(number-3.78) > 0.1*3.78 {
			t.Errorf("%s: an infected boy infected %.3g others, want 3.78 within a tenth", filter, number)
		}
		if c[1] > c[2]/4 || r[1] > r[2]/4 {
			t.Errorf("%s: contacts %v and recovery %v are no better known than before", filter, c, r)
		}
	}
}

// The demand is within four standard deviations of the truth, which are at most a quarter of those
// at the start.
func TestWaterNetwork(t *testing.T) {
	dir := run(t, "water-network", "network.toml", nil)
	for filter, e := range estimates(t, dir, "variables", "demand") {
		if math.Abs(e[0]-1) > 4*e[1] || e[1] > e[2]/4 {
			t.Errorf("%s: the demand is %.3g ± %.2g, at first ± %.2g, want 1", filter, e[0], e[1], e[2])
		}
	}
}

// Values that are held out are predicted better than by their mean.
func TestCatchment(t *testing.T) {
	dir := run(t, "catchment", "catchment.toml", []string{"data.py"}, "--set", "time.until=2014-06-30")
	tab := examplestest.Table(t, dir, "metrics.arrow")
	rmse := map[string]float64{}
	filter, stage, value := tab.Column("filter").([]string), tab.Column("stage").([]string), tab.Column("value").([]float64)
	for i, metric := range tab.Column("metric").([]string) {
		if metric == "held_out_rmse" && stage[i] == "analysis" {
			rmse[filter[i]] = value[i]
		}
	}
	for _, f := range []string{"etkf", "joint"} {
		if !(rmse[f] < 0.9*rmse["climatology"]) {
			t.Errorf("%s: held-out values have an error of %.3g, their mean one of %.3g", f, rmse[f], rmse["climatology"])
		}
	}
}

// The record of gaps.toml has no values on twenty days. Each of them is in the tables, with its
// time, and an analysis that is the forecast. How far that is from the values that were taken out
// is what its spread says.
func TestCatchmentWithGaps(t *testing.T) {
	dir := run(t, "catchment", "gaps.toml", []string{"data.py", "gaps.py"})
	text, err := os.ReadFile(filepath.Join(dir, "..", "..", "..", "station.csv"))
	if err != nil {
		t.Fatal(err)
	}
	days := strings.Fields(string(text)) // the first one is the line of names
	const first, last = 461, 480         // 5 and 24 April
	tab := examplestest.Table(t, dir, "variables.arrow")
	variable, stage := tab.Column("variable").([]string), tab.Column("stage").([]string)
	mean, spread := tab.Column("mean").([]float64), tab.Column("spread").([]float64)
	forecast, squares, off, seen := 0.0, 0.0, 0.0, 0
	for i, k := range tab.Column("cycle").([]int32) {
		if variable[i] != "discharge" || k < first || k > last {
			continue
		}
		if stage[i] == "forecast" {
			forecast = mean[i]
			continue
		}
		if mean[i] != forecast {
			t.Errorf("cycle %d: an analysis of %v from a forecast of %v, without a value", k, mean[i], forecast)
		}
		fields := strings.Split(days[k], ",")
		y, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatal(err)
		}
		squares, off, seen = squares+math.Pow((mean[i]-y)/spread[i], 2), off+math.Pow(mean[i]-y, 2), seen+1
	}
	n := float64(2 * (last - first + 1)) // of two filters
	if rms := math.Sqrt(squares / n); seen != int(n) || rms > 2.5 {
		t.Errorf("%d values; that were taken out are %.2g standard deviations off", seen, rms)
	}
	t.Logf("%.3g l/s and %.2g standard deviations off", math.Sqrt(off/n), math.Sqrt(squares/n))
	tab = examplestest.Table(t, dir, "timings.arrow")
	times := tab.Column("time").([]float64)
	for i, k := range tab.Column("cycle").([]int32) {
		if times[i] != float64(k) {
			t.Errorf("cycle %d is at %v, want its day", k, times[i])
		}
	}
}
