package ensemble

import (
	"fmt"
	"math"
	"testing"
)

// The scale is where the cost of the source is lowest, found here on a grid of steps of
// 0.1 %: in one dimension that flat a minimum is known to the grid's step. Small variances
// and large innovations make two minima, with either the lower.
func TestFiniteSizeScaleMinimisesTheDualCost(t *testing.T) {
	for _, tt := range []struct {
		innovation, variance []float64
		size                 float64
		far                  bool // the lowest minimum is above 10
	}{
		{size: 10},
		{[]float64{0, 0}, []float64{2, 0.5}, 10, false},
		{[]float64{1, -1}, []float64{2, 0.5}, 10, false},
		{[]float64{6, -6}, []float64{2, 0.5}, 2.5, false},
		{[]float64{2, 1, 3, 0}, []float64{2, 0.5, 1, 0}, 3, false}, // more directions than degrees of freedom
		{[]float64{math.Sqrt(100)}, []float64{1e-4}, 10, false},
		{[]float64{math.Sqrt(150)}, []float64{1e-4}, 10, true},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			n := tt.size
			h := max(0, n-1-float64(len(tt.variance)))
			for _, s2 := range tt.variance {
				h += 1 / (1 + s2)
			}
			q := math.Sqrt(math.Pow((n+1)/n*(n-1)/n, min(1, h/(n-1))))
			cost := func(l float64) float64 {
				v := (n - 1) * ((n+1)/n/q/(l*l) + n/(n-1)*q*2*math.Log(l))
				for j, s2 := range tt.variance {
					v += tt.innovation[j] * tt.innovation[j] / (1 + l*l*s2)
				}
				return v
			}
			best := 0.5
			for l := 0.5; l < 1e4; l *= 1.001 {
				if cost(l) < cost(best) {
					best = l
				}
			}
			got := FiniteSizeScale(tt.innovation, tt.variance, n)
			if math.Abs(got/best-1) > 0.001 || (got > 10) != tt.far {
				t.Errorf("scale %.5g (cost %.6g), want %.5g (cost %.6g)", got, cost(got), best, cost(best))
			}
		})
	}
}

// An observation that says nothing leaves the spread as it is: exp of the rounding of a
// logarithm near 0, a few ulps. One beyond all bounds still gives a number.
func TestFiniteSizeScaleLimits(t *testing.T) {
	if got := FiniteSizeScale([]float64{3}, []float64{0}, 5); math.Abs(got-1) > 1e-15 {
		t.Errorf("without spread: scale %v, want 1", got)
	}
	if got := FiniteSizeScale([]float64{1e200}, []float64{1e-300}, 5); math.IsInf(got, 0) || math.IsNaN(got) {
		t.Errorf("beyond bounds: scale %v", got)
	}
}
