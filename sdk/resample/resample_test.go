package resample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

type scheme func([]int, []float64, *rand.Rand) []int

var schemes = map[string]scheme{"systematic": Systematic, "stratified": Stratified, "residual": Residual, "multinomial": Multinomial}

var weights = []float64{0.05, 0, 0.31, 0.2, 0.001, 0.439}

func counts(ancestors []int) []float64 {
	c := make([]float64, len(weights))
	for _, a := range ancestors {
		c[a]++
	}
	return c
}

// The mean number of copies is n w_i. The number of copies of a member has at
// most the binomial variance n w (1 - w) in every scheme, so over R repetitions
// its mean scatters by at most sqrt(n w (1-w) / R); 4.5 of these are exceeded once
// in 1.5e5 comparisons.
func TestUnbiased(t *testing.T) {
	const n, repetitions = 10, 20000
	for name, draw := range schemes {
		r := rand.New(rand.NewPCG(1, 2))
		sums := make([]float64, len(weights))
		for range repetitions {
			for i, c := range counts(draw(make([]int, n), weights, r)) {
				sums[i] += c
			}
		}
		for i, w := range weights {
			want, se := n*w, math.Sqrt(n*w*(1-w)/repetitions)
			if got := sums[i] / repetitions; math.Abs(got-want) > 4.5*se {
				t.Errorf("%s: member %d is drawn %.4f times on average, want %.4f (se %.4f)", name, i, got, want, se)
			}
		}
	}
}

func TestCountsStayNearTheirMean(t *testing.T) {
	const n = 37
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		for name, limit := range map[string]float64{"systematic": 1, "stratified": 2} {
			for i, c := range counts(schemes[name](make([]int, n), weights, r)) {
				if d := math.Abs(c - n*weights[i]); d >= limit {
					t.Fatalf("%s: member %d is drawn %v times, n w is %v", name, i, c, n*weights[i])
				}
			}
		}
		for i, c := range counts(Residual(make([]int, n), weights, r)) {
			if c < math.Floor(n*weights[i]) {
				t.Fatalf("residual: member %d is drawn %v times, n w is %v", i, c, n*weights[i])
			}
		}
	}
}

// The variance of the number of copies is binomial for independent draws and
// smaller for the others. A sample variance of R counts has a relative standard
// error of about sqrt(2/R).
func TestSpreadOfCounts(t *testing.T) {
	const n, repetitions, member = 10, 20000, 2
	binomial := n * weights[member] * (1 - weights[member])
	// residual: of ten copies 3, 2 and 4 are certain, and one is drawn among the
	// remainders 0.5, 0.1, 0, 0.01 and 0.39. Of a yes with probability 0.1 the
	// relative standard error of the variance is sqrt(7.1/R).
	const residual = 0.1 * 0.9
	for name, draw := range schemes {
		r := rand.New(rand.NewPCG(5, 6))
		var sum, squares float64
		for range repetitions {
			c := counts(draw(make([]int, n), weights, r))[member]
			sum, squares = sum+c, squares+c*c
		}
		variance := squares/repetitions - (sum/repetitions)*(sum/repetitions)
		if name == "multinomial" {
			if math.Abs(variance/binomial-1) > 4.5*math.Sqrt(2.0/repetitions) {
				t.Errorf("multinomial: variance %.3f, want %.3f", variance, binomial)
			}
		} else if name == "residual" {
			if math.Abs(variance/residual-1) > 4.5*math.Sqrt(7.1/repetitions) {
				t.Errorf("residual: variance %.3f, want %.3f", variance, residual)
			}
		} else if variance > 0.6*binomial {
			t.Errorf("%s: variance %.3f, binomial %.3f", name, variance, binomial)
		}
	}
}

func TestOrderAndNoWeight(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, draw := range schemes {
		for range 200 {
			a := draw(make([]int, 23), weights, r)
			if !slices.IsSorted(a) || slices.Contains(a, 1) {
				t.Fatalf("%s: %v", name, a)
			}
		}
		// all weight on one member, with a sum a little below one
		if a := draw(make([]int, 5), []float64{0, 1 - 1e-15, 0}, r); !slices.Equal(a, []int{1, 1, 1, 1, 1}) {
			t.Errorf("%s: %v", name, a)
		}
	}
}

func TestEqualWeightsKeepEveryMember(t *testing.T) {
	equal := slices.Repeat([]float64{1.0 / 49}, 49) // 49 / 49 rounds to less than one
	r := rand.New(rand.NewPCG(9, 10))
	for _, name := range []string{"systematic", "stratified"} {
		a := schemes[name](make([]int, 49), equal, r)
		for i := range a {
			if d := a[i] - i; d < -1 || d > 1 {
				t.Errorf("%s: %v", name, a)
				break
			}
		}
	}
}

func BenchmarkSystematic1e5(b *testing.B) { benchmark(b, Systematic) }

func BenchmarkMultinomial1e5(b *testing.B) { benchmark(b, Multinomial) }

func benchmark(b *testing.B, draw scheme) {
	const n = 100_000
	w, r, dst := slices.Repeat([]float64{1.0 / n}, n), rand.New(rand.NewPCG(1, 1)), make([]int, n)
	for b.Loop() {
		draw(dst, w, r)
	}
}
