package taper

import (
	"fmt"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Localization gives the components of an observation that affect a state value, and
// their weights. It is immutable and safe for concurrent use.
type Localization struct {
	state, observations *mat.Dense // positions, one row per value
	values, components  *Index
	order               []int
}

// NewLocalization indexes the positions of state and observations, for distances up to
// cutoff, in the unit of the coordinates. If cutoff is 0 the localization is nil. Errors:
// state or observations without coordinates, or with different axes; positions that are
// not finite; those of [NewIndex]. Cost: n log n + m, in memory n + m.
func NewLocalization(state *sdk.Layout, space *sdk.ObservationSpace, cutoff float64) (*Localization, error) {
	if cutoff == 0 {
		return nil, nil
	}
	if state == nil || state.Coordinates == nil || space == nil || space.Layout.Coordinates == nil {
		return nil, sdk.Errorf(sdk.KindConfig, "cutoff", "got %g, but the state or the observations have no coordinates", cutoff).
			WithHint("remove the cutoff, or choose a model and an operator that offer coordinates")
	}
	s, o := state.Coordinates, space.Layout.Coordinates
	if !slices.Equal(s.Dims, o.Dims) || !slices.Equal(s.Period, o.Period) {
		return nil, sdk.Errorf(sdk.KindShape, "cutoff", "the state has axes %v with periods %v and the observations %v with %v, want the same",
			s.Dims, s.Period, o.Dims, o.Period)
	}
	l := &Localization{state: s.Points, observations: o.Points, order: make([]int, state.Size())}
	var err error
	if l.values, err = NewIndex(s, cutoff); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if l.components, err = NewIndex(o, cutoff); err != nil {
		return nil, fmt.Errorf("observation: %w", err)
	}
	for i := range l.order {
		l.order[i] = i
	}
	slices.SortStableFunc(l.order, func(i, j int) int {
		return slices.Compare(s.Points.RawRowView(i), s.Points.RawRowView(j))
	})
	return l, nil
}

// Order returns the indices of the state values, with values at the same position next to
// each other. It must not be modified.
func (l *Localization) Order() []int { return l.order }

// SamePlace reports whether two state values have the same position, so that the same
// observations affect them.
func (l *Localization) SamePlace(i, j int) bool {
	return slices.Equal(l.state.RawRowView(i), l.state.RawRowView(j))
}

// NearValue returns the components of the observation near state value j, as
// [Index.Near] does.
func (l *Localization) NearValue(dst []Neighbour, j int) []Neighbour {
	return l.components.Near(dst, l.state.RawRowView(j))
}

// ValuesNear returns the state values near state value j, including itself, in the same
// way.
func (l *Localization) ValuesNear(dst []Neighbour, j int) []Neighbour {
	return l.values.Near(dst, l.state.RawRowView(j))
}

// NearObservation returns the components of the observation near one of them.
func (l *Localization) NearObservation(dst []Neighbour, component int) []Neighbour {
	return l.components.Near(dst, l.observations.RawRowView(component))
}
