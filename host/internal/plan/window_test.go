package plan

import (
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

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
