package compare

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// series is the scores of one stage of a trial by cycle.
type series struct {
	cycle  []int32
	values map[string][]float64 // by score, of those that apply; NaN means null or undefined

	valid map[string][]bool // which values are not null, for scores with nulls
}

// of returns the series of a stage of a trial that readSeries has read, or nil.
func (t *Trial) of(stage string) *series {
	if i := slices.Index(stages, stage); i >= 0 {
		return t.series[i]
	}
	return nil
}

// stages are those that have series.
var stages = []string{archive.Forecast, archive.Analysis, archive.Smoothed}

// atOnce is the number of cycles of all trials up to which all scores are read together, in some 64 MB. Of
// longer runs those of a single score are in memory. Less in tests.
var atOnce = 250_000

// readSeries reads the series of a score, unless they have already been read.
func (r *Run) readSeries(name string) error {
	if r.read[name] || r.read[""] {
		return nil
	}
	if r.short() {
		name = ""
	}
	return r.collect(name)
}

// short reports whether the series of all scores are in memory together.
func (r *Run) short() bool {
	cycles := 0
	for _, t := range r.Trials {
		cycles += t.Cycles
	}
	return cycles <= atOnce
}

// collect reads the series of the named score, or of all.
func (r *Run) collect(name string) error {
	var names []string
	if name != "" {
		names = []string{name}
	}
	r.beginSeries()
	for b, err := range r.reader.Cycles(names...) {
		if err != nil {
			return err
		}
		r.addSeries(b, b.ByStage())
	}
	r.endSeries(name)
	return nil
}

func (r *Run) beginSeries() {
	for _, t := range r.Trials {
		t.series = [3]*series{}
	}
}

// endSeries says that the series of the named score, or of all, have been read.
func (r *Run) endSeries(name string) {
	for _, t := range r.Trials {
		for _, s := range t.series {
			s.finish()
		}
	}
	r.read = map[string]bool{name: true}
}

// addSeries appends a batch of cycles, whose rows are given by stage, to the series of its trials.
func (r *Run) addSeries(b *archive.CycleScores, rows []archive.StageRows) {
	for _, of := range rows {
		t, stage := r.byNumber[int(of.Trial)], slices.Index(stages, of.Stage)
		if t == nil || stage < 0 {
			continue // it started after the trials were read, or is of a newer plume
		}
		s := t.series[stage]
		if s == nil {
			s = &series{values: map[string][]float64{}, valid: map[string][]bool{}}
			t.series[stage] = s
		}
		for _, i := range of.Rows {
			s.cycle = append(s.cycle, b.Cycle[i])
		}
		for name, column := range b.Scores {
			s.add(name, column.Values, column.Valid, of.Rows)
		}
	}
}

// add appends rows of a batch to a score.
func (s *series) add(name string, column []float64, valid []bool, rows []int) {
	values, known := slices.Grow(s.values[name], len(rows)), s.valid[name]
	for _, i := range rows {
		if !valid[i] && known == nil {
			known = slices.Repeat([]bool{true}, len(values))
		}
		if values = append(values, column[i]); known != nil {
			known = append(known, valid[i])
		}
	}
	s.values[name] = values
	if known != nil {
		s.valid[name] = known
	}
}

// finish removes the scores that do not apply: those that are null in every cycle.
func (s *series) finish() {
	if s == nil {
		return
	}
	for name, valid := range s.valid {
		if !slices.Contains(valid, true) {
			delete(s.values, name)
			delete(s.valid, name)
		}
	}
}

// skillBins is into how many bins of equal counts the cycles are put by their spread.
const skillBins = 10

// Skill compares the spread of cycles of a trial with the error of the mean, for those that are
// [Run.Scored] and have both: in bins of cycles with similar spread, as root mean squares. An
// ensemble that knows its error has both equal in every bin. It returns nil if there are too few
// cycles to fill the bins twice, or the trial was lost. Cost: O(n log n), 16 bytes a cycle.
func (t *Trial) Skill(spreads, errors []float64) (spread, rmse []float64) {
	if len(spreads) < 2*skillBins || t.lost() {
		return nil, nil
	}
	type place struct {
		spread float64
		at     int
	}
	order := make([]place, len(spreads))
	for i, v := range spreads {
		order[i] = place{v, i}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.spread < b.spread {
			return -1
		}
		return cmp.Or(cmp.Compare(a.spread, b.spread), a.at-b.at)
	})
	for b := range skillBins {
		var square [2]float64
		bin := order[b*len(order)/skillBins : (b+1)*len(order)/skillBins]
		for _, p := range bin {
			square[0] += p.spread * p.spread
			square[1] += errors[p.at] * errors[p.at]
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

// Scored reports whether time means of the run include a cycle.
func (r *Run) Scored(cycle int32) bool { return r.span().has(cycle) }

func (s span) has(cycle int32) bool { return int(cycle) > s.burnIn && int(cycle) <= s.last }

// scored returns the cycles of a span in which a score is not null, and its values.
func (s *series) scored(name string, in span) (cycles []int32, values []float64) {
	if s == nil || s.values[name] == nil {
		return nil, nil
	}
	from, _ := slices.BinarySearch(s.cycle, int32(in.burnIn+1))
	to, _ := slices.BinarySearch(s.cycle, int32(in.last+1))
	to = max(from, to)
	cycles, values = s.cycle[from:to], s.values[name][from:to]
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

// EachCycle reads the scores of all cycles once and calls do for each batch, with its rows by stage.
// On the way it computes means over the existing cycles for trials without stored means, because
// the run is running or was stopped, unless they diverged or failed, and it keeps the series of a
// short run whose filters will be compared. Cost: that of the table.
func (r *Run) EachCycle(do func(*archive.CycleScores, []archive.StageRows)) error {
	histories := map[int32]*[3]history{}
	for _, t := range r.Trials {
		if len(t.means) == 0 && !t.lost() {
			histories[int32(t.Trial)] = new([3]history)
		}
	}
	keep := r.short() && len(r.Groups) > 1
	if keep {
		r.beginSeries()
	}
	for b, err := range r.reader.Cycles() {
		if err != nil {
			return err
		}
		rows := b.ByStage()
		if keep {
			r.addSeries(b, rows)
		}
		for _, of := range rows {
			if h, stage := histories[of.Trial], slices.Index(stages, of.Stage); h != nil && stage >= 0 {
				h[stage] = h[stage].with(b, of.Rows, r.span())
			}
		}
		do(b, rows)
	}
	if keep {
		r.endSeries("")
	}
	for number, of := range histories {
		t := r.byNumber[int(number)]
		t.means = map[Metric]score.Mean{}
		for stage, h := range of {
			t.takeMeans(stages[stage], h)
		}
	}
	return nil
}

// history is the sums of the scores of one stage of a trial, of those that apply.
type history map[string]*score.Series

// with returns h with rows of a batch, those that are scored in the sums.
func (h history) with(b *archive.CycleScores, rows []int, scored span) history {
	if h == nil {
		h = history{}
	}
	for name, column := range b.Scores {
		s := h[name]
		for _, i := range rows {
			if !column.Valid[i] {
				continue
			}
			if s == nil {
				s = new(score.Series)
				h[name] = s
			}
			if scored.has(b.Cycle[i]) {
				s.Add(column.Values[i])
			}
		}
	}
	return h
}

// lost reports whether a trial has diverged or failed.
func (t *Trial) lost() bool { return t.Status == archive.Diverged || t.Status == archive.Failed }

// takeMeans computes the means of a stage.
func (t *Trial) takeMeans(stage string, h history) {
	if h == nil {
		return
	}
	names := slices.Collect(maps.Keys(h))
	for _, whole := range score.Catalogue() {
		if whole.Mean == score.WholeSeries {
			names = append(names, whole.Name)
		}
	}
	for _, name := range names {
		if of, ok := score.Find(name); ok {
			if m, ok := of.OverTime(&score.History{Series: h, Members: t.Size}); ok && !math.IsNaN(m.Value) {
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
