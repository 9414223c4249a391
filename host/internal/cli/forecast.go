package cli

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/spf13/cobra"
)

func (a *app) forecast() *cobra.Command {
	var root string
	var how forecasting
	c := &cobra.Command{
		Use:   "forecast RUN",
		Short: "Show the last forecast of a run, or how good its forecasts were",
		Long: `Forecast shows the last free forecast of every filter, for a run of a workflow
with [forecast]: mean, standard deviation and the 5, 25, 50, 75 and 95 %
quantiles of every value at every lead time, and the probabilities of exceeding
the thresholds in forecast.exceed. Times are dates if time.start is one. Values
are predicted observations, with their errors, or those of the state if nothing
is predicted; --of chooses.

--scores shows how good the forecasts were, by lead time: their root mean square
error, the spread, which is the expected one, the CRPS, and the errors and CRPS
of two forecasts that need no model: persistence is the last observed value at
the time of the analysis, or of the state the true one, which nobody has;
climatology is the mean of the values, or their distribution. Forecasts
are compared with the truth or with observations, held-out ones among them, when
their times come. All forecasts and scores are in tables of the run, see
plume export; plume report draws them.

RUN is a path, @last, or the first characters of the name of a run.`,
		Example: `  plume forecast @last
  plume forecast @last --scores --filter etkf --variable level`,
		Args:              exactly(1, "one run"),
		ValidArgsFunction: completeRuns(&root),
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains([]string{"", archive.State, archive.Observed}, how.of) {
				return usage("--of: got %q, want %s or %s", how.of, archive.State, archive.Observed)
			}
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			reader, err := archive.Open(dir)
			if err != nil {
				return err
			}
			if how.scores {
				return a.showForecastScores(reader, how)
			}
			return a.showForecast(reader, how)
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().BoolVar(&how.scores, "scores", false, "how good the forecasts were, by lead time")
	c.Flags().StringVar(&how.filter, "filter", "", "only that of the filter with this `LABEL`")
	c.Flags().StringVar(&how.variable, "variable", "", "only values of the variable with this `NAME`")
	c.Flags().StringVar(&how.of, "of", "", "observed or state; if omitted, observed if observations are predicted")
	completeFlag(c, "of", words(archive.State, archive.Observed))
	completeFlag(c, "filter", completeLabels(&root))
	return c
}

// forecasting says which forecasts are shown. Empty strings mean all, or a default.
type forecasting struct {
	scores               bool
	filter, variable, of string
}

// wants reports whether a row is shown, but for what it is of.
func (h *forecasting) wants(filter, variable string) bool {
	return (h.filter == "" || filter == h.filter) && (h.variable == "" || variable == h.variable)
}

// forecastRow is a value that is forecast, as printed and in JSON.
type forecastRow struct {
	Trial       int                  `json:"trial"`
	Filter      string               `json:"filter"`
	Time        float64              `json:"time"`
	Lead        float64              `json:"lead"`
	Date        *time.Time           `json:"date,omitempty"` // of what is forecast
	Of          string               `json:"of"`
	Variable    string               `json:"variable"`
	Index       int                  `json:"index"`
	Mean        finiteOrNull         `json:"mean"`
	Spread      finiteOrNull         `json:"spread"`
	Quantiles   [5]finiteOrNull      `json:"quantiles"`
	Probability []exceedanceForecast `json:"exceed,omitempty"`
	cycle       int
}

type exceedanceForecast struct {
	Above       float64 `json:"above"`
	Probability float64 `json:"probability"`
}

// forecastKey identifies a value of a forecast.
type forecastKey struct {
	trial, cycle int
	lead         float64
	of, variable string
	index        int
}

// lastForecasts returns the last forecasts of the filters that h wants.
func lastForecasts(r *archive.Reader, h forecasting) ([]forecastRow, error) {
	var rows []forecastRow
	last := map[int]int{} // cycle by trial
	predicted := false
	for b, err := range r.Forecasts() {
		if err != nil {
			return nil, err
		}
		for i, trial := range b.Trial {
			last[int(trial)] = max(last[int(trial)], int(b.Cycle[i]))
			predicted = predicted || b.Of[i] == archive.Observed
			if !h.wants(b.Filter[i], b.Variable[i]) {
				continue
			}
			row := forecastRow{Trial: int(trial), Filter: b.Filter[i], Time: b.Time[i], Lead: b.Lead[i], Of: b.Of[i], Variable: b.Variable[i], Index: int(b.Index[i]),
				Mean: finiteOrNull(b.Mean[i]), Spread: finiteOrNull(b.Spread[i]), cycle: int(b.Cycle[i])}
			for k, q := range []float64{b.Q05[i], b.Q25[i], b.Q50[i], b.Q75[i], b.Q95[i]} {
				row.Quantiles[k] = finiteOrNull(q)
			}
			if date, ok := r.Info.Dates.At(row.Time + row.Lead); ok {
				row.Date = &date
			}
			if n := len(rows); n > 0 && rows[n-1].Trial == row.Trial && rows[n-1].cycle < row.cycle { // an earlier forecast
				rows = slices.DeleteFunc(rows, func(old forecastRow) bool { return old.Trial == row.Trial })
			}
			rows = append(rows, row)
		}
	}
	of := h.of
	if of == "" {
		of = archive.State
		if predicted {
			of = archive.Observed
		}
	}
	rows = slices.DeleteFunc(rows, func(row forecastRow) bool { return row.Of != of || row.cycle < last[row.Trial] })
	return rows, addExceedances(r, rows)
}

// addExceedances adds probabilities to rows.
func addExceedances(r *archive.Reader, rows []forecastRow) error {
	at := map[forecastKey]*forecastRow{}
	for i := range rows {
		row := &rows[i]
		at[forecastKey{row.Trial, row.cycle, row.Lead, row.Of, row.Variable, row.Index}] = row
	}
	for b, err := range r.Exceedances() {
		if err != nil {
			return err
		}
		for i, trial := range b.Trial {
			if row := at[forecastKey{int(trial), int(b.Cycle[i]), b.Lead[i], b.Of[i], b.Variable[i], int(b.Index[i])}]; row != nil {
				row.Probability = append(row.Probability, exceedanceForecast{b.Above[i], b.Probability[i]})
			}
		}
	}
	return nil
}

// errNoForecast is the error of a run without forecasts that are wanted.
func errNoForecast(r *archive.Reader, h forecasting) error {
	if h.filter != "" || h.variable != "" || h.of != "" {
		return usage("%s has no such forecast; see plume forecast %s", r.Dir, word(r.Dir))
	}
	return fmt.Errorf("%s has no free forecast; they are made for workflows with [forecast]", r.Dir)
}

// showForecast prints the last forecasts.
func (a *app) showForecast(r *archive.Reader, h forecasting) error {
	rows, err := lastForecasts(r, h)
	switch {
	case err != nil:
		return err
	case len(rows) == 0:
		return errNoForecast(r, h)
	case a.json:
		for _, row := range rows {
			if err := a.printJSON(row); err != nil {
				return err
			}
		}
		return nil
	}
	lines, trials := make([][]string, len(rows)), make([]int, len(rows))
	for i, row := range rows {
		lines[i], trials[i] = row.cells(), row.Trial
	}
	columns := forecastColumns()
	if !slices.ContainsFunc(rows, func(row forecastRow) bool { return row.Probability != nil }) { // there are no thresholds
		columns = columns[:len(columns)-1]
		for i, line := range lines {
			lines[i] = line[:len(columns)]
		}
	}
	if err := printForecasts(a.stdout, columns, lines, trials); err != nil {
		return err
	}
	a.say("from the %s; %s", analysesText(r.Info.Dates, rows), map[string]string{archive.State: "values of the state", archive.Observed: "predicted observations with their errors"}[rows[0].Of])
	a.next("forecast", r.Dir, "--scores")
	return nil
}

// printForecasts prints a table of lines that begin with the filter: after the number of the trial,
// if a filter has several.
func printForecasts(w io.Writer, columns []column, lines [][]string, trials []int) error {
	first, several := map[string]int{}, false
	for i, line := range lines {
		if trial, known := first[line[0]]; !known {
			first[line[0]] = trials[i]
		} else if trial != trials[i] {
			several = true
		}
	}
	if several {
		columns = slices.Insert(columns, 0, column{head: "trial"})
		for i := range lines {
			lines[i] = slices.Insert(lines[i], 0, strconv.Itoa(trials[i]))
		}
	}
	return printTable(w, columns, lines)
}

// forecastColumns returns the columns of the table of forecasts.
func forecastColumns() []column {
	return []column{
		{head: "filter"}, {head: "time"}, {head: "lead", right: true, drop: 3}, {head: "variable"}, {head: "mean", right: true}, {head: "sd", right: true, drop: 4},
		{head: "5 %", right: true, drop: 5, last: true}, {head: "25 %", right: true, drop: 2}, {head: "50 %", right: true, drop: 1}, {head: "75 %", right: true, drop: 2},
		{head: "95 %", right: true, drop: 5, last: true}, {head: "probability"},
	}
}

// cells returns the cells of a row of the table.
func (row *forecastRow) cells() []string {
	when := fmt.Sprintf("%.6g", row.Time+row.Lead)
	if row.Date != nil {
		when = dateText(*row.Date)
	}
	line := []string{row.Filter, when, fmt.Sprintf("%.6g", row.Lead), valueName(row.Variable, row.Index)}
	for _, v := range append([]finiteOrNull{row.Mean, row.Spread}, row.Quantiles[:]...) {
		line = append(line, fmt.Sprintf("%.4g", v))
	}
	text := ""
	for _, p := range row.Probability {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("> %g: %.0f %%", p.Above, 100*p.Probability)
	}
	return append(line, text)
}

// analysesText says from which analyses forecasts start: that of a trial that has failed is earlier.
func analysesText(d *archive.Dates, rows []forecastRow) string {
	byTime := func(a, b forecastRow) int { return cmp.Compare(a.Time, b.Time) }
	first, last := slices.MinFunc(rows, byTime), slices.MaxFunc(rows, byTime)
	if first.Time == last.Time {
		return "analysis at " + timeText(d, first.Time)
	}
	return fmt.Sprintf("last analysis of each trial, at %s to %s", timeText(d, first.Time), timeText(d, last.Time))
}

// timeText returns a model time as a date, if it is one.
func timeText(d *archive.Dates, t float64) string {
	if date, ok := d.At(t); ok {
		return dateText(date)
	}
	return fmt.Sprintf("model time %.6g", t)
}

// dateText returns a date with its time of day, unless that is midnight, without seconds if they are 0.
func dateText(t time.Time) string {
	text := strings.TrimSuffix(t.UTC().Format("2006-01-02 15:04:05"), ":00")
	return strings.TrimSuffix(text, " 00:00")
}

// valueName returns the name of a value of a variable.
func valueName(variable string, index int) string {
	if index == 0 {
		return variable
	}
	return fmt.Sprintf("%s[%d]", variable, index)
}

// shownScores are the scores by lead time and their columns, in this order.
var shownScores = []struct {
	metric string
	column
}{
	{"rmse", column{head: "rmse", right: true}},
	{"spread", column{head: "spread", right: true, drop: 5}},
	{"crps_fair", column{head: "crps", right: true, drop: 4}},
	{"coverage_90", column{head: "within 90 %", right: true, drop: 3}},
	{"persistence_rmse", column{head: "persistence", right: true}},
	{"climatology_rmse", column{head: "climatology", right: true, drop: 6, last: true}},
	{"persistence_crps", column{head: "persistence crps", right: true, drop: 2}},
	{"climatology_crps", column{head: "climatology crps", right: true, drop: 2}},
}

// leadColumns returns the columns of the table of scores by lead time.
func leadColumns() []column {
	columns := []column{{head: "filter"}, {head: "variable"}, {head: "lead", right: true}, {head: "forecasts", right: true, drop: 1}}
	for _, s := range shownScores {
		columns = append(columns, s.column)
	}
	return columns
}

// showForecastScores prints the scores of forecasts by lead time.
func (a *app) showForecastScores(r *archive.Reader, h forecasting) error {
	list, err := compare.ForecastScores(r)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(s compare.LeadScores) bool { return !h.wants(s.Filter, s.Variable) })
	of := cmp.Or(h.of, compare.ForecastKind(list))
	list = slices.DeleteFunc(list, func(s compare.LeadScores) bool { return s.Of != of })
	if len(list) == 0 {
		if h.filter == "" && h.variable == "" {
			return fmt.Errorf("%s has no forecast whose time has come; they are made for workflows with [forecast]", r.Dir)
		}
		return errNoForecast(r, h)
	}
	var lines [][]string
	var trials []int
	for _, at := range list {
		line := []string{at.Filter, at.Variable, fmt.Sprintf("%.6g", at.Lead), fmt.Sprint(at.Count)}
		values := map[string]finiteOrNull{}
		for _, s := range shownScores {
			m, ok := at.Scores[s.metric]
			if !ok {
				m = score.Mean{Value: math.NaN()}
			} else {
				values[s.metric] = finiteOrNull(m.Value)
			}
			line = append(line, m.Text())
		}
		lines, trials = append(lines, line), append(trials, at.Trial)
		if a.json {
			if err := a.printJSON(struct {
				Trial    int                     `json:"trial"`
				Filter   string                  `json:"filter"`
				Of       string                  `json:"of"`
				Variable string                  `json:"variable"`
				Lead     float64                 `json:"lead"`
				Count    int                     `json:"count"`
				Scores   map[string]finiteOrNull `json:"scores"`
			}{at.Trial, at.Filter, at.Of, at.Variable, at.Lead, at.Count, values}); err != nil {
				return err
			}
		}
	}
	if a.json {
		return nil
	}
	if err := printForecasts(a.stdout, leadColumns(), lines, trials); err != nil {
		return err
	}
	a.say("%s", map[string]string{archive.State: "compared with the truth", archive.Observed: "compared with observations, whose errors are part of rmse and spread"}[of])
	return nil
}
