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
