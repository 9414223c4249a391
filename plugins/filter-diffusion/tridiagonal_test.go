package filterdiffusion

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk/linalg"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Each lane has the square root of its own matrix: of one with a condition of some hundred, of one whose
// eigenvalues are 0 but for two, of a diagonal one and of the identity. The product of the root with
// itself is off by rounding times the condition, for the one without full rank by that of what counts as
// rounding, 1e-14.
func TestRootOfTridiagonal(t *testing.T) {
	r := rng.New(31).Rand()
	for _, n := range []int{1, 2, 3, 8, 21} {
		var all [lanes]*mat.SymDense
		for l := range all {
			all[l] = mat.NewSymDense(n, nil)
			rank := []int{3 * n, min(n, 2), 0, 0}[l]
			for range rank {
				v := mat.NewVecDense(n, nil)
				for i := range n {
					v.SetVec(i, r.NormFloat64())
				}
				all[l].SymRankOne(all[l], 1, v)
			}
			for i := range n {
				all[l].SetSym(i, i, all[l].At(i, i)+[]float64{0.5, 0, 1 + float64(i), 1}[l])
			}
		}
		a := triangle(nil).ofOrder(n)
		for l, m := range all {
			for i := range n {
				for j := range i + 1 {
					a.row(i)[j][l] = m.At(i, j)
				}
			}
		}
		var d tridiagonal
		d.reduce(a, n)
		least := linalg.Four{0.5, 0, 1, 1}
		x, start := make([]linalg.Four, n), make([]linalg.Four, n)
		for i := range x {
			for l := range x[i] {
				x[i][l] = r.NormFloat64()
			}
		}
		copy(start, x)
		d.root(x, least)
		d.root(x, least)
		for l, m := range all {
			want := mat.NewVecDense(n, nil)
			v := mat.NewVecDense(n, nil)
			for i := range n {
				v.SetVec(i, start[i][l])
			}
			want.MulVec(m, v)
			size := mat.Norm(m, 2)
			for i := range n {
				if got := x[i][l]; math.Abs(got-want.AtVec(i)) > []float64{1e-12, 1e-6, 1e-12, 1e-13}[l]*size {
					t.Errorf("n = %d, lane %d, element %d: %.15g, want %.15g", n, l, i, got, want.AtVec(i))
				}
			}
		}
	}
}

// T has the eigenvalues of A, and Q is orthogonal: the trace and the squares of the elements stay, and so
// does the length of a vector that is turned, forth and back.
func TestTridiagonalIsSimilar(t *testing.T) {
	const n = 9
	r := rng.New(32).Rand()
	a := triangle(nil).ofOrder(n)
	var trace, squares linalg.Four
	for i := range n {
		for j := range i + 1 {
			for l := range lanes {
				v := r.NormFloat64()
				a.row(i)[j][l] = v
				squares[l] += v * v
				if i == j {
					trace[l] += v
				} else {
					squares[l] += v * v
				}
			}
		}
	}
	var d tridiagonal
	d.reduce(a, n)
	for i := range n {
		for l := range lanes {
			trace[l] -= d.alpha[i][l]
			squares[l] -= d.alpha[i][l]*d.alpha[i][l] + 2*d.below[i][l]*d.below[i][l]
		}
	}
	x := make([]linalg.Four, n)
	x[3] = linalg.Four{1, 2, 3, 4}
	d.turn(x)
	for l := range lanes {
		length := 0.0
		for i := range x {
			length += x[i][l] * x[i][l]
		}
		if math.Abs(trace[l]) > 1e-13 || math.Abs(squares[l]) > 1e-12 || math.Abs(length-float64((l+1)*(l+1))) > 1e-13*length {
			t.Errorf("lane %d: trace off by %g, squares by %g, squared length %v", l, trace[l], squares[l], length)
		}
	}
	d.turnBack(x)
	for i := range x {
		for l := range lanes {
			want := 0.0
			if i == 3 {
				want = float64(l + 1)
			}
			if math.Abs(x[i][l]-want) > 1e-14 {
				t.Errorf("element %d, lane %d: %v, want %v", i, l, x[i][l], want)
			}
		}
	}
}
