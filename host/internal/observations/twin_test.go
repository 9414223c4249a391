package observations

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// wide is an operator with many components.
type wide struct{ scaled }

const components = 50

func (wide) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "h", Shape: []int{components}}}}}
}

// arrivals returns, by cycle and component, the zeros that t turns into something else.
func arrivals(t Twin, cycles int) [][]float64 {
	op := wide{}
	f := NewFallible([]Stream{{Operator: op, In: Every(op, 1, 1, 0, math.MaxInt), Twin: t}})
	all := make([][]float64, cycles)
	for k := range all {
		all[k] = make([]float64, components)
		f.Next(rng.New(3), k+1, all[k])
	}
	return all
}

// The share of missing values, and the mean length of an outage, are those that are asked
// for, within five standard errors. In a chain with lag-one correlation r the variance of a
// share of n cycles is f (1 - f) / n times (1 + r)/(1 - r); the lengths of outages are
// geometric.
func TestDropout(t *testing.T) {
	const cycles = 4000
	for _, c := range []struct {
		t     Twin
		units float64 // that are independent
	}{
		{Twin{Dropout: 0.2, Outage: 1.25}, components}, // independent cycles
		{Twin{Dropout: 0.2, Outage: 10}, components},
		{Twin{Dropout: 0.6, Outage: 5, Together: true}, 1},
	} {
		missing, outages := 0.0, 0.0
		all := arrivals(c.t, cycles)
		for k, y := range all {
			for j, v := range y {
				if math.IsNaN(v) {
					missing++
					if k == 0 || !math.IsNaN(all[k-1][j]) {
						outages++
					}
				}
				if c.t.Together && math.IsNaN(v) != math.IsNaN(y[0]) {
					t.Fatalf("%+v: cycle %d has a part of the stream", c.t, k+1)
				}
			}
		}
		f, l, n := c.t.Dropout, c.t.Outage, cycles*c.units
		r := 1 - 1/l - f/((1-f)*l)
		if got, se := missing/cycles/components, math.Sqrt(f*(1-f)/n*(1+r)/(1-r)); math.Abs(got-f) > 5*se {
			t.Errorf("%+v: a share of %v is missing, more than 5 x %v from %v", c.t, got, se, f)
		}
		outages /= components / c.units
		missing /= components / c.units
		if got, se := missing/outages, math.Sqrt(l*(l-1)/outages); math.Abs(got-l) > 5*se {
			t.Errorf("%+v: outages of %v cycles, more than 5 x %v from %v", c.t, got, se, l)
		}
	}
}

// Share and variance of outliers are within five standard errors; the other values do not
// change.
func TestOutliers(t *testing.T) {
	count, squares, n := 0.0, 0.0, 2000.0*components
	for _, y := range arrivals(Twin{Outliers: 0.05, OutlierSD: 3}, 2000) {
		for _, v := range y {
			if v != 0 {
				count++
				squares += v * v
			}
		}
	}
	if got, se := count/n, math.Sqrt(0.05*0.95/n); math.Abs(got-0.05) > 5*se {
		t.Errorf("a share of %v are outliers, more than 5 x %v from 0.05", got, se)
	}
	if got, se := squares/count, 9*math.Sqrt(2/count); math.Abs(got-9) > 5*se {
		t.Errorf("variance %v, more than 5 x %v from 9", got, se)
	}
}

// A stream does not depend on the others.
func TestDropoutKeepsStreamsApart(t *testing.T) {
	op := wide{}
	of := func(label string) Stream {
		return Stream{Label: label, Operator: op, In: Every(op, 1, 1, 0, math.MaxInt), Twin: Twin{Dropout: 0.5, Outage: 2, Outliers: 0.5, OutlierSD: 1}}
	}
	both, alone := NewFallible([]Stream{of("a"), of("b")}), NewFallible([]Stream{of("b")})
	for k := range 10 {
		y, z := make([]float64, 2*components), make([]float64, components)
		both.Next(rng.New(1), k, y)
		alone.Next(rng.New(1), k, z)
		for j, v := range z {
			if math.Float64bits(v) != math.Float64bits(y[components+j]) {
				t.Fatalf("cycle %d, component %d: got %v, want %v", k, j, y[components+j], v)
			}
		}
	}
}
