package report

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/sdk/wire/table"
)

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
type truthKey struct{ replicate, truth int }

// heat is a field over time, rows x columns.
type heat struct {
	times      []float64
	values     []float64 // column by column
	rows, cols int
}

// fieldMap is the mean and its error.
type fieldMap struct{ mean, error *heat }

// phase is consecutive cycles of the scalars of a state, which must not be shortened:
// a point is of one cycle.
type phase struct{ truth, mean [][]float64 }

// How much of the trajectories is kept. Page budgets count values.
const (
	valueBudget    = 1_500_000 // of all series: about 10 MB of text
	cellBudget     = 3_000_000 // of all fields: about 4 MB
	manyTrials     = 24        // from here on only analyses and few values have trajectories
	mostComponents = 6
	fewComponents  = 3
	mostColumns    = 600
	phaseCycles    = 200
	phaseValues    = 3
	fieldValues    = 8 // described values from which on a variable is a field
)

// readVariables reads the trajectories of the values that are shown and of the field.
func (r *run) readVariables() error {
	units, err := r.describeState()
	if err != nil {
		return err
	}
	observations, err := r.readObservations()
	if err != nil {
		return err
	}
	r.truths = map[truthKey]*heat{}
	reader := &variablesReader{run: r, units: units, observations: observations}
	if err := r.scan("variables", reader.batch); err != nil {
		return err
	}
	reader.finish()
	return nil
}

// stateVariable is what the truth's table says of a variable of the state.
type stateVariable struct {
	unit, dim string
	size      int // 0: a scalar
	one       bool
}

// describeState reads units and shapes from the first truth there is.
func (r *run) describeState() (map[string]stateVariable, error) {
	found, err := filepath.Glob(filepath.Join(r.dir, "truth", "*", "part-*.arrow"))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	units, done := map[string]stateVariable{}, errors.New("done")
	err = table.Scan(found[0], func(t *table.Table) error {
		for i, m := range t.Metadata {
			if _, ok := m["shape"]; !ok {
				continue
			}
			v := stateVariable{unit: m["unit"], dim: m["dims"], one: !strings.Contains(m["shape"], ",")}
			if lists, ok := t.Columns[i].([][]float64); ok && len(lists) > 0 {
				v.size = len(lists[0])
			}
			units[t.Names[i]] = v
		}
		return done
	})
	if err != nil && !errors.Is(err, done) {
		return nil, err
	}
	return units, nil
}

// observations holds what was observed, by truth, cycle and variable.
type observations map[truthKey]map[int32]map[string][]float64

func (r *run) readObservations() (observations, error) {
	all := observations{}
	return all, r.scan("observations", func(t *table.Table) error {
		cycle := column[int32](t, "cycle")
		if cycle == nil {
			return nil
		}
		replicate, truth := column[int32](t, "replicate"), column[int32](t, "truth")
		for i := range t.Rows {
			key := truthKey{replicate: 1}
			if replicate != nil && truth != nil {
				key = truthKey{int(replicate[i]), int(truth[i])}
			}
			if all[key] == nil {
				all[key] = map[int32]map[string][]float64{}
			}
			row := map[string][]float64{}
			for c, m := range t.Metadata {
				if _, ok := m["shape"]; !ok {
					continue
				}
				switch values := t.Columns[c].(type) {
				case []float64:
					row[t.Names[c]] = values[i : i+1]
				case [][]float64:
					row[t.Names[c]] = values[i]
				}
			}
			all[key][cycle[i]] = row
		}
		return nil
	})
}

// of returns the observation that has the name and shape of a value of the state;
// NaN when there is none.
func (o observations) of(key truthKey, cycle int32, c component, size int) float64 {
	values := o[key][cycle][c.variable]
	if len(values) == max(1, size) {
		return values[c.index]
	}
	return math.NaN()
}

// variablesReader goes through variables.arrow, in which the rows of a trial follow
// one another.
type variablesReader struct {
	run          *run
	units        map[string]stateVariable
	observations observations

	trial   *trial
	columns int // keep every so many cycles of the field
}

var curveColumns = []string{"truth", "mean", "q05", "q25", "q75", "q95"}

func (v *variablesReader) batch(t *table.Table) error {
	number, filter, replicate := column[int32](t, "trial"), column[string](t, "filter"), column[int32](t, "replicate")
	cycle, time, stage := column[int32](t, "cycle"), column[float64](t, "time"), column[string](t, "stage")
	variable, index := column[string](t, "variable"), column[int32](t, "index")
	values := map[string][]float64{}
	for _, name := range curveColumns {
		if values[name] = column[float64](t, name); values[name] == nil {
			return nil
		}
	}
	if t.Rows == 0 || number == nil || filter == nil || replicate == nil || cycle == nil || time == nil || stage == nil || variable == nil || index == nil {
		return nil
	}
	if v.run.shown == nil {
		v.choose(t, variable, index)
	}
	for i := range t.Rows {
		if v.trial == nil || v.trial.number != int(number[i]) {
			v.finish()
			v.begin(v.run.trial(number[i], filter[i], int(replicate[i])))
		}
		if len(v.run.trials) > manyTrials && stage[i] == "forecast" {
			continue
		}
		v.addToField(i, cycle[i], time[i], stage[i], variable[i], int(index[i]), values)
		for k, c := range v.run.shown {
			if c.variable == variable[i] && c.index == int(index[i]) {
				v.addToCurve(k, i, cycle[i], time[i], stage[i], values)
			}
		}
	}
	return nil
}

// choose takes from the first batch which values are shown, and the field.
func (v *variablesReader) choose(t *table.Table, variable []string, index []int32) {
	byVariable, order := map[string][]int{}, []string{}
	for i := range t.Rows {
		if byVariable[variable[i]] == nil {
			order = append(order, variable[i])
		}
		if !slices.Contains(byVariable[variable[i]], int(index[i])) {
			byVariable[variable[i]] = append(byVariable[variable[i]], int(index[i]))
		}
	}
	most := mostComponents
	if len(v.run.trials) > manyTrials {
		most = fewComponents
	}
	each := max(1, most/len(order))
	for _, name := range order {
		s, described := v.units[name], byVariable[name]
		if v.run.field == nil && s.one && len(described) >= fieldValues {
			dim := s.dim
			if dim == "" {
				dim = "index"
			}
			v.run.field = &field{name, s.unit, dim, described}
		}
		for k := range min(each, len(described)) {
			if len(v.run.shown) < most {
				at := described[k*len(described)/min(each, len(described))]
				v.run.shown = append(v.run.shown, component{name, s.unit, at, s.size == 0})
			}
		}
	}
}

func (v *variablesReader) begin(t *trial) {
	v.trial = t
	t.curves, t.fields = map[string][]*series{}, map[string]*fieldMap{}
	cycles := t.cycles
	for _, s := range t.stages {
		cycles = max(cycles, len(s.cycle))
	}
	v.columns = 1
	if v.run.field != nil {
		perColumn := 2 * len(v.run.field.rows) * len(v.run.trials)
		if len(v.run.trials) <= manyTrials {
			perColumn *= 2 // both stages
		}
		most := min(mostColumns, max(20, cellBudget/perColumn))
		v.columns = max(1, (cycles+most-1)/most)
	}
}

func (v *variablesReader) addToCurve(k, row int, cycle int32, time float64, stage string, values map[string][]float64) {
	curves := v.trial.curves[stage]
	if curves == nil {
		curves = make([]*series, len(v.run.shown))
		for i := range curves {
			curves[i] = &series{values: map[string][]float64{}}
		}
		v.trial.curves[stage] = curves
	}
	s, c := curves[k], v.run.shown[k]
	s.cycle, s.time = append(s.cycle, cycle), append(s.time, time)
	for _, name := range curveColumns {
		s.add(name, values[name][row])
	}
	s.add("observed", v.observations.of(truthKey{v.trial.replicate, v.trial.truth}, cycle, c, v.units[c.variable].size))
}

func (v *variablesReader) addToField(row int, cycle int32, time float64, stage, variable string, index int, values map[string][]float64) {
	f := v.run.field
	if f == nil || f.variable != variable || int(cycle-1)%v.columns != 0 {
		return
	}
	m := v.trial.fields[stage]
	if m == nil {
		m = &fieldMap{&heat{rows: len(f.rows)}, &heat{rows: len(f.rows)}}
		v.trial.fields[stage] = m
	}
	first := index == f.rows[0]
	mean, truth := values["mean"][row], values["truth"][row]
	m.mean.add(first, time, mean)
	m.error.add(first, time, mean-truth)
	key := truthKey{v.trial.replicate, v.trial.truth}
	t := v.run.truths[key]
	if t == nil {
		t = &heat{rows: len(f.rows)}
		v.run.truths[key] = t
	}
	if len(t.times) == 0 || time > t.times[len(t.times)-1] || !first && len(t.values) < t.cols*t.rows {
		t.add(first, time, truth)
	}
}

// add appends a value, in a new column when it is the first of one.
func (h *heat) add(first bool, time, v float64) {
	if first {
		h.times, h.cols = append(h.times, time), h.cols+1
	}
	h.values = append(h.values, v)
}

// finish shortens what was read of a trial.
func (v *variablesReader) finish() {
	if v.trial == nil {
		return
	}
	for stage, curves := range v.trial.curves {
		v.keepPhase(stage, curves)
		for i := range curves {
			curves[i].withoutForeignObservations()
			curves[i] = curves[i].thin(v.run.budget())
		}
	}
	v.trial = nil
}

// keepPhase keeps the last cycles of the first scalars.
func (v *variablesReader) keepPhase(stage string, curves []*series) {
	most := phaseCycles
	if len(v.run.trials) > manyTrials {
		most = phaseCycles / 2
	}
	var p phase
	for i, c := range curves {
		if n := len(c.time); v.run.shown[i].scalar && len(p.truth) < phaseValues {
			from := max(0, n-most)
			p.truth, p.mean = append(p.truth, c.values["truth"][from:]), append(p.mean, c.values["mean"][from:])
		}
	}
	if len(p.truth) < 2 {
		return
	}
	if v.trial.phase == nil {
		v.trial.phase = map[string]phase{}
	}
	v.trial.phase[stage] = p
}

// withoutForeignObservations drops observations that do not lie on the scale of the
// variable because an operator is between them: those that are further from the truth
// on average than half its scatter or, where no truth is known, further from the mean
// than their own scatter.
func (s *series) withoutForeignObservations() {
	observed, near, scatter, share := s.values["observed"], s.values["truth"], s.values["truth"], 0.25
	if !slices.ContainsFunc(near, func(x float64) bool { return !math.IsNaN(x) }) {
		near, scatter, share = s.values["mean"], observed, 1
	}
	var sum, square, distance, n float64
	for i, y := range observed {
		if x, v := near[i], scatter[i]; !math.IsNaN(x) && !math.IsNaN(y) {
			sum, square, distance, n = sum+v, square+v*v, distance+(y-x)*(y-x), n+1
		}
	}
	if n == 0 || distance/n > share*(square/n-sum/n*sum/n) {
		delete(s.values, "observed")
	}
}

// budget returns how many points of every series the page can hold.
func (r *run) budget() int {
	if r.points > 0 {
		return r.points
	}
	perPoint := 2*len(shownScores) + 3
	stages := 2
	if len(r.trials) > manyTrials {
		stages = 1
	}
	perPoint += stages * len(r.shown) * (len(curveColumns) + 2)
	r.points = min(4000, max(60, valueBudget/max(1, perPoint*len(r.trials)))) &^ 1
	return r.points
}
