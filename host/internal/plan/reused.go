package plan

import (
	"sync"

	"gonum.org/v1/gonum/mat"
)

// reused is memory for the matrices of calls. The trials of all replicates share the parts of a plan and
// call them at the same time, so each call takes matrices of its own. The zero value is ready for use.
type reused struct{ matrices sync.Pool }

// take returns a matrix of any values.
func (r *reused) take(rows, columns int) *mat.Dense {
	if m, ok := r.matrices.Get().(*mat.Dense); ok && m.RawMatrix().Rows == rows && m.RawMatrix().Cols == columns {
		return m
	}
	return mat.NewDense(rows, columns, nil)
}

// give gives a matrix back. A call that was given up may still write into its own, which is then lost.
func (r *reused) give(m *mat.Dense) { r.matrices.Put(m) }
