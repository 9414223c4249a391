package main

import (
	"context"
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
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
	if f.Observations == "simulated" && f.Scheme != "stochastic" {
		return nil, sdk.Errorf(sdk.KindConfig, "observations", "simulated observations carry their error in themselves, which %s cannot use", f.Scheme).
			WithHint("choose scheme = \"stochastic\" or observations = \"predicted\"")
	}
	return f, nil
}

// Needs implements sdk.Filter.
func (f *filter) Needs() []sdk.Capability {
	if f.Observations == "simulated" {
		return []sdk.Capability{sdk.Simulated}
	}
	return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}
}

// Analyse implements sdk.Filter. Every scheme is a linear map of the members,
// Ea = M Ef with an N x N matrix M that depends on what is observed alone; the
// state is touched once, in that product. Cost: O(N² (n + m)) and a
// factorisation of the smaller of N and m.
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
	var m *mat.Dense
	switch {
	case f.Observations == "simulated":
		m, err = blackBox(o)
	case f.Scheme == "stochastic":
		m, err = stochastic(o, p.Seed.Child("perturbations", 0).Rand())
	default:
		m, err = etkf(o)
	}
	if err != nil {
		return nil, err
	}
	inflate(m, f.Inflation)
	if f.Rotation {
		rotate(m, p.Seed.Child("rotation", 0).Rand())
	}
	p.Into.Mul(m, p.Ensemble)
	nis, err := o.nis()
	if err != nil {
		return nil, err
	}
	return &sdk.Analysis{Metrics: map[string]float64{"nis": nis}}, nil
}

// check refuses what an EnKF cannot use.
func check(p *sdk.Problem) error {
	for i := range p.Ensemble.RawMatrix().Rows {
		for j, v := range p.Ensemble.RawRowView(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("forecast member %d", i), "value %d is %v, want a finite number", j, v)
			}
		}
	}
	for i, w := range p.LogWeights {
		equal := -math.Log(float64(len(p.LogWeights)))
		if math.Abs(w-equal) > 1e-9 {
			return sdk.Errorf(sdk.KindConfig, "forecast weights", "member %d has weight %.3g, want equal weights", i, math.Exp(w)).
				WithHint("an EnKF cannot take over from a filter that leaves weights; let that one resample in every cycle")
		}
	}
	return nil
}
