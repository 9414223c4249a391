package archive

import (
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// Scenario writes a true trajectory, from cycle 0, and the observations. Of real
// observations it writes the assimilated ones and those that were not used.
func (r *Run) Scenario(p *plan.Scenario, t *cycle.Scenario) (err error) {
	if t.Record != nil {
		err = r.rejections(p, t.Record)
	}
	w, opened := r.Truth(p)
	if err = errors.Join(err, opened); err != nil {
		return err
	}
	for k := range p.Plans[0].Clock.Cycles + 1 {
		var y []float64
		if k > 0 {
			y = t.Observation(k)
		}
		if err := w.Append(k, t.At(k), y); err != nil {
			return errors.Join(err, w.Abandon())
		}
	}
	return w.Close()
}

// truthBytes is about the largest record batch of truths and observations; less in tests.
var truthBytes = 16 << 20

// observationRows bounds the rows of one batch of observations.
const observationRows = 1 << 12

// Truth is the tables of a truth with its observations that are being written.
type Truth struct{ truth, observed *stackedRows }

// stackedRows is a table that is written row by row.
type stackedRows struct {
	table  *table.Writer // nil: there is none
	times  func(int) float64
	before func(rows int) []any // columns in front of cycle and time
	null   bool                 // NaN is written as null

	from   int // cycle of the first row
	most   int // rows
	n      int // values of a row
	values []float64
}

// Truth opens the tables of p.
func (r *Run) Truth(p *plan.Scenario) (*Truth, error) {
	first := p.Plans[0]
	t := &Truth{
		&stackedRows{times: first.Clock.Time, n: first.State.Size(), most: first.Clock.Cycles + 1, before: func(int) []any { return nil }},
		&stackedRows{times: first.Clock.Time, n: first.Space.Layout.Size(), most: observationRows, null: true, before: func(rows int) []any {
			return []any{slices.Repeat([]int32{int32(p.Replicate)}, rows), slices.Repeat([]int32{int32(p.Number)}, rows)}
		}},
	}
	err := t.observed.open(r, observedRowColumns(first), "observations", scenarioPart(p))
	if err == nil && first.Record == nil {
		if err = t.truth.open(r, truthRowColumns(first), truthPath(p)...); err != nil {
			err = errors.Join(err, t.Abandon())
		}
	}
	return t, err
}

func truthPath(p *plan.Scenario) []string { return []string{"truth", replicate(p), partName(p.Number)} }

func truthRowColumns(p *plan.Plan) []table.Column {
	return slices.Concat(clockColumns, table.Variables(p.State))
}

func observedRowColumns(p *plan.Plan) []table.Column {
	return slices.Concat(observationsColumns, table.Variables(p.Space.Layout))
}

func (s *stackedRows) open(r *Run, columns []table.Column, path ...string) error {
	file, err := r.Path(path...)
	if err == nil {
		s.table, err = table.Create(file, columns, nil)
	}
	s.most = min(s.most, max(1, truthBytes/8/s.n))
	return err
}

// Append appends the truth of a cycle and its observations. Both are nil if there are none: the truth
// of a record, and the observations of cycle 0.
func (t *Truth) Append(cycle int, truth, y []float64) error {
	return errors.Join(t.truth.append(cycle, truth), t.observed.append(cycle, y))
}

func (s *stackedRows) append(cycle int, row []float64) error {
	if row == nil {
		return nil
	}
	if len(s.values) == 0 {
		s.from = cycle
	}
	s.values = append(s.values, row...)
	if len(s.values) < s.most*s.n {
		return nil
	}
	return s.flush()
}

func (s *stackedRows) flush() error {
	rows := len(s.values) / s.n
	if rows == 0 {
		return nil
	}
	values := mat.NewDense(rows, s.n, s.values)
	s.values = s.values[:0]
	return s.table.Append(rows, slices.Concat(s.before(rows), ticks(s.from, s.from+rows, s.times), []any{table.Block{Matrix: values, Null: s.null}})...)
}

// Close finishes the tables.
func (t *Truth) Close() error {
	var err error
	for _, s := range []*stackedRows{t.truth, t.observed} {
		if s.table != nil {
			err = errors.Join(err, s.flush(), s.table.Close())
		}
	}
	return err
}

// Abandon closes the files as they are.
func (t *Truth) Abandon() error {
	var err error
	for _, s := range []*stackedRows{t.truth, t.observed} {
		if s.table != nil {
			err = errors.Join(err, s.table.Abandon())
		}
	}
	return err
}

// StoredTruth opens the tables of p that [Truth] has written. Close them after use.
func (r *Run) StoredTruth(p *plan.Scenario) (cycle.Stored, error) {
	first := p.Plans[0]
	truth, err := r.rows(first.State, truthRowColumns(first), truthPath(p)...)
	if err != nil {
		return nil, err
	}
	observed, err := r.rows(first.Space.Layout, observedRowColumns(first), "observations", scenarioPart(p))
	if err != nil {
		return nil, errors.Join(err, truth.close())
	}
	return &storedTruth{truth, observed, first.Clock.Cycles + 1}, nil
}

// storedTruth is a truth and its observations, which stay in their files.
type storedTruth struct {
	truth, observed *chunkedRows
	rows            int // of the truth
}

func (s *storedTruth) Truth(cycle int) []float64 { return s.truth.row(cycle) }

func (s *storedTruth) Observation(cycle int) []float64 { return s.observed.row(cycle - 1) }

func (s *storedTruth) TruthColumns(first, end int) *mat.Dense {
	return s.truth.read(0, s.rows, first, end)
}

func (s *storedTruth) Err() error { return errors.Join(s.truth.failed(), s.observed.failed()) }

func (s *storedTruth) Close() error { return errors.Join(s.truth.close(), s.observed.close()) }

// chunkBytes is about how much is read of a table at a time for one of its rows: the next ones are
// wanted soon.
const chunkBytes = 1 << 16

// chunkedRows reads rows of a table. It keeps those that it has read last.
type chunkedRows struct {
	table   *table.Rows
	n, each int // values of a row, and rows of a chunk

	mu    sync.Mutex
	from  int // the first row of the chunk
	chunk *mat.Dense
	err   error // the first one
}

func (r *Run) rows(of *sdk.Layout, columns []table.Column, path ...string) (*chunkedRows, error) {
	file, err := r.Path(path...)
	if err != nil {
		return nil, err
	}
	t, err := table.OpenRows(file, columns)
	if err != nil {
		return nil, err
	}
	return &chunkedRows{table: t, n: of.Size(), each: max(1, chunkBytes/8/of.Size())}, nil
}

// row returns row k, which must not be modified.
func (c *chunkedRows) row(k int) []float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chunk == nil || k < c.from || k >= c.from+c.chunk.RawMatrix().Rows {
		from := k / c.each * c.each
		c.chunk, c.from = c.fill(from, max(min(c.each, c.table.Len()-from), k+1-from), 0, c.n), from
	}
	return c.chunk.RawRowView(k - c.from)
}

// read returns values [first, end) of some rows.
func (c *chunkedRows) read(from, rows, first, end int) *mat.Dense {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fill(from, rows, first, end)
}

// fill is [chunkedRows.read] for those who hold the lock. After an error all values are NaN.
func (c *chunkedRows) fill(from, rows, first, end int) *mat.Dense {
	m := mat.NewDense(rows, end-first, nil)
	if c.err == nil {
		c.err = c.table.Read(m, from, first)
	}
	if c.err != nil {
		m.Apply(func(int, int, float64) float64 { return math.NaN() }, m)
	}
	return m
}

func (c *chunkedRows) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *chunkedRows) close() error { return c.table.Close() }
