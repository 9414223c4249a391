//go:build linux

package cli

import (
	"bufio"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk/wire/table"
)

// decay is a truth x' = a x + e with a = exp(-1/5) and e of variance 1/4, which is observed with
// errors of variance 1. The stationary variance is q / (1 - a²).
const decay = `format = 1
experiment = { name = "decay", seed = 11 }
time = { cycles = CYCLES, interval = 1.0, burn_in = 20 }
model = { plugin = "linear", params = { matrix = [-0.2] }, noise = { sd = 0.5 } }
truth = { init = [1.0], noise = { sd = 0.5 } }
ensemble = { size = SIZE, init = { dist = "normal", mean = 3.0, sd = 2.0 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }]
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
`

const aheadOfDecay = `[forecast]
horizon = 4.0
exceed = [{ variable = "x", above = [0.5] }]
`

var decayRate, decayNoise = math.Exp(-0.2), 0.25

// runText runs a workflow with the real program, whatever room the machine has, and returns the run directory.
func runText(t *testing.T, text string) string {
	t.Helper()
	g := &grown{dir: t.TempDir()}
	g.write(t, "workflow.toml", text)
	return g.plume(t, 0, "run", "workflow.toml", "--in-process", "--accept-size")
}

func decayRun(t *testing.T, cycles, size, more string) string {
	t.Helper()
	return runText(t, strings.NewReplacer("CYCLES", cycles, "SIZE", size).Replace(decay)+more)
}

// numbers returns a column of a table where the columns of where have the values there.
func numbers(t *testing.T, tab *table.Table, name string, where map[string]any) (list []float64) {
	t.Helper()
	for i := range tab.Rows {
		fits := true
		for key, want := range where {
			fits = fits && reflect.ValueOf(tab.Column(key)).Index(i).Interface() == want
		}
		if fits {
			list = append(list, tab.Column(name).([]float64)[i])
		}
	}
	return list
}

// The free forecast of the Kalman filter has mean a^j m and variance a^2j P + q (1 + a² + ...).
func TestForecastOfLinearModel(t *testing.T) {
	const members = 20000
	run := decayRun(t, "30", "20000", aheadOfDecay)
	observed := read(t, run, "observations.arrow").Column("x").([]float64)
	m, p := 3.0, 4.0
	for _, y := range observed {
		m, p = decayRate*m, decayRate*decayRate*p+decayNoise
		gain := p / (p + 1)
		m, p = m+gain*(y-m), (1-gain)*p
	}
	forecasts := read(t, run, "forecasts.arrow")
	for lead := 1.0; lead <= 4; lead++ {
		m, p = decayRate*m, decayRate*decayRate*p+decayNoise
		for of, variance := range map[string]float64{archive.State: p, archive.Observed: p + 1} {
			where := map[string]any{"cycle": int32(30), "lead": lead, "of": of}
			mean, spread := numbers(t, forecasts, "mean", where), numbers(t, forecasts, "spread", where)
			if len(mean) != 1 {
				t.Fatalf("lead %g of %s: %d rows", lead, of, len(mean))
			}
			if d := math.Abs(mean[0] - m); d > 5*math.Sqrt(p/members) { // sampling errors of earlier cycles fade
				t.Errorf("lead %g of %s: mean %g, want %g", lead, of, mean[0], m)
			}
			if v := spread[0] * spread[0]; math.Abs(v-variance) > 5*p*math.Sqrt(2./members) {
				t.Errorf("lead %g of %s: variance %g, want %g", lead, of, v, variance)
			}
			q05 := m - 1.6449*math.Sqrt(variance)
			if got := numbers(t, forecasts, "q05", where)[0]; math.Abs(got-q05) > 5*2.1*math.Sqrt(variance/members) { // sqrt(p (1 - p)) / density, in standard deviations
				t.Errorf("lead %g of %s: q05 %g, want %g", lead, of, got, q05)
			}
		}
		above := 0.5 * math.Erfc((0.5-m)/math.Sqrt(2*p))
		probability := numbers(t, read(t, run, "exceedances.arrow"), "probability", map[string]any{"cycle": int32(30), "lead": lead, "of": archive.State})[0]
		if math.Abs(probability-above) > 5*math.Sqrt(0.25/members) {
			t.Errorf("lead %g: exceeds with probability %g, want %g", lead, probability, above)
		}
	}
}

// Scores by lead are those of the theory: of a calibrated normal forecast the error is the spread,
// the CRPS is spread / sqrt(π), and persistence and climatology follow from the autocorrelation.
func TestForecastScores(t *testing.T) {
	cycles := "3000"
	if testing.Short() {
		cycles = "800"
	}
	run := decayRun(t, cycles, "50", aheadOfDecay)
	p, climate := 1.0, decayNoise/(1-decayRate*decayRate)
	for range 100 { // of the analysis
		p = decayRate*decayRate*p + decayNoise
		p /= p + 1
	}
	scores := read(t, run, "forecast_scores.arrow")
	for lead := 1.0; lead <= 4; lead++ {
		p = decayRate*decayRate*p + decayNoise
		kept := 2 * climate * (1 - math.Pow(decayRate, lead))
		for of, noise := range map[string]float64{archive.State: 0, archive.Observed: 1} {
			for metric, want := range map[string]float64{
				"rmse": math.Sqrt(p + noise), "bias": 0, "crps_fair": math.Sqrt((p + noise) / math.Pi), "coverage_50": 0.5, "coverage_90": 0.9,
				"persistence_rmse": math.Sqrt(kept + 2*noise), "climatology_rmse": math.Sqrt(climate + noise),
				"persistence_crps": math.Sqrt((kept + 2*noise) * 2 / math.Pi), "climatology_crps": math.Sqrt((climate + noise) / math.Pi),
			} {
				where := map[string]any{"lead": lead, "of": of, "metric": metric}
				value, se := numbers(t, scores, "value", where), numbers(t, scores, "se", where)
				if len(value) != 1 || math.Abs(value[0]-want) > 4*se[0]+0.02*want { // 50 members
					t.Errorf("lead %g of %s: %s is %v ± %v, want %g", lead, of, metric, value, se, want)
				}
			}
		}
	}
	reliability := read(t, run, "reliability.arrow")
	for i := range reliability.Rows {
		probability, frequency := reliability.Column("probability").([]float64)[i], reliability.Column("frequency").([]float64)[i]
		n := float64(reliability.Column("count").([]int32)[i])
		if se := math.Sqrt(max(probability*(1-probability), 0.01) / n); math.Abs(probability-frequency) > 6*se+0.03 { // neighbours are correlated
			t.Errorf("row %d: probability %g, frequency %g of %g", i, probability, frequency, n)
		}
	}
}

// Forecasts change nothing else, and are in no time mean.
func TestForecastsStandAlone(t *testing.T) {
	with, without := decayRun(t, "60", "20", aheadOfDecay), decayRun(t, "60", "20", "")
	lines, err := archive.Compare(without, with)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"exceedances.arrow was added", "forecast_scores.arrow was added", "forecasts.arrow was added", "reliability.arrow was added", "verification.arrow was added"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// After the last observation there is nothing to analyse: these cycles are in no time mean.
func TestNoAnalysisWithoutObservations(t *testing.T) {
	text := strings.NewReplacer("TIME", "interval = 1, cycles = NUMBER", "LATE", "refuse", "step = 2.5", "step = 2").Replace(growingWorkflow)
	g := &grown{dir: t.TempDir()}
	g.write(t, "data.csv", "t,level,flow\n1,3,4\n2,4,5\n3,5,6\n4,6,7\n5,7,8\n6,8,9\n")
	mean := func(number string) ([]float64, string) {
		g.write(t, "w.toml", strings.Replace(text, "NUMBER", number, 1))
		dir := g.plume(t, 0, "run", "w.toml", "--in-process", "--run-dir", number)
		differences, _ := out(t, exitOK, "compare", dir, "--metric", "spread")
		return numbers(t, read(t, dir, "metrics.arrow"), "value", map[string]any{"metric": "spread", "stage": "analysis"}), differences
	}
	got, differences := mean("12")
	want, wanted := mean("6")
	if len(want) != 6 || !slices.Equal(got, want) || differences != wanted {
		t.Errorf("mean spread with 6 cycles after the last observation: got %v, want %v\n%s\n%s", got, want, differences, wanted)
	}
}

func TestForecastCommand(t *testing.T) {
	dir := runText(t, strings.NewReplacer("CYCLES", "40", "SIZE", "20", "[observations]", "[forecast]\nhorizon = \"2d\"\nexceed = [{ variable = \"x\", above = [0.5] }]\n[observations]",
		"interval = 1.0", "interval = \"1d\", start = 2026-01-01T00:00:00Z, unit = \"1d\"").Replace(decay))
	text, _ := out(t, exitOK, "forecast", dir)
	for _, want := range []string{"2026-02-11", "2026-02-12", "> 0.5: ", "etkf", "probability"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text, _ = out(t, exitOK, "forecast", dir, "--json")
	var row struct {
		Date string
		Of   string
		Lead float64
	}
	if err := json.Unmarshal([]byte(strings.Split(text, "\n")[0]), &row); err != nil || row.Date != "2026-02-11T00:00:00Z" || row.Of != archive.Observed || row.Lead != 1 {
		t.Errorf("%v: %+v", err, row)
	}
	text, _ = out(t, exitOK, "forecast", dir, "--scores")
	if !strings.Contains(text, "persistence") || strings.Count(text, "\n") != 3 {
		t.Errorf("got\n%s", text)
	}
	several := decayRun(t, "30", "20", aheadOfDecay+"[sweep]\nreplicate = \"1..2\"\n")
	for _, args := range [][]string{{}, {"--scores"}} {
		text, _ = out(t, exitOK, append([]string{"forecast", several}, args...)...)
		if lines := strings.Split(text, "\n"); len(lines) != 10 || !strings.HasPrefix(lines[0], "trial  filter  ") || !strings.HasPrefix(lines[1], "1      etkf  ") || !strings.HasPrefix(lines[5], "2      etkf  ") {
			t.Errorf("%q: got\n%s", args, text)
		}
	}
	without, _ := out(t, exitOK, "forecast", runText(t, strings.NewReplacer("CYCLES", "40", "SIZE", "20", "[observations]", "[forecast]\nhorizon = 2\n[observations]").Replace(decay)))
	if head, _, _ := strings.Cut(without, "\n"); strings.Contains(head, "probability") || !strings.Contains(head, "95 %") {
		t.Errorf("without thresholds: got\n%s", without)
	}
	out(t, exitUsage, "forecast", dir, "--variable", "none")
	out(t, exitUsage, "forecast", dir, "--of", "none")
	out(t, exitFailed, "forecast", decayRun(t, "30", "20", ""))
}

// On a terminal of 80 columns the tables fit also for several trials of filters with long names, and so does the line
// that says what they leave out.
func TestForecastsFit(t *testing.T) {
	for _, test := range []struct {
		columns []column
		lines   [][]string
		left    string
	}{
		{leadColumns(), [][]string{
			{"stochastic-with-inflation", "level", "12", "400", "0.1566 ± 0.0077", "0.1500 ± 0.0012", "0.0870 ± 0.0041", "0.900 ± 0.012", "0.1570 ± 0.0069", "0.54 ± 0.12", "0.0880 ± 0.0040", "0.31 ± 0.06"},
			{"etkf", "level", "12", "400", "0.208 ± 0.016", "0.1500 ± 0.0012", "0.0870 ± 0.0041", "0.900 ± 0.012", "0.210 ± 0.015", "0.54 ± 0.12", "0.0880 ± 0.0040", "0.31 ± 0.06"},
		}, "climatology, spread, crps, within 90 %, persistence crps, climatology crps, forecasts"},
		{forecastColumns(), [][]string{
			{"stochastic-with-inflation", "2026-01-17 18:00", "3", "water_temperature", "-12.35", "1.25", "-13.12", "-12.5", "-12.3", "-12.1", "-11.12", "> -12.5: 70 %, > -10: 1 %"},
			{"etkf", "2026-01-17 18:00", "3", "water_temperature", "-12.35", "1.25", "-13.12", "-12.5", "-12.3", "-12.1", "-11.12", "> -12.5: 70 %, > -10: 1 %"},
		}, "5 %, 95 %, sd, lead, 25 %, 75 %, 50 %"},
		{forecastColumns(), [][]string{
			{"stochastic-with-inflation", "2026-01-17 18:00", "3", "level", "2.251", "0.2", "1.836", "2.1", "2.2", "2.4", "2.633", "> 2: 85 %, > 2.5: 16 %"},
			{"etkf", "2026-01-17 18:00", "3", "level", "2.251", "0.2", "1.836", "2.1", "2.2", "2.4", "2.633", "> 2: 85 %, > 2.5: 16 %"},
		}, "sd, lead, 25 %, 75 %, 50 %"},
	} {
		person, screen, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = person.Close(), screen.Close() }()
		if err := pty.Setsize(screen, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
			t.Fatal(err)
		}
		if err := printForecasts(screen, test.columns, append(test.lines, slices.Clone(test.lines[0])), []int{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		if _, err := screen.WriteString("end\n"); err != nil {
			t.Fatal(err)
		}
		var text string
		for r := bufio.NewReader(person); !strings.HasSuffix(text, "end"); {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			line = strings.TrimRight(line, "\r\n")
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
			text += "\n" + line
		}
		if _, left, _ := strings.Cut(text, "not shown at this width:"); strings.Join(strings.Fields(left), " ") != test.left+" end" {
			t.Errorf("want %s to be left out:%s", test.left, text)
		}
	}
}

// A forecast that is not finite is null, and one of a trial that has failed is from an earlier analysis.
func TestForecastsThatFailed(t *testing.T) {
	inf := finiteOrNull(math.Inf(1))
	text, err := json.Marshal(forecastRow{Lead: 1, Of: "state", Variable: "x", Mean: inf, Spread: finiteOrNull(math.NaN()), Quantiles: [5]finiteOrNull{0.1, 2, 3, 4, -inf}})
	const want = `{"trial":0,"filter":"","time":0,"lead":1,"of":"state","variable":"x","index":0,"mean":null,"spread":null,"quantiles":[0.1,2,3,4,null]}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s\n%s", err, text, want)
	}
	for _, test := range []struct {
		times []float64
		want  string
	}{
		{[]float64{3, 3}, "analysis at model time 3"},
		{[]float64{3, 1, 2}, "last analysis of each trial, at model time 1 to model time 3"},
	} {
		var rows []forecastRow
		for _, at := range test.times {
			rows = append(rows, forecastRow{Time: at})
		}
		if got := analysesText(nil, rows); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
