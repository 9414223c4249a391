package taper

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Localization gives the components of an observation that affect a state value, and
// their weights. It is immutable and safe for concurrent use.
type Localization struct {
	state, observations func() *mat.Dense // positions, one row per value
	values              func() *Index
	groups              []group
	of                  []int // the group of each component; nil where there is one group
	order               func() []int
}

// group is the components of an observation that have one cutoff.
type group struct {
	own     bool  // not the cutoff of the localization
	members []int // ascending; nil: all
	index   func() *Index
}

// NewLocalization returns a localization for distances up to cutoff, in the unit of the
// coordinates, or for a component up to the cutoff that space has for it. If cutoff is 0 it is nil. Errors: state or observations without coordinates,
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
	}
	var err error
	if l.groups, l.of, err = grouped(o, space.Cutoffs, cutoff); err != nil {
		return nil, err
	}
	l.order = sync.OnceValue(func() []int { return ordered(l.state()) })
	return l, nil
}

// grouped returns the components by cutoff: first those without one of their own, if there are any.
func grouped(points *sdk.Coordinates, cutoffs []float64, cutoff float64) (groups []group, of []int, err error) {
	if cutoffs == nil {
		return []group{{index: sync.OnceValue(func() *Index { return newIndex(points, cutoff) })}}, nil, nil
	}
	rows, axes := points.Points.Dims()
	if len(cutoffs) != rows {
		return nil, nil, sdk.Errorf(sdk.KindContract, "observation", "has %d cutoffs, want one for each of the %d components", len(cutoffs), rows)
	}
	with := map[float64][]int{}
	for k, c := range cutoffs {
		if !(c >= 0) || math.IsInf(c, 1) {
			return nil, nil, sdk.Errorf(sdk.KindContract, "observation", "the cutoff of component %d is %v, want a finite distance above 0, or 0", k, c)
		}
		with[c] = append(with[c], k)
	}
	of = make([]int, rows)
	for _, c := range slices.Sorted(maps.Keys(with)) {
		members, within := with[c], c
		for _, k := range members {
			of[k] = len(groups)
		}
		if c == 0 {
			within = cutoff
		}
		groups = append(groups, group{own: c > 0, members: members, index: sync.OnceValue(func() *Index {
			some := &sdk.Coordinates{Dims: points.Dims, Period: points.Period, Points: mat.NewDense(len(members), axes, nil)}
			for row, k := range members {
				for axis := range axes {
					some.Points.(*mat.Dense).Set(row, axis, points.Points.At(k, axis))
				}
			}
			return newIndex(some, within)
		})})
	}
	return groups, of, nil
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

// Within returns l with another cutoff, above 0 and finite, but for components that have one of their own. What is indexed is shared; a search is fastest with
// the cutoff that l was made for, or a longer one.
func (l *Localization) Within(cutoff float64) *Localization {
	other := *l
	other.values = sync.OnceValue(func() *Index { return l.values().within(cutoff) })
	other.groups = slices.Clone(l.groups)
	for i, g := range l.groups {
		if !g.own {
			other.groups[i].index = sync.OnceValue(func() *Index { return g.index().within(cutoff) })
		}
	}
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
	return l.near(dst, l.state().RawRowView(j), nil)
}

// ValuesNear returns the state values near state value j, including itself, in the same
// way.
func (l *Localization) ValuesNear(dst []Neighbour, j int) []Neighbour {
	return l.values().Near(dst, l.state().RawRowView(j))
}

// NearObservation returns the components of the observation near one of them: within its
// cutoff, if they have several.
func (l *Localization) NearObservation(dst []Neighbour, component int) []Neighbour {
	g := &l.groups[0]
	if l.of != nil {
		g = &l.groups[l.of[component]]
	}
	return l.near(dst, l.observations().RawRowView(component), g)
}

// near returns the components near a position, within the cutoff of a group, or each within its own.
func (l *Localization) near(dst []Neighbour, at []float64, of *group) []Neighbour {
	dst = dst[:0]
	for _, g := range l.groups {
		first, x := len(dst), g.index()
		if of != nil && len(l.groups) > 1 {
			x = x.within(of.index().cutoff)
		}
		if dst = x.search(dst, at, 0, 0); g.members == nil {
			continue
		}
		for k := first; k < len(dst); k++ {
			dst[k].Index = g.members[dst[k].Index]
		}
	}
	sortByIndex(dst)
	return dst
}
