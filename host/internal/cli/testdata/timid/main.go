// Timid is a filter that does not take fractions of the likelihood, nor cutoffs of observations: it moves all
// members by half of the mean innovation of the first observation.
package main

import (
	"context"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

const manifest = `
name    = "timid"
version = "1"
role    = "filter"
summary = "moves members by half of the mean innovation"
[[param]]
name    = "local"
type    = "bool"
default = false
doc     = "need coordinates, as filters that localize do"
`

type filter struct {
	Local bool `param:"local"`
}

func (f filter) Needs() []sdk.Capability {
	if f.Local {
		return []sdk.Capability{sdk.Predicted, sdk.HasPositions}
	}
	return []sdk.Capability{sdk.Predicted}
}

func (filter) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if p.Fraction != nil || p.Seen > 0 || len(p.Observation) > 3 {
		return nil, sdk.Errorf(sdk.KindContract, "problem", "has fractions")
	}
	rows, n := p.Ensemble.Dims()
	move := 0.0
	for i := range rows {
		move += (p.Observation[0] - p.Predicted.At(i, 0)) / float64(2*rows)
	}
	for i := range rows {
		for j := range n {
			p.Into.Set(i, j, p.Ensemble.At(i, j)+move)
		}
	}
	return &sdk.Analysis{}, nil
}

func main() {
	serve.Main(sdk.FilterPlugin(manifest, func(c sdk.FilterConfig) (sdk.Filter, error) {
		f := filter{}
		c.Params.Decode(&f)
		if c.Observations.Cutoffs != nil {
			return nil, sdk.Errorf(sdk.KindContract, "observations", "have cutoffs")
		}
		return f, nil
	}))
}
