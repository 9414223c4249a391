package main

import (
	"math"
	"testing"
)

// The reduced argument carries the rounding of x, so that the relative error is a
// few ulps plus |x| times half an ulp.
func TestExpNegative(t *testing.T) {
	for k := range 70001 {
		x := -float64(k) / 100
		if got, want := expNegative(x), math.Exp(x); math.Abs(got/want-1) > 1e-15*(1+math.Abs(x)) {
			t.Fatalf("exp(%g): got %g, want %g", x, got, want)
		}
	}
}
