package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk/wire/table"
)

// runQuietly runs a workflow in this process, whatever room the machine has, and returns its run directory.
func runQuietly(t *testing.T, workflow string, settings ...string) string {
	t.Helper()
	args := []string{"run", workflow, "--run-dir", t.TempDir(), "--quiet", "--accept-size"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	var stdout, stderr strings.Builder
	if code := Main(args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// exactRun runs an ETKF of two members at -1 and 1, of variance 2, that stay where they are:
// every number is known. The columns of data are t, x, e and, of what is held out, h; stream
// has more keys of the stream. It returns the run directory.
func exactRun(t *testing.T, data, stream string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"members.csv": "x\n-1\n1\n",
		"data.csv":    data,
		"exact.toml": `format = 1
experiment = { name = "exact", seed = 1 }
time = {}
model = { plugin = "linear", params = { variables = ["x"] } }
ensemble = { size = 2, init = { dist = "samples", file = "members.csv" } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }]
[observations]
plugin = "obs-nonlinear"
file = "data.csv"
time.column = "t"
hold_out.column = "h"
` + stream,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return runQuietly(t, filepath.Join(dir, "exact.toml"))
}

// The observation at time 2 is 10 > 3 sqrt(1 + 2) from the mean; that at time 4 has an error
// of its own.
func TestExactRealRun(t *testing.T) {
	run := exactRun(t, "t,x,e,h\n1,0,,\n2,10,,\n3,1,,yes\n4,2,1,\n4.5,99,,\n5,NA,,\n6,1,,yes\n",
		`error = { variance = 2 }
map = [{ column = "x", sd = "e", range = [-20, 20] }]
qc.background = 3`)

	rejections := read(t, run, "rejections.arrow")
	for column, want := range map[string]any{
		"row": []int32{3, 6, 7}, "time": []float64{2, 4.5, 5}, "variable": []string{"x", "x", "x"}, "index": []int32{0, 0, 0},
		"reason": []string{"background", "range", "missing"}, "trial": []int32{1, 0, 0}, "cycle": []int32{2, 0, 0},
	} {
		if got := rejections.Column(column); !reflect.DeepEqual(got, want) {
			t.Errorf("rejections: %s is %v, want %v", column, got, want)
		}
	}
	near(t, "rejected value", rejections.Column("value").([]float64)[:2], 10, 99)
	for column, want := range map[string][]bool{"value": {true, true, false}, "trial": {true, false, false}, "cycle": {true, false, false}} {
		if got := rejections.Valid[slices.Index(rejections.Names, column)]; !slices.Equal(got, want) {
			t.Errorf("rejections: %s is known of %v, want %v", column, got, want)
		}
	}

	// time 1: variance 2 meets error variance 2, and becomes 1; time 4: 1 meets 1, and
	// the mean comes half the way to 2
	states := read(t, run, "variables.arrow")
	near(t, "time", states.Column("time"), 1, 1, 2, 2, 3, 3, 4, 4, 6, 6)
	near(t, "mean", states.Column("mean"), 0, 0, 0, 0, 0, 0, 0, 1, 1, 1)
	half := math.Sqrt(0.5)
	near(t, "spread", states.Column("spread"), math.Sqrt2, 1, 1, 1, 1, 1, 1, half, half, half)

	observed := read(t, run, "observed.arrow") // innovations 0 at time 1 and 2 at time 4; that at time 2 was rejected
	for column, want := range map[string]float64{"spread": math.Sqrt(1.5), "error": math.Sqrt(1.5), "first": 0, "largest": math.Sqrt2} {
		near(t, "observed: "+column, observed.Column(column), want)
	}
	if !reflect.DeepEqual(observed.Column("count"), []int32{2}) || !reflect.DeepEqual(observed.Column("largest_cycle"), []int32{4}) {
		t.Errorf("observed: %v, cycle %v", observed.Column("count"), observed.Column("largest_cycle"))
	}

	held := read(t, run, "held_out.arrow")
	if got, want := held.Column("stage"), []string{"forecast", "analysis", "forecast", "analysis"}; !reflect.DeepEqual(got, want) {
		t.Errorf("held out: stages %v", got)
	}
	near(t, "held-out time", held.Column("time"), 3, 3, 6, 6)
	near(t, "held-out value", held.Column("value"), 1, 1, 1, 1)
	near(t, "held-out mean", held.Column("mean"), 0, 0, 1, 1)
	near(t, "held-out spread", held.Column("spread"), math.Sqrt(3), math.Sqrt(3), math.Sqrt(2.5), math.Sqrt(2.5))
}

// Values of one component that are assimilated and held out at the same time have errors of
// their own, and neither is taken for the other: as in TestExactRealRun, variance 2 meets
// error variance 1, while the variances of the held-out values are 4 and, by the error
// model, 9. The last value is rejected by the background check, not the one held out.
func TestHeldOutAndAssimilated(t *testing.T) {
	run := exactRun(t, "t,x,e,h\n1,9,2,yes\n1,3,1,\n2,3,,yes\n2,2,0.5,\n3,8,,yes\n3,99,0.5,\n",
		`error = { sd = 3 }
map = [{ column = "x", sd = "e" }]
qc.background = 9`)
	held := read(t, run, "held_out.arrow")
	// 2 meets 1 and becomes 2/3, the mean 2; 2/3 meets 1/4 and becomes 2/11
	near(t, "held-out value", held.Column("value"), 9, 9, 3, 3, 8, 8)
	near(t, "held-out mean", held.Column("mean"), 0, 2, 2, 2, 2, 2)
	near(t, "held-out spread", held.Column("spread"), math.Sqrt(2+4), math.Sqrt(2./3+4), math.Sqrt(2./3+9), math.Sqrt(2./11+9), math.Sqrt(2./11+9), math.Sqrt(2./11+9))
	rejections := read(t, run, "rejections.arrow")
	near(t, "rejected value", rejections.Column("value"), 99)
	if got := rejections.Column("row"); !reflect.DeepEqual(got, []int32{7}) {
		t.Errorf("rows %v are rejected", got)
	}
	// persistence is the last value assimilated before: 3 for 3, then 2 for 8
	metrics, persistence := read(t, run, "metrics.arrow"), []float64(nil)
	for i, name := range metrics.Column("metric").([]string) {
		if filter := metrics.Column("filter").([]string)[i]; filter == "persistence" && name == "held_out_rmse" {
			persistence = append(persistence, metrics.Column("value").([]float64)[i])
		}
	}
	near(t, "persistence", persistence, math.Sqrt(18))
}

// A truth at 100 and members at -1 and 1: what the checked stream observes is too far away,
// so that nothing moves them until the other stream, which is not checked, observes.
func TestBackgroundCheckOfOneStream(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"members.csv": "x\n-1\n1\n",
		"twin.toml": `format = 1
experiment = { name = "twin", seed = 1 }
time = { cycles = 4, interval = 1 }
model = { plugin = "linear", params = { variables = ["x"] } }
truth.init = [100]
ensemble = { size = 2, init = { dist = "samples", file = "members.csv" } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }]
observations = [
  { label = "plain", plugin = "obs-nonlinear", error.sd = 1, every = 3 },
  { label = "checked", plugin = "obs-nonlinear", error.sd = 1, qc.background = 3 },
]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := runQuietly(t, filepath.Join(dir, "twin.toml"))
	rejections := read(t, run, "rejections.arrow")
	for column, want := range map[string]any{
		"trial": []int32{1, 1, 1, 1}, "cycle": []int32{1, 2, 3, 4}, "stream": []string{"checked", "checked", "checked", "checked"},
		"variable": []string{"checked.x", "checked.x", "checked.x", "checked.x"}, "index": []int32{0, 0, 0, 0},
		"reason": []string{"background", "background", "background", "background"},
	} {
		if got := rejections.Column(column); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", column, got, want)
		}
	}
	if known := rejections.Valid[slices.Index(rejections.Names, "row")]; slices.Contains(known, true) {
		t.Errorf("a row of no file: %v", known)
	}
	for _, v := range rejections.Column("value").([]float64) {
		if math.Abs(v-100) > 6 { // standard deviations of the error
			t.Errorf("rejected %g", v)
		}
	}
	// variance 2 meets error variance 1 in cycle 3
	spread := math.Sqrt(2.0 / 3)
	near(t, "spread", read(t, run, "variables.arrow").Column("spread"), math.Sqrt2, math.Sqrt2, math.Sqrt2, math.Sqrt2, math.Sqrt2, spread, spread, spread)
}

// near wants numbers below 20 to be right but for the rounding of a few operations.
func near(t *testing.T, what string, got any, want ...float64) {
	t.Helper()
	values, _ := got.([]float64)
	if len(values) != len(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	for i, v := range values {
		if math.Abs(v-want[i]) > 1e-13 {
			t.Errorf("%s: got %v, want %v", what, values, want)
			return
		}
	}
}

// gaussian is a mean and a variance, and the covariance of the errors that an ensemble
// makes in both, to first order in 1/N.
type gaussian struct {
	mean, variance float64
	error          [2][2]float64
}

// grow adds noise of variance q to n members: the sample mean of n draws has variance
// q/n, their sample variance 2q²/n, and twice their covariance with members of variance P
// has 4Pq/n.
func (g *gaussian) grow(q, n float64) {
	g.error[0][0] += q / n
	g.error[1][1] += (2*q*q + 4*g.variance*q) / n
	g.variance += q
}

// meet makes the analysis with an observation y of error variance r: the Kalman
// filter, with m + K(P) (y - m) and P r/(P + r) linearized for the errors.
func (g *gaussian) meet(y, r float64) {
	s := g.variance + r
	k, d := g.variance/s, y-g.mean
	a, b, c := 1-k, d*r/(s*s), (1-k)*(1-k)
	e := g.error
	g.error = [2][2]float64{
		{a*a*e[0][0] + 2*a*b*e[0][1] + b*b*e[1][1], c * (a*e[0][1] + b*e[1][1])},
		{c * (a*e[0][1] + b*e[1][1]), c * c * e[1][1]},
	}
	g.mean += k * d
	g.variance *= a
}

// The Nile's level is linear and Gaussian, so that the Kalman filter is exact. The ETKF
// of N = 20,000 members must have its mean and variance in every cycle and stage, within
// five standard deviations of what N draws can tell; so must its predictions of what is
// held out.
func TestNileIsTheKalmanFilter(t *testing.T) {
	const n, q, r, sigmas = 20_000, 1469.1, 15099, 5
	run := runQuietly(t, "../../../workflows/nile.toml", fmt.Sprintf("filter.etkf.size=%d", n))
	states, held := read(t, run, "variables.arrow"), read(t, run, "held_out.arrow")
	trial, heldTrial := rowsOf(states, "etkf"), rowsOf(held, "etkf")
	means, spreads := states.Column("mean").([]float64), states.Column("spread").([]float64)
	predicted, widths := held.Column("mean").([]float64), held.Column("spread").([]float64)

	g := gaussian{mean: 1000, variance: 300 * 300}
	g.error = [2][2]float64{{g.variance / n, 0}, {0, 2 * g.variance * g.variance / n}}
	worst := 0.0
	compare := func(what string, mean, variance, exact float64) {
		t.Helper()
		z := math.Max(math.Abs(mean-g.mean)/math.Sqrt(g.error[0][0]), math.Abs(variance-exact)/math.Sqrt(g.error[1][1]))
		if worst = math.Max(worst, z); !(z <= sigmas) {
			t.Errorf("%s: mean %.3f and variance %.1f, want %.3f ± %.3f and %.1f ± %.1f", what,
				mean, variance, g.mean, math.Sqrt(g.error[0][0]), exact, math.Sqrt(g.error[1][1]))
		}
	}
	flows := nile(t)
	if len(trial) != 2*len(flows) || len(heldTrial) != 2*len(flows)/5 {
		t.Fatalf("%d states, %d predictions", len(trial), len(heldTrial))
	}
	for i, y := range flows {
		g.grow(q, n)
		at, year := trial[2*i], fmt.Sprint(1871+i)
		compare(year+", forecast", means[at], spreads[at]*spreads[at], g.variance)
		if (i+1)%5 == 0 {
			h := heldTrial[2*((i+1)/5-1)]
			compare(year+", held out", predicted[h], widths[h]*widths[h], g.variance+r)
		} else {
			g.meet(y, r)
		}
		at = trial[2*i+1]
		compare(year+", analysis", means[at], spreads[at]*spreads[at], g.variance)
	}
	t.Logf("at most %.2f standard deviations away", worst)
}

// rowsOf returns the rows of one filter.
func rowsOf(t *table.Table, label string) (rows []int) {
	for i, f := range t.Column("filter").([]string) {
		if f == label {
			rows = append(rows, i)
		}
	}
	return rows
}

// TestNileTable compares the table of docs/how-to/real-observations.md with the scores of a run and
// of the exact Kalman filter; -update rewrites it.
func TestNileTable(t *testing.T) {
	metrics := read(t, runQuietly(t, "../../../workflows/nile.toml"), "metrics.arrow")
	names, stages := metrics.Column("metric").([]string), metrics.Column("stage").([]string)
	values := metrics.Column("value").([]float64)
	score := func(filter, metric string) string {
		for _, i := range rowsOf(metrics, filter) {
			if names[i] == metric && stages[i] == "analysis" {
				return fmt.Sprintf(" %.1f", values[i])
			}
		}
		return ""
	}
	rmse, spread := exactNile(t)
	table := fmt.Sprintf("| | RMSE | expected from spread and error variance | CRPS |\n|---|---|---|---|\n"+
		"| exact Kalman filter | %.1f | %.1f | |\n", rmse, spread)
	for _, row := range [][2]string{{"etkf", "`etkf`"}, {"joint", "`joint`"}, {"particle", "`particle`"},
		{"persistence", "the flow of the previous year"}, {"climatology", "mean of all assimilated flows"}} {
		line := "| " + row[1]
		for _, metric := range []string{"held_out_rmse", "held_out_spread", "held_out_crps"} {
			line += " |" + score(row[0], metric)
		}
		table += line + " |\n"
	}

	const path, begin, end = "../../../docs/how-to/real-observations.md", "<!-- nile -->\n", "<!-- /nile -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	got, after, ended := strings.Cut(rest, end)
	switch {
	case !found || !ended:
		t.Errorf("%s has no %s ... %s", path, strings.TrimSpace(begin), end)
	case got == table:
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: got the table\n%swant\n%srun go test ./host/internal/cli -run NileTable -update", path, got, table)
	}
}

// exactNile returns the root mean square of the errors and of the standard deviations with
// which the Kalman filter predicts the held-out flows after the burn-in of ten years.
func exactNile(t *testing.T) (rmse, spread float64) {
	t.Helper()
	const q, r, burnIn = 1469.1, 15099, 10
	g, n := gaussian{mean: 1000, variance: 300 * 300}, 0.0
	for i, y := range nile(t) {
		switch g.grow(q, math.Inf(1)); {
		case (i+1)%5 != 0:
			g.meet(y, r)
		case i >= burnIn:
			rmse += (y - g.mean) * (y - g.mean)
			spread += g.variance + r
			n++
		}
	}
	return math.Sqrt(rmse / n), math.Sqrt(spread / n)
}

// nile returns the flows in the order of time.
func nile(t *testing.T) []float64 {
	t.Helper()
	text, err := os.ReadFile("../../../workflows/data/nile.csv")
	if err != nil {
		t.Fatal(err)
	}
	var flows []float64
	for _, line := range strings.Fields(string(text))[1:] {
		_, flow, _ := strings.Cut(line, ",")
		v, err := strconv.ParseFloat(flow, 64)
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, v)
	}
	return flows
}

// What is held out at random is drawn anew for every replicate, and is the same for all
// filters of one.
func TestHeldOutByReplicate(t *testing.T) {
	var stdout strings.Builder
	code := Main([]string{"run", "../../../workflows/nile.toml", "--run-dir", t.TempDir(), "--quiet", "--set", "ensemble.size=10",
		"--set", "observations.hold_out={ fraction = 0.3 }", "--sweep", "replicate=1..2"}, &stdout, io.Discard)
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	held := read(t, strings.TrimSpace(stdout.String()), "held_out.arrow")
	cycles := map[int32]map[string][]int32{}
	for i, replicate := range held.Column("replicate").([]int32) {
		if cycles[replicate] == nil {
			cycles[replicate] = map[string][]int32{}
		}
		filter := held.Column("filter").([]string)[i]
		cycles[replicate][filter] = append(cycles[replicate][filter], held.Column("cycle").([]int32)[i])
	}
	for _, filter := range []string{"joint", "particle"} {
		for replicate := range int32(2) {
			if of := cycles[replicate+1]; len(of["etkf"]) == 0 || !slices.Equal(of["etkf"], of[filter]) {
				t.Errorf("replicate %d: %s misses %v, etkf %v", replicate+1, filter, of[filter], of["etkf"])
			}
		}
	}
	if slices.Equal(cycles[1]["etkf"], cycles[2]["etkf"]) {
		t.Error("both replicates hold out the same cycles")
	}
}
