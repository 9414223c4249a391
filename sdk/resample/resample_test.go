package resample

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
)

var schemes = map[string]Scheme{
	"systematic": Systematic, "stratified": Stratified, "residual": Residual, "multinomial": Multinomial,
}

// Weights of very different size, zeros at both ends and inside, not normalised.
var weights = []float64{0, 3, 0.5, 0, 1e-3, 7, 2.25, 1, 0}

func shares() []float64 {
	out, sum := slices.Clone(weights), 0.0
	for _, w := range weights {
		sum += w
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func counts(ancestors []int) []float64 {
	out := make([]float64, len(weights))
	for _, a := range ancestors {
		out[a]++
	}
	return out
}

// Every index is drawn M w_i times on average. The number of copies is a sum of
// M draws with covariances of zero or less, so its variance is at most
// M w (1 - w), and exactly that for multinomial draws. 4.5 standard errors in
// 72 comparisons are exceeded once in 2,000 seeds. The variance itself is tested
// for multinomial draws: that of a sample variance is below 3 variance^2 + 3
// variance here, all counts being near binomial.
func TestExpectedCounts(t *testing.T) {
	const trials = 20_000
	for name, scheme := range schemes {
		for _, m := range []int{5, 40} {
			sum, squares := make([]float64, len(weights)), make([]float64, len(weights))
			for k := range trials {
				for i, c := range counts(scheme(make([]int, m), weights, rng.New(1).Member(k))) {
					sum[i] += c
					squares[i] += c * c
				}
			}
			for i, w := range shares() {
				variance := float64(m) * w * (1 - w)
				mean := sum[i] / trials
				if tol := 4.5 * math.Sqrt(variance/trials); math.Abs(mean-float64(m)*w) > tol {
					t.Errorf("%s, M = %d, index %d: drawn %v times on average, want %v within %v", name, m, i, mean, float64(m)*w, tol)
				}
				got := squares[i]/trials - mean*mean
				tol := 4.5 * math.Sqrt((3*variance*variance+3*variance)/trials)
				if got > variance+tol || name == "multinomial" && got < variance-tol {
					t.Errorf("%s, M = %d, index %d: variance %v of the copies, multinomial has %v", name, m, i, got, variance)
				}
			}
		}
	}
}

// What each scheme promises of a single draw.
func TestBoundsOnCounts(t *testing.T) {
	for name, scheme := range schemes {
		for k := range 2000 {
			const m = 33
			drawn := scheme(make([]int, m), weights, rng.New(2).Member(k))
			if len(drawn) != m || !slices.IsSorted(drawn) {
				t.Fatalf("%s: got %v", name, drawn)
			}
			for i, c := range counts(drawn) {
				expected := m * shares()[i]
				lowest, highest := 0.0, float64(m)
				switch name {
				case "systematic":
					lowest, highest = math.Floor(expected), math.Ceil(expected)
				case "stratified":
					lowest, highest = expected-2, expected+2
				case "residual":
					lowest = math.Floor(expected)
				}
				if c < lowest || c > highest || weights[i] == 0 && c > 0 {
					t.Errorf("%s, draw %d: %v copies of index %d, whose expectation is %v", name, k, c, i, expected)
				}
			}
		}
	}
}

// Equal weights give every index one copy under the schemes that promise it.
func TestEqualWeightsAreKept(t *testing.T) {
	equal := slices.Repeat([]float64{1.0 / 64}, 64)
	for _, name := range []string{"systematic", "stratified", "residual"} {
		for i, a := range schemes[name](nil, equal, rng.New(3).Rand()) {
			if a != i {
				t.Errorf("%s: draw %d is %d", name, i, a)
			}
		}
	}
}

// Multinomial draws are independent: both indices of an even pair come equally
// often in all 2^3 patterns, but sorted, so the number of ones is binomial.
// Chi-square with 3 degrees of freedom exceeds 24 once in 40,000.
func TestMultinomialIsBinomial(t *testing.T) {
	const trials = 40_000
	got := make([]float64, 4)
	for k := range trials {
		ones := 0
		for _, a := range Multinomial(make([]int, 3), []float64{1, 1}, rng.New(4).Member(k)) {
			ones += a
		}
		got[ones]++
	}
	chi := 0.0
	for i, share := range []float64{1, 3, 3, 1} {
		want := trials * share / 8
		chi += (got[i] - want) * (got[i] - want) / want
	}
	if chi > 24 {
		t.Errorf("counts %v, chi-square %v", got, chi)
	}
}

func TestPanicsWithoutWeight(t *testing.T) {
	for name, scheme := range schemes {
		for _, w := range [][]float64{{0, 0}, {math.NaN(), 1}, {math.Inf(1), 1}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic for %v", name, w)
					}
				}()
				scheme(nil, w, rng.New(5).Rand())
			}()
		}
	}
}

func Benchmark(b *testing.B) {
	const n = 100_000
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Exp(-float64(i%100) / 10)
	}
	dst := make([]int, n)
	for name, scheme := range schemes {
		b.Run(name, func(b *testing.B) {
			r := rng.New(6).Rand()
			for range b.N {
				scheme(dst, w, r)
			}
		})
	}
}
