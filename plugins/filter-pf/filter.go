package filterpf

import (
	"context"
	"fmt"
	"math"

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
	past         int                 // earlier times whose states are moved, too
}

func newFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &filter{past: c.Past}
	c.Params.Decode(f)
	if c.Members < 2 {
		return nil, sdk.Errorf(sdk.KindConfig, "ensemble.size", "got %d members, want at least 2", c.Members)
	}
	if f.Scheme == "local" && f.Cutoff == 0 {
		return nil, sdk.Errorf(sdk.KindConfig, "cutoff", "scheme = \"local\" needs one").WithHint("set cutoff to the distance beyond which an observation has no effect")
	}
	var err error
	if f.localization, err = taper.NewLocalization(c.State, c.Observations, f.Cutoff); err != nil {
		return nil, err
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

// Analyse implements sdk.Filter; see [filter.analyseWhole] and [filter.analyseLocally].
func (f *filter) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	if f.Scheme == "local" {
		return f.analyseLocally(p)
	}
	return f.analyseWhole(p)
}

// check returns an error for members and likelihoods that are not finite.
func check(p *sdk.Problem) error {
	if i, j, found := ensemble.NonFinite(p.Ensemble); found {
		return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("forecast member %d", p.Member(i)), "value %d is %v, want a finite number", j, p.Ensemble.At(i, j))
	}
	members, _ := p.LogLikelihood.Dims()
	for i := range members {
		for k, l := range p.LogLikelihood.RawRowView(i) {
			if math.IsNaN(l) || math.IsInf(l, 1) {
				return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("log-likelihood of member %d", p.Member(i)), "component %d is %v, want a finite number or -Inf", k, l)
			}
		}
	}
	return nil
}
