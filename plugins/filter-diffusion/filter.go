package filterdiffusion

import (
	"context"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/mat"
)

// filter is a configured diffusion filter.
type filter struct {
	Scheme            string  `param:"scheme"`
	Observations      string  `param:"observations"`
	Sampler           string  `param:"sampler"`
	Draws             string  `param:"draws"`
	Schedule          string  `param:"schedule"`
	Units             string  `param:"units"`
	Bandwidth         float64 `param:"bandwidth"`
	Tempering         float64 `param:"tempering"`
	Cutoff            float64 `param:"cutoff"`
	SecondOrder       bool    `param:"second_order"`
	FiniteSize        bool    `param:"finite_size"`
	AdaptiveInflation bool    `param:"adaptive_inflation"`
	BandwidthX        float64 `param:"bandwidth_x"`
	BandwidthY        float64 `param:"bandwidth_y"`
	Centre            bool    `param:"centre"`
	SigmaMax          float64 `param:"sigma_max"`
	BetaTotal         float64 `param:"beta_total"`
	RTol              float64 `param:"rtol"`
	ATol              float64 `param:"atol"`
	Steps             int     `param:"steps"`

	layout       *sdk.Layout         // of the state, nil if it is not known
	past         int                 // earlier times whose states are moved, too
	localization *taper.Localization // nil without cutoff
	rings        *taper.Rings        // nil unless the cutoff is chosen
}

func newFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &filter{}
	c.Params.Decode(f)
	if c.Members < 2 {
		return nil, sdk.Errorf(sdk.KindConfig, "ensemble.size", "is %d, but a density needs at least 2 members", c.Members)
	}
	if f.local() && !f.SecondOrder {
		return nil, sdk.Errorf(sdk.KindConfig, "second_order", "is false, but with a cutoff members are moved to the moments of the density").
			WithHint("leave second_order out, or the cutoff")
	}
	if f.past = c.Past; f.past > 0 && f.Sampler != "exact" {
		return nil, sdk.Errorf(sdk.KindConfig, "sampler", "is %q, but states of earlier times need to know which kernel a member was drawn from", f.Sampler).
			WithHint("leave sampler out; it is exact")
	}
	f.layout = c.State
	cutoff, auto := f.Cutoff, sdk.IsAuto(f.Cutoff)
	if auto {
		if !f.FiniteSize {
			return nil, sdk.Errorf(sdk.KindConfig, "finite_size", "is false, but cutoff = \"auto\" is chosen by the finite-size scale").
				WithHint("leave finite_size out, or give the cutoff as a number")
		}
		cutoff = math.SmallestNonzeroFloat64 // as many cells as points, for searches of any length
	}
	var err error
	if f.localization, err = taper.NewLocalization(c.State, c.Observations, cutoff); err != nil {
		return nil, err
	}
	if auto {
		if f.rings = taper.NewRings(c.State); len(f.rings.Distances()) == 0 {
			return nil, sdk.Errorf(sdk.KindConfig, "cutoff", "is \"auto\", but no variable of the state has values in two places").
				WithHint("give the cutoff as a number, or leave it out")
		}
	}
	return f, nil
}

// local reports whether the analysis is made place by place.
func (f *filter) local() bool { return f.Cutoff > 0 || sdk.IsAuto(f.Cutoff) }

// Needs lists what the kernels in the observation are made of.
func (f *filter) Needs() []sdk.Capability {
	switch {
	case f.Observations == "simulated":
		return []sdk.Capability{sdk.Simulated}
	case f.local():
		return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance, sdk.HasPositions}
	}
	return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}
}

// Analyse replaces the forecast by as many draws from the estimated density of
// the state given the observation. Missing components of the observation are left
// out; with none left the analysis is the forecast, log-weights included.
func (f *filter) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	observed, err := f.check(p)
	if err != nil {
		return nil, err
	}
	if len(observed) == 0 {
		p.Into.Copy(p.Ensemble)
		return &sdk.Analysis{LogWeights: slices.Clone(p.LogWeights), Carry: p.Carry}, nil
	}
	switch {
	case f.localization != nil:
		return f.analyseLocally(p, observed)
	case f.Scheme == "joint":
		return f.analyseJoint(ctx, p, observed)
	}
	now := p.Now(f.past)
	d, err := f.estimate(now, observed)
	if err != nil {
		return nil, err
	}
	ancestors, metrics, err := f.sample(ctx, now, d)
	if err != nil {
		return nil, err
	}
	d.toState(now.Into)
	if err := checkFinite(p.Call, "analysis ensemble", now.Into, allOf(len(d.scale))); err != nil {
		return nil, err
	}
	f.inherit(p, ancestors)
	metrics["weights_ess"] = ensemble.ESS(d.weights(), len(d.logWeights))
	metrics["bandwidth_x"], metrics["bandwidth_y"] = d.bandwidth, d.bandwidthY
	return &sdk.Analysis{Ancestors: ancestors, Metrics: metrics}, nil
}

// inherit gives every member the states of earlier times of its ancestor.
func (f *filter) inherit(p *sdk.Problem, ancestors []int) {
	if f.past == 0 {
		return
	}
	_, before := p.Parts(f.past)
	for i, from := range ancestors {
		copy(before.Into.RawRowView(i), before.Ensemble.RawRowView(from))
	}
}

// kernels returns the observations the members stand for.
func (f *filter) kernels(p *sdk.Problem) (name string, y *mat.Dense) {
	if f.Observations == "predicted" {
		return "predicted observations", p.Predicted
	}
	return "simulated observations", p.Simulated
}

// check refuses what cannot be computed with and returns the indices of the
// components of the observation that are not missing.
func (f *filter) check(p *sdk.Problem) (observed []int, err error) {
	members, n := p.Ensemble.Dims()
	if members < 2 {
		return nil, sdk.Errorf(sdk.KindShape, "forecast ensemble", "has %d member, want at least 2", members)
	}
	if err := checkFinite(p.Call, "forecast ensemble", p.Ensemble, allOf(n)); err != nil {
		return nil, err
	}
	if err := checkLogWeights(p, members); err != nil {
		return nil, err
	}
	m := len(p.Observation)
	for j, y := range p.Observation {
		if math.IsInf(y, 0) {
			return nil, sdk.Errorf(sdk.KindContract, "observation", "component %d is %g, want a finite number, or NaN where missing", j, y)
		}
	}
	observed = present(p.Observation)
	name, y := f.kernels(p)
	if rows, cols := dims(y); rows != members || cols != m {
		return nil, sdk.Errorf(sdk.KindContract, name, "are %d x %d, want %d x %d", rows, cols, members, m)
	}
	if err := checkFinite(p.Call, name, y, observed); err != nil {
		return nil, err
	}
	return observed, f.checkErrorVariance(p.ErrorVariance, observed, m)
}

func (f *filter) checkErrorVariance(variance []float64, observed []int, m int) error {
	if f.Observations != "predicted" {
		return nil
	}
	if len(variance) != m {
		return sdk.Errorf(sdk.KindContract, "error variance", "has %d values, want %d", len(variance), m)
	}
	for _, j := range observed {
		if v := variance[j]; !(v > 0) || math.IsInf(v, 0) {
			return sdk.Errorf(sdk.KindContract, "error variance", "component %d is %g, want a finite number above 0", j, v)
		}
	}
	return nil
}

func checkLogWeights(p *sdk.Problem, members int) error {
	l := p.LogWeights
	if l == nil {
		return nil
	}
	if len(l) != members {
		return sdk.Errorf(sdk.KindContract, "log-weights", "%d for %d members", len(l), members)
	}
	if i := slices.IndexFunc(l, func(v float64) bool { return math.IsNaN(v) || v > 0 }); i >= 0 {
		return sdk.Errorf(sdk.KindContract, "log-weights", "member %d has %g, want a number of at most 0", p.Member(i), l[i])
	}
	if slices.Max(l) == 0 {
		return sdk.Errorf(sdk.KindDiverged, "log-weights", "one member holds all the weight, but a density needs at least 2")
	}
	return nil
}

func checkFinite(call sdk.Call, name string, e *mat.Dense, columns []int) error {
	members, _ := e.Dims()
	for i := range members {
		row := e.RawRowView(i)
		for _, j := range columns {
			if v := row[j]; math.IsNaN(v) || math.IsInf(v, 0) {
				return sdk.Errorf(sdk.KindDiverged, name, "member %d, value %d is %g, want finite numbers", call.Member(i), j, v)
			}
		}
	}
	return nil
}

func dims(m *mat.Dense) (rows, cols int) {
	if m == nil {
		return 0, 0
	}
	return m.Dims()
}

func allOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
