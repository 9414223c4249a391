package observations

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Stream is a part of the observations, with an operator of its own.
type Stream struct {
	Label    string // empty only when there is no other stream
	Operator sdk.ObservationOperator
	// In returns the operator for a cycle, or nil if the stream has no observations in
	// that cycle.
	In   func(cycle int) sdk.ObservationOperator
	Twin Twin // of simulated observations
	// Draws is how many simulated observations of each member the operator is learnt from in a
	// cycle; 0 where it predicts.
	Draws int
	// Limit is that of |innovation| / sqrt(S) in the background check; 0: nothing is checked.
	Limit float64
	// Cutoff is for filters that localize; 0: their own.
	Cutoff float64
}

// Components yields the components of the joint vector with their streams.
func Components(streams []Stream) iter.Seq2[int, *Stream] {
	return func(yield func(int, *Stream) bool) {
		first := 0
		for i := range streams {
			s := &streams[i]
			m := s.Operator.Space().Layout.Size()
			for j := range m {
				if !yield(first+j, s) {
					return
				}
			}
			first += m
		}
	}
}

// Every returns the function In of a stream that is observed in those of the cycles first,
// first + every, first + 2 every, ... that lie between from and until.
func Every(op sdk.ObservationOperator, first, every, from, until int) func(cycle int) sdk.ObservationOperator {
	return func(cycle int) sdk.ObservationOperator {
		if cycle >= max(first, from) && cycle <= until && (cycle-first)%every == 0 {
			return op
		}
		return nil
	}
}

// ComponentsOf returns which components of the joint vector stream s observes: from one to before another.
func ComponentsOf(streams []Stream, s int) (from, to int) {
	for i := range s {
		from += streams[i].Operator.Space().Layout.Size()
	}
	return from, from + streams[s].Operator.Space().Layout.Size()
}

// StreamOf returns the index of the stream that observes a component of the joint vector.
func StreamOf(streams []Stream, component int) int {
	for i, s := range streams {
		if component -= s.Operator.Space().Layout.Size(); component < 0 {
			return i
		}
	}
	panic("observations: no stream observes the component")
}

// Join returns one operator for all streams. In every cycle its observation vector holds
// those of the streams one after the other; the components of a stream without
// observations in that cycle are missing. It offers what all of the streams offer. With
// several streams the variables are called LABEL.NAME.
//
// Random streams: a stream with a label uses branch (label, 0) of the call's seed, so
// that the errors of two streams are independent and those of one stream do not depend
// on the others.
func Join(streams []Stream) sdk.ObservationOperator {
	j := &joint{streams: streams, space: &sdk.ObservationSpace{Layout: &sdk.Layout{}}}
	for i, s := range streams {
		space := s.Operator.Space()
		j.sizes = append(j.sizes, space.Layout.Size())
		for _, v := range space.Layout.Variables {
			if len(streams) > 1 {
				v.Name = s.Label + "." + v.Name
			}
			j.space.Layout.Variables = append(j.space.Layout.Variables, v)
		}
		if i == 0 {
			j.space.Offers = slices.Clone(space.Offers)
		} else {
			j.space.Offers = slices.DeleteFunc(j.space.Offers, func(c sdk.Capability) bool { return !slices.Contains(space.Offers, c) })
		}
	}
	if slices.Contains(j.space.Offers, sdk.HasPositions) {
		if j.space.Layout.Coordinates = j.coordinates(); j.space.Layout.Coordinates == nil {
			j.space.Offers = slices.DeleteFunc(j.space.Offers, func(c sdk.Capability) bool { return c == sdk.HasPositions })
		}
	}
	for component, s := range Components(streams) {
		if s.Cutoff > 0 {
			if j.space.Cutoffs == nil {
				j.space.Cutoffs = make([]float64, j.space.Layout.Size())
			}
			j.space.Cutoffs[component] = s.Cutoff
		}
	}
	return j
}

type joint struct {
	streams []Stream
	sizes   []int // number of values of each stream
	space   *sdk.ObservationSpace
}

// coordinates joins the coordinates; nil if the streams use different axes.
func (j *joint) coordinates() *sdk.Coordinates {
	first := j.streams[0].Operator.Space().Layout.Coordinates
	all := &sdk.Coordinates{Dims: first.Dims, Period: first.Period, Points: first.Points}
	for _, s := range j.streams[1:] {
		c := s.Operator.Space().Layout.Coordinates
		if !slices.Equal(c.Dims, all.Dims) || !slices.Equal(c.Period, all.Period) {
			return nil
		}
		all.Points = stacked(all.Points, c.Points)
	}
	return all
}

// stacked returns the rows of a and then those of b, by rule if both are.
func stacked(a, b mat.Matrix) mat.Matrix {
	first, byRule := a.(sdk.Grid)
	if second, ok := b.(sdk.Grid); ok && byRule {
		return slices.Concat(first, second)
	}
	all := &mat.Dense{}
	all.Stack(a, b)
	return all
}

func (j *joint) Space() *sdk.ObservationSpace { return j.space }

// Observe asks the streams that the cycle has. For the others, predictions and
// simulations are 0, which has no meaning, since the wire takes only finite numbers;
// log-likelihoods are 0 and error variances infinite, as for missing observations.
func (j *joint) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	all := &sdk.ObserveResult{}
	if slices.Contains(j.space.Offers, sdk.ErrorVariance) {
		all.ErrorVariance = slices.Repeat([]float64{math.Inf(1)}, j.space.Layout.Size())
	}
	if len(j.streams) > 1 || j.streams[0].In(r.Cycle) == nil { // else all is written over
		for _, m := range []*mat.Dense{r.Predicted, r.Simulated, r.LogLikelihood, r.Gradient} {
			if m != nil {
				m.Zero()
			}
		}
	}
	first := 0
	for i, s := range j.streams {
		m := j.sizes[i]
		if op := s.In(r.Cycle); op != nil {
			res, err := j.part(ctx, r, s, op, first, m)
			if err != nil {
				return nil, err
			}
			if all.ErrorVariance != nil {
				copy(all.ErrorVariance[first:first+m], res.ErrorVariance)
			}
		}
		first += m
	}
	return all, nil
}

// part asks one stream, whose m components start at first.
func (j *joint) part(ctx context.Context, r *sdk.ObserveRequest, s Stream, op sdk.ObservationOperator, first, m int) (*sdk.ObserveResult, error) {
	one := *r
	if s.Label != "" {
		one.Seed = r.Seed.Child(s.Label, 0)
	}
	if len(j.streams) == 1 {
		return op.Observe(ctx, &one)
	}
	if r.Observation != nil {
		one.Observation = r.Observation[first : first+m]
	}
	members, _ := r.Ensemble.Dims()
	alike := func(of *mat.Dense, columns int) *mat.Dense {
		if of == nil {
			return nil
		}
		return mat.NewDense(members, columns, nil)
	}
	one.Predicted, one.Simulated, one.LogLikelihood = alike(r.Predicted, m), alike(r.Simulated, m), alike(r.LogLikelihood, m)
	if r.Gradient != nil {
		_, n := r.Gradient.Dims()
		one.Gradient = alike(r.Gradient, n)
	}
	res, err := op.Observe(ctx, &one)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", s.Label, err)
	}
	for _, pair := range [][2]*mat.Dense{{r.Predicted, one.Predicted}, {r.Simulated, one.Simulated}, {r.LogLikelihood, one.LogLikelihood}} {
		if pair[0] != nil {
			pair[0].Slice(0, members, first, first+m).(*mat.Dense).Copy(pair[1])
		}
	}
	if r.Gradient != nil {
		r.Gradient.Add(r.Gradient, one.Gradient) // streams are independent given the state
	}
	return res, nil
}
