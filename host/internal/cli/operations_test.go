//go:build linux

package cli

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// operations is a river level that relaxes to 2 m, with two sensors and a forecast a day.
const operations = `format = 1
experiment = { name = "operations", seed = 12 }
time = { start = 2026-03-01T00:00:00Z, unit = "1h", interval = "1h", burn_in = 12 }
model = { plugin = "linear", params = { variables = ["level"], units = ["m"], matrix = [-0.05] }, noise = { sd = 0.1 } }
ensemble = { size = 50, init = { dist = "normal", mean = 0.0, sd = 0.5 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }]
[[observations]]
label = "a"
plugin = "obs-nonlinear"
error = { sd = 0.1 }
file = "river.csv"
time = { column = "when" }
map = [{ column = "a", variable = "level" }]
late = "rerun"
qc = { background = 4 }
[[observations]]
label = "b"
plugin = "obs-nonlinear"
error = { sd = 0.1 }
file = "river.csv"
time = { column = "when" }
map = [{ column = "b", variable = "level" }]
late = "rerun"
qc = { background = 4 }
[forecast]
horizon = "48h"
step = "6h"
every = 24
`

// river is a record that arrives day by day.
type river struct {
	truth []float64  // by hour, from 1
	days  [][]string // rows, by the day on which they arrive
	late  int        // rows that come on the day after theirs
}

// The days on which sensor b is 3 m too high.
const badFrom, badUntil = 6, 10

// newRiver makes a record of which some hours are missing, and half a day in each week; some rows come a day late.
func newRiver(days int, random *rand.Rand) *river {
	r := &river{truth: make([]float64, 1+24*days), days: make([][]string, days+1)}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for hour := 1; hour <= 24*days; hour++ {
		r.truth[hour] = math.Exp(-0.05)*r.truth[hour-1] + 0.1*random.NormFloat64()
		day := (hour - 1) / 24
		a, b := fmt.Sprintf("%.3f", r.truth[hour]+0.1*random.NormFloat64()), r.truth[hour]+0.1*random.NormFloat64()
		if day >= badFrom && day < badUntil {
			b += 3
		}
		arrives := day
		switch chance := random.IntN(30); {
		case chance < 3 || day%7 == 3 && hour%24 > 12:
			continue
		case chance < 6:
			a = ""
		case chance == 6:
			arrives++
			r.late++
		}
		r.days[arrives] = append(r.days[arrives], fmt.Sprintf("%s,%s,%.3f\n", start.Add(time.Duration(hour)*time.Hour).Format("2006-01-02 15:04"), a, b))
	}
	return r
}

// TestOperations continues a run every morning with the rows of a day, of which some are missing, late or wrong, with a
// crash a week, and wants the analyses and the scores of forecasts by lead of one run over the final record.
// PLUME_DAYS is the number of days.
func TestOperations(t *testing.T) {
	days := 15
	if n, err := strconv.Atoi(os.Getenv("PLUME_DAYS")); err == nil {
		days = n
	}
	g := &grown{dir: t.TempDir(), random: rand.New(rand.NewPCG(12, 1))}
	r := newRiver(days, g.random)
	g.write(t, "operations.toml", operations)
	text, dir, kills := "when,a,b\n", "", 0
	for day, rows := range r.days {
		text += strings.Join(rows, "")
		g.write(t, "river.csv", text)
		if day == 0 {
			dir = g.plume(t, 0, "run", "operations.toml", "--in-process")
			continue
		}
		if day%7 == 6 && g.plume(t, time.Duration(40+g.random.IntN(60))*time.Millisecond, "continue", dir) == "" {
			kills++
		}
		g.plume(t, 0, "continue", dir)
	}
	sameTables(t, g.plume(t, 0, "run", "operations.toml", "--in-process", "--run-dir", "whole"), dir)
	r.check(t, dir)
	if t.Logf("%d days, %d kills, %d late rows", days, kills, r.late); kills == 0 || r.late == 0 {
		t.Error("no process was killed, or no row was late")
	}
}

// check wants analyses that know the river, the values of the bad sensor to be rejected, and forecasts that
// lose skill with lead time and have some in the first day.
func (r *river) check(t *testing.T, dir string) {
	t.Helper()
	states, squares, n := read(t, dir, "variables.arrow"), 0.0, 0
	for i, k := range states.Column("cycle").([]int32) {
		if k > 24 && states.Column("stage").([]string)[i] == archive.Analysis {
			d := states.Column("mean").([]float64)[i] - r.truth[k]
			squares, n = squares+d*d, n+1
		}
	}
	if rmse := math.Sqrt(squares / float64(n)); rmse > 0.16 {
		t.Errorf("the rmse of %d analyses is %.3f, want less than half of the standard deviation of the river, 0.32", n, rmse)
	}
	rejected, other := 0, 0
	rejections := read(t, dir, "rejections.arrow")
	for i, reason := range rejections.Column("reason").([]string) {
		switch day := int(rejections.Column("time").([]float64)[i]-1) / 24; {
		case reason != "background":
		case day >= badFrom && day < badUntil:
			rejected++
		default:
			other++
		}
	}
	if rejected < 12*(badUntil-badFrom) || other > rejected/4 {
		t.Errorf("the background check rejects %d values of the bad days and %d others", rejected, other)
	}
	scores := read(t, dir, "forecast_scores.arrow")
	score := func(metric string, lead float64) float64 {
		t.Helper()
		list := numbers(t, scores, "value", map[string]any{"of": archive.Observed, "variable": "a.level", "metric": metric, "lead": lead})
		if len(list) != 1 {
			t.Fatalf("%s at lead %g: got %v", metric, lead, list)
		}
		return list[0]
	}
	for lead := 6.0; lead <= 48; lead += 6 {
		t.Logf("lead %g h: rmse %.3f, persistence %.3f, climatology %.3f, spread %.3f", lead, score("rmse", lead), score("persistence_rmse", lead), score("climatology_rmse", lead), score("spread", lead))
	}
	if near, far := score("rmse", 6), score("rmse", 48); near > far || near > score("climatology_rmse", 6) {
		t.Errorf("the rmse of forecasts is %.3f at 6 h and %.3f at 48 h", near, far)
	}
}
