package main

import "math"

// An octave is cut into expParts intervals.
const (
	expShift = 6
	expParts = 1 << expShift
)

// expTable holds 2^(k/expParts).
var expTable = func() (t [expParts]float64) {
	for k := range t {
		t[k] = math.Exp2(float64(k) / expParts)
	}
	return t
}()

// negligible is the logarithm below which a weight relative to the largest is
// left out: the sum cannot tell it from zero in float64.
const negligible = -37

// expRelative replaces every l in w by exp(l - largest), or by 0 where that is
// negligible, and returns the sum. The relative error is at most 1e-15 (1 + |l -
// largest|). These are N x N numbers at every step of an integration and most of
// the filter's work; this loop takes about half the time of math.Exp.
//
//	exp(x) = 2^q 2^(k/64) exp(r),   x = (q + k/64) log(2) + r,   |r| < 0.0055
//
// The series of exp(r) is cut after r^5/120; the rest is below 4e-17.
func expRelative(w []float64, largest float64) (sum float64) {
	const round = 3 << 51 // added to a float64 it leaves the nearest integer in the low bits
	for i, l := range w {
		x := l - largest
		if !(x > negligible) {
			w[i] = 0
			continue
		}
		shifted := x*(expParts/math.Ln2) + round
		k := math.Float64bits(shifted)
		r := x - (shifted-round)*(math.Ln2/expParts)
		r2 := r * r
		series := r + r2*((1./2+r*(1./6))+r2*(1./24+r*(1./120)))
		part := expTable[k&(expParts-1)]
		e := math.Float64frombits(math.Float64bits(part+part*series) + uint64(int64(k)>>expShift)<<52)
		w[i] = e
		sum += e
	}
	return sum
}
