package linalg

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"
)

// routines are those of LAPACK.
var routines gonum.Implementation

// Eigen holds the eigenvalues and eigenvectors of a symmetric matrix, and the memory to
// compute those of the next one. The zero value is ready. It is used by one goroutine.
type Eigen struct {
	Values  []float64  // n, ascending
	Vectors *mat.Dense // n x n, one orthonormal vector a column

	symmetric      *mat.SymDense // shares the memory of Vectors
	rows           [][]float64   // the vectors, one after the other
	off, tau, work []float64
}

const (
	// negligible is what counts as zero, next to the largest number of a matrix. It is far below
	// rounding, and numbers above it have squares. LAPACK rescales blocks below 1e-122 for that; gonum
	// does not stop doing so afterwards, and makes eigenvalues of 2 as large as 1e122.
	negligible = 0x1p-200

	// plain bounds the largest numbers of matrices that need no other scale for that.
	plain = 0x1p200
)

// Factorize sets the values and vectors of a (n x n), and reports whether they could be
// computed, which they cannot if a is not finite. Up to negligible numbers, the results are
// those of LAPACK's dsyev. Cost: some 9 n³ flops.
func (e *Eigen) Factorize(a mat.Symmetric) bool {
	n := a.SymmetricDim()
	e.fit(n)
	e.symmetric.CopySym(a)
	m := e.symmetric.RawSymmetric()
	largest := 0.0
	for i := range n {
		for _, v := range m.Data[i*n+i : (i+1)*n] {
			if !(math.Abs(v) <= math.MaxFloat64) {
				return false
			}
			largest = max(largest, math.Abs(v))
		}
	}
	exponent := 0
	if largest < 1/plain || largest > plain {
		_, exponent = math.Frexp(largest)
		largest = math.Ldexp(largest, -exponent)
		ldexp(m.Data, -exponent)
	}
	routines.Dsytrd(blas.Upper, n, m.Data, n, e.Values, e.off, e.tau, e.work, len(e.work))
	drop(e.Values, negligible*largest)
	drop(e.off, negligible*largest)
	routines.Dorgtr(blas.Upper, n, m.Data, n, e.tau, e.work, len(e.work))
	for j, row := range e.rows {
		mat.Col(row, j, e.Vectors)
	}
	t := &ql{e.Values, e.off, e.rows, mostIterations * n}
	if !t.solve() {
		return false
	}
	t.sort()
	for j, row := range e.rows {
		e.Vectors.SetCol(j, row)
	}
	ldexp(e.Values, exponent)
	return true
}

// mostIterations is how many QL iterations an eigenvalue may take; two are usual.
const mostIterations = 30

// fit makes room for n x n.
func (e *Eigen) fit(n int) {
	if len(e.Values) == n {
		return
	}
	*e = Eigen{Values: make([]float64, n), Vectors: mat.NewDense(n, n, nil), rows: make([][]float64, n), off: make([]float64, n-1), tau: make([]float64, n-1)}
	e.symmetric = mat.NewSymDense(n, e.Vectors.RawMatrix().Data)
	memory := make([]float64, n*n)
	for j := range e.rows {
		e.rows[j], memory = memory[:n:n], memory[n:]
	}
	size := []float64{0}
	routines.Dsytrd(blas.Upper, n, nil, n, nil, nil, nil, size, -1)
	e.work = make([]float64, int(size[0]))
}

// drop makes the numbers of v that are below least zero.
func drop(v []float64, least float64) {
	for i := range v {
		if math.Abs(v[i]) < least {
			v[i] = 0
		}
	}
}

// ldexp multiplies v by 2^exponent, in two steps: the factor itself may be out of range.
func ldexp(v []float64, exponent int) {
	if exponent != 0 {
		floats.Scale(math.Ldexp(1, exponent/2), v)
		floats.Scale(math.Ldexp(1, exponent-exponent/2), v)
	}
}
