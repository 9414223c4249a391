package why

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/score"
)

// most is the largest number of observed values that are looked at: of more, this many at
// even distances.
const most = 500

// value is an observed value.
type value struct {
	name             string // with its index
	variable         string
	stream           int
	checked, tails   bool    // its stream, see Stream
	spread, error    float64 // root mean variances; NaN: not known
	first, largest   float64 // innovations, in expected standard deviations
	at               int     // cycle of the largest
	position, period []float64
}

// scale returns the expected standard deviation of the innovations.
func (v *value) scale() float64 { return math.Hypot(v.spread, v.error) }

// record is the innovations of a trial.
type record struct {
	*compare.Trial
	values     []value
	cycle      []int32
	nis        []float64
	expected   []float64   // root mean square of the innovations
	innovation [][]float64 // by cycle, in the order of values; NaN: none
	observed   [][]float64 // likewise
	scored     int         // index of the first cycle after burn-in
}

// studied is the number of cycles after burn-in that are studied: more would not say more. Less in tests.
var studied = 50_000

// last returns the last cycle that is studied.
func (s Setup) last() int32 { return int32(s.BurnIn + studied) }

// truth identifies the truth, or the record of observations, of a trial.
type truth struct{ replicate, number int }

// studyAll studies the trials of a run, by number.
func studyAll(reader *archive.Reader, scores *compare.Run, setup Setup) (map[int]*study, error) {
	observations, err := readObservations(reader, setup.last())
	if err != nil {
		return nil, err
	}
	known, err := readObserved(reader.Observed, setup)
	if err != nil {
		return nil, err
	}
	rejected, err := readRejected(reader, setup.last())
	if err != nil {
		return nil, err
	}
	cutoffs, analyses := map[int]float64{}, map[int]int{}
	trials := map[int]*compare.Trial{}
	for _, g := range scores.Groups {
		cutoff, _ := paramOf(setup, scores.Axes, g, "cutoff").(float64)
		every := everyOf(setup, scores.Axes, g)
		for _, t := range g.Trials {
			trials[t.Trial], cutoffs[t.Trial], analyses[t.Trial] = t, cutoff, every
		}
	}
	unmoved, err := readUnmoved(reader, trials)
	if err != nil {
		return nil, err
	}
	studies, done := map[int]*study{}, map[int]bool{} // enough is known of these trials
	var r *record
	end := func() {
		if r == nil {
			return
		}
		s := r.study(setup, cutoffs[r.Trial.Trial])
		if n := rejected[r.Trial.Trial]; n > 0 {
			s.rejected = float64(n) / float64(n+s.used)
		}
		s.unmoved = unmoved[r.Trial.Trial]
		studies[r.Trial.Trial], r = s, nil
	}
	for b, err := range reader.Innovations() {
		if err != nil {
			return nil, err
		}
		if len(done) == len(trials) {
			break
		}
		for i, number := range b.Trial {
			t := trials[int(number)]
			if t == nil {
				continue // it started after the trials were read
			}
			if b.Cycle[i] > setup.last() {
				done[t.Trial] = true
				continue
			}
			if every := analyses[t.Trial]; every > 1 && int(b.Cycle[i]-1)%every > 0 {
				continue // innovations between two analyses share the errors of one forecast
			}
			if r == nil || r.Trial != t {
				end()
				r = &record{Trial: t, values: valuesOf(b.Fields, setup)}
				if of := known[t.Trial]; len(of) == len(r.values) {
					r.values = of
				}
			}
			if int(b.Cycle[i]) <= setup.BurnIn {
				r.scored = len(r.cycle) + 1
			}
			r.cycle, r.nis, r.expected = append(r.cycle, b.Cycle[i]), append(r.nis, b.NIS[i]), append(r.expected, b.Expected[i])
			d, y := thinned(b.Fields, i), observations[truth{t.Replicate, t.Truth}][b.Cycle[i]]
			if len(d) != len(r.values) {
				return nil, fmt.Errorf("%s: innovations: trial %d: got %d values in a row, want %d", reader.Dir, number, len(d), len(r.values))
			}
			if len(y) != len(d) {
				y = nil // of a run of another version
			}
			r.innovation, r.observed = append(r.innovation, d), append(r.observed, y)
		}
	}
	end()
	return studies, nil
}

// thinned returns the values in a row of fields, at most so many.
func thinned(fields []archive.Field, row int) []float64 {
	m := sizeOf(fields)
	list := make([]float64, 0, min(m, most))
	j := 0
	for _, f := range fields {
		for _, v := range f.Row(row) {
			if kept(j, m) {
				list = append(list, v)
			}
			j++
		}
	}
	return list
}

// sizeOf returns the number of values in a row of fields.
func sizeOf(fields []archive.Field) (m int) {
	for _, f := range fields {
		m += f.Size()
	}
	return m
}

// kept reports whether value j of m is looked at.
func kept(j, m int) bool { return m <= most || j*most/m != (j-1)*most/m || j == 0 }

// readObservations returns the observed values up to a cycle, by truth and cycle.
func readObservations(reader *archive.Reader, last int32) (map[truth]map[int32][]float64, error) {
	all := map[truth]map[int32][]float64{}
	for b, err := range reader.States("observations") {
		if err != nil {
			return nil, err
		}
		for i, k := range b.Cycle {
			if k > last {
				continue
			}
			of := truth{int(b.Replicate[i]), int(b.Truth[i])}
			if all[of] == nil {
				all[of] = map[int32][]float64{}
			}
			all[of][k] = thinned(b.Fields, i)
		}
	}
	return all, nil
}

// readObserved returns the observed values that are looked at, of the trials that have ended, by trial. Which
// these are follows from how many there are, so that the table is read twice.
func readObserved(table func() iter.Seq2[*archive.ObservedValues, error], setup Setup) (map[int][]value, error) {
	type variable struct {
		trial int32
		name  string
	}
	sizes, several := map[int32]int{}, map[variable]bool{}
	for b, err := range table() {
		if err != nil {
			return nil, err
		}
		for i, number := range b.Trial {
			if sizes[number]++; b.Index[i] > 0 {
				if of := (variable{number, b.Variable[i]}); !several[of] {
					several[variable{number, strings.Clone(of.name)}] = true // it shares the memory of the batch
				}
			}
		}
	}
	all, next := map[int][]value{}, map[int32]int{}
	for b, err := range table() {
		if err != nil {
			return nil, err
		}
		for i, number := range b.Trial {
			if kept(next[number], sizes[number]) {
				all[int(number)] = append(all[int(number)], observedValue(b, i, several[variable{number, b.Variable[i]}], setup))
			}
			next[number]++
		}
	}
	return all, nil
}

// observedValue returns what a row says.
func observedValue(b *archive.ObservedValues, i int, several bool, setup Setup) value {
	v := newValue(strings.Clone(b.Variable[i]), int(b.Index[i]), several, setup) // it shares the memory of the batch
	v.spread, v.error, v.first, v.largest, v.at = b.Spread[i], b.Error[i], b.First[i], b.Largest[i], int(b.At[i])
	for _, f := range b.Fields {
		switch f.Name {
		case "position":
			v.position = slices.Clone(f.Row(i))
		case "period":
			v.period = slices.Clone(f.Row(i))
		}
	}
	return v
}

// newValue names a value of a variable, which has several or one. Variables of several streams are
// called LABEL.NAME.
func newValue(variable string, index int, several bool, setup Setup) value {
	v := value{name: variable, variable: variable}
	if several {
		v.name = fmt.Sprintf("%s[%d]", variable, index)
	}
	for k, s := range setup.Streams {
		if len(setup.Streams) == 1 || strings.HasPrefix(variable, s.Label+".") {
			v.stream, v.checked, v.tails = k, s.Checked, s.Tails
		}
	}
	return v
}

// valuesOf returns the values of a trial of which no table says more, as far as they are looked at.
func valuesOf(fields []archive.Field, setup Setup) (list []value) {
	m, j := sizeOf(fields), 0
	for _, f := range fields {
		for k := range f.Size() {
			if kept(j, m) {
				v := newValue(f.Name, k, f.Size() > 1, setup)
				v.spread, v.error, v.first, v.largest = math.NaN(), math.NaN(), math.NaN(), math.NaN()
				list = append(list, v)
			}
			j++
		}
	}
	return list
}

// readRejected returns the number of values that the background check rejected by a cycle, by trial.
func readRejected(reader *archive.Reader, last int32) (map[int]int, error) {
	counts := map[int]int{}
	for b, err := range reader.Rejections() {
		if err != nil {
			return nil, err
		}
		for i, reason := range b.Reason {
			if reason == "background" && b.Trial.Valid[i] && b.Cycle.Values[i] <= last {
				counts[int(b.Trial.Values[i])]++
			}
		}
	}
	return counts, nil
}

// readUnmoved returns those of the trials in which the analysis is the forecast in all cycles.
func readUnmoved(reader *archive.Reader, trials map[int]*compare.Trial) (map[int]bool, error) {
	same := map[int]bool{}
	var forecast float64 // of the cycle
	trial, moved, movedTrials := int32(-1), false, 0
	for b, err := range reader.Cycles("spread") {
		if err != nil {
			return nil, err
		}
		if movedTrials == len(trials) {
			break // as a rule: the rest says nothing else
		}
		spread := b.Scores["spread"].Values
		for i, number := range b.Trial {
			if number != trial {
				trial, moved, forecast = number, false, 0
			}
			switch {
			case moved || trials[int(number)] == nil:
			case b.Stage[i] == score.Forecast:
				forecast = spread[i]
			case spread[i] != forecast:
				moved, same[int(number)] = true, false
				movedTrials++
			default:
				same[int(number)] = true
			}
		}
	}
	maps.DeleteFunc(same, func(_ int, is bool) bool { return !is })
	if len(same) == 0 {
		return same, nil
	}
	described := map[int]bool{} // the means of the states of these trials are stored
	type place struct {
		trial    int
		variable string
		index    int32
	}
	means := map[place]float64{}
	for b, err := range reader.Variables() {
		if err != nil {
			return nil, err
		}
		for i, number := range b.Trial {
			at := place{int(number), b.Variable[i], b.Index[i]}
			described[at.trial] = true
			if b.Stage[i] == score.Forecast {
				means[at] = b.Mean[i]
			} else if b.Mean[i] != means[at] {
				delete(same, at.trial)
			}
		}
	}
	maps.DeleteFunc(same, func(t int, _ bool) bool { return !described[t] })
	return same, nil
}
