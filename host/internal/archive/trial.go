package archive

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// The stages of a cycle that a run stores.
const (
	Forecast = score.Forecast
	Analysis = score.Analysis
	Smoothed = score.Smoothed
)

// Keep says what is stored for a trial: which variables have scores of their own, which
// ensembles, and how many values of each variable are described.
type Keep struct {
	Scored             []string
	Forecast, Analysis bool
	Every              int      // cycles whose ensembles are stored: multiples of it; 0: all
	Only               []string // variables whose values are stored of ensembles; nil: all
	Size               int      // members of the trial
	Members            int      // of these that are stored, at even distances; 0: all
	Single             bool     // values of ensembles are stored as float32
	Variables          int
	Smoothed           bool // members of the smoothed stage
	HeldOut, Rejected  bool // whether some observations are held out, or may be rejected
	Ahead, Exceed      bool // whether there are free forecasts, and thresholds for them
	Fit                bool // whether predictions of prior and posterior are stored: of a whole record
}

// stores reports whether the ensembles of a cycle are stored.
func (k *Keep) stores(cycle int) bool { return k.Every == 0 || cycle%k.Every == 0 }

// TrialID identifies a trial in tables.
type TrialID struct {
	Trial     int // from 1; 0: a baseline
	Replicate int // from 1
	Filter    string
}

// Trial is the tables of one trial that are being written.
type Trial struct {
	id       TrialID
	observed *sdk.Layout
	keep     Keep
	scores   []score.Score // of cycles

	run                                       *Run
	cycles, innovations, diagnostics, timings *table.Writer
	heldOut, rejections, fit                  *table.Writer // nil: there are none
	forecasts, exceedances, verification      *table.Writer // likewise
	timing                                    timing        // not written yet
	descriptions                              *descriptions
	members, smoothed                         *Members        // nil if no ensembles are stored
	all                                       []*table.Writer // of these
}

// timing is the times of some cycles, in seconds.
type timing struct {
	cycle []int32
	time  []float64
	parts [6][]float64 // in the order of the columns
}

// CycleRow is the scores of one stage of one cycle, by name, without those that do not
// apply.
type CycleRow struct {
	Stage  string
	Lag    int // cycles by which the states are older than the step that the row is written with
	Scores map[string]float64
}

// RankHistogram is how often the truth had each rank among the members.
type RankHistogram struct {
	Stage  string
	Counts []float64 // N + 1 values
}

// Trial opens the tables of a trial. Trials may be written at the same time, each
// by one goroutine.
//
// If through is above 0, the tables are continued after that cycle, for which there is a
// checkpoint: later rows are written again. It is an error if they do not reach that cycle.
func (r *Run) Trial(id TrialID, state, observed *sdk.Layout, keep Keep, through int) (*Trial, error) {
	t := &Trial{id: id, observed: observed, keep: keep, scores: score.OfCycles(keep.Scored), run: r}
	o := &opener{run: r, through: through}
	name := part(t.id.Trial)
	t.cycles = o.open(true, cyclesColumns(keep.Scored), "cycles", name)
	t.diagnostics = o.open(false, r.dated(diagnosticsColumns), "diagnostics", name)
	t.timings = o.open(false, r.dated(timingsColumns), "timings", name)
	t.descriptions = &descriptions{table: o.open(keep.Variables > 0, variablesColumns, "variables", name), values: Described(state, keep.Variables)}
	t.innovations = o.open(false, slices.Concat(innovationsColumns, table.Variables(observed)), "innovations", name)
	if keep.HeldOut {
		t.heldOut = o.open(false, heldOutColumns, "held_out", name)
	}
	if keep.Rejected {
		t.rejections = o.open(false, rejectionsColumns, "rejections", name)
	}
	if keep.Ahead {
		t.forecasts = o.open(false, forecastColumns, "forecasts", name)
		t.verification = o.open(false, verificationColumns, "verification", name)
	}
	if keep.Exceed {
		t.exceedances = o.open(false, exceedColumns, "exceedances", name)
	}
	if keep.Fit {
		t.fit = o.open(false, fitColumns, "fit", name)
	}
	stored := keep.columns(state)
	if keep.Forecast || keep.Analysis {
		t.members = &Members{table: o.open(keep.Every == 0 && keep.Members == 0, slices.Concat(membersColumns, stored), "ensemble", fmt.Sprintf("trial=%04d", id.Trial), partName(0)), selection: keep.selection(state)}
	}
	if keep.Smoothed {
		t.smoothed = &Members{table: o.open(false, slices.Concat(smoothedColumns, stored), "smoothed", fmt.Sprintf("trial=%04d", id.Trial), partName(0)), selection: keep.selection(state), lags: true}
	}
	if o.err != nil {
		return nil, errors.Join(o.err, o.abandon())
	}
	t.all = o.writers
	return t, nil
}

// opener opens tables one after the other, until the first error.
type opener struct {
	run     *Run
	through int
	writers []*table.Writer
	err     error
}

func (o *opener) abandon() error {
	var err error
	for _, w := range o.writers {
		err = errors.Join(err, w.Abandon())
	}
	return err
}

// open opens a table; every says that it has rows for every cycle.
func (o *opener) open(every bool, columns []table.Column, path ...string) *table.Writer {
	if o.err != nil {
		return nil
	}
	var file string
	if file, o.err = o.run.Path(path...); o.err != nil {
		return nil
	}
	var w *table.Writer
	last := 0
	if o.through > 0 {
		w, last, o.err = table.Continue(file, columns, o.through)
	} else if o.err = os.Remove(file); o.err == nil || errors.Is(o.err, os.ErrNotExist) {
		w, o.err = table.Create(file, columns, nil)
	}
	if o.err != nil {
		return nil
	}
	o.writers = append(o.writers, w)
	if every && last != o.through {
		o.err = fmt.Errorf("%s: ends with cycle %d, want %d", file, last, o.through)
	}
	return w
}

// part is the name of a trial's part of a table.
func part(trial int) string { return fmt.Sprintf("trial=%04d.arrow", trial) }

// Append writes one cycle: its scores, its innovation, which may be nil, the
// descriptions of its stages, the diagnostics of the filter, the ensembles to store, and the
// times, to which it adds its own.
func (t *Trial) Append(s *cycle.Step, rows []CycleRow, in *score.Innovation, stages []Description) error {
	begun := time.Now()
	err := errors.Join(t.appendCycle(s, rows), t.appendInnovation(s, in), t.appendDescriptions(s, stages), t.appendDiagnostics(s), t.appendMembers(s), t.appendSmoothed(s))
	s.Timing.Archive += time.Since(begun)
	return errors.Join(err, t.appendTiming(s))
}

func (t *Trial) appendInnovation(s *cycle.Step, in *score.Innovation) error {
	if in == nil {
		return nil
	}
	return t.innovations.Append(1, append(t.id.columnsAt(1, s.Cycle, s.Time),
		[]float64{in.NIS}, []float64{in.Expected}, table.Block{Matrix: mat.NewDense(1, len(in.Values), in.Values), Null: true})...)
}

// RankHistograms writes the rank histograms of the trial.
func (t *Trial) RankHistograms(histograms []RankHistogram) error {
	var stage []string
	var rank []int32
	var count []float64
	for _, h := range histograms {
		for r, c := range h.Counts {
			stage, rank, count = append(stage, h.Stage), append(rank, int32(r)), append(count, c)
		}
	}
	n := len(rank)
	return t.run.write(rankHistogramColumns, n, append(t.id.columns(n), stage, rank, count), "rank_histogram", part(t.id.Trial))
}

// LagScore is the number of a trial for the states with a lag.
type LagScore struct {
	Lag    int // cycles of later observations; 0: the analysis
	Metric string
	score.Mean
}

// Lags writes the scores of the trial by lag.
func (t *Trial) Lags(scores []LagScore) error {
	n := len(scores)
	if n == 0 {
		return nil
	}
	lag, metric, value, se, cycles := make([]int32, n), make([]string, n), make([]float64, n), make([]float64, n), make([]int32, n)
	for i, s := range scores {
		lag[i], metric[i], value[i], se[i], cycles[i] = int32(s.Lag), s.Metric, s.Value, s.SE, int32(s.Count)
	}
	return t.run.write(lagsColumns, n, append(t.id.columns(n), lag, metric, value, se, cycles), "lags", part(t.id.Trial))
}

// Observed writes what is known of the innovations of every observed value of the trial.
func (t *Trial) Observed(sums score.InnovationSums) error {
	n := len(sums.Count)
	index, variable := make([]int32, n), make([]string, n)
	spread, deviation, first, largest := make([]float64, n), make([]float64, n), slices.Clone(sums.First), make([]float64, n)
	for j, c := range sums.Count {
		variable[j], index[j] = componentOf(t.observed, j)
		spread[j], deviation[j], largest[j] = math.Sqrt(sums.Forecast[j]/float64(c)), math.Sqrt(sums.Error[j]/float64(c)), sums.Largest[j]
		if c == 0 {
			largest[j] = math.NaN()
		}
	}
	columns := slices.Clone(observedColumns)
	values := append(t.id.columns(n), variable, index, sums.Count, spread, deviation, first, largest, sums.At)
	if c := t.observed.Coordinates; c != nil {
		axes := len(c.Dims)
		columns = append(columns, table.Variables(&sdk.Layout{Variables: []sdk.Variable{{Name: "position", Shape: []int{axes}}, {Name: "period", Shape: []int{axes}}}})...)
		where := make([]float64, 0, 2*axes*n)
		for j := range n {
			where = append(append(where, mat.Row(nil, j, c.Points)...), c.Period...)
		}
		if n > 0 {
			values = append(values, table.Block{Matrix: mat.NewDense(n, 2*axes, where)})
		}
	}
	return t.run.write(columns, n, values, "observed", part(t.id.Trial))
}

func (t *Trial) appendCycle(s *cycle.Step, rows []CycleRow) error {
	n := len(rows)
	stages, cycles, times := make([]string, n), make([]int32, n), make([]float64, n)
	for i, r := range rows {
		stages[i], cycles[i], times[i] = r.Stage, int32(s.Cycle-r.Lag), s.TimeOf(s.Cycle-r.Lag)
	}
	values := append(t.id.columns(n), cycles, times, stages)
	for _, sc := range t.scores {
		column := nullable(rows, func(r *CycleRow) (float64, bool) { v, ok := r.Scores[sc.Name]; return v, ok })
		switch {
		case sc.Needs != 0:
			values = append(values, column)
		case slices.Contains(column.Valid, false):
			return fmt.Errorf("cycles.arrow: cycle %d: %s is missing, which every ensemble has", s.Cycle, sc.Name)
		default:
			values = append(values, column.Values)
		}
	}
	return t.cycles.Append(n, values...)
}

func (t *Trial) appendDiagnostics(s *cycle.Step) error {
	names := slices.Sorted(maps.Keys(s.Metrics))
	if len(names) == 0 {
		return nil
	}
	values := make([]float64, len(names))
	for i, name := range names {
		values[i] = s.Metrics[name]
	}
	n := len(names)
	return t.diagnostics.Append(n, slices.Concat(t.id.inCycles(slices.Repeat([]int32{int32(s.Cycle)}, n)), t.run.times(slices.Repeat([]float64{s.Time}, n)), []any{names, values})...)
}

// timed is the number of cycles whose timings, which are not results, are one batch.
const timed = 100

func (t *Trial) appendTiming(s *cycle.Step) error {
	t.timing.cycle = append(t.timing.cycle, int32(s.Cycle))
	t.timing.time = append(t.timing.time, s.Time)
	w := s.Timing
	for i, part := range [...]time.Duration{w.Forecast, w.Observe, w.Analyse, w.Score, w.Archive, w.Wait()} {
		t.timing.parts[i] = append(t.timing.parts[i], part.Seconds())
	}
	if len(t.timing.cycle) < timed {
		return nil
	}
	return t.flushTimings()
}

func (t *Trial) flushTimings() error {
	w, n := t.timing, len(t.timing.cycle)
	if n == 0 {
		return nil
	}
	t.timing.cycle, t.timing.time = w.cycle[:0], w.time[:0]
	values := slices.Concat(t.id.inCycles(w.cycle), t.run.times(w.time))
	for i, part := range w.parts {
		values, t.timing.parts[i] = append(values, part), part[:0]
	}
	return t.timings.Append(n, values...)
}

func (t *Trial) appendMembers(s *cycle.Step) error {
	var stages []Stage
	if t.keep.Forecast {
		stages = append(stages, Stage{Name: Forecast, Ensemble: s.Forecast})
	}
	if t.keep.Analysis {
		stages = append(stages, Stage{Name: Analysis, Ensemble: s.Analysis, Parents: s.Ancestors})
	}
	if len(stages) == 0 || !t.keep.stores(s.Cycle) {
		return nil
	}
	return t.members.Append(s.Cycle, s.Time, stages...)
}

// appendSmoothed writes the members of the past states of s that are final, the earliest first.
func (t *Trial) appendSmoothed(s *cycle.Step) error {
	if t.smoothed == nil {
		return nil
	}
	for _, past := range slices.Backward(s.Past) {
		if past.Final && t.keep.stores(past.Cycle) {
			if err := t.smoothed.Append(past.Cycle, s.TimeOf(past.Cycle), Stage{Smoothed, past.Ensemble, nil, s.Cycle - past.Cycle}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sums returns the sha256 of the bytes written so far, by table. Tables that are continued
// from a checkpoint must have the sums that they had then; otherwise their content differs.
func (t *Trial) Sums() (map[string]string, error) {
	err := t.flushTimings()
	return t.run.sumsOf(t.all), err
}

// Beyond returns how many values of ensembles, from the first cycle on, are beyond the range of
// float32, with which they are stored, and therefore null.
func (t *Trial) Beyond() (n int) {
	for _, m := range []*Members{t.members, t.smoothed} {
		if m != nil {
			n += m.table.Beyond()
		}
	}
	return n
}

// Close finishes the tables of the trial, even if it has not run to its end.
func (t *Trial) Close() error {
	err := t.flushTimings()
	for _, w := range t.all {
		err = errors.Join(err, w.Close())
	}
	if err == nil {
		t.run.know(t.run.sumsOf(t.all))
	}
	return err
}
