package archive

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// stored returns the variables of a state whose values are stored of ensembles.
func (k *Keep) stored(state *sdk.Layout) *sdk.Layout {
	if k.Only == nil {
		return state
	}
	of := &sdk.Layout{}
	for _, v := range state.Variables {
		if slices.Contains(k.Only, v.Name) {
			of.Variables = append(of.Variables, v)
		}
	}
	return of
}

// columns returns the columns of the values of ensembles that are stored.
func (k *Keep) columns(state *sdk.Layout) []table.Column {
	columns := table.Variables(k.stored(state))
	for i := range columns {
		columns[i].Single = k.Single
	}
	return columns
}

// membersOf returns how many members of a trial are stored.
func (k *Keep) membersOf(size int) int {
	if k.Members == 0 {
		return size
	}
	return min(size, k.Members)
}

// selection is what is stored of an ensemble. The zero value is all of it.
type selection struct {
	numbers []bool // by number, whether the member is stored; nil: all are
	columns []span // of the state; nil: all
}

// span is some columns of a state.
type span struct{ from, to int }

// selection returns what is stored of ensembles with this state.
func (k *Keep) selection(state *sdk.Layout) selection {
	var s selection
	if n := k.membersOf(k.Size); n < k.Size {
		s.numbers = make([]bool, k.Size)
		for i := range n {
			s.numbers[i*k.Size/n] = true
		}
	}
	if k.Only == nil {
		return s
	}
	from := 0
	for _, v := range state.Variables {
		if slices.Contains(k.Only, v.Name) {
			s.columns = append(s.columns, span{from, from + v.Size()})
		}
		from += v.Size()
	}
	return s
}

// rows returns the rows of e that are stored.
func (s *selection) rows(e cycle.Ensemble) []int {
	all, _ := e.Members.Dims()
	rows := make([]int, 0, all)
	for i := range all {
		if s.numbers == nil || s.numbers[e.Number(i)] {
			rows = append(rows, i)
		}
	}
	return rows
}

// width returns how many values of a state of n values are stored.
func (s *selection) width(n int) int {
	if s.columns == nil {
		return n
	}
	n = 0
	for _, c := range s.columns {
		n += c.to - c.from
	}
	return n
}

// copyRow sets to to the values of state that are stored.
func (s *selection) copyRow(to, state []float64) {
	if s.columns == nil {
		copy(to, state)
		return
	}
	for _, c := range s.columns {
		to = to[copy(to, state[c.from:c.to]):]
	}
}

// Members is a table of ensemble members.
type Members struct {
	selection
	table *table.Writer

	cycle     []int32
	time      []float64
	stage     []string
	index     []int32
	logWeight []float64
	parent    table.Nullable[int32]
	values    []float64 // of several stages, or of the part that is stored

	lags bool // there is a column for them
}

func (r *Run) members(state *sdk.Layout, path ...string) (*Members, error) {
	file, err := r.Path(path...)
	if err != nil {
		return nil, err
	}
	columns := slices.Concat(membersColumns, table.Variables(state))
	w, err := table.Create(file, columns, nil)
	return &Members{table: w}, err
}

// Stage is the members of one stage of a cycle.
type Stage struct {
	Name string
	cycle.Ensemble
	Parents []int // nil: the filter moves its members
	Lag     int   // cycles of later observations that have changed the members
}

// stackedValues is the largest size of stages that are copied into one batch. Larger stages
// have a batch each, and their members are not copied if all of them are stored whole.
const stackedValues = 1 << 16

// Append writes the members of one cycle: as one batch, or as one for each stage if
// they are large.
func (m *Members) Append(k int, time float64, stages ...Stage) error {
	rows, n, each := 0, 0, make([][]int, len(stages))
	for i, s := range stages {
		_, c := s.Members.Dims()
		each[i] = m.rows(s.Ensemble)
		rows, n = rows+len(each[i]), m.width(c)
	}
	if len(stages) > 1 && rows*n > stackedValues {
		for _, s := range stages {
			if err := m.Append(k, time, s); err != nil {
				return err
			}
		}
		return nil
	}
	if rows == 0 { // the members that are stored have been dropped
		return nil
	}
	m.cycle, m.time, m.stage, m.index = m.cycle[:0], m.time[:0], m.stage[:0], m.index[:0]
	m.logWeight, m.parent.Values, m.parent.Valid = m.logWeight[:0], m.parent.Values[:0], m.parent.Valid[:0]
	for i, s := range stages {
		m.describe(each[i], k, time, s)
	}
	values := stages[0].Members
	if all, c := values.Dims(); len(stages) > 1 || rows < all || n < c {
		values = m.stacked(each, rows, n, stages)
	}
	columns := []any{m.cycle, m.time, m.stage, m.index, m.logWeight, m.parent}
	if m.lags {
		columns = append(columns, slices.Repeat([]int32{int32(stages[0].Lag)}, rows))
	}
	return m.table.Append(rows, append(columns, table.Block{Matrix: values})...)
}

// describe adds the columns in front of the values for some rows of s. Weights are those among
// all members.
func (m *Members) describe(rows []int, k int, time float64, s Stage) {
	all, _ := s.Members.Dims()
	for _, i := range rows {
		logWeight, parent := -math.Log(float64(all)), int32(0)
		if s.LogWeights != nil {
			logWeight = s.LogWeights[i]
		}
		if s.Parents != nil {
			parent = int32(s.Number(s.Parents[i]))
		}
		m.cycle, m.time, m.stage, m.index = append(m.cycle, int32(k)), append(m.time, time), append(m.stage, s.Name), append(m.index, int32(s.Number(i)))
		m.logWeight, m.parent.Values, m.parent.Valid = append(m.logWeight, logWeight), append(m.parent.Values, parent), append(m.parent.Valid, s.Parents != nil)
	}
}

// stacked returns the rows of all stages, each of n values, one stage below the other.
func (m *Members) stacked(each [][]int, rows, n int, stages []Stage) *mat.Dense {
	m.values = slices.Grow(m.values[:0], rows*n)[:rows*n]
	to := m.values
	for i, s := range stages {
		for _, row := range each[i] {
			m.copyRow(to[:n], s.Members.RawRowView(row))
			to = to[n:]
		}
	}
	return mat.NewDense(rows, n, m.values)
}

// Close finishes the table.
func (m *Members) Close() error { return m.table.Close() }
