package linalg

import (
	"math"
	"testing"
)

// The sum of resolvents is the inverse root of every number from 1 to the bound, to rounding of its terms:
// an ulp for few of them, and a tenth of one for each of many.
func TestResolventsAreTheInverseRoot(t *testing.T) {
	for _, bound := range []float64{1, 1.5, 2, 60, 1e4, 1e16, 1e100, 1e250} {
		r := InverseRoot(bound)
		if InverseRoot(bound) != r {
			t.Errorf("bound %g: made twice", bound)
		}
		for share := 0.0; share <= 1; share += 0.01 {
			x := math.Pow(bound, share)
			sum := 0.0
			for j, shift := range r.Shifts {
				sum += r.Weights[j] / (shift - 1 + x)
			}
			if got := sum * math.Sqrt(x); math.Abs(got-1) > 2e-15+2.5e-17*float64(len(r.Shifts)) {
				t.Errorf("bound %g: %d terms give %.17g times the root of %g", bound, len(r.Shifts), got, x)
			}
		}
	}
}
