package compare

import (
	"cmp"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// Series is the scores of one stage of a trial by cycle.
type Series struct {
	Cycle  []int32
	Time   []float64
	Values map[string][]float64 // by score, of those that apply; NaN means null or undefined

	valid map[string][]bool // which values are not null, for scores with nulls
	batch []int             // its rows in the batch that is being read
}

// Series returns the series of a stage of a trial that [Run.ReadSeries] has read, or nil.
func (t *Trial) Series(stage string) *Series {
	if i := slices.Index(stages, stage); i >= 0 {
		return t.series[i]
	}
	return nil
}

// stages are those that have series.
var stages = []string{archive.Forecast, archive.Analysis, archive.Smoothed}

// ReadSeries reads the series of one score, or of all if name is empty, unless they have
// already been read.
func (r *Run) ReadSeries(name string) error {
	if r.read[name] || r.read[""] {
		return nil
	}
	var names []string
	if name != "" {
		names = []string{name}
	}
	for _, t := range r.Trials {
		t.series = [3]*Series{}
	}
	for b, err := range r.reader.Cycles(names...) {
		if err != nil {
			return err
		}
		r.addSeries(b)
	}
	for _, t := range r.Trials {
		for _, s := range t.series {
			s.finish()
		}
	}
	r.read = map[string]bool{name: true}
	return nil
}

// addSeries appends a batch of cycles to the series of its trials.
func (r *Run) addSeries(b *archive.CycleScores) {
	var touched []*Series
	var t *Trial
	for i, number := range b.Trial {
		if t == nil || t.Trial != int(number) {
			if t = r.byNumber[int(number)]; t == nil {
				continue // it started after the trials were read
			}
		}
		stage := slices.Index(stages, b.Stage[i])
		if stage < 0 {
			continue // of a newer plume
		}
		s := t.series[stage]
		if s == nil {
			s = &Series{Values: map[string][]float64{}, valid: map[string][]bool{}}
			t.series[stage] = s
		}
		if len(s.batch) == 0 {
			touched = append(touched, s)
		}
		s.batch = append(s.batch, i)
	}
	for _, s := range touched {
		for _, i := range s.batch {
			s.Cycle, s.Time = append(s.Cycle, b.Cycle[i]), append(s.Time, b.Time[i])
		}
		for name, column := range b.Scores {
			s.add(name, column.Values, column.Valid)
		}
		s.batch = s.batch[:0]
	}
}

// add appends the rows of the batch to a score.
func (s *Series) add(name string, column []float64, valid []bool) {
	values, known := slices.Grow(s.Values[name], len(s.batch)), s.valid[name]
	for _, i := range s.batch {
		if !valid[i] && known == nil {
			known = slices.Repeat([]bool{true}, len(values))
		}
		if values = append(values, column[i]); known != nil {
			known = append(known, valid[i])
		}
	}
	s.Values[name] = values
	if known != nil {
		s.valid[name] = known
	}
}

// finish removes the scores that do not apply: those that are null in every cycle.
func (s *Series) finish() {
	if s == nil {
		return
	}
	for name, valid := range s.valid {
		if !slices.Contains(valid, true) {
			delete(s.Values, name)
			delete(s.valid, name)
		}
	}
}

// Blocks returns the means over that many blocks of consecutive cycles, at the middle cycle
// of each; s itself if it has no more cycles. Values that are NaN are in no mean.
func (s *Series) Blocks(blocks int) *Series {
	n := len(s.Cycle)
	if n <= blocks {
		return s
	}
	out := &Series{Values: map[string][]float64{}}
	for b := range blocks {
		from, to := b*n/blocks, (b+1)*n/blocks
		middle := (from + to) / 2
		out.Cycle, out.Time = append(out.Cycle, s.Cycle[middle]), append(out.Time, s.Time[middle])
		for name, values := range s.Values {
			out.Values[name] = append(out.Values[name], meanOf(values[from:to]))
		}
	}
	return out
}

// meanOf returns the mean of the values that are not NaN; NaN if there are none.
func meanOf(values []float64) float64 {
	sum, n := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}

// skillBins is into how many bins of equal counts the cycles are put by their spread.
const skillBins = 10

// Skill compares the spread of the cycles after burn-in of a stage with the error of the
// mean: both in bins of cycles with similar spread, as root mean squares. An ensemble that
// knows its error has both equal in every bin. It returns nil without a truth or with too few
// cycles to fill the bins twice.
func (r *Run) Skill(t *Trial, stage string) (spread, rmse []float64) {
	s := t.Series(stage)
	cycles, errors := s.scored("rmse", r.span())
	if len(cycles) < 2*skillBins || t.lost() {
		return nil, nil
	}
	_, spreads := s.scored("spread", r.span())
	order := make([]int, len(cycles))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(spreads[a], spreads[b]) })
	for b := range skillBins {
		var square [2]float64
		bin := order[b*len(order)/skillBins : (b+1)*len(order)/skillBins]
		for _, i := range bin {
			square[0] += spreads[i] * spreads[i]
			square[1] += errors[i] * errors[i]
		}
		spread = append(spread, math.Sqrt(square[0]/float64(len(bin))))
		rmse = append(rmse, math.Sqrt(square[1]/float64(len(bin))))
	}
	return spread, rmse
}

// span is the cycles that time means include: those after burnIn up to last.
type span struct{ burnIn, last int }

// span returns the cycles of r that time means include: those after the last observations are
// forecasts.
func (r *Run) span() span {
	s := span{r.setup.BurnIn, math.MaxInt32 - 1}
	if a := r.reader.Info.Arrivals; len(a) > 0 {
		s.last = a[len(a)-1].Last
	}
	return s
}

// scored returns the cycles of a span in which a score is not null, and its values.
func (s *Series) scored(name string, in span) (cycles []int32, values []float64) {
	if s == nil || s.Values[name] == nil {
		return nil, nil
	}
	from, _ := slices.BinarySearch(s.Cycle, int32(in.burnIn+1))
	to, _ := slices.BinarySearch(s.Cycle, int32(in.last+1))
	to = max(from, to)
	cycles, values = s.Cycle[from:to], s.Values[name][from:to]
	valid := s.valid[name]
	if valid == nil {
		return cycles, values
	}
	cycles, values = slices.Clone(cycles), slices.Clone(values)
	n := 0
	for i, ok := range valid[from:to] {
		if ok {
			cycles[n], values[n] = cycles[i], values[i]
			n++
		}
	}
	return cycles[:n], values[:n]
}

// FillMeans computes means over the existing cycles for trials without stored means, because
// the run is running or was stopped, unless they diverged or failed.
func (r *Run) FillMeans() error {
	for _, t := range r.Trials {
		if len(t.means) > 0 || t.lost() {
			continue
		}
		if err := r.ReadSeries(""); err != nil {
			return err
		}
		t.means = map[Metric]score.Mean{}
		for _, stage := range stages {
			t.takeMeans(stage, r.span())
		}
	}
	return nil
}

// lost reports whether a trial has diverged or failed.
func (t *Trial) lost() bool { return t.Status == archive.Diverged || t.Status == archive.Failed }

// takeMeans computes the means of a stage.
func (t *Trial) takeMeans(stage string, in span) {
	s := t.Series(stage)
	if s == nil {
		return
	}
	history, names := &score.History{Series: map[string]*score.Series{}, Members: t.Size}, []string{}
	for name := range s.Values {
		sums := new(score.Series)
		_, values := s.scored(name, in)
		for _, v := range values {
			sums.Add(v)
		}
		history.Series[name] = sums
		names = append(names, name)
	}
	for _, whole := range score.Catalogue() {
		if whole.Mean == score.WholeSeries {
			names = append(names, whole.Name)
		}
	}
	for _, name := range names {
		if of, ok := score.Find(name); ok {
			if m, ok := of.OverTime(history); ok && !math.IsNaN(m.Value) {
				t.means[Metric{name, stage}] = m
			}
		}
	}
}

// ReadRanks reads the rank histograms, unless they have already been read.
func (r *Run) ReadRanks() error {
	if r.ranked {
		return nil
	}
	for h, err := range r.reader.RankHistograms() {
		if err != nil {
			return err
		}
		if t := r.byNumber[h.Trial]; t != nil {
			if t.Ranks == nil {
				t.Ranks = map[string][]float64{}
			}
			t.Ranks[h.Stage] = h.Counts
		}
	}
	r.ranked = true
	return nil
}
