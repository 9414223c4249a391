package linalg

import (
	"fmt"
	"math"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// W W' = I and W 1 = W' 1 = 1, within n ulps per element.
func TestRotationPreservesMeanAndCovariance(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 40} {
		w := MeanPreservingRotation(n, rng.New(3).Member(n))
		var product mat.Dense
		product.Mul(w, w.T())
		tol := 20 * float64(n) * 0x1p-52
		for i := range n {
			product.Set(i, i, product.At(i, i)-1)
			if row, col := mat.Sum(w.RowView(i)), mat.Sum(w.ColView(i)); math.Abs(row-1) > tol || math.Abs(col-1) > tol {
				t.Errorf("n = %d: row %d sums to %v, its column to %v", n, i, row, col)
			}
		}
		if norm := mat.Norm(&product, math.Inf(1)); norm > tol {
			t.Errorf("n = %d: W W' differs from I by %g", n, norm)
		}
	}
}

// The law of Q is Haar's: its trace has mean 0 and variance 1, every element
// mean 0 and variance 1/p, and the determinant either sign half of the time. The
// trace of W is that of Q plus 1. Tolerances are 4.5 standard errors; the fourth
// moment of the trace is at most 3, so its variance has that of a normal. Without
// the signs every draw is a product of n - 1 reflections, of one determinant.
func TestRotationIsUniform(t *testing.T) {
	const trials, n = 20_000, 5
	sum, squares, det := 0.0, 0.0, 0.0
	for k := range trials {
		w := MeanPreservingRotation(n, rng.New(4).Member(k))
		trace := mat.Trace(w) - 1
		sum += trace
		squares += trace * trace
		det += mat.Det(w)
	}
	if mean := sum / trials; math.Abs(mean) > 4.5/math.Sqrt(trials) {
		t.Errorf("mean trace %v, want 0", mean)
	}
	if v := squares / trials; math.Abs(v-1) > 4.5*math.Sqrt(2.0/trials) {
		t.Errorf("variance of the trace %v, want 1", v)
	}
	if d := det / trials; math.Abs(d) > 4.5/math.Sqrt(trials) {
		t.Errorf("mean determinant %v, want 0", d)
	}
}

func BenchmarkMeanPreservingRotation(b *testing.B) {
	for _, n := range []int{10, 40, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rng.New(5).Rand()
			for range b.N {
				MeanPreservingRotation(n, r)
			}
		})
	}
}
