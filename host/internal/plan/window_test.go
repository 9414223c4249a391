package plan

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Windows are short at first, and those by rule are taken for the longest.
func TestMeanRuns(t *testing.T) {
	for _, c := range []struct {
		w             *Window
		cycles, tried int
		want          float64 // 0: not known
	}{
		{nil, 10, 1, 0},
		{&Window{Whole: true, Passes: 4}, 10, 1, 0},
		{&Window{Length: 3, Auto: true}, 10, 0, 0},
		{&Window{Length: 3, Auto: true}, 10, 1, 3.7}, // 2, 3, 4, 4, ...
		{&Window{Length: 3, Auto: true}, 1, 1, 2},    // the only one is short
		{&Window{Length: 3, Auto: true}, 10, 2, 6.4}, // 3, 5, 7, 7, ...
		{&Window{Length: 3, Passes: 2}, 10, 1, 6.4},  // those that are given
		{&Window{Length: 6, Passes: 1}, 3, 0, 3},     // 2, 3, 4
	} {
		if got, known := c.w.MeanRuns(c.cycles, c.tried); known != (c.want > 0) || math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v, %d cycles, %d passes tried: got %v, %v", c.w, c.cycles, c.tried, got, known)
		}
	}
}

// The observations of several cycles have names of their own, the coordinates of each cycle, and
// the correlations and cutoffs of each cycle.
func TestObservationsOfSeveralCycles(t *testing.T) {
	l := &sdk.Layout{Variables: []sdk.Variable{{Name: "h", Shape: []int{2}}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{0}, Points: mat.NewDense(2, 1, []float64{3, 4})}}
	space := repeatedSpace(&sdk.ObservationSpace{Layout: l, Cutoffs: []float64{0, 5}}, 3)
	got := space.Layout
	if !slices.Equal(space.Cutoffs, []float64{0, 5, 0, 5, 0, 5}) {
		t.Errorf("cutoffs %v", space.Cutoffs)
	}
	if err := got.Check(); err != nil || got.Size() != 6 || !slices.Equal(mat.Col(nil, 0, got.Coordinates.Points), []float64{3, 4, 3, 4, 3, 4}) {
		t.Errorf("got %+v, %v", got, err)
	}
	var first []int
	for _, b := range repeatedBlocks([]block{{first: 1, size: 1}}, 2, 3) {
		first = append(first, b.first)
	}
	if !slices.Equal(first, []int{1, 3, 5}) {
		t.Errorf("blocks begin at %v", first)
	}
}
