package report

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// Report holds what the page and the figures of a run show.
type Report struct {
	parts           []*Report // of several runs; nil: of one
	reader          *archive.Reader
	setup           Setup
	notes           []string // what is missing, and why
	omitted         []string // charts that are left out, and why
	given, resolved string   // the workflow
	runs            []*compare.Run
	filters         []string         // labels, in the order of the trials
	against         string           // what differences are taken to
	metrics         []compare.Metric // that the run has
	opening         string           // the score that charts show first
	overTime        []string         // the scores that cycles have
	axes            []axis
	rows            []*row // the settings of filters
	baselines       []*row // estimates that do not use observations
	trials          []*trial
	comparisons     []*compare.Comparison // of the scores of which less is better
	failures        []archive.TrialFailure
	cycles          map[archive.Staged]*archive.CycleIndex // that have scores
	trajectories
	forecasts
	members members
}

// row is one setting of a filter: the trials that differ only in the replicate or the seed.
type row struct {
	*compare.Group
	run     *compare.Run
	trials  []*trial
	setting []int // index of its value on every axis; -1: the axis is of other filters
	cells   map[compare.Metric]compare.Mean
	lags    map[string]byLag // error and spread of smoothed states
}

// metric returns a score for the stage for which it is shown.
func (r *Report) metric(metric string) compare.Metric {
	return compare.Metric{Name: metric, Stage: compare.StageOf(metric, r.runs...)}
}

// trial is one trial and its series.
type trial struct {
	*compare.Trial
	run         int // which of several
	row         *row
	scores      map[string]*sampled     // by stage
	analyses    *archive.CycleIndex     // the cycles that have scores of the analysis
	innovations *sampled                // of the forecast
	residuals   map[string]*residuals   // by observed variable
	observed    int                     // number of values in the cycle with the most
	skill       map[string][2][]float64 // by stage: spread and error of bins of cycles
	reports     *sampled                // diagnostics of the filter; nil: none
	matching    *matching               // nil unless the trial is over the whole record
	seconds     [3]float64              // medians of forecast, observe, analyse; NaN: not known
	trajectory
	ahead
	members map[string]*snapshots // by stage; nil: not shown
	stored  int                   // most members that are stored of an ensemble; 0: all
}

// CheckAhead begins to check the tables that [Read] reads, in the background.
func CheckAhead(reader *archive.Reader) {
	reader.CheckAhead("observations", "innovations", "cycles", "diagnostics", "timings", "variables")
}

// Read reads what has been written of a run. setup may be nil if the workflow cannot be read;
// the page then says what is missing for that reason.
func Read(reader *archive.Reader, setup *Setup) (*Report, error) {
	r := &Report{reader: reader}
	if setup != nil {
		r.setup = *setup
	} else {
		r.notes = append(r.notes, "This version of plume cannot read the workflow. The burn-in is assumed to be 0 for trials without stored time means.")
	}
	if r.setup.Hint != "" {
		r.notes = append(r.notes, fmt.Sprintf("%s. plume why %s says what is likely to be wrong.", r.setup.Hint, filepath.Base(reader.Dir)))
	}
	for _, step := range []func() error{
		r.readTexts, r.readScores, r.readObserved, r.readInnovations, r.readDiagnostics, r.readTimings, r.readVariables, r.readForecasts, r.readMembers, r.readFailures, r.readRecord,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("report of %s: %w", reader.Dir, err)
		}
	}
	if unshown := r.runs[0].Unshown(); len(unshown) > 0 {
		var names []string
		for _, p := range unshown {
			names = append(names, p.Text())
		}
		r.notes = append(r.notes, fmt.Sprintf("The workflow has published scores that the run has nothing to compare with: %s.", strings.Join(names, ", ")))
	}
	if missing := reader.Missing(); len(missing) > 0 {
		r.notes = append(r.notes, fmt.Sprintf("The run was written by another version of plume, %s: %s.",
			reader.Info.Plume, strings.Join(missing, "; ")))
	}
	return r, nil
}

func (r *Report) readTexts() (err error) {
	if r.given, err = r.reader.Text("workflow.toml"); err != nil {
		return err
	}
	r.resolved, err = r.reader.Text(archive.ResolvedFile)
	return err
}

func (r *Report) readFailures() (err error) {
	r.failures, err = r.reader.Failures()
	return err
}

// readScores reads trials, scores and rank histograms.
func (r *Report) readScores() (err error) {
	scores, err := compare.Read(r.reader, r.setup.Setup)
	if err != nil {
		return err
	}
	r.runs, r.filters, r.against = []*compare.Run{scores}, scores.Filters(), scores.Baseline()
	for _, of := range scores.Trials {
		r.trials = append(r.trials, &trial{Trial: of, seconds: [3]float64{math.NaN(), math.NaN(), math.NaN()}, skill: map[string][2][]float64{}, scores: map[string]*sampled{}})
	}
	for _, step := range []func() error{r.readSeries, scores.ReadRanks} {
		if err := step(); err != nil {
			return err
		}
	}
	r.metrics = slices.DeleteFunc(scores.Metrics(), func(m compare.Metric) bool { return !slices.Contains(stages, m.Stage) })
	r.opening = scores.Opening("").Name
	if r.rows, err = r.rowsOf(scores, scores.Groups); err != nil {
		return err
	}
	if r.baselines, err = r.rowsOf(scores, scores.Baselines); err != nil {
		return err
	}
	r.addAxes()
	rows := map[*compare.Trial]*row{}
	for _, w := range r.rows {
		for _, t := range w.Trials {
			rows[t] = w
		}
	}
	for _, t := range r.trials {
		t.row = rows[t.Trial]
		t.row.trials = append(t.row.trials, t)
	}
	r.sortScores()
	return r.compare()
}

// sortScores puts the names of scores into the order of the catalogue, each once.
func (r *Report) sortScores() {
	slices.SortFunc(r.overTime, score.Order)
	r.overTime = slices.Compact(r.overTime)
	slices.SortFunc(r.metrics, func(a, b compare.Metric) int {
		return cmp.Or(score.Order(a.Name, b.Name), cmp.Compare(a.Stage, b.Stage))
	})
	r.metrics = slices.Compact(r.metrics)
}

// compare compares the settings by every score for which less is better, for the stage for
// which it is shown.
func (r *Report) compare() error {
	for _, m := range r.metrics {
		if m != r.metric(m.Name) || !score.IsLoss(m.Name) {
			continue
		}
		c, err := compare.Compare(r.runs, m, "")
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.Rows, func(w compare.Row) bool { return w.Difference != nil }) {
			r.comparisons = append(r.comparisons, c)
		}
	}
	return nil
}

func (r *Report) rowsOf(run *compare.Run, groups []*compare.Group) ([]*row, error) {
	var rows []*row
	for _, g := range groups {
		w := &row{Group: g, run: run, setting: []int{}, cells: map[compare.Metric]compare.Mean{}, lags: map[string]byLag{}}
		var err error
		for _, name := range []string{"rmse", "spread"} {
			if w.lags[name], err = lagsOf(run, g, name); err != nil {
				return nil, err
			}
		}
		for _, m := range r.metrics {
			if w.cells[m], err = run.Mean(g, m); err != nil {
				return nil, err
			}
		}
		rows = append(rows, w)
	}
	return rows, nil
}

// trial returns the trial with a number; nil if it started after the trials were read.
func (r *Report) trial(number int32) *trial {
	if at, ok := slices.BinarySearchFunc(r.trials, int(number), func(t *trial, n int) int { return t.Trial.Trial - n }); ok {
		return r.trials[at]
	}
	return nil
}

// readDiagnostics reads the numbers that filters report. A filter may report a number in
// some cycles only.
func (r *Report) readDiagnostics() error {
	for b, err := range r.reader.Diagnostics() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			t := r.trial(number)
			if t == nil || t.analyses == nil {
				continue
			}
			at, ok := t.analyses.Of(b.Cycle[i])
			if !ok {
				continue // written after the scores were read
			}
			if t.reports == nil {
				t.reports = t.scores[archive.Analysis].like()
			}
			t.reports.column(b.Name[i]).add(at, b.Value[i])
		}
	}
	return nil
}

func (r *Report) readTimings() error {
	var last *trial
	var times [3][]float64
	end := func() {
		if last == nil {
			return
		}
		for part := range times {
			last.seconds[part] = median(times[part])
			times[part] = times[part][:0]
		}
	}
	for b, err := range r.reader.Timings() {
		if err != nil {
			return err
		}
		for i, number := range b.Trial {
			if t := r.trial(number); t != last {
				end()
				last = t
			}
			if last == nil {
				continue
			}
			for part, v := range [3]float64{b.Forecast[i], b.Observe[i], b.Analyse[i]} {
				times[part] = append(times[part], v)
			}
		}
	}
	end()
	return nil
}

// median returns the median of values, which it reorders; NaN if there are none. Values that are NaN
// are the smallest. Cost: O(n).
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	known := 0 // values from here on are not NaN
	for i, v := range values {
		if math.IsNaN(v) {
			values[i], values[known] = values[known], v
			known++
		}
	}
	n := len(values)
	if (n-1)/2 < known {
		return math.NaN()
	}
	values = values[known:]
	low := selected(values, (n-1)/2-known)
	if n%2 == 1 {
		return low
	}
	return (low + slices.Min(values[n/2-known:])) / 2
}

// selected reorders values, none of which is NaN, so that the k smallest come first, and returns the next
// smallest. Source: Hoare 1961, doi:10.1145/366622.366647, algorithm 65.
func selected(values []float64, k int) float64 {
	for from, to := 0, len(values)-1; from < to; {
		i, j, pivot := from, to, values[from+(to-from)/2]
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			to = j
		case k >= i:
			from = i
		default:
			return values[k]
		}
	}
	return values[k]
}
