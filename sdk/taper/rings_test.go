package taper

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// circle puts n values of each variable around a circle of the given length.
func circle(n int, length float64, variables ...string) *sdk.Layout {
	points := mat.NewDense(n*len(variables), 1, nil)
	l := &sdk.Layout{Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{length}, Points: points}}
	for k, name := range variables {
		l.Variables = append(l.Variables, sdk.Variable{Name: name, Shape: []int{n}})
		for i := range n {
			points.Set(k*n+i, 0, length*float64(i)/float64(n))
		}
	}
	return l
}

// Pairs are of one variable and of values in different places, as far from each other as their ring says,
// and no more of them than promised. Every ring is further away than the one before.
func TestRings(t *testing.T) {
	for _, l := range []*sdk.Layout{circle(40, 40, "u"), circle(1000, 10, "u", "v"), circle(7, 3, "u", "v", "w")} {
		r, variable := NewRings(l), variables(l)
		apart := make([]float64, l.Size())
		for k, pairs := range r.pairs {
			if len(pairs) == 0 || len(pairs) > ringCentres*ringPartners {
				t.Errorf("ring %d has %d pairs", k, len(pairs))
			}
			sum := 0.0
			for _, p := range pairs {
				i, j := r.values[p[0]], r.values[p[1]]
				distances(apart, mat.DenseCopyOf(l.Coordinates.Points), l.Coordinates.Period, i)
				sum += apart[j]
				if ratio := apart[j] / r.distances[k]; variable[i] != variable[j] || !(ratio > 0.7 && ratio < 1.42) {
					t.Errorf("ring %d at %g: values %d and %d, %g apart", k, r.distances[k], i, j, apart[j])
				}
			}
			if mean := sum / float64(len(pairs)); math.Abs(mean-r.distances[k]) > 1e-12*mean {
				t.Errorf("ring %d: mean distance %g, want %g", k, r.distances[k], mean)
			}
		}
		if !slices.IsSorted(r.distances) || len(r.distances) < 2 {
			t.Errorf("distances %v", r.distances)
		}
	}
	alone := NewRings(circle(1, 5, "u", "v"))
	if len(alone.Distances()) != 0 {
		t.Errorf("values alone have rings at %v", alone.Distances())
	}
}

// Another unit of the coordinates changes nothing but the distances; another unit of the values, nothing.
func TestRingsDoNotDependOnUnits(t *testing.T) {
	const members, n, unit = 12, 100, 1024
	r, other := NewRings(circle(n, 30, "u")), NewRings(circle(n, 30*unit, "u"))
	e := mat.NewDense(members, n, nil)
	random := rng.New(3)
	for i := range members {
		stream := random.Member(i)
		for j := range n {
			e.Set(i, j, stream.NormFloat64())
		}
	}
	want := r.Correlations(e)
	e.Scale(unit, e)
	if got := other.Correlations(e); !slices.Equal(got, want) {
		t.Errorf("correlations %v, want %v", got, want)
	}
	for k, d := range other.Distances() {
		if d != unit*r.Distances()[k] {
			t.Errorf("ring %d at %g, want %d times %g", k, d, unit, r.Distances()[k])
		}
	}
}

// Values that are independent have squared correlations of 1/(N-1) on average, with a standard
// deviation of a pair below sqrt(2)/(N-1). A value without spread has none.
func TestCorrelationsByChance(t *testing.T) {
	const members, n = 20, 2000
	r := NewRings(circle(n, n, "u"))
	e := mat.NewDense(members, n, nil)
	random := rng.New(8)
	for i := range members {
		stream := random.Member(i)
		for j := range n {
			if j%5 != 0 {
				e.Set(i, j, stream.NormFloat64())
			}
		}
	}
	sum, pairs := 0.0, 0.0
	for k, square := range r.Correlations(e) {
		count := 0.0
		for _, p := range r.pairs[k] {
			if r.values[p[0]]%5 != 0 && r.values[p[1]]%5 != 0 {
				count++
			}
		}
		sum += square * count
		pairs += count
	}
	// Given one value, its correlations with others are independent: five standard errors.
	if got, want := sum/pairs, 1.0/(members-1); math.Abs(got-want) > 5*math.Sqrt(2)*want/math.Sqrt(pairs) {
		t.Errorf("mean square %g, want %g", got, want)
	}
	if got := r.Correlations(mat.NewDense(members, n, nil)); slices.Max(got) != 0 {
		t.Errorf("without spread %v, want 0", got)
	}
}

// A search with another cutoff finds what one that was made for it finds.
func TestWithin(t *testing.T) {
	state, space := circle(60, 30, "u"), &sdk.ObservationSpace{Layout: circle(25, 30, "y")}
	small, err := NewLocalization(state, space, math.SmallestNonzeroFloat64)
	if err != nil {
		t.Fatal(err)
	}
	for _, cutoff := range []float64{0.1, 2, 7, 100} {
		want, err := NewLocalization(state, space, cutoff)
		if err != nil {
			t.Fatal(err)
		}
		got := small.Within(cutoff)
		for j := range 60 {
			if a, b := got.NearValue(nil, j), want.NearValue(nil, j); !slices.Equal(a, b) {
				t.Errorf("cutoff %g, value %d: %v, want %v", cutoff, j, a, b)
			}
			if a, b := got.ValuesNear(nil, j), want.ValuesNear(nil, j); !slices.Equal(a, b) {
				t.Errorf("cutoff %g, values near %d: %v, want %v", cutoff, j, a, b)
			}
		}
	}
}
