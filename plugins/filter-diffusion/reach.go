package filterdiffusion

import "github.com/plume-da/plume/sdk"

// reach chooses the cutoff of a cycle. It holds what the forecasts of the cycles so far, this one included, show of how
// correlations fall with distance, and what sampling error costs with the cutoffs used so far.
type reach struct {
	members   float64
	distances []float64 // of rings, see [taper.Rings]
	squares   []float64 // means of the squared correlations in them
	cost      float64   // mean of N (l - 1), with l the finite-size scale
	weight    float64   // of cycles in squares
	priced    float64   // of cycles in cost, and of what is taken for it before the first
}

// The cutoff is rangesPerCutoff times the range of correlations where sampling error costs usualCost, and from
// leastStretch to largestStretch times as much. Where the truth is lost for a while a shorter one does not help: with fewer
// values near by the rule for the bandwidth makes kernels narrow.
const rangesPerCutoff, usualCost, leastStretch, largestStretch = 2.5, 0.6, 0.75, 2

// cutoff returns
//
//	2.5 D 0.6 / mean(N (l - 1)),   between 1.9 D and 5 D.
//
// D is the range of correlations, see [reach.correlated]. It grows with the number of members and with the length that correlations
// have. There a taper should be 1/2 (Menetrier et al. 2015, doi:10.1175/MWR-D-14-00157.1), as that of Gaspari and
// Cohn is at a third of its cutoff. That is the best taper for a single observation. Each of many adds its noise, so that fewer are
// worth it; how much they add, with the cutoffs so far, the finite-size scale l tells. The rule is plume's own, found with Lorenz-96
// with 7 to 40 members, see docs/decisions/0059-a-cutoff-by-rule.md.
func (r *reach) cutoff() float64 {
	stretch := usualCost * r.priced / r.cost
	return rangesPerCutoff * r.correlated() * max(leastStretch, min(stretch, largestStretch))
}

// correlated returns the distance from which on squared correlations, less the 1/(N-1) that they have by chance, are smaller than
// 1/(N-1), so that most of what is seen is noise. It is interpolated between rings, and not below the first nor beyond the last.
func (r *reach) correlated() float64 {
	noise := 1 / (r.members - 1)
	limit := noise * (2 - noise) // less noise, and over 1 - noise, so that what is 1 stays 1: noise
	before := 1.0
	for k, d := range r.distances {
		square := r.squares[k] / r.weight
		if square <= limit {
			if k == 0 {
				return d
			}
			at := r.distances[k-1]
			return at + (before-limit)/(before-square)*(d-at)
		}
		before = square
	}
	return r.distances[len(r.distances)-1]
}

// newReach returns the record before the first cycle.
func newReach(members int, rings []float64) *reach {
	return &reach{members: float64(members), distances: rings, squares: make([]float64, len(rings)), cost: usualCost, priced: 1}
}

// values returns the numbers of r that are carried over.
func (r *reach) values() []float64 {
	return append([]float64{r.weight, r.cost, r.priced}, r.squares...)
}

// set replaces them.
func (r *reach) set(v []float64) error {
	if !(v[1] > 0) || !(v[2] > 0) {
		return sdk.Errorf(sdk.KindContract, "carry", "the cost of sampling error is %v in %v cycles, want numbers above 0", v[1], v[2])
	}
	r.weight, r.cost, r.priced = v[0], v[1], v[2]
	copy(r.squares, v[3:])
	return nil
}

// correlate adds a cycle with these squared correlations.
func (r *reach) correlate(squares []float64) {
	r.weight = forgetting*r.weight + 1
	for k, square := range squares {
		r.squares[k] = forgetting*r.squares[k] + square
	}
}

// pay adds what sampling error cost in a cycle.
func (r *reach) pay(scale float64) {
	r.cost = forgetting*r.cost + r.members*max(0, scale-1)
	r.priced = forgetting*r.priced + 1
}
