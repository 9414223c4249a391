package linalg

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"testing/quick"

	"github.com/plume-da/plume/sdk/rng"
)

// The exponential is within an ulp. Where p(r) is below 1 the roundings are, in its
// ulps: 1/2 for the last one, up to 0.35 for that of 1 + r q(r), 0.1 for that of r, and less
// than 0.1 for the rest.
func TestExponentialIsWithinAnUlp(t *testing.T) {
	worst := 0.0
	check := func(x float64) {
		want := exactExp(x)
		got := exp(x)
		nearest, _ := want.Float64()
		ulp := math.Nextafter(nearest, 2) - nearest
		difference := new(big.Float).Sub(want, big.NewFloat(got))
		ulps, _ := difference.Quo(difference, big.NewFloat(ulp)).Float64()
		worst = max(worst, math.Abs(ulps))
	}
	r := rng.New(1).Rand()
	for range 1000 {
		check(-708 * r.Float64())
		check(-r.Float64())
		check(-math.Exp(-40 * r.Float64()))
	}
	check(expLimit)
	for k := range 1021 { // where the reduced argument changes its sign and the exponent its value
		edge := -float64(k) * math.Ln2
		middle := edge - math.Ln2/2
		for _, x := range []float64{edge, middle, math.Nextafter(middle, 0), math.Nextafter(middle, -800)} {
			check(x)
		}
	}
	t.Logf("largest error %.3f ulp", worst)
	if worst > 1 {
		t.Errorf("largest error %.3f ulp, want at most 1", worst)
	}
	for x, want := range map[float64]float64{0: 1, math.Copysign(0, -1): 1, -0x1p-1074: 1, math.Inf(-1): 0, -1000: 0, math.Nextafter(-708, -800): 0} {
		if got := exp(x); got != want {
			t.Errorf("exp(%g): got %g, want %g", x, got, want)
		}
	}
	if !math.IsNaN(exp(math.NaN())) {
		t.Error("exp(NaN) is a number")
	}
}

// exactExp returns exp(x) to 150 bits.
func exactExp(x float64) *big.Float {
	const halvings = 20 // |x| below 708 becomes less than 0.001
	number := func(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }
	r := number(x)
	r.SetMantExp(r, -halvings)
	sum, term := number(1), number(1)
	for k := 1; k < 16; k++ {
		term.Mul(term, r)
		term.Quo(term, number(float64(k)))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// All kernels give the bits of the portable one, for all lengths and all arguments.
func TestKernelsOfExponentialsAgree(t *testing.T) {
	special := []float64{math.NaN(), math.Float64frombits(0xFFF8_0000_0000_0fff), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 0x1p-1074, -708, math.Nextafter(-708, -800), math.Nextafter(-708, 0), math.MaxFloat64, -math.MaxFloat64}
	agree := func(w, offsets []float64, slope float64) bool {
		want := slices.Clone(w)
		wantSum := exponentialsPortable(want, offsets, slope, &expTable)
		for _, kernel := range available[1:] {
			around := append(append([]float64{7}, w...), 7)
			got := around[1 : len(w)+1]
			sum := kernel.exponentials(got, offsets, slope, &expTable)
			if !same(sum, wantSum) || !slices.EqualFunc(got, want, same) || around[0] != 7 || around[len(w)+1] != 7 {
				t.Logf("%s: slope %v, numbers %v, offsets %v: got %v sum %v, want %v sum %v", kernel.name, slope, w, offsets, got, sum, want, wantSum)
				return false
			}
		}
		return true
	}
	r := rng.New(2).Rand()
	for n := 1; n <= 100; n++ {
		w, offsets := make([]float64, n), make([]float64, n)
		for i := range w {
			w[i], offsets[i] = 300*r.NormFloat64(), 30*r.NormFloat64()
		}
		if !agree(w, offsets, r.Float64()) {
			t.Fatalf("%d numbers", n)
		}
		for _, v := range special {
			w := slices.Clone(w)
			w[r.IntN(n)] = v
			if !agree(w, make([]float64, n), 1) {
				t.Fatalf("%d numbers, one of them %v", n, v)
			}
		}
	}
	property := func(pairs [][2]float64, slope float64) bool {
		w, offsets := []float64{1}, []float64{0}
		for _, p := range pairs {
			w, offsets = append(w, p[0]), append(offsets, p[1])
		}
		return agree(w, offsets, slope)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestExpRelative(t *testing.T) {
	w := []float64{1, 2, math.Inf(-1), 3}
	sum := ExpRelative(w, 2, []float64{0.5, 0, 0, -1})
	want := []float64{math.Exp(-2.5), math.Exp(-1), 0, 1}
	for i := range w {
		if math.Abs(w[i]-want[i]) > 0x1p-52*want[i] {
			t.Errorf("number %d: got %v, want %v", i, w[i], want[i])
		}
	}
	if total := (w[0] + w[2]) + (w[1] + w[3]); sum != total {
		t.Errorf("sum %v, want %v", sum, total)
	}
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		if sum := ExpRelative([]float64{0, v, 1}, 1, make([]float64, 3)); !math.IsNaN(sum) {
			t.Errorf("%v among the numbers: sum %v, want NaN", v, sum)
		}
	}
}

func BenchmarkExpRelative(b *testing.B) {
	const n = 250
	r := rng.New(3).Rand()
	start, w, offsets := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range start {
		start[i] = 10 * r.NormFloat64()
	}
	for _, kernel := range available {
		b.Run(kernel.name, func(b *testing.B) {
			for b.Loop() {
				copy(w, start)
				kernel.exponentials(w, offsets, 1, &expTable)
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/n*1e9, "ns/number")
		})
	}
}
