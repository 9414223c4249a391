package main

import (
	"math"
	"testing"
)

// The reduced argument carries the rounding of x, so that the relative error is a
// few ulps plus |x| times half an ulp.
func TestExpRelative(t *testing.T) {
	const largest = 1.75
	sum := 0.0
	var w, arguments []float64
	for k := range 40001 {
		x := -float64(k) / 1000
		arguments = append(arguments, x)
		w = append(w, x+largest)
	}
	got := expRelative(w, largest)
	for i, x := range arguments {
		want := math.Exp(w0(x, largest))
		if x <= negligible {
			want = 0
		}
		if math.Abs(w[i]-want) > 1e-15*(1+math.Abs(x))*want {
			t.Fatalf("exp(%g): got %g, want %g", x, w[i], want)
		}
		sum += w[i]
	}
	if got != sum {
		t.Errorf("sum %g, want %g", got, sum)
	}
	if w := []float64{math.Inf(-1), 0}; expRelative(w, 0) != 1 || w[0] != 0 {
		t.Errorf("a kernel without weight gets %g", w[0])
	}
}

// w0 is x as it comes back from x + largest.
func w0(x, largest float64) float64 { return (x + largest) - largest }
