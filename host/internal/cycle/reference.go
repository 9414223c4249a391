package cycle

import (
	"context"
	"math"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Reference is what is kept of a brute-force posterior: a few equally weighted
// members of every cycle.
type Reference struct {
	members []*mat.Dense // one per cycle, keep x n
}

// At returns the members kept of a cycle, from 1.
func (r *Reference) At(cycle int) *mat.Dense { return r.members[cycle-1] }

// NewReference runs the reference filter of p and keeps p.Keep members of every
// analysis, drawn in proportion to their weights with systematic resampling.
// each is called after every cycle with the full step. Memory: cycles x keep x n
// values. Streams: branch "reference" of p.Seed, by cycle.
func NewReference(ctx context.Context, p *plan.Plan, twin *Twin, each func(*Step) error) (*Reference, error) {
	r := &Reference{}
	seed := p.Seed.Child("reference", 0)
	err := Assimilate(ctx, p, p.Reference, twin, func(s *Step) error {
		r.members = append(r.members, keep(s.Analysis, p.Keep, seed.Child("keep", s.Cycle)))
		return each(s)
	})
	return r, err
}

// keep draws n rows of e by systematic resampling: row i is drawn n w_i times,
// rounded up or down, with one random offset for all.
func keep(e Ensemble, n int, seed rng.Seed) *mat.Dense {
	rows, cols := e.Members.Dims()
	kept := mat.NewDense(n, cols, nil)
	weight := func(int) float64 { return 1 / float64(rows) }
	if e.LogWeights != nil {
		weight = func(i int) float64 { return math.Exp(e.LogWeights[i]) }
	}
	u, sum, drawn := seed.Rand().Float64(), 0.0, 0
	for i := range rows {
		sum += weight(i)
		for drawn < n && (float64(drawn)+u)/float64(n) < sum {
			kept.SetRow(drawn, e.Members.RawRowView(i))
			drawn++
		}
	}
	for ; drawn < n; drawn++ { // the weights sum to a little less than 1
		kept.SetRow(drawn, e.Members.RawRowView(rows-1))
	}
	return kept
}
