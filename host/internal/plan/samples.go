package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// samples reads states of layout l from the file that is named at path, one member per row;
// nil after a finding. weights are those of the rows; nil: all are equal.
func (m *maker) samples(s workflow.Start, l *sdk.Layout, path ...any) (e *mat.Dense, weights []float64) {
	names, ok := m.columns(s, l, below(path, "columns")...)
	if !ok {
		return nil, nil
	}
	read, faults := readMembers(s.File, tabular.Dialect(s.Dialect), s.Choice, names)
	for _, err := range faults {
		m.fault(err, s.File, l, below(path, "file"))
	}
	if len(faults) >= maxFaults {
		m.found[len(m.found)-1].WithNote("reading stopped after %d faults", maxFaults)
	}
	if len(faults) > 0 {
		return nil, nil
	}
	rows := len(read.values) / len(names)
	file := below(path, "file")
	m.enough(rows, read.left, m.w.Ensemble.Size, file, "ensemble", "size")
	for i, f := range m.w.Filters {
		if f.Size != m.w.Ensemble.Size && m.w.Runs(f.Label) {
			m.enough(rows, read.left, f.Size, file, "filter", i, "size")
		}
	}
	if r := m.w.Reference; r != nil {
		m.enough(rows, read.left, r.Size, file, "reference", "size")
	}
	// A truth that is stated may be the one that the members followed.
	m.plan.strange = read.ofRun && m.w.Truth != nil && (m.w.Truth.Init.Dist != "" || m.w.Truth.SpinUp > 0)
	return mat.NewDense(rows, len(names), read.values), read.weights()
}

// fault reports what is wrong with a file of members: at the line of the file if it is
// about one, and otherwise at path, where the workflow names the file.
func (m *maker) fault(err error, file string, l *sdk.Layout, path []any) {
	var e *tabular.Error
	errors.As(err, &e) // every error of package tabular is one
	help := cmp.Or(e.Hint, "a file of members has one member per row and a column for every variable: "+describe(l)+"; a run stores those of its output.ensemble_variables")
	if e.Line > 0 {
		m.found.Add(codeSamples, diag.InFile(file, e.Text, e.Line, e.Before, e.Width), "%s", e.What).WithLabel("%s", e.Label).
			WithNote("members are read from this file at %s", m.w.At(path...).Where()).WithHelp("%s", help)
		return
	}
	m.add(codeSamples, path, "%s: %s", filepath.Base(file), e.What).WithLabel("%s", e.Label).
		WithNote("the path resolves to %s", file).WithHelp("%s", help)
}

// enough reports too few rows for the members; left is the number of rows that were
// skipped.
func (m *maker) enough(rows, left, size int, file []any, path ...any) {
	if size <= rows {
		return
	}
	d := m.add(codeSamples, path, "the file of members has %d rows, but %d members are needed", rows, size).
		WithLabel("at most %d", rows).WithNote("the file is given at %s", m.w.At(file...).Where()).WithHelp("lower the size, or add rows; a run stores as many as its output.ensemble_members")
	if left > 0 {
		d.WithNote("rows that were skipped because a value is missing: %d", left)
	}
}

// columns returns the names of the columns with the values of l. They are the names of the
// variables, or NAME[0], NAME[1] and so on for a variable of several values, unless the
// workflow says otherwise.
func (m *maker) columns(s workflow.Start, l *sdk.Layout, path ...any) ([]string, bool) {
	_, sound := m.noVariables(slices.Sorted(maps.Keys(s.Columns)), l, path)
	var out []string
	for _, v := range l.Variables {
		base, given, size := v.Name, s.Columns[v.Name], v.Size()
		if len(given) == 1 {
			base = given[0]
		}
		switch {
		case len(given) > 1 && len(given) != size:
			m.add(codeShape, below(path, v.Name), "%d columns are given, but `%s` has %d", len(given), v.Name, size).
				WithLabel("%s", upTo(size, "name")).WithHelp("name one column for each value, or a single NAME for columns NAME[0], NAME[1] and so on")
			sound = false
		case len(given) > 1:
			out = append(out, given...)
		case len(v.Shape) == 0:
			out = append(out, base)
		default:
			for i := range size {
				out = append(out, fmt.Sprintf("%s[%d]", base, i))
			}
		}
	}
	return out, sound
}

// maxFaults is the number of faults of a file of members that are reported.
const maxFaults = 20

// read is the members that were read from a file.
type read struct {
	values     []float64 // row by row
	logWeights []float64 // of the rows; nil: the file has none
	ofRun      bool      // the file is one of a run
	left       int       // rows that were skipped because a value is missing
}

// weights returns the linear weights of the rows; nil if they are equal to within rounding.
func (r *read) weights() []float64 {
	if len(r.logWeights) == 0 {
		return nil
	}
	low, high := slices.Min(r.logWeights), slices.Max(r.logWeights)
	if high-low < 1e-12 {
		return nil
	}
	weights, sum := make([]float64, len(r.logWeights)), 0.0
	for i, w := range r.logWeights {
		weights[i] = math.Exp(w - high)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	return weights
}

// readMembers returns the named columns of a file, one member per row. A missing value is a
// fault unless the dialect says which texts mean one. Of a file of a run it takes the rows of
// one cycle and stage.
func readMembers(path string, d tabular.Dialect, choice workflow.Choice, names []string) (*read, []error) {
	t, err := tabular.Open(path, d)
	if err != nil {
		return nil, []error{inRun(path, err)}
	}
	defer func() { _ = t.Close() }() // it was only read
	cells, err := find(t, names)
	if err != nil {
		return nil, []error{err}
	}
	chosen, err := newChooser(t, choice, names)
	if err != nil {
		return nil, []error{err}
	}
	r := &read{ofRun: chosen.ofRun}
	var faults []error
	for len(faults) < maxFaults && t.Next() {
		switch keep, err := chosen.row(r); {
		case err != nil:
			faults = append(faults, err)
			continue
		case !keep:
			continue
		}
		row, whole := len(r.values), true
		for _, k := range cells {
			v, err := t.Number(k)
			switch {
			case err == nil && math.IsNaN(v) && d.Missing != nil:
				whole = false
			case err == nil && math.IsNaN(v):
				err = t.Errorf(k, "has no value").With("a number", "fix it; to skip members with a missing value, write missing = [\"\"]")
			}
			if err != nil && len(faults) < maxFaults {
				faults = append(faults, err)
			}
			r.values = append(r.values, v)
		}
		if !whole {
			r.values = r.values[:row]
			r.left++
			continue
		}
		if err := chosen.weigh(r); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) == 0 && t.Err() == nil {
		if err := chosen.fault(); err != nil {
			faults = append(faults, err)
		}
	}
	switch {
	case t.Err() != nil:
		faults = append(faults, t.Err())
	case len(r.values) == 0 && r.left > 0:
		faults = append(faults, &tabular.Error{What: "has no row without a missing value"})
	case len(r.values) == 0 && len(faults) == 0:
		faults = append(faults, &tabular.Error{What: "has no rows"})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return r, nil
}

// find returns the cells of the named columns.
func find(t *tabular.Table, names []string) ([]int, error) {
	cells := make([]int, len(names))
	var missing []string
	for i, name := range names {
		k, err := t.Column(name)
		switch {
		case errors.Is(err, tabular.ErrNoColumn):
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
		cells[i] = k
	}
	if len(missing) > 0 {
		return nil, &tabular.Error{What: fmt.Sprintf("there is no column %s; there are %s", list(missing), list(t.Names()))}
	}
	return cells, nil
}

// list joins the first of names.
func list(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
