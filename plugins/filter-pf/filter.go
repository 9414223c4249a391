package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
)

type filter struct {
	Scheme       string  `param:"scheme"`
	Cutoff       float64 `param:"cutoff"`
	MinimumESS   float64 `param:"minimum_ess"`
	Rotation     bool    `param:"rotation"`
	Resampling   string  `param:"resampling"`
	Threshold    float64 `param:"threshold"`
	Jitter       float64 `param:"jitter"`
	JitterTarget string  `param:"jitter_target"`

	localization *taper.Localization // of scheme local
}

func newFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &filter{}
	c.Params.Decode(f)
	if c.Members < 2 {
		return nil, sdk.Errorf(sdk.KindConfig, "ensemble.size", "got %d members, want at least 2", c.Members)
	}
	if f.Scheme == "sir" && f.Cutoff > 0 {
		return nil, sdk.Errorf(sdk.KindConfig, "cutoff", "got %g, but sir weights whole members", f.Cutoff).WithHint("choose scheme = \"local\", or leave the cutoff out")
	}
	if f.Scheme == "local" {
		if f.Cutoff == 0 {
			return nil, sdk.Errorf(sdk.KindConfig, "cutoff", "scheme = \"local\" needs one").WithHint("set cutoff to the distance from which on an observation does not count")
		}
		var err error
		if f.localization, err = taper.NewLocalization(c.State, c.Observations, f.Cutoff); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Needs implements sdk.Filter.
func (f *filter) Needs() []sdk.Capability {
	if f.Scheme == "local" {
		return []sdk.Capability{sdk.LogLikelihood, sdk.HasPositions}
	}
	return []sdk.Capability{sdk.LogLikelihood}
}

// Analyse implements sdk.Filter: it weights the members by their likelihood and,
// when too few of them carry the weight, resamples. Metrics: weights_ess before
// resampling, the number of different ancestors and whether it resampled. Cost:
// O(N (n + m)), and O(N n min(N, n)) with jitter.
func (f *filter) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if i, j, found := ensemble.NonFinite(p.Ensemble); found {
		return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("forecast member %d", i), "value %d is %v, want a finite number", j, p.Ensemble.At(i, j))
	}
	if f.localization != nil {
		return f.analyseLocally(p)
	}
	logWeights, err := reweight(p)
	if err != nil {
		return nil, err
	}
	weights, logSum := ensemble.Normalise(nil, logWeights)
	if math.IsInf(logSum, -1) {
		return nil, sdk.Errorf(sdk.KindDiverged, "weights", "the observation is impossible for every one of the %d members", len(weights)).
			WithHint("the ensemble has lost the truth: use more members, jitter or a wider observation error")
	}
	ess := ensemble.ESS(weights, len(weights))
	a := &sdk.Analysis{Metrics: map[string]float64{"weights_ess": ess, "unique_ancestors": float64(len(weights)), "resampled": 0}}
	if !f.resamples(ess, p) {
		p.Into.Copy(p.Ensemble)
		for i := range logWeights {
			logWeights[i] -= logSum
		}
		a.LogWeights = logWeights
		return a, nil
	}
	a.Ancestors = f.draw(weights, p.Seed.Child("resample", 0).Rand())
	for i, from := range a.Ancestors {
		copy(p.Into.RawRowView(i), p.Ensemble.RawRowView(from))
	}
	a.Metrics["unique_ancestors"], a.Metrics["resampled"] = float64(unique(a.Ancestors)), 1
	f.jitter(p, a.Ancestors, weights)
	return a, nil
}

// resamples says whether the effective sample size is too small. A threshold of 1
// means every cycle, also when all weights are equal. A cycle without
// observations changes nothing.
func (f *filter) resamples(ess float64, p *sdk.Problem) bool {
	observed := slices.ContainsFunc(p.Observation, func(y float64) bool { return !math.IsNaN(y) })
	members, _ := p.Ensemble.Dims()
	return observed && (f.Threshold == 1 || ess < f.Threshold*float64(members))
}

// reweight returns the logarithms of the forecast weights times the likelihoods,
// up to a common factor.
func reweight(p *sdk.Problem) ([]float64, error) {
	logWeights := make([]float64, p.Ensemble.RawMatrix().Rows)
	copy(logWeights, p.LogWeights)
	for i := range logWeights {
		for k, l := range p.LogLikelihood.RawRowView(i) {
			if math.IsNaN(l) || math.IsInf(l, 1) {
				return nil, errLikelihood(i, k, l)
			}
			logWeights[i] += l
		}
	}
	return logWeights, nil
}

func errLikelihood(member, component int, got float64) error {
	return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("log-likelihood of member %d", member), "component %d is %v, want a finite number or -Inf", component, got)
}
