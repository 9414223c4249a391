package cycle

import (
	"context"
	"slices"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/resample"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Reference holds some members of a brute-force posterior: a few, with equal weights, for
// every cycle.
type Reference struct {
	members []*mat.Dense // one per cycle, keep x n
}

// At returns the stored members of a cycle, from 1.
func (r *Reference) At(cycle int) *mat.Dense { return r.members[cycle-1] }

// Kept returns the reference with the given members, one matrix per cycle.
func Kept(members []*mat.Dense) *Reference { return &Reference{members} }

// NewReference runs the reference filter of p and keeps p.Keep members of every
// analysis, drawn in proportion to their weights; see [Draw]. each is called after
// every cycle with the step and the members that are kept. Memory: cycles x keep x n
// values. Random streams: branch "reference" of p.Seed, by cycle.
func NewReference(ctx context.Context, p *plan.Plan, scenario *Scenario, each func(s *Step, kept Ensemble) error) (*Reference, error) {
	r := &Reference{}
	seed := p.Seed.Child("reference", 0)
	err := Assimilate(ctx, p, p.Reference, scenario, nil, func(s *Step) error {
		kept := Draw(s.Analysis, p.Keep, seed.Child("keep", s.Cycle))
		r.members = append(r.members, kept)
		return each(s, Ensemble{Members: kept})
	})
	return r, err
}

// Draw returns n rows of e drawn in proportion to their weights by systematic
// resampling, with one random number from seed.
func Draw(e Ensemble, n int, seed rng.Seed) *mat.Dense {
	rows, cols := e.Members.Dims()
	weights := slices.Repeat([]float64{1 / float64(rows)}, rows)
	if e.LogWeights != nil {
		ensemble.Normalise(weights, e.LogWeights)
	}
	drawn := mat.NewDense(n, cols, nil)
	for i, from := range resample.Systematic(make([]int, n), weights, seed.Rand()) {
		drawn.SetRow(i, e.Members.RawRowView(from))
	}
	return drawn
}
