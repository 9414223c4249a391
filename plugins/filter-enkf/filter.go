package main

import (
	"context"
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/mat"
)

type filter struct {
	Scheme       string  `param:"scheme"`
	Inflation    float64 `param:"inflation"`
	Rotation     bool    `param:"rotation"`
	Observations string  `param:"observations"`
}

func newFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &filter{}
	c.Params.Decode(f)
	if c.Members < 2 {
		return nil, sdk.Errorf(sdk.KindConfig, "ensemble.size", "got %d members, want at least 2 to have a covariance", c.Members)
	}
	if f.blackBox() && f.Scheme != "stochastic" {
		return nil, sdk.Errorf(sdk.KindConfig, "observations", "simulated observations carry their error in themselves, which %s cannot use", f.Scheme).
			WithHint("choose scheme = \"stochastic\" or observations = \"predicted\"")
	}
	return f, nil
}

func (f *filter) blackBox() bool { return f.Observations == "simulated" }

// Needs implements sdk.Filter.
func (f *filter) Needs() []sdk.Capability {
	if f.blackBox() {
		return []sdk.Capability{sdk.Simulated}
	}
	return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}
}

// Analyse implements sdk.Filter. A scheme turns what is observed into an update
// of anomalies, which then passes over the state once. Cost: a decomposition,
// N m min(N, m), and what [update.apply] says.
func (f *filter) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	o, err := f.observed(p)
	if err != nil {
		return nil, err
	}
	if o == nil { // nothing is observed in this cycle
		p.Into.Copy(p.Ensemble)
		return &sdk.Analysis{}, nil
	}
	u := &update{left: o.u, mean: o.meanWeights()}
	switch {
	case f.blackBox():
		u.anomalies = blackBox(o)
	case f.Scheme == "stochastic":
		u.anomalies = stochastic(o, p.Seed.Child("perturbations", 0), p.First)
	default:
		u.anomalies = etkf(o)
	}
	var rotation *mat.Dense
	if f.Rotation {
		members, _ := p.Ensemble.Dims()
		rotation = linalg.MeanPreservingRotation(members, p.Seed.Child("rotation", 0).Rand())
	}
	u.apply(p.Into, p.Ensemble, f.Inflation, rotation)
	if i, j, found := ensemble.NonFinite(p.Into); found {
		return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("analysis member %d", i), "value %d overflows to %v", j, p.Into.At(i, j)).
			WithHint("the forecast is too large to compute with; check inflation and time step")
	}
	return &sdk.Analysis{Metrics: o.metrics()}, nil
}

// check refuses what an EnKF cannot use.
func check(p *sdk.Problem) error {
	if i, j, found := ensemble.NonFinite(p.Ensemble); found {
		return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("forecast member %d", i), "value %d is %v, want a finite number", j, p.Ensemble.At(i, j))
	}
	for i, w := range p.LogWeights {
		equal := -math.Log(float64(len(p.LogWeights)))
		if math.Abs(w-equal) > 1e-9 { // equal weights, normalised, are off by the rounding of a sum
			return sdk.Errorf(sdk.KindConfig, "forecast weights", "member %d has weight %.3g, want equal weights", i, math.Exp(w)).
				WithHint("an EnKF cannot take over from a filter that leaves weights; let that one resample in every cycle")
		}
	}
	return nil
}
