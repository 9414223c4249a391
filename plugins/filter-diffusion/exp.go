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

// expNegative returns exp(x) for x in [-700, 0] to 1e-15 (1 + |x|) relative,
// without a branch: the weights of N x N kernels at every step of an integration
// are most of the filter's work, and this takes half the time of math.Exp.
//
//	exp(x) = 2^q 2^(k/64) exp(r),   x = (q + k/64) log(2) + r,   |r| < 0.0055
//
// The series of exp(r) is cut after r^5/120; the rest is below 4e-17.
func expNegative(x float64) float64 {
	const round = 3 << 51 // added to a float64 it leaves the nearest integer in the low bits
	shifted := x*(expParts/math.Ln2) + round
	k := int64(math.Float64bits(shifted))
	r := x - (shifted-round)*(math.Ln2/expParts)
	series := r * (1 + r*(1./2+r*(1./6+r*(1./24+r*(1./120)))))
	s := expTable[k&(expParts-1)]
	return math.Float64frombits(math.Float64bits(s+s*series) + uint64(k>>expShift)<<52)
}
