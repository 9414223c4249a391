package linalg

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

func randomFours(n int, r *rand.Rand) []Four {
	x := make([]Four, n)
	for i := range x {
		for l := range x[i] {
			x[i][l] = r.NormFloat64()
		}
	}
	return x
}

// Every lane is the chains that the functions promise, in the portable kernel and in all others,
// for all remainders; neither what lies after the vectors nor what is in other lanes counts.
func TestFoursAreChainsOfFusedMultiplyAdds(t *testing.T) {
	r := rng.New(4).Rand()
	for n := range 19 {
		x, y, before, s := randomFours(n+3, r), randomFours(n+3, r), randomFours(n+3, r), randomFours(2, r)
		x[n][0], y[n][1] = math.NaN(), math.Inf(1) // after the end
		sum, scaled, added, taken := make([]Four, 1), slices.Clone(before), slices.Clone(before), slices.Clone(before)
		products, inverses := slices.Clone(before), slices.Clone(before)
		for l := range 4 {
			var chain [4]float64
			for i := range n {
				chain[i%4] = math.FMA(x[i][l], y[i][l], chain[i%4])
				scaled[i][l] = before[i][l] * s[0][l]
				products[i][l], inverses[i][l] = x[i][l]*y[i][l], 1/(x[i][l]+s[0][l])
				added[i][l] = math.FMA(s[0][l], x[i][l], before[i][l])
				taken[i][l] = math.FMA(-s[1][l], y[i][l], math.FMA(-s[0][l], x[i][l], before[i][l]))
			}
			sum[0][l] = s[1][l] + ((chain[0] + chain[2]) + (chain[1] + chain[3]))
		}
		for _, kernel := range available {
			use(t, kernel, func() {
				got := s[1]
				AddDot(&got, x[:n], y)
				sameFours(t, kernel.name+": AddDot", []Four{got}, sum)
				dst := slices.Clone(before)
				Scale(dst[:n], &s[0])
				sameFours(t, kernel.name+": Scale", dst, scaled)
				dst = slices.Clone(before)
				Multiply(dst[:n], x, y)
				sameFours(t, kernel.name+": Multiply", dst, products)
				dst = slices.Clone(before)
				Invert(dst[:n], x, &s[0])
				sameFours(t, kernel.name+": Invert", dst, inverses)
				dst = slices.Clone(before)
				AddScaled(dst[:n], &s[0], x)
				sameFours(t, kernel.name+": AddScaled", dst, added)
				dst = slices.Clone(before)
				SubtractAll(dst[:n], s, [][]Four{x, y, nil})
				sameFours(t, kernel.name+": SubtractAll", dst, taken)
			})
		}
	}
}

// A step over a triangle is the three functions row by row, whose bits are known.
func TestUpdateMultiplyIsItsParts(t *testing.T) {
	r := rng.New(6).Rand()
	for n := range 19 {
		a, x, y, u, p := randomFours(n*(n+1)/2+3, r), randomFours(n, r), randomFours(n, r), randomFours(n, r), randomFours(n+3, r)
		wantA, wantP := slices.Clone(a), slices.Clone(p)
		use(t, portable, func() {
			for j := range n {
				row := wantA[j*(j+1)/2:][:j+1]
				SubtractAll(row, []Four{x[j], y[j]}, [][]Four{y, x})
				AddScaled(wantP[:j], &u[j], row)
				AddDot(&wantP[j], row, u)
			}
		})
		for _, kernel := range available {
			use(t, kernel, func() {
				gotA, gotP := slices.Clone(a), slices.Clone(p)
				UpdateMultiply(gotA, x, y, u, gotP)
				sameFours(t, kernel.name+": A", gotA, wantA)
				sameFours(t, kernel.name+": p", gotP, wantP)
			})
		}
	}
}

// The sums of resolvents solve their systems, to rounding, and have the same bits on all processors.
func TestResolventsSolve(t *testing.T) {
	r := rng.New(7).Rand()
	for n := 1; n < 8; n++ {
		alpha, below, x, weights, shifts := randomFours(n, r), randomFours(n, r), randomFours(n, r), randomFours(4, r), randomFours(4, r)
		below[0] = Four{}
		for i := range alpha {
			for l := range alpha[i] {
				alpha[i][l] = 6 + math.Abs(alpha[i][l])
			}
		}
		var want []Four
		for _, kernel := range available {
			use(t, kernel, func() {
				sum := make([]Four, n)
				AddResolvents(sum, weights, shifts, alpha, below, x, make([]Four, 4*n))
				if want == nil {
					want = sum
				}
				sameFours(t, kernel.name, sum, want)
			})
		}
		for l := range 4 {
			exact := make([]float64, n)
			for j := range shifts {
				a := mat.NewDense(n, n, nil)
				right := mat.NewVecDense(n, nil)
				for i := range n {
					a.Set(i, i, alpha[i][l]+shifts[j][l])
					if i > 0 {
						a.Set(i, i-1, below[i][l])
						a.Set(i-1, i, below[i][l])
					}
					right.SetVec(i, x[i][l])
				}
				var solution mat.VecDense
				if err := solution.SolveVec(a, right); err != nil {
					t.Fatal(err)
				}
				floats.AddScaled(exact, weights[j][l], solution.RawVector().Data)
			}
			for i := range exact {
				if math.Abs(exact[i]-want[i][l]) > 1e-14 { // numbers below 10, conditions below 10
					t.Errorf("n = %d, lane %d, element %d: %v, want %v", n, l, i, want[i][l], exact[i])
				}
			}
		}
	}
}

func sameFours(t *testing.T, what string, got, want []Four) {
	t.Helper()
	for i := range want {
		for l := range 4 {
			if !same(got[i][l], want[i][l]) {
				t.Fatalf("%s of %d: element %d, lane %d: %v, want %v", what, len(want), i, l, got[i][l], want[i][l])
			}
		}
	}
}

func BenchmarkFours(b *testing.B) {
	r := rng.New(5).Rand()
	for _, kernel := range available {
		use(b, kernel, func() {
			x, y, dst, s := randomFours(40, r), randomFours(40, r), randomFours(40, r), randomFours(2, r)
			b.Run(kernel.name+"/dot", func(b *testing.B) {
				for b.Loop() {
					AddDot(&s[0], x, y)
				}
			})
			b.Run(kernel.name+"/add", func(b *testing.B) {
				for b.Loop() {
					AddScaled(dst, &s[1], x)
				}
			})
			b.Run(kernel.name+"/triangle", func(b *testing.B) {
				a, p := randomFours(820, r), randomFours(40, r)
				for b.Loop() {
					UpdateMultiply(a, x, y, dst, p)
				}
			})
			b.Run(kernel.name+"/all", func(b *testing.B) {
				for b.Loop() {
					SubtractAll(dst, s, [][]Four{x, y})
				}
			})
		})
	}
}
