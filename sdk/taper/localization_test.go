package taper

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
)

func localized(t *testing.T, state, observed *sdk.Coordinates, cutoff float64, cutoffs []float64) *Localization {
	t.Helper()
	l, err := NewLocalization(&sdk.Layout{Coordinates: state}, &sdk.ObservationSpace{Layout: &sdk.Layout{Coordinates: observed}, Cutoffs: cutoffs}, cutoff)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A component is near a value within its own cutoff, or that of the localization where it has none, against all pairs; what is near
// a component is so within the cutoff of that one. Another cutoff of the localization is that of components without one alone.
func TestComponentsHaveCutoffs(t *testing.T) {
	const count = 60
	period := []float64{25, 0}
	state, observed := scattered(count, period, 1), scattered(count, period, 2)
	cutoffs := make([]float64, count)
	for k := range cutoffs {
		cutoffs[k] = []float64{0, 2, 9, 0}[k%4]
	}
	l := localized(t, state, observed, 5, cutoffs)
	for _, l := range []struct {
		*Localization
		cutoff float64
	}{{l, 5}, {l.Within(7), 7}} {
		for j := range count {
			var want []Neighbour
			for _, within := range []float64{2, 9, l.cutoff} {
				for _, near := range bruteForce(observed, within, matRow(state, j)) {
					if cutoffs[near.Index] == within || cutoffs[near.Index] == 0 && within == l.cutoff {
						want = append(want, near)
					}
				}
			}
			sortByIndex(want)
			expect(t, l.NearValue(nil, j), want, 1e-13)
			within := cutoffs[j]
			if within == 0 {
				within = l.cutoff
			}
			expect(t, l.NearObservation(nil, j), bruteForce(observed, within, matRow(observed, j)), 1e-13)
			expect(t, l.ValuesNear(nil, j), bruteForce(state, l.cutoff, matRow(state, j)), 1e-13)
		}
	}
}

// Cutoffs that are all 0, or the one of the localization, give the bits that there are without.
func TestEqualCutoffsAreOneCutoff(t *testing.T) {
	const count = 60
	state, observed := scattered(count, []float64{25}, 1), scattered(count, []float64{25}, 2)
	plain := localized(t, state, observed, 5, nil)
	for _, cutoffs := range [][]float64{make([]float64, count), slices.Repeat([]float64{5}, count), slices.Repeat([]float64{0, 5, 5}, count/3)} {
		l := localized(t, state, observed, 5, cutoffs)
		for j := range count {
			if !slices.Equal(l.NearValue(nil, j), plain.NearValue(nil, j)) || !slices.Equal(l.NearObservation(nil, j), plain.NearObservation(nil, j)) {
				t.Fatalf("cutoffs %v: other neighbours of %d", cutoffs[:3], j)
			}
		}
	}
}

func TestCutoffRefusals(t *testing.T) {
	c := scattered(3, []float64{25}, 1)
	for want, cutoffs := range map[string][]float64{
		"has 2 cutoffs, want one for each of the 3 components": {1, 2},
		"the cutoff of component 1 is -1":                      {1, -1, 2},
		"the cutoff of component 2 is +Inf":                    {1, 0, math.Inf(1)},
		"the cutoff of component 0 is NaN":                     {math.NaN(), 0, 1},
	} {
		_, err := NewLocalization(&sdk.Layout{Coordinates: c}, &sdk.ObservationSpace{Layout: &sdk.Layout{Coordinates: c}, Cutoffs: cutoffs}, 5)
		if err == nil || sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", cutoffs, err, want)
		}
	}
}

func matRow(c *sdk.Coordinates, i int) []float64 {
	_, axes := c.Points.Dims()
	row := make([]float64, axes)
	for k := range row {
		row[k] = c.Points.At(i, k)
	}
	return row
}
