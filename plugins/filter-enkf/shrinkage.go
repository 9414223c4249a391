package filterenkf

import (
	"math"

	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// shrinkage computes, for one vector a (N) after the other and a matrix S (N x m),
//
//	(I + S S')^(-1/2) a  and  S' (I + S S')^(-1) a
//
// without a decomposition of S: Golub-Kahan bidiagonalisation from a,
// S' U = V B' with orthonormal columns in U and V and lower bidiagonal B, until what
// is left out cannot change the first by more than rounding. With a = |a| U e_1 they
// are functions of B alone,
//
//	|a| U (I + B B')^(-1/2) e_1  and  |a| V B' (I + B B')^(-1) e_1
//
// the root being a sum of resolvents, see [linalg.InverseRoot]. Nothing is squared before it is added to 1,
// so that a large S loses no digits. Buffers are reused: one goroutine uses one.
//
// Cost of a vector: r steps of 4 N m + 4 r (N + m) operations, r being at most
// min(N, m) + 1 and less for small S: about 18 sqrt(k) with k the condition number of
// I + S S'.
//
// Sources: Golub and Kahan 1965, doi:10.1137/0702016, for the bidiagonalisation. It
// stops when conjugate gradients for (I + S S') x = a, of which it is a form, have a
// residual that is rounding: the inverse root is a mean of resolvents with shifts of 1
// and more, and larger shifts have smaller residuals.
type shrinkage struct {
	s            blas64.General // S', m x N
	left, right  []float64      // the columns of U and V, one after the other
	alpha, below []float64      // the diagonal of B and what is below it; below[0] = 0
	coefficients []float64
	inner        []float64
	ratio        []float64
}

// apply replaces a by (I + S S')^(-1/2) a and returns S' (I + S S')^(-1) a, which is
// valid until the next call.
func (q *shrinkage) apply(a []float64) []float64 {
	n, m := len(a), q.s.Rows
	q.inner = resized(q.inner, m)
	clear(q.inner)
	norm := blas64.Nrm2(vector(a))
	if norm == 0 || m == 0 {
		return q.inner
	}
	blas64.Scal(1/norm, vector(a))
	q.bidiagonalise(a)
	steps := len(q.alpha)
	q.coefficients = resized(q.coefficients, steps)
	q.solve()
	blas64.Gemv(blas.Trans, norm, stacked(q.right, steps, m), vector(q.coefficients), 0, vector(q.inner))
	q.inverseRoot(q.coefficients, q.alpha, q.below)
	blas64.Gemv(blas.Trans, norm, stacked(q.left, steps, n), vector(q.coefficients), 0, vector(a))
	return q.inner
}

// bidiagonalise fills U, V and B, starting from the unit vector start, until residual, which
// is that of conjugate gradients for (I + S S') x = start, is rounding. Its factors are
// those of the elimination of I + B B' from the first row on, with pivots
// alpha^2 + rest.
func (q *shrinkage) bidiagonalise(start []float64) {
	n, m := len(start), q.s.Rows
	q.left, q.right = resized(q.left, n*(n+1)), resized(q.right, n*m)
	q.alpha, q.below = q.alpha[:0], q.below[:0]
	copy(q.left, start)
	below, rest, residual, largest := 0.0, 1.0, 1.0, 0.0
	for k := range n {
		u, v := q.left[k*n:(k+1)*n], q.right[k*m:(k+1)*m]
		blas64.Gemv(blas.NoTrans, 1, q.s, vector(u), 0, vector(v))
		alpha := q.orthogonalise(v, q.right, k, below)
		largest = max(largest, alpha)
		if alpha <= 0x1p-52*largest { // S'U is exhausted, and with it S
			clear(v)
			alpha = 0
		}
		q.alpha, q.below = append(q.alpha, alpha), append(q.below, below)
		if alpha == 0 {
			return
		}
		next := q.left[(k+1)*n : (k+2)*n]
		blas64.Gemv(blas.Trans, 1, q.s, vector(v), 0, vector(next))
		below = q.orthogonalise(next, q.left, k+1, alpha)
		largest = max(largest, below)
		pivot := alpha*alpha + rest
		residual *= alpha * below / pivot
		rest = 1 + below*(below*rest/pivot)
		if below <= 0x1p-52*largest || residual <= 0x1p-53 {
			return
		}
	}
}

// orthogonalise takes from w its parts along the first k vectors of basis, brings it to
// length 1 and returns the length it had. The part along the last is known; those along
// the others are rounding, which would otherwise grow from step to step.
func (q *shrinkage) orthogonalise(w, basis []float64, k int, known float64) float64 {
	if k > 0 {
		blas64.Axpy(-known, vector(basis[(k-1)*len(w):k*len(w)]), vector(w))
		q.coefficients = resized(q.coefficients, k)
		before := stacked(basis, k, len(w))
		blas64.Gemv(blas.NoTrans, 1, before, vector(w), 0, vector(q.coefficients))
		blas64.Gemv(blas.Trans, -1, before, vector(q.coefficients), 1, vector(w))
	}
	length := math.Sqrt(blas64.Dot(vector(w), vector(w))) // S has been found to have no overflow
	if length > 0 {
		blas64.Scal(1/length, vector(w))
	}
	return length
}

// solve stores B' (I + B B')^(-1) e_1 = (I + B'B)^(-1) B' e_1 in the coefficients.
// Elimination from the last row on leaves e_1 as it is; its pivots are
// alpha^2 + rest without a difference.
func (q *shrinkage) solve() {
	x, rest := q.coefficients, 1.0
	for k := len(x) - 1; k >= 0; k-- {
		pivot := q.alpha[k]*q.alpha[k] + rest
		x[k] = q.alpha[k] / pivot
		rest = 1 + q.below[k]*(q.below[k]*rest/pivot)
	}
	for k := 1; k < len(x); k++ {
		x[k] *= -q.below[k] * x[k-1]
	}
}

// inverseRoot stores (I + B B')^(-1/2) e_1 in dst for the bidiagonal matrix B.
// Elimination from the last row on, as in [shrinkage.solve], needs no difference
// either: with B B' of diagonal alpha^2 + below^2 the pivots are below^2 + rest.
// Cost: for every row the terms of [linalg.InverseRoot].
func (q *shrinkage) inverseRoot(dst, alpha, below []float64) {
	q.ratio = resized(q.ratio, len(dst))
	clear(dst)
	root := linalg.InverseRoot(bound(alpha, below))
	for j, shift := range root.Shifts {
		rest, pivot := shift, 0.0
		for k := len(dst) - 1; k >= 0; k-- {
			a, b := alpha[k], below[k]
			if k == len(dst)-1 {
				rest = shift + a*a
			} else {
				rest = shift + a*(a*rest/pivot)
			}
			pivot = b*b + rest
			q.ratio[k] = b / pivot
		}
		x := root.Weights[j] / pivot
		dst[0] += x
		for k := 1; k < len(dst); k++ {
			x *= -alpha[k-1] * q.ratio[k]
			dst[k] += x
		}
	}
}

// bound returns that on I + B B' which the sums of rows and columns give.
func bound(alpha, below []float64) float64 {
	rows, columns := 0.0, 0.0
	for k, a := range alpha {
		rows = max(rows, a+below[k])
		if k+1 < len(alpha) {
			a += below[k+1]
		}
		columns = max(columns, a)
	}
	return 1 + rows*columns
}

func resized(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}

func vector(v []float64) blas64.Vector { return blas64.Vector{N: len(v), Inc: 1, Data: v} }

// stacked returns the matrix whose rows stand in data one after the other.
func stacked(data []float64, rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
}
