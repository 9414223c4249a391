package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// trajectories is what the trajectories of all trials share.
type trajectories struct {
	state         map[string]archive.Field // variables; empty if neither truth nor ensembles are stored
	shown         []component              // values whose trajectories are shown
	observedUnits map[string]string        // by observed variable
	field         *field                   // nil: no variable is one
	truths        map[truthKey]*heat       // of the field
}

// trajectory is the states of one trial, by stage.
type trajectory struct {
	curves   map[string][]*series // by shown value
	fields   map[string]*fieldMap
	phase    map[string]phase
	profiles map[string]*profile // of the field
}

// component is one value of the state.
type component struct {
	variable, unit string
	index          int
	scalar         bool
}

func (c component) label() string {
	if c.scalar {
		return c.variable
	}
	return fmt.Sprintf("%s[%d]", c.variable, c.index)
}

// field is a variable of one dimension, shown over space and time.
type field struct {
	variable, unit, dim string
	rows                []int // the indices that are described
}

// truthKey names a truth of the run.
type truthKey struct{ run, replicate, truth int }

// heat is a field over time, rows x columns.
type heat struct {
	times      []float64
	values     []float64 // column by column
	rows, cols int
}

// fieldMap is the mean, its error and the spread.
type fieldMap struct{ mean, error, spread *heat }

// phase is consecutive cycles of the scalars of a state, which must not be shortened:
// every point belongs to one cycle.
type phase struct{ truth, mean [][]float64 }

// Limits on the trajectories that are stored. Page budgets count values.
const (
	valueBudget    = 1_500_000 // of all series: about 10 MB of text
	cellBudget     = 3_000_000 // of all fields: about 4 MB
	manyTrials     = 24        // from this number on only analyses and few values have trajectories
	mostComponents = 6
	fewComponents  = 3
	mostColumns    = 600
	phaseCycles    = 60
	phaseValues    = 3
	fieldValues    = 8 // described values from which on a variable is a field
)

// readVariables reads the trajectories of the values that are shown and of the field.
func (r *Report) readVariables() error {
	v := &variablesReader{report: r, observations: observations{all: map[truthKey][]observedRows{}}, apart: map[string]map[value]float64{"held_out": {}, "rejected": {}}}
	if err := v.describeState(); err != nil {
		return err
	}
	for _, step := range []func() error{v.readObservations, v.readHeldOut, v.readRejections} {
		if err := step(); err != nil {
			return err
		}
	}
	v.cycles = r.cycles // as a rule those with scores are described
	if err := v.read(); err != nil || !v.others {
		return err
	}
	var err error
	if v.cycles, err = r.reader.Index("variables"); err != nil {
		return err
	}
	return v.read()
}

// read reads the descriptions of the cycles that are expected, and notes if there are others.
func (v *variablesReader) read() error {
	v.report.truths = map[truthKey]*heat{}
	for b, err := range v.report.reader.Variables() {
		if err != nil {
			return err
		}
		v.batch(b)
	}
	v.finish()
	return nil
}

// variablesReader reads descriptions, in which the rows of a trial follow one another.
type variablesReader struct {
	report       *Report
	observations observations
	apart        map[string]map[value]float64 // values that no filter used, by why: held_out or rejected

	cycles map[archive.Staged]*archive.CycleIndex // that are expected to be described
	others bool                                   // others are, or some of them are not
	names  kept

	trial   *trial
	curves  map[string][]*curveReader // of the trial by stage and shown value
	stage   string                    // of the last row
	current []*curveReader            // of that stage; nil: not known yet
	columns int                       // the field stores one cycle of this many
}

// curveReader reads the trajectory of a value at one stage of a trial.
type curveReader struct {
	*sampled
	cycles              *archive.CycleIndex
	parts               []*column // in the order of [curve]
	observed            *column
	apart               map[string]*column // by why
	size                int                // of the variable
	near                nearness
	lastTruth, lastMean []float64 // truth and mean of the last cycles
}

// newCurve returns a reader of a value in cycles; whys are those for which values were not used.
func newCurve(cycles *archive.CycleIndex, points int, whys []string) *curveReader {
	c := &curveReader{sampled: newSampled(cycles.N, points), cycles: cycles, apart: map[string]*column{}}
	for _, part := range curve {
		c.parts = append(c.parts, c.column(part.name))
	}
	c.observed = c.column("observed")
	for _, why := range whys {
		c.apart[why] = c.column(why)
	}
	return c
}

// describeState reads units and shapes from the first truth or, if none is known, ensemble.
func (v *variablesReader) describeState() error {
	v.report.state, v.report.observedUnits = map[string]archive.Field{}, map[string]string{}
	for _, table := range []string{"truth", "ensemble"} {
		for b, err := range v.report.reader.States(table) {
			if err != nil {
				return err
			}
			for _, f := range b.Fields {
				v.report.state[f.Name] = f
			}
			return nil
		}
	}
	return nil
}

// unit returns the unit of a variable of the state or, if neither truth nor ensembles are stored,
// that of an observed variable of its name.
func (r *Report) unit(variable string) string {
	if f, known := r.state[variable]; known {
		return f.Unit
	}
	return r.observedUnits[variable]
}

// scoreUnit returns the unit of a score; empty if it has none, or is over values of several units.
func (r *Report) scoreUnit(name string) string {
	units := map[string]bool{}
	switch s, _ := score.Find(name); s.Unit {
	case score.UnitVariable:
		return r.unit(s.Variable)
	case score.UnitState:
		for variable, f := range r.state {
			if !slices.Contains(r.setup.Parameters, variable) { // scores of the state leave them out
				units[f.Unit] = true
			}
		}
	case score.UnitObserved:
		for _, unit := range r.observedUnits {
			units[unit] = true
		}
	}
	for unit := range units {
		if len(units) == 1 {
			return unit
		}
	}
	return ""
}

// observations holds the observed values by truth, in order of cycles.
type observations struct {
	all map[truthKey][]observedRows

	key   truthKey // where the last value was: the next one is mostly in the same row
	cycle int32
	in    *observedRows // nil: there is none
	row   int
}

// observedRows is consecutive rows of one batch.
type observedRows struct {
	cycles []int32
	from   int // the first row
	fields []archive.Field
}

func (v *variablesReader) readObservations() error {
	for b, err := range v.report.reader.States("observations") {
		if err != nil {
			return err
		}
		for _, f := range b.Fields {
			v.report.observedUnits[f.Name] = f.Unit
		}
		keyOf := func(i int) truthKey {
			if b.Replicate != nil && b.Truth != nil {
				return truthKey{replicate: int(b.Replicate[i]), truth: int(b.Truth[i])}
			}
			return truthKey{replicate: 1}
		}
		for from := 0; from < len(b.Cycle); {
			key, to := keyOf(from), from+1
			for to < len(b.Cycle) && keyOf(to) == key {
				to++
			}
			v.observations.all[key] = append(v.observations.all[key], observedRows{b.Cycle[from:to], from, b.Fields})
			from = to
		}
	}
	return nil
}

// value names a value of a variable in a trial; those of trial 0 are the same in all.
type value struct {
	trial, cycle int32
	variable     string
	index        int32
}

func (v *variablesReader) readHeldOut() error {
	for b, err := range v.report.reader.HeldOut() {
		if err != nil {
			return err
		}
		for i := range b.Trial {
			v.apart["held_out"][value{b.Trial[i], b.Cycle[i], b.Variable[i], b.Index[i]}] = b.Value[i]
		}
	}
	return nil
}

func (v *variablesReader) readRejections() error {
	for b, err := range v.report.reader.Rejections() {
		if err != nil {
			return err
		}
		for i, at := range b.Cycle.Values { // nulls are 0 or empty
			if b.Value.Valid == nil || b.Value.Valid[i] {
				v.apart["rejected"][value{b.Trial.Values[i], at, b.Variable.Values[i], b.Index.Values[i]}] = b.Value.Values[i]
			}
		}
	}
	return nil
}

// find finds the row of a cycle.
func (o *observations) find(key truthKey, cycle int32) {
	if o.key == key && o.cycle == cycle {
		return
	}
	o.key, o.cycle, o.in = key, cycle, nil
	parts := o.all[key]
	at, _ := slices.BinarySearchFunc(parts, cycle, func(p observedRows, cycle int32) int { return cmp.Compare(p.cycles[len(p.cycles)-1], cycle) })
	if at == len(parts) {
		return
	}
	if k, known := slices.BinarySearch(parts[at].cycles, cycle); known {
		o.in, o.row = &parts[at], parts[at].from+k
	}
}

// of returns the observation with the name and shape of a value of the state; NaN if there
// is none.
func (o *observations) of(key truthKey, cycle int32, c component, size int) float64 {
	if o.find(key, cycle); o.in == nil {
		return math.NaN()
	}
	for _, f := range o.in.fields {
		if f.Name != c.variable {
			continue
		}
		if values := f.Row(o.row); len(values) == size {
			return values[c.index]
		}
		break
	}
	return math.NaN()
}

// curve lists what a curve shows of descriptions, by the names that the page uses.
var curve = [...]struct {
	name   string
	column func(*archive.Descriptions) []float64
}{
	{"truth", func(d *archive.Descriptions) []float64 { return d.Truth }},
	{"mean", func(d *archive.Descriptions) []float64 { return d.Mean }},
	{"q05", func(d *archive.Descriptions) []float64 { return d.Q05 }},
	{"q25", func(d *archive.Descriptions) []float64 { return d.Q25 }},
	{"q75", func(d *archive.Descriptions) []float64 { return d.Q75 }},
	{"q95", func(d *archive.Descriptions) []float64 { return d.Q95 }},
}

func (v *variablesReader) batch(b *archive.Descriptions) {
	if len(b.Trial) > 0 && v.report.shown == nil {
		v.choose(b.Variable, b.Index)
	}
	var parts [len(curve)][]float64
	for j, part := range curve {
		parts[j] = part.column(b)
	}
	for i, number := range b.Trial {
		if v.trial == nil || v.trial.Trial.Trial != int(number) {
			v.finish()
			if v.trial = v.report.trial(number); v.trial == nil {
				continue
			}
			v.begin()
		}
		if len(v.report.trials) > manyTrials && b.Stage[i] == archive.Forecast {
			continue
		}
		b.Stage[i] = v.names.of(b.Stage[i]) // the trajectories are kept by it
		v.addToField(b, i)
		for k, c := range v.report.shown {
			if c.variable == b.Variable[i] && c.index == int(b.Index[i]) {
				v.addToCurve(k, b, i, &parts)
			}
		}
	}
}

// choose chooses the values that are shown, and the field, from the first batch.
func (v *variablesReader) choose(variable []string, index []int32) {
	byVariable, order := map[string][]int{}, []string{}
	for i, name := range variable {
		if byVariable[name] == nil {
			order = append(order, name)
		}
		if !slices.Contains(byVariable[name], int(index[i])) {
			byVariable[name] = append(byVariable[name], int(index[i]))
		}
	}
	most := v.report.mostShown()
	each := max(1, most/len(order))
	for _, name := range order {
		s, described := v.report.state[name], byVariable[name]
		if v.report.field == nil && len(s.Shape) == 1 && len(described) >= fieldValues {
			dim := "index"
			if len(s.Dims) > 0 {
				dim = s.Dims[0]
			}
			v.report.field = &field{name, s.Unit, dim, described}
		}
		for k := range min(each, len(described)) {
			if len(v.report.shown) < most {
				at := described[k*len(described)/min(each, len(described))]
				v.report.shown = append(v.report.shown, component{name, v.report.unit(name), at, s.Shape == nil})
			}
		}
	}
	for _, name := range v.report.setup.Parameters { // all of them, whatever else is shown
		known := slices.ContainsFunc(v.report.shown, func(c component) bool { return c.variable == name })
		if byVariable[name] != nil && !known {
			v.report.shown = append(v.report.shown, component{name, v.report.unit(name), 0, true})
		}
	}
}

// begin starts the trajectory of the next trial.
func (v *variablesReader) begin() {
	t := v.trial
	t.curves, t.fields, t.phase, t.profiles = map[string][]*series{}, map[string]*fieldMap{}, map[string]phase{}, map[string]*profile{}
	v.curves, v.current = map[string][]*curveReader{}, nil
	v.columns = 1
	if v.report.field == nil {
		return
	}
	cycles := t.Cycles
	if s := t.scores[archive.Analysis]; s != nil {
		cycles = max(cycles, s.n)
	}
	perColumn := 3 * len(v.report.field.rows) * len(v.report.trials)
	if len(v.report.trials) <= manyTrials {
		perColumn *= 2 // both stages
	}
	most := min(mostColumns, max(20, cellBudget/perColumn))
	v.columns = max(1, (cycles+most-1)/most)
}

// addToCurve adds row i of b, whose columns for [curve] are given, to the curve of the shown value k, if its
// cycle is expected.
func (v *variablesReader) addToCurve(k int, b *archive.Descriptions, i int, parts *[len(curve)][]float64) {
	if v.current == nil || v.stage != b.Stage[i] {
		v.stage, v.current = b.Stage[i], v.curves[b.Stage[i]]
	}
	if v.current == nil {
		v.current = v.begun(b.Trial[i], b.Stage[i])
		v.curves[b.Stage[i]] = v.current
	}
	if k >= len(v.current) {
		v.others = true
		return
	}
	s, c := v.current[k], v.report.shown[k]
	at, ok := s.cycles.Of(b.Cycle[i])
	if !ok {
		v.others = true
		return
	}
	s.tick(at, b.Time[i])
	for j, part := range parts {
		s.parts[j].add(at, part[i])
	}
	observed := v.observations.of(v.trial.truthKey(), b.Cycle[i], c, s.size)
	s.observed.add(at, observed)
	s.near.add(b.Truth[i], b.Mean[i], observed)
	for why, column := range s.apart {
		column.add(at, v.valueApart(v.apart[why], b.Trial[i], b.Cycle[i], c))
	}
	if at >= s.n-phaseCycles {
		s.lastTruth, s.lastMean = append(s.lastTruth, b.Truth[i]), append(s.lastMean, b.Mean[i])
	}
}

// begun returns readers of the shown values at a stage of the trial.
func (v *variablesReader) begun(trial int32, stage string) []*curveReader {
	cycles := v.cycles[archive.Staged{Trial: trial, Stage: stage}]
	curves := []*curveReader{}
	if cycles == nil {
		return curves
	}
	var whys []string
	for why, values := range v.apart {
		if len(values) > 0 {
			whys = append(whys, why)
		}
	}
	for _, shown := range v.report.shown {
		c := newCurve(cycles, v.report.budget(), whys)
		c.size = v.report.state[shown.variable].Size()
		curves = append(curves, c)
	}
	return curves
}

// valueApart returns the value of a trial, or of all trials, that no filter used; NaN if there
// is none.
func (v *variablesReader) valueApart(values map[value]float64, trial, cycle int32, c component) float64 {
	for _, of := range []int32{trial, 0} {
		if x, ok := values[value{of, cycle, c.variable, int32(c.index)}]; ok {
			return x
		}
	}
	return math.NaN()
}

// addToField appends row i of b to the field.
func (v *variablesReader) addToField(b *archive.Descriptions, i int) {
	f := v.report.field
	if f == nil || f.variable != b.Variable[i] {
		return
	}
	v.addToProfile(b, i)
	if int(b.Cycle[i]-1)%v.columns != 0 {
		return
	}
	m := v.trial.fields[b.Stage[i]]
	if m == nil {
		m = &fieldMap{&heat{rows: len(f.rows)}, &heat{rows: len(f.rows)}, &heat{rows: len(f.rows)}}
		v.trial.fields[b.Stage[i]] = m
	}
	first, time, mean, truth := int(b.Index[i]) == f.rows[0], b.Time[i], b.Mean[i], b.Truth[i]
	m.mean.add(first, time, mean)
	m.error.add(first, time, mean-truth)
	m.spread.add(first, time, b.Spread[i])
	key := v.trial.truthKey()
	t := v.report.truths[key]
	if t == nil {
		t = &heat{rows: len(f.rows)}
		v.report.truths[key] = t
	}
	if len(t.times) == 0 || time > t.times[len(t.times)-1] || !first && len(t.values) < t.cols*t.rows {
		t.add(first, time, truth)
	}
}

// addToProfile adds row i of b, a value of the field, to the profile.
func (v *variablesReader) addToProfile(b *archive.Descriptions, i int) {
	k, known := slices.BinarySearch(v.report.field.rows, int(b.Index[i]))
	if !known || int(b.Cycle[i]) <= v.report.setup.BurnIn {
		return
	}
	p := v.trial.profiles[b.Stage[i]]
	if p == nil {
		n := len(v.report.field.rows)
		p = &profile{error: make([]float64, n), spread: make([]float64, n)}
		v.trial.profiles[b.Stage[i]] = p
	}
	p.add(k, b.Mean[i]-b.Truth[i], b.Spread[i])
}

// truthKey returns the key of the truth of the trial.
func (t *trial) truthKey() truthKey { return truthKey{t.run, t.Replicate, t.Truth} }

// add appends a value, in a new column if it is the first of one.
func (h *heat) add(first bool, time, v float64) {
	if first {
		h.times, h.cols = append(h.times, time), h.cols+1
	}
	h.values = append(h.values, v)
}

// finish keeps the trajectory of a trial that has been read.
func (v *variablesReader) finish() {
	if v.trial == nil {
		return
	}
	for stage, curves := range v.curves {
		v.keepPhase(stage, curves)
		for _, c := range curves {
			v.others = v.others || c.observed.added < c.n-v.report.lacking()
			s := c.short()
			if c.near.foreign() {
				for _, name := range []string{"observed", "held_out", "rejected"} {
					delete(s.Values, name)
				}
			}
			v.trial.curves[stage] = append(v.trial.curves[stage], s)
		}
	}
	v.trial = nil
}

// keepPhase stores the last cycles of the first scalars.
func (v *variablesReader) keepPhase(stage string, curves []*curveReader) {
	var p phase
	for i, c := range curves {
		if v.report.shown[i].scalar && len(p.truth) < phaseValues {
			p.truth, p.mean = append(p.truth, c.lastTruth), append(p.mean, c.lastMean)
		}
	}
	if len(p.truth) < 2 {
		return
	}
	v.trial.phase[stage] = p
}

// nearness says how far observations are from a variable: from the truth and, if none is known, from
// the mean.
type nearness struct {
	truth, mean distance
	known       bool // there is a truth
}

// distance sums up how far observations are from values, and the values whose variance they are
// compared with.
type distance struct{ sum, square, apart, n float64 }

func (d *distance) add(observed, value, scatter float64) {
	if !math.IsNaN(value) && !math.IsNaN(observed) {
		d.sum, d.square, d.apart, d.n = d.sum+scatter, d.square+scatter*scatter, d.apart+(observed-value)*(observed-value), d.n+1
	}
}

// further reports whether the mean square distance is more than a share of the variance, or there is
// nothing to compare.
func (d *distance) further(share float64) bool {
	return d.n == 0 || d.apart/d.n > share*(d.square/d.n-d.sum/d.n*d.sum/d.n)
}

// add adds a cycle; NaN is what is not known.
func (s *nearness) add(truth, mean, observed float64) {
	s.known = s.known || !math.IsNaN(truth)
	s.truth.add(observed, truth, truth)
	s.mean.add(observed, mean, observed)
}

// foreign reports whether observations, used or not, are not on the scale of the variable, because an
// operator transforms it: those that are further from the truth on average than half its
// standard deviation or, if no truth is known, further from the mean than their own.
func (s *nearness) foreign() bool {
	if s.known {
		return s.truth.further(0.25)
	}
	return s.mean.further(1)
}

// budget returns the number of points of every series that the page can hold.
func (r *Report) budget() int {
	kept := 2
	if len(r.trials) > manyTrials {
		kept = 1
	}
	reports := 0
	for _, t := range r.trials {
		if t.reports != nil {
			reports = max(reports, len(t.reports.columns))
		}
	}
	perPoint := 2*len(r.overTime) + reports + 3 + kept*len(r.shown)*(len(curve)+4)
	return min(4000, max(48, valueBudget/max(1, perPoint*len(r.trials)))) &^ 1
}
