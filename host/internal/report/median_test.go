package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The median is that of the sorted values, with ties and values that are not known.
func TestMedian(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		values := make([]float64, r.IntN(30))
		for i := range values {
			values[i] = float64(r.IntN(8))
			if r.IntN(10) == 0 {
				values[i] = math.NaN()
			}
		}
		sorted, want := slices.Sorted(slices.Values(values)), math.NaN()
		if n := len(sorted); n > 0 {
			want = (sorted[(n-1)/2] + sorted[n/2]) / 2
		}
		if got := median(slices.Clone(values)); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%v: %v, want %v", values, got, want)
		}
	}
}
