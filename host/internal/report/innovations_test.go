package report

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Innovations that are as large as expected have mean 0, standard deviation 1 and the normal
// density, and those of independent cycles no autocorrelation. Tolerances are four standard
// errors of 4000 values: 0.016 of the mean, 0.011 of the standard deviation.
func TestResiduals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const cycles, size = 2000, 2
	white, red := newResiduals(size), newResiduals(size)
	for i := range size {
		white.expected[i], red.expected[i] = 3, 3
	}
	state := make([]float64, size)
	for range cycles {
		values := make([]float64, size)
		for i := range values {
			values[i] = 3 * r.NormFloat64()
			state[i] = 0.8*state[i] + 3*math.Sqrt(1-0.64)*r.NormFloat64()
		}
		white.add(values)
		red.add(state)
	}
	mean, sd := white.moments()
	if math.Abs(mean) > 0.064 || math.Abs(sd-1) > 0.045 {
		t.Errorf("mean %v, standard deviation %v", mean, sd)
	}
	area := 0.0
	for i, y := range white.density() {
		z := -innovationReach + (float64(i)+0.5)*2*innovationReach/innovationBins
		area += y * 2 * innovationReach / innovationBins
		if math.Abs(y-normal(z)) > 0.06 {
			t.Errorf("density at %v: %v, want %v", z, y, normal(z))
		}
	}
	if math.Abs(area-1) > 1e-12 {
		t.Errorf("area %v", area)
	}
	for l, v := range white.autocorrelation() {
		if math.Abs(v) > 2*white.band() {
			t.Errorf("lag %d: %v of white noise", l+1, v)
		}
		if l < 3 && math.Abs(red.autocorrelation()[l]-math.Pow(0.8, float64(l+1))) > 0.1 {
			t.Errorf("lag %d: %v of an autoregression, want %v", l+1, red.autocorrelation()[l], math.Pow(0.8, float64(l+1)))
		}
	}
}

// A value that is missing in a cycle is in no sum, and shifts the lags of no other.
func TestResidualsOfGaps(t *testing.T) {
	s := newResiduals(1)
	s.expected[0] = 1
	for k := range 40 {
		v := float64(k%2)*2 - 1 // -1, 1, -1, ...
		if k%4 == 3 {
			v = math.NaN()
		}
		s.add([]float64{v})
	}
	if a := s.autocorrelation(); s.n != 30 || a[0] != -1 || a[1] != 1 {
		t.Errorf("%v values, autocorrelation %v", s.n, a)
	}
}
