package ensemble

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// identity returns copies unit matrices side by side.
func identity(n, copies int) *mat.Dense {
	e := mat.NewDense(n, n*copies, nil)
	for i := range n {
		for c := range copies {
			e.Set(i, c*n+i, 1)
		}
	}
	return e
}

// W W' = I and W 1 = W' 1 = 1. Every one of N + 1 reflections is off by some ulps of the
// vector it turns, of length 1. W comes out of one identity and of many alike, where it is
// multiplied by, which adds an ulp for every term of a sum.
func TestRotateIsOrthogonal(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 40, 130} {
		w, many := identity(n, 1), identity(n, 3)
		seed := rng.New(3).Child("size", n)
		Rotate(w, seed)
		Rotate(many, seed)
		var product mat.Dense
		product.Mul(w, w.T())
		tol := 20 * float64(n) * 0x1p-52
		for i := range n {
			product.Set(i, i, product.At(i, i)-1)
			if row, col := mat.Sum(w.RowView(i)), mat.Sum(w.ColView(i)); !(math.Abs(row-1) < tol && math.Abs(col-1) < tol) {
				t.Errorf("n = %d: row %d sums to %v, its column to %v", n, i, row, col)
			}
		}
		if norm := mat.Norm(&product, math.Inf(1)); !(norm < tol) {
			t.Errorf("n = %d: W W' differs from I by %g", n, norm)
		}
		for c := range 3 {
			if part := many.Slice(0, n, c*n, (c+1)*n); !mat.EqualApprox(part, w, tol) {
				t.Errorf("n = %d: copy %d differs", n, c)
			}
		}
	}
}

// The law of Q is Haar's. Elements of an orthogonal matrix of order k have, with
// a = k (k + 2),
//
//	E q² = 1/k,  E q⁴ = 3/a,  E q⁸ = 105 / (a (k + 4) (k + 6)),  E q_ij² q_lm² = (k + 1) / (a (k - 1))
//
// for i ≠ l, j ≠ m, and odd moments 0; E det = 0; the trace has mean 0 and variance 1.
// Means over T draws may be 5 standard errors off, sqrt(variance / T), with bounds for two
// variances: the trace's fourth moment is at most 3, and E q_ij⁴ q_lm⁴ at most E q⁸. Reflections
// that take the first unit vector to the farther of x / |x| and its opposite, without signs,
// are off by a hundred errors in the first moments and have but one determinant.
func TestRotateIsUniform(t *testing.T) {
	const trials = 20_000
	for _, members := range []int{2, 3, 5} {
		order := members - 1
		k := float64(order)
		h := identity(members, 1)
		reflection := newRotation(members, rng.Seed{}).exchange
		h.RankOne(h, -1, mat.NewVecDense(members, reflection), mat.NewVecDense(members, reflection))
		var first, second, fourth, pairs mat.Dense
		for _, m := range []*mat.Dense{&first, &second, &fourth, &pairs} {
			m.ReuseAs(order, order)
		}
		traces, squares, dets := 0.0, 0.0, 0.0
		for draw := range trials {
			w := identity(members, 1)
			Rotate(w, rng.New(4).Child("draw", draw))
			w.Mul(h, w)
			w.Mul(w, h)
			q := w.Slice(1, members, 1, members).(*mat.Dense)
			for i := range order {
				for j := range order {
					v, other := q.At(i, j), q.At((i+1)%order, (j+1)%order)
					first.Set(i, j, first.At(i, j)+v/trials)
					second.Set(i, j, second.At(i, j)+v*v/trials)
					fourth.Set(i, j, fourth.At(i, j)+v*v*v*v/trials)
					pairs.Set(i, j, pairs.At(i, j)+v*v*other*other/trials)
				}
			}
			traces += mat.Trace(q) / trials
			squares += mat.Trace(q) * mat.Trace(q) / trials
			dets += mat.Det(q) / trials
		}
		check := func(what string, got, want, variance float64) {
			if tol := 5*math.Sqrt(variance/trials) + 1e-9; !(math.Abs(got-want) < tol) { // and the rounding of sums
				t.Errorf("order %d: %s is %.4f, want %.4f within %.4f", order, what, got, want, tol)
			}
		}
		a := k * (k + 2)
		eighth := 105 / (a * (k + 4) * (k + 6))
		for i := range order {
			for j := range order {
				at := fmt.Sprintf("of q(%d,%d)", i, j)
				check("mean "+at, first.At(i, j), 0, 1/k)
				check("second moment "+at, second.At(i, j), 1/k, 3/a-1/(k*k))
				check("fourth moment "+at, fourth.At(i, j), 3/a, eighth-9/(a*a))
				if order > 1 {
					check("pair "+at, pairs.At(i, j), (k+1)/(a*(k-1)), eighth)
				}
			}
		}
		check("mean trace", traces, 0, 1)
		check("variance of the trace", squares, 1, 2)
		check("mean determinant", dets, 0, 1)
	}
}

// Two members stay or change places; one stays.
func TestRotateFewMembers(t *testing.T) {
	stayed := 0
	for seed := range 20 {
		one, two := mat.NewDense(1, 3, []float64{0.1, 2, 3}), mat.NewDense(2, 1, []float64{5, 8})
		Rotate(one, rng.New(int64(seed)))
		if !mat.Equal(one, mat.NewDense(1, 3, []float64{0.1, 2, 3})) {
			t.Errorf("one member becomes %v", one.RawMatrix().Data)
		}
		Rotate(two, rng.New(int64(seed)))
		switch {
		case mat.EqualApprox(two, mat.NewDense(2, 1, []float64{5, 8}), 1e-14):
			stayed++
		case !mat.EqualApprox(two, mat.NewDense(2, 1, []float64{8, 5}), 1e-14):
			t.Errorf("5 and 8 become %v", two.RawMatrix().Data)
		}
	}
	if stayed == 0 || stayed == 20 {
		t.Errorf("two members stay %d times of 20", stayed)
	}
}

// A mean of 1e6 beside a spread of 1e-3 costs no digits: members are those of the spread
// alone, to half an ulp of 1e6 for the sum and half for the reference. Members times W
// would be off by several. The spread is in steps of 2^-20, exact beside the mean.
func TestRotateBesideALargeMean(t *testing.T) {
	const members = 100
	for _, n := range []int{5, 500} {
		r := rng.New(6).Rand()
		small, large := mat.NewDense(members, n, nil), mat.NewDense(members, n, nil)
		for i := range members {
			for j := range n {
				small.Set(i, j, math.Round(1000*r.NormFloat64())*0x1p-20)
				large.Set(i, j, 1e6+small.At(i, j))
			}
		}
		Rotate(small, rng.New(7))
		Rotate(large, rng.New(7))
		ulp := math.Nextafter(1e6, 2e6) - 1e6
		for i := range members {
			for j := range n {
				if got, want := large.At(i, j), 1e6+small.At(i, j); math.Abs(got-want) > ulp {
					t.Fatalf("n = %d, member %d: got %v, want %v", n, i, got, want)
				}
			}
		}
	}
}

// The bits are the same for any number of processors, with W formed and without.
func TestRotateDoesNotDependOnProcessors(t *testing.T) {
	const members = 100
	for _, n := range []int{150, 1000} { // several blocks
		var results []*mat.Dense
		for _, processors := range []int{1, 2, 5} {
			e := mat.NewDense(members, n, nil)
			rng.Normals(rng.New(8).Rand(), e.RawMatrix().Data)
			before := runtime.GOMAXPROCS(processors)
			Rotate(e, rng.New(9))
			runtime.GOMAXPROCS(before)
			results = append(results, e)
		}
		if !mat.Equal(results[0], results[1]) || !mat.Equal(results[0], results[2]) {
			t.Errorf("n = %d: results differ", n)
		}
	}
}

func BenchmarkRotate(b *testing.B) {
	for _, size := range [][2]int{{20, 10}, {20, 40}, {100, 10}, {100, 200}, {100, 201}, {100, 100_000}, {1000, 10}, {1000, 40}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			e := mat.NewDense(size[0], size[1], nil)
			rng.Normals(rng.New(8).Rand(), e.RawMatrix().Data)
			b.ReportAllocs()
			for k := 0; b.Loop(); k++ {
				Rotate(e, rng.New(int64(k)))
			}
		})
	}
}
