package sdk

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A distance is measured between finite places, on an axis that is open or closes after
// a finite length.
func TestCoordinatesAreFinite(t *testing.T) {
	for name, c := range map[string]struct {
		period, place float64
		want          string // empty: no fault
	}{
		"open":            {0, -3, ""},
		"periodic":        {2, 5, ""},
		"period below 0":  {-1, 0, `the period of axis "x" is -1; want a finite number >= 0`},
		"period NaN":      {math.NaN(), 0, `the period of axis "x" is NaN`},
		"period infinite": {math.Inf(1), 0, `the period of axis "x" is +Inf`},
		"place NaN":       {0, math.NaN(), "point 1 is at x = NaN; want a finite number"},
		"place infinite":  {0, math.Inf(-1), "point 1 is at x = -Inf"},
	} {
		l := &Layout{
			Variables:   []Variable{{Name: "h", Shape: []int{2}}},
			Coordinates: &Coordinates{Dims: []string{"x"}, Period: []float64{c.period}, Points: mat.NewDense(2, 1, []float64{0, c.place})},
		}
		err := l.Check()
		if (err == nil) != (c.want == "") || err != nil && (KindOf(err) != KindContract || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// The prognostic part of a state has the other variables with their places, and is the state itself without diagnostics.
func TestPrognostic(t *testing.T) {
	l := &Layout{
		Variables:   []Variable{{Name: "h", Shape: []int{2}}, {Name: "q", Shape: []int{2}, Diagnostic: true}},
		Coordinates: &Coordinates{Dims: []string{"x"}, Period: []float64{9}, Points: mat.NewDense(4, 1, []float64{1, 2, 3, 4})},
	}
	if err := l.CheckState(); err != nil {
		t.Fatal(err)
	}
	p := l.Prognostic()
	if c := p.Coordinates; len(p.Variables) != 1 || p.Size() != 2 || c.Period[0] != 9 || !mat.Equal(c.Points, mat.NewDense(2, 1, []float64{1, 2})) {
		t.Errorf("got %+v", p)
	}
	rule := Grid{{Count: 4, Stride: 1, Axes: []GridAxis{{Spacing: 1, Every: 1, Length: 4, Origin: 1}}}}
	l.Coordinates.Points = rule
	if got, ok := l.Prognostic().Coordinates.Points.(Grid); !ok || !mat.Equal(got, mat.NewDense(2, 1, []float64{1, 2})) {
		t.Errorf("by rule: got %+v", l.Prognostic().Coordinates.Points)
	}
	if p.Prognostic() != p {
		t.Error("a state without diagnostics has another prognostic part")
	}
}
