//go:build linux

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

// forecastPage is what the data of a page hold of forecasts.
type forecastPage struct {
	Filters   []string
	Forecasts *struct {
		Times, Leads []float64
		Values       []struct{ Label, Unit string }
	}
	Trials []struct {
		Filter int
		Fans   [][]*struct {
			Mean, Q05, Q25, Q50, Q75, Q95 []*float64
			Exceed                        [][]*float64
		}
		Leads []struct {
			Label, Unit string
			Lead        []float64
			Count       []int
			Scores      map[string][]*float64
		}
	}
}

// readForecastPage reads the data of a page.
func readForecastPage(t *testing.T, path string) *forecastPage {
	t.Helper()
	p := &forecastPage{}
	readPageData(t, path, p)
	if p.Forecasts == nil {
		t.Fatal("the page has no forecasts")
	}
	return p
}

// shownLabel is how the page names a variable of forecasts.
func shownLabel(of, variable string) string {
	if of == archive.Observed {
		return variable + ", observed"
	}
	return variable
}

// checkForecasts wants the scores by lead time on a page to be those of plume forecast --scores to
// the last digit, and the last forecasts to be those of plume forecast to the five of the page.
func checkForecasts(t *testing.T, path, dir string) {
	t.Helper()
	page := readForecastPage(t, path)
	scored, shown := 0, 0
	for _, of := range []string{archive.State, archive.Observed} {
		stdout, _ := out(t, exitOK, "forecast", dir, "--scores", "--json", "--of", of)
		for line := range strings.Lines(stdout) {
			var row struct {
				Trial, Count     int
				Filter, Variable string
				Lead             float64
				Scores           map[string]*float64
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			trial := page.Trials[row.Trial-1]
			if got := page.Filters[trial.Filter]; got != row.Filter {
				t.Errorf("trial %d: %s, want %s", row.Trial, got, row.Filter)
			}
			for _, l := range trial.Leads {
				at := slices.Index(l.Lead, row.Lead)
				if l.Label != shownLabel(of, row.Variable) || at < 0 {
					continue
				}
				if l.Count[at] != row.Count {
					t.Errorf("trial %d, %s, lead %g: %d forecasts, want %d", row.Trial, l.Label, row.Lead, l.Count[at], row.Count)
				}
				for name, want := range row.Scores {
					scored++
					if got := l.Scores[name][at]; got == nil || want == nil || *got != *want {
						t.Errorf("trial %d, %s, lead %g: %s differs", row.Trial, l.Label, row.Lead, name)
					}
				}
			}
		}
		stdout, _ = out(t, exitOK, "forecast", dir, "--json", "--of", of)
		last := len(page.Forecasts.Times) - 1
		for line := range strings.Lines(stdout) {
			var row struct {
				Trial, Index int
				Variable     string
				Lead, Time   float64
				Mean         *float64
				Quantiles    [5]*float64
				Exceed       []struct{ Probability float64 }
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			value, at := -1, slices.Index(page.Forecasts.Leads, row.Lead)
			for k, v := range page.Forecasts.Values {
				if v.Label == shownLabel(of, row.Variable) || v.Label == shownLabel(of, fmt.Sprintf("%s[%d]", row.Variable, row.Index)) {
					value = k
				}
			}
			if value < 0 || at < 0 || page.Forecasts.Times[last] != row.Time {
				continue
			}
			fan := page.Trials[row.Trial-1].Fans[last][value]
			got, want := []*float64{fan.Mean[at], fan.Q05[at], fan.Q25[at], fan.Q50[at], fan.Q75[at], fan.Q95[at]}, append([]*float64{row.Mean}, row.Quantiles[:]...)
			for k, e := range row.Exceed {
				got, want = append(got, fan.Exceed[k][at]), append(want, &e.Probability)
			}
			for k := range want {
				shown++
				if digits := strconv.FormatFloat(*want[k], 'g', 5, 64); strconv.FormatFloat(*got[k], 'g', 5, 64) != digits {
					t.Errorf("trial %d, %s, lead %g: number %d of the forecast is %g, want %s", row.Trial, row.Variable, row.Lead, k, *got[k], digits)
				}
			}
		}
	}
	if scored == 0 || shown == 0 {
		t.Errorf("%d scores and %d numbers of forecasts were compared", scored, shown)
	}
}

// reportedForecast is a dated twin with forecasts and probabilities.
var reportedForecast = strings.NewReplacer("CYCLES", "60", "SIZE", "20", "interval = 1.0", `interval = "6h", start = 2026-01-01T00:00:00Z, unit = "1d"`,
	"matrix = [-0.2]", `matrix = [-0.2], units = ["m"]`, "filter = [{", `filter = [{ label = "particle", plugin = "filter-pf" }, {`, "[observations]", `[forecast]
horizon = "2d"
exceed = [{ variable = "x", above = [0.5, -0.5] }]
[observations]`).Replace(decay)

// The page and the figures of a run with forecasts have the numbers of plume forecast.
func TestReportOfForecasts(t *testing.T) {
	dir := runText(t, reportedForecast)
	checkForecasts(t, reportOf(t, dir), dir)
	for _, format := range []string{"svg", "png", "pdf"} {
		out(t, exitOK, "report", dir, "--figures", format)
		for _, name := range []string{"forecast-etkf", "forecast-particle", "forecast-skill", "forecast-reliability"} {
			if info, err := os.Stat(filepath.Join(dir, "figures", name+"."+format)); err != nil || info.Size() < 1000 {
				t.Errorf("figure %s.%s: %v", name, format, err)
			}
		}
	}
	figure, err := os.ReadFile(filepath.Join(dir, "figures", "forecast-etkf.svg"))
	if err != nil || !strings.Contains(string(figure), "2026-01-") || !strings.Contains(string(figure), "x (m)") {
		t.Errorf("the figure has no dates or no unit, %v", err)
	}
	swept := runText(t, reportedForecast+"[sweep]\nreplicate = \"1..2\"\n")
	checkForecasts(t, reportOf(t, swept), swept)

	both := filepath.Join(t.TempDir(), "both.html")
	out(t, exitOK, "report", dir, swept, "--output", both)
	for i, trial := range readForecastPage(t, both).Trials {
		if len(trial.Fans) == 0 || len(trial.Leads) != 2 {
			t.Errorf("trial %d of two runs: %d forecasts and scores of %d variables", i+1, len(trial.Fans), len(trial.Leads))
		}
	}
	other := runText(t, strings.Replace(reportedForecast, `horizon = "2d"`, `horizon = "1d"`, 1))
	out(t, exitOK, "report", dir, other, "--output", both)
	page := readForecastPage(t, both)
	if a, b := page.Trials[0], page.Trials[2]; len(a.Fans) == 0 || len(b.Fans) != 0 || len(b.Leads) != 2 {
		t.Errorf("two runs with other horizons: %d and %d forecasts, scores of %d variables", len(a.Fans), len(b.Fans), len(b.Leads))
	}
	if text, err := os.ReadFile(both); err != nil || !strings.Contains(string(text), "B: forecasts are not drawn") {
		t.Errorf("the page does not say that forecasts of B are not drawn, %v", err)
	}
}
