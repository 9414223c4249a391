package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/why"
)

// faulty is a ring of 20 sites of Lorenz-96 whose observations, with errors of standard
// deviation 1, come from a file, and what is done to it.
type faulty struct {
	cause why.Cause
	spoil func(y [][]float64) // the file
	set   func(w *faultyFlow) // the workflow
}

type faultyFlow struct {
	members           int
	sd, forcing       float64
	inflation, cutoff float64
}

// faults are the made faults, by name.
var faults = map[string]faulty{
	"none":              {cause: why.None},
	"inflation too low": {cause: why.SpreadSmall, set: func(w *faultyFlow) { w.inflation = 0.96 }},
	"R too small":       {cause: why.ErrorSmall, set: func(w *faultyFlow) { w.sd = 0.4 }},
	"R too large":       {cause: why.ErrorLarge, set: func(w *faultyFlow) { w.sd = 3 }},
	"cutoff too long":   {cause: why.Localization, set: func(w *faultyFlow) { w.members, w.cutoff = 5, 40 }},
	"biased model":      {cause: why.Bias, set: func(w *faultyFlow) { w.forcing = 11 }},
	"wrong unit": {cause: why.Unit, spoil: func(y [][]float64) {
		for _, row := range y {
			for j := range row {
				row[j] = 1.8*row[j] + 32
			}
		}
	}},
	"stuck sensor": {cause: why.Stuck, spoil: func(y [][]float64) {
		for k := len(y) / 3; k < len(y); k++ {
			y[k][3] = y[len(y)/3][3]
		}
	}},
}

// plume why names each of eight made faults, from what a run with real observations knows:
// the truth that the observations were made from is gone. The intervals between
// observations are those of 6 and of 18 hours in the atmosphere.
func TestWhyNamesFaults(t *testing.T) {
	intervals := []float64{0.05, 0.15}
	if testing.Short() {
		intervals = intervals[:1]
	}
	for _, interval := range intervals {
		dir := t.TempDir()
		times, observations := observedRing(t, dir, interval)
		for name, f := range faults {
			t.Run(fmt.Sprintf("%s, every %g", name, interval), func(t *testing.T) {
				w := faultyFlow{members: 20, sd: 1, forcing: 8, inflation: 1.04, cutoff: 14}
				if f.set != nil {
					f.set(&w)
				}
				y := make([][]float64, len(observations))
				for k := range y {
					y[k] = slices.Clone(observations[k])
				}
				if f.spoil != nil {
					f.spoil(y)
				}
				run := w.run(t, interval, times, y)
				verdicts := whyJSON(t, run)
				if got := verdicts[0]; len(verdicts) != 1 || got.Cause != f.cause || (got.Cause != why.None) != (len(got.Evidence) > 0 && len(got.Try) > 0) {
					t.Errorf("got %+v", verdicts)
				}
			})
		}
	}
}

// observedRing runs a twin experiment and returns its times and observations.
func observedRing(t *testing.T, dir string, interval float64) (times []float64, y [][]float64) {
	t.Helper()
	twin := fmt.Sprintf(`format = 1
experiment = { name = "twin", seed = 1 }
time = { cycles = 400, interval = %g, step = 0.05 }
model = { plugin = "lorenz96", params = { n = 20 } }
truth = { init = { dist = "normal", mean = 2, sd = 3 }, spin_up = 20 }
observations = { plugin = "obs-nonlinear", error = { sd = 1.0 } }
ensemble = { size = 2, init = { dist = "normal", around = "truth", sd = 1 } }
filter = [{ label = "f", plugin = "filter-enkf" }]
`, interval)
	path := filepath.Join(dir, "twin.toml")
	if err := os.WriteFile(path, []byte(twin), 0o600); err != nil {
		t.Fatal(err)
	}
	observed := read(t, runQuietly(t, path), "observations.arrow")
	return observed.Column("time").([]float64), observed.Column("x").([][]float64)
}

// run writes a file of observations and a workflow, and runs it.
func (w faultyFlow) run(t *testing.T, interval float64, times []float64, y [][]float64) string {
	t.Helper()
	dir := t.TempDir()
	var data, columns strings.Builder
	data.WriteString("t")
	for j := range y[0] {
		fmt.Fprintf(&data, ",x%d", j)
		fmt.Fprintf(&columns, "{ column = \"x%d\", variable = \"x\", index = %d }, ", j, j)
	}
	data.WriteString("\n")
	for k, row := range y {
		fmt.Fprintf(&data, "%.8g", times[k])
		for _, v := range row {
			fmt.Fprintf(&data, ",%.6g", v)
		}
		data.WriteString("\n")
	}
	workflow := fmt.Sprintf(`format = 1
experiment = { name = "faulty", seed = 5 }
time = { interval = %g, step = 0.05, burn_in = 50 }
model = { plugin = "lorenz96", params = { n = 20, forcing = %g } }
observations = { plugin = "obs-nonlinear", error = { sd = %g }, file = "data.csv", time.column = "t", map = [%s] }
ensemble = { size = %d, init = { dist = "normal", mean = 2.5, sd = 3.6 } }
filter = [{ label = "f", plugin = "filter-enkf", params = { scheme = "letkf", inflation = %g, cutoff = %g } }]
`, interval, w.forcing, w.sd, strings.TrimSuffix(columns.String(), ", "), w.members, w.inflation, w.cutoff)
	for name, text := range map[string]string{"data.csv": data.String(), "faulty.toml": workflow} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr strings.Builder
	Main([]string{"run", filepath.Join(dir, "faulty.toml"), "--run-dir", dir, "--quiet"}, &stdout, &stderr) // of some faults it fails
	if stdout.Len() == 0 {
		t.Fatal(stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// whyJSON returns what plume why says for machines.
func whyJSON(t *testing.T, run string) []verdictJSON {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := Main([]string{"why", run, "--json"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	var list []verdictJSON
	for line := range strings.Lines(stdout.String()) {
		var v verdictJSON
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, v)
	}
	return list
}

// The numbers of a verdict are those that the innovations ask for: an error whose standard
// deviation is given as 0.4 is 1.
func TestWhyEstimatesTheError(t *testing.T) {
	times, y := observedRing(t, t.TempDir(), 0.05)
	run := faultyFlow{members: 20, sd: 0.4, forcing: 8, inflation: 1.04, cutoff: 14}.run(t, 0.05, times, y)
	v := whyJSON(t, run)[0]
	k := slices.IndexFunc(v.Evidence, func(e evidenceJSON) bool { return e.Name == "error sd" })
	if k < 0 || math.Abs(*v.Evidence[k].Value-1) > 0.1 || !slices.Equal(v.Try, []string{"--set observations.error.sd=1"}) {
		t.Errorf("got %+v", v)
	}
	// without the tables of what is expected, as of a run that was killed, it does not tell
	withoutFiles(t, run, "ok", "observed.arrow")
	if v := whyJSON(t, run)[0]; v.Cause != why.Unknown || v.Evidence[0].Name != "nis" {
		t.Errorf("without observed.arrow: got %+v", v)
	}
}

// withoutFiles makes of a run one that never had the files, and that ended as status says.
func withoutFiles(t *testing.T, dir string, status archive.Status, names ...string) {
	t.Helper()
	info, err := archive.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		delete(info.Files, name)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	info.Status = status
	info.Seal = ""
	text, err := json.Marshal(info)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "run.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A run that was killed has parts of tables and no list of its trials; one that was
// interrupted lacks some. Both are explained as far as they go, by filter.
func TestWhyOfRunsThatDidNotEnd(t *testing.T) {
	for _, open := range []bool{true, false} {
		run := archivetest.Run{Open: open, Workflow: archivetest.Workflow(2, []string{"a", "b"}, "")}
		for i, filter := range []string{"a", "b"} {
			row := archive.TrialRow{TrialID: archive.TrialID{Trial: i + 1, Replicate: 1, Filter: filter}, Size: 10, Status: archive.Interrupted, Cycles: 20 * i}
			trial := archivetest.Trial{TrialRow: row, Scores: map[string][]map[string]float64{}}
			for range row.Cycles {
				for _, stage := range []string{archive.Forecast, archive.Analysis} {
					trial.Scores[stage] = append(trial.Scores[stage], map[string]float64{"rmse": 1, "spread": 1, "weights_ess": 10})
				}
			}
			run.Trials = append(run.Trials, trial)
		}
		list := whyJSON(t, run.Write(t, t.TempDir()))
		if len(list) != 2 || list[0].Filter != "a" || list[0].Cause != why.Unknown || list[1].Filter != "b" || list[1].Cause != why.Idle { // its stages are the same
			t.Errorf("open %v: got %+v", open, list)
		}
	}
}

// For people, filters of which nothing stands out are in one line, and a sweep's settings
// are named. The line below the scores is there only if something stands out.
func TestWhyForPeople(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "twin.toml")
	text := `format = 1
experiment = { name = "twin", seed = 1 }
time = { cycles = 200, interval = 0.05, step = 0.05, burn_in = 50 }
model = { plugin = "lorenz96", params = { n = 20 } }
truth = { init = { dist = "normal", mean = 2, sd = 3 }, spin_up = 5 }
observations = { plugin = "obs-nonlinear", error = { sd = 1.0 } }
ensemble = { size = 20, init = { dist = "normal", around = "truth", sd = 1 } }
filter = [
  { label = "good", plugin = "filter-enkf", params = { scheme = "etkf", inflation = 1.05 } },
  { label = "bad", plugin = "filter-enkf", params = { scheme = "etkf", inflation = 0.9 } },
]
sweep = { axes = { "filter.bad.params.inflation" = [0.9, 1.05] } }
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if code := Main([]string{"run", path, "--run-dir", dir}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	run := strings.TrimSpace(stdout.String())
	hint := "\nbad: innovations are "
	if !strings.Contains(stderr.String(), hint) || !strings.Contains(stderr.String(), " why "+run+"\n") || strings.Count(stderr.String(), "bad: ") != 1 {
		t.Errorf("run: got\n%s", stderr.String())
	}
	stdout.Reset()
	if code := Main([]string{"why", run}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	for _, want := range []string{"bad, inflation=0.9:  the trial diverged; the spread is too small\n  nis ", "\n  try   --set filter.bad.params.inflation=1.05 (it is 0.9), or adaptive_inflation=true\n",
		"\n\nnothing stands out:  good; bad, inflation=1.05\n  note  3000 innovations in 150 cycles; what would stand out: "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("got\n%s\nwant %q", stdout.String(), want)
		}
	}
	if code := Main([]string{"report", run, "--quiet"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	if page, err := os.ReadFile(filepath.Join(run, archive.ReportFile)); err != nil || !strings.Contains(string(page), `role="note">`+hint[1:]) {
		t.Errorf("the page does not say what stands out (%v)", err)
	}
	stdout.Reset()
	stderr.Reset()
	if code := Main([]string{"compare", run}, &stdout, &stderr); code != exitOK || !strings.Contains("\n"+stderr.String(), hint) {
		t.Errorf("compare: exit code %d\n%s", code, stderr.String())
	}
	stderr.Reset()
	if code := Main([]string{"run", path, "--run-dir", dir, "--sweep", "filter.bad.params.inflation=[1.05]"}, &stdout, &stderr); code != exitOK || strings.Contains(stderr.String(), " why ") {
		t.Errorf("exit code %d, a hint without a reason:\n%s", code, stderr.String())
	}
}

// Nothing stands out in the workflows of this repository whose filters all work.
func TestNothingStandsOutInWorkflows(t *testing.T) {
	names := []string{"nile", "co2", "lorenz63-quick", "parameter-lorenz63"}
	if !testing.Short() {
		names = append(names, "nonlinear-lorenz96-40", "sakov2012-lorenz63")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			args := []string{"run", "../../../workflows/" + name + ".toml", "--profile", "short", "--run-dir", t.TempDir()}
			if code := Main(args, &stdout, &stderr); code != exitOK || strings.Contains(stderr.String(), " why ") {
				t.Errorf("exit code %d\n%s", code, stderr.String())
			}
			for _, v := range whyJSON(t, strings.TrimSpace(stdout.String())) {
				if v.Cause != why.None || len(v.Evidence) > 0 {
					t.Errorf("got %+v", v)
				}
			}
		})
	}
}
