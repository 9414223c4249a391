package plan

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// samples reads states of layout l from the file that the law at path names, one
// member a row; nil after a finding.
func (m *maker) samples(s workflow.Start, l *sdk.Layout, path ...any) *mat.Dense {
	wanted, ok := m.columns(s, l, below(path, "columns")...)
	if !ok {
		return nil
	}
	read := readCSV
	switch filepath.Ext(s.File) {
	case ".csv":
	case ".arrow":
		read = readArrow
	default:
		m.add(codeSamples, below(path, "file"), "the name of a file of members must end in .csv or .arrow").
			WithLabel("neither .csv nor .arrow").WithHelp("write members as .csv with a header, or as an Arrow file")
		return nil
	}
	e, err := read(s.File, wanted)
	if err != nil {
		m.add(codeSamples, below(path, "file"), "%s: %v", filepath.Base(s.File), err).
			WithNote("it is looked for as %s", s.File).WithHelp("a file of members has one member a row and a column for every variable: %s", describe(l))
		return nil
	}
	rows, _ := e.Dims()
	file := below(path, "file")
	m.enough(rows, m.w.Ensemble.Size, file, "ensemble", "size")
	for i, f := range m.w.Filters {
		if f.Size != m.w.Ensemble.Size && m.w.Runs(f.Label) {
			m.enough(rows, f.Size, file, "filter", i, "size")
		}
	}
	if r := m.w.Reference; r != nil {
		m.enough(rows, r.Size, file, "reference", "size")
	}
	return e
}

// enough wants at least as many rows as members.
func (m *maker) enough(rows, size int, file []any, path ...any) {
	if size > rows {
		m.add(codeSamples, path, "the file of members has %d rows, but %d members are wanted", rows, size).
			WithLabel("at most %d", rows).WithNote("the file is given at %s", m.w.At(file...).Where()).WithHelp("lower the size, or add rows")
	}
}

// column is where one value of a state is in a file.
type column struct {
	name  string
	value int    // of the state
	list  string // name of an Arrow column of lists that may hold it instead, at position item
	item  int
}

// columns returns where the values of l are: in columns called as the variables are,
// NAME[0], NAME[1] and so on for those of several values, unless the workflow says
// otherwise.
func (m *maker) columns(s workflow.Start, l *sdk.Layout, path ...any) ([]column, bool) {
	_, sound := m.noVariables(slices.Sorted(maps.Keys(s.Columns)), l, path)
	var out []column
	for _, v := range l.Variables {
		given := s.Columns[v.Name]
		if size := v.Size(); len(given) > 1 && len(given) != size {
			m.add(codeShape, below(path, v.Name), "%d columns are given, but `%s` is %d", len(given), v.Name, size).
				WithLabel("%s", upTo(size, "name")).WithHelp("name one column for each value, or one that the others are numbered after: NAME[0], NAME[1]")
			sound = false
			continue
		}
		for i := range v.Size() {
			base := v.Name
			if len(given) == 1 {
				base = given[0]
			}
			c := column{name: base, value: len(out), list: base, item: i}
			if len(v.Shape) > 0 {
				c.name = fmt.Sprintf("%s[%d]", base, i)
			}
			if len(given) > 1 {
				c.name, c.list = given[i], ""
			}
			out = append(out, c)
		}
	}
	return out, sound
}

// readCSV reads the wanted columns of a file with a header.
func readCSV(path string, wanted []column) (*mat.Dense, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	return parseCSV(f, wanted)
}

func parseCSV(text io.Reader, wanted []column) (*mat.Dense, error) {
	r := csv.NewReader(text)
	r.TrimLeadingSpace, r.ReuseRecord = true, true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("is empty; want a header")
	}
	if err != nil {
		return nil, err
	}
	header = slices.Clone(header)
	for i := range header {
		header[i] = strings.TrimSpace(strings.TrimPrefix(header[i], "\ufeff"))
	}
	at, err := find(header, wanted)
	if err != nil {
		return nil, err
	}
	var values []float64
	rows := 0
	for ; ; rows++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, csv.ErrFieldCount) {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("line %d: has %d fields, but the header has %d", line, len(record), len(header))
		}
		if err != nil {
			return nil, err
		}
		for j, i := range at {
			v, err := strconv.ParseFloat(strings.TrimSpace(record[i]), 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				line, col := r.FieldPos(i)
				return nil, fmt.Errorf("line %d, column %d: `%s` must be a finite number, but is %q", line, col, wanted[j].name, record[i])
			}
			values = append(values, v)
		}
	}
	if rows == 0 {
		return nil, errors.New("has no rows")
	}
	return mat.NewDense(rows, len(wanted), values), nil
}

// find returns the positions of the wanted columns among names.
func find(names []string, wanted []column) ([]int, error) {
	var missing []string
	at := make([]int, len(wanted))
	for j, w := range wanted {
		at[j] = slices.Index(names, w.name)
		if at[j] < 0 {
			missing = append(missing, w.name)
		} else if slices.Contains(names[at[j]+1:], w.name) {
			return nil, fmt.Errorf("line 1: there are several columns `%s`", w.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("line 1: there is no column %s; there are %s", list(missing), list(names))
	}
	return at, nil
}

// list joins names, the first of them.
func list(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// readArrow reads the wanted columns of an Arrow file; a variable of several values
// may be one column of lists.
func readArrow(path string, wanted []column) (*mat.Dense, error) {
	t, err := table.Read(path)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(cause(err).Error(), path+": "))
	}
	if t.Rows == 0 {
		return nil, errors.New("has no rows")
	}
	var missing []string
	get := make([]func(row int) float64, len(wanted))
	for j, w := range wanted {
		if get[j], err = values(t, w); err != nil {
			return nil, err
		}
		if get[j] == nil {
			missing = append(missing, w.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("there is no column %s; there are %s", list(missing), list(t.Names))
	}
	e := mat.NewDense(t.Rows, len(wanted), nil) // the table has as many values in memory
	for j, w := range wanted {
		for i := range t.Rows {
			v := get[j](i)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("row %d: `%s` must be a finite number, but is %g", i+1, w.name, v)
			}
			e.Set(i, j, v)
		}
	}
	return e, nil
}

// values returns what w is in the rows of t, NaN for null; nil when there is no such
// column.
func values(t *table.Table, w column) (func(row int) float64, error) {
	if lists, ok := t.Column(w.list).([][]float64); ok && w.list != "" {
		if len(lists[0]) <= w.item {
			return nil, fmt.Errorf("the lists of column `%s` have %d items; want %d or more", w.list, len(lists[0]), w.item+1)
		}
		return func(i int) float64 { return lists[i][w.item] }, nil
	}
	switch c := t.Column(w.name).(type) {
	case nil:
		return nil, nil
	case []float64:
		return func(i int) float64 { return c[i] }, nil
	case []int32:
		return whole(t, w.name, c), nil
	case []int64:
		return whole(t, w.name, c), nil
	}
	return nil, fmt.Errorf("column `%s` does not hold numbers", w.name)
}

func whole[T int32 | int64](t *table.Table, name string, c []T) func(int) float64 {
	valid := t.Valid[slices.Index(t.Names, name)]
	return func(i int) float64 {
		if !valid[i] {
			return math.NaN()
		}
		return float64(c[i])
	}
}

// cause strips the path, which the finding shows, off an error of package os.
func cause(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
