package taper

import (
	"fmt"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Localization gives the components of an observation that affect a state value, and
// their weights. It is immutable and safe for concurrent use.
type Localization struct {
	state, observations func() *mat.Dense // positions, one row per value
	values, components  func() *Index
	order               func() []int
}

// NewLocalization returns a localization for distances up to cutoff, in the unit of the
// coordinates. If cutoff is 0 it is nil. Errors: state or observations without coordinates,
// or with different axes; positions that are not finite; those of [NewIndex]. The first
// question indexes the positions that it is about. Cost of that: n log n + m, in memory
// n + m.
func NewLocalization(state *sdk.Layout, space *sdk.ObservationSpace, cutoff float64) (*Localization, error) {
	if cutoff == 0 {
		return nil, nil
	}
	if state == nil || state.Coordinates == nil || space == nil || space.Layout.Coordinates == nil {
		return nil, sdk.Errorf(sdk.KindConfig, "cutoff", "is set, but the state or the observations have no coordinates").
			WithHint("remove the cutoff, or choose a model and an operator that offer coordinates")
	}
	s, o := state.Coordinates, space.Layout.Coordinates
	if !slices.Equal(s.Dims, o.Dims) || !slices.Equal(s.Period, o.Period) {
		return nil, sdk.Errorf(sdk.KindShape, "cutoff", "the state has axes %v with periods %v and the observations %v with %v, want the same",
			s.Dims, s.Period, o.Dims, o.Period)
	}
	if err := check(s, cutoff); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if err := check(o, cutoff); err != nil {
		return nil, fmt.Errorf("observation: %w", err)
	}
	l := &Localization{
		state:        sync.OnceValue(func() *mat.Dense { return mat.DenseCopyOf(s.Points) }),
		observations: sync.OnceValue(func() *mat.Dense { return mat.DenseCopyOf(o.Points) }),
		values:       sync.OnceValue(func() *Index { return newIndex(s, cutoff) }),
		components:   sync.OnceValue(func() *Index { return newIndex(o, cutoff) }),
	}
	l.order = sync.OnceValue(func() []int { return ordered(l.state()) })
	return l, nil
}

// ordered returns the numbers of the rows of points, sorted by their values.
func ordered(points *mat.Dense) []int {
	rows, _ := points.Dims()
	order := make([]int, rows)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return slices.Compare(points.RawRowView(i), points.RawRowView(j))
	})
	return order
}

// Within returns l with another cutoff, above 0 and finite. What is indexed is shared; a search is fastest with
// the cutoff that l was made for, or a longer one.
func (l *Localization) Within(cutoff float64) *Localization {
	other := *l
	other.values = sync.OnceValue(func() *Index { return l.values().within(cutoff) })
	other.components = sync.OnceValue(func() *Index { return l.components().within(cutoff) })
	return &other
}

// Order returns the indices of the state values, with values at the same position next to
// each other. It must not be modified.
func (l *Localization) Order() []int { return l.order() }

// SamePlace reports whether two state values have the same position, so that the same
// observations affect them.
func (l *Localization) SamePlace(i, j int) bool {
	state := l.state()
	return slices.Equal(state.RawRowView(i), state.RawRowView(j))
}

// NearValue returns the components of the observation near state value j, as
// [Index.Near] does.
func (l *Localization) NearValue(dst []Neighbour, j int) []Neighbour {
	return l.components().Near(dst, l.state().RawRowView(j))
}

// ValuesNear returns the state values near state value j, including itself, in the same
// way.
func (l *Localization) ValuesNear(dst []Neighbour, j int) []Neighbour {
	return l.values().Near(dst, l.state().RawRowView(j))
}

// NearObservation returns the components of the observation near one of them.
func (l *Localization) NearObservation(dst []Neighbour, component int) []Neighbour {
	return l.components().Near(dst, l.observations().RawRowView(component))
}
