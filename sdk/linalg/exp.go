package linalg

import "math"

// ExpRelative replaces every w_i by the exponential of
//
//	l_i = slope w_i + offsets_i
//
// relative to the largest,
//
//	w_i = exp(l_i - max_j l_j),
//
// and returns the sum of these, which is at least 1. Exponentials of at most
// exp(-708), near the smallest normal float64, are 0. If any l_i is NaN or +Inf, the sum
// is NaN. The relative error of an exponential is below 2^-52 if l_i - max_j l_j is
// exact. offsets has the length of w, which is not 0.
//
// The bits are the same on all processors. Cost: 13 multiply-adds per number, for several
// numbers at once if the processor supports it.
func ExpRelative(w []float64, slope float64, offsets []float64) (sum float64) {
	if len(offsets) != len(w) {
		panic("linalg: offsets and numbers differ in length")
	}
	return fastest.exponentials(w, offsets, slope, &expTable)
}

// The exponential is
//
//	exp(x) = 2^k p(r),   x = k log(2) + r,   |r| <= log(2)/2.
//
// Adding expRound, whose unit in the last place is 1, to x/log(2) rounds it to an integer
// and leaves the biased exponent of 2^k in the low bits. log(2) is expLn2High + expLn2Low,
// and p is 1 + r + r² q(r) with q of order 9, which interpolates (exp(r) - 1 - r)/r² at the
// zeros of the Chebyshev polynomial of order 10: without rounding its error is below 2e-17.
const (
	expRound   = 3<<51 + 1023
	expLn2High = 0x1.62e42fefa39efp-1
	expLn2Low  = 0x1.abc9e3b39803fp-56
	expLimit   = -708
)

var expSeries = [...]float64{ // highest order first
	0x1.af38a9b0ec855p-26, 0x1.289185613a3d6p-22, 0x1.71de0dae63bb3p-19, 0x1.a019b90d2ae7ap-16, 0x1.a01a01a7c41d5p-13,
	0x1.6c16c1788bd90p-10, 0x1.11111111109b3p-7, 0x1.5555555553d63p-5, 0x1.5555555555556p-3, 0x1.0000000000001p-1, 1, 1,
}

// exp returns the exponential of a number that is at most 0.
func exp(x float64) float64 {
	if x < expLimit {
		return 0
	}
	shifted := math.FMA(x, math.Log2E, expRound)
	k := shifted - expRound
	r := math.FMA(-k, expLn2High, x)
	r = math.FMA(-k, expLn2Low, r)
	p := expSeries[0]
	for _, c := range expSeries[1:] {
		p = math.FMA(p, r, c)
	}
	return p * math.Float64frombits(math.Float64bits(shifted)<<52)
}

// expTable holds the constants of exp for the kernels, in the order that these expect,
// with expWidth equal ones in each row.
const (
	expWidth = 4
	expRows  = 5 + len(expSeries)
)

var expTable = func() (t [expRows * expWidth]float64) {
	for row, c := range append([]float64{math.Log2E, expRound, expLn2High, expLn2Low, expLimit}, expSeries[:]...) {
		for k := range expWidth {
			t[row*expWidth+k] = c
		}
	}
	return t
}()
