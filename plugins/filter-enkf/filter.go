package filterenkf

import (
	"context"
	"fmt"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/floats"
)

type filter struct {
	Scheme            string  `param:"scheme"`
	Cutoff            float64 `param:"cutoff"`
	Inflation         float64 `param:"inflation"`
	RTPS              float64 `param:"rtps"`
	RTPP              float64 `param:"rtpp"`
	AdaptiveInflation bool    `param:"adaptive_inflation"`
	Rotation          bool    `param:"rotation"`
	Observations      string  `param:"observations"`

	localization *taper.Localization // nil without a cutoff
	past         int                 // earlier times whose states are moved, too
}

func newFilter(c sdk.FilterConfig) (sdk.Filter, error) {
	f := &filter{past: c.Past}
	c.Params.Decode(f)
	if c.Members < 2 {
		return nil, sdk.Errorf(sdk.KindConfig, "ensemble.size", "got %d members, want at least 2 to have a covariance", c.Members)
	}
	var err error
	if f.localization, err = taper.NewLocalization(c.State, c.Observations, f.Cutoff); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *filter) blackBox() bool { return f.Observations == "simulated" }

// Needs implements sdk.Filter.
func (f *filter) Needs() []sdk.Capability {
	switch {
	case f.blackBox():
		return []sdk.Capability{sdk.Simulated}
	case f.Cutoff > 0:
		return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance, sdk.HasPositions}
	}
	return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}
}

// Analyse implements sdk.Filter. Global schemes compute one update of all anomalies, local
// schemes update one state value after the other. Without observations the analysis is the
// forecast, without any inflation. States of earlier times are moved by the same weights, but neither
// inflated nor relaxed: that has been done when they were the forecast, and would be done again in every cycle.
// The analysis may be written over the forecast: no value is read after it has been written.
func (f *filter) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if err := check(p); err != nil {
		return nil, err
	}
	o, err := f.observed(p)
	if err != nil {
		return nil, err
	}
	if o == nil {
		p.Into.Copy(p.Ensemble)
		return &sdk.Analysis{Carry: p.Carry}, nil
	}
	w, err := f.widening(p, o)
	if err != nil {
		return nil, err
	}
	update := f.updateGlobally
	if f.local() {
		update = f.updateLocally
	}
	now, before := p.Parts(f.past)
	var spread []float64 // of the forecast, which the analysis may replace
	if w.spread > 0 {
		spread = variances(now.Ensemble)
	}
	metrics, err := update(p, o, w)
	if err != nil {
		return nil, err
	}
	if f.Rotation && w.fresh != nil {
		ensemble.Rotate(now.Into, p.Seed.Child("rotation", 0))
		if before != nil {
			ensemble.Rotate(before.Into, p.Seed.Child("rotation", 0))
		}
	}
	if w.spread > 0 {
		relaxSpread(now.Into, spread, w.spread, w.prior*w.inflation)
	}
	if i, j, found := ensemble.NonFinite(p.Into); found {
		return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("analysis member %d", p.Member(i)), "value %d overflows to %v", j, p.Into.At(i, j)).
			WithHint("the forecast is too large to compute with; check inflation and time step")
	}
	if f.AdaptiveInflation || f.Scheme == "enkf-n" {
		metrics["inflation"] = w.prior
	}
	return &sdk.Analysis{Carry: w.carry, Metrics: metrics}, nil
}

// local reports whether state values are updated one by one. The LETKF without a cutoff
// has the same transform everywhere: it is the ETKF.
func (f *filter) local() bool { return f.Scheme == "serial" || f.localization != nil }

// updateGlobally writes the analysis and returns the diagnostics. With enkf-n it sets the
// factor on the forecast's anomalies in w.
func (f *filter) updateGlobally(p *sdk.Problem, o *observed, w *widening) (map[string]float64, error) {
	d, err := decompose(o)
	if err != nil {
		return nil, err
	}
	if f.Scheme == "enkf-n" && w.fresh != nil {
		fresh := d
		if w.fresh != o {
			if fresh, err = decompose(w.fresh); err != nil {
				return nil, err
			}
		}
		w.prior = fresh.finiteSizeScale()
	}
	d.inflate(w.prior)
	u := &update{left: d.u, mean: d.meanWeights()}
	switch {
	case f.blackBox():
		u.anomalies = blackBox(d)
	case f.Scheme == "stochastic":
		u.anomalies = stochastic(d, p.Call)
	case f.Scheme == "denkf":
		u.anomalies = denkf(d)
	default: // etkf, and schemes that reduce to it: letkf without a cutoff, enkf-n after its inflation
		u.anomalies = etkf(d)
	}
	now, before := p.Parts(f.past)
	if before != nil {
		u.apply(before.Into, before.Ensemble, 1, 1)
	}
	u.anomalies.Scale(1-w.anomalies, u.anomalies)
	u.apply(now.Into, now.Ensemble, w.prior, w.inflation)
	return d.metrics(), nil
}

// updateLocally does the same, value by value.
func (f *filter) updateLocally(p *sdk.Problem, o *observed, w *widening) (map[string]float64, error) {
	metrics := map[string]float64{"nis": o.nis(w.prior)}
	floats.Scale(w.prior, o.anomalies.RawMatrix().Data)
	s := newLocals(o, len(p.Observation), f.localization)
	newSweep := func() sweep { return newLETKF(s) }
	if f.Scheme == "serial" {
		once := newSerial(s, o.present)
		newSweep = func() sweep { return &serialSweep{serial: once} }
	}
	u := &localUpdate{locals: s, newSweep: newSweep, past: f.past, prior: w.prior, relaxation: w.anomalies, inflation: w.inflation}
	u.apply(p.Into, p.Ensemble)
	return metrics, nil
}

// check returns an error for a problem that an EnKF cannot use.
func check(p *sdk.Problem) error {
	if i, j, found := ensemble.NonFinite(p.Ensemble); found {
		return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("forecast member %d", p.Member(i)), "value %d is %v, want a finite number", j, p.Ensemble.At(i, j))
	}
	if i, weight, found := ensemble.Unequal(p.LogWeights); found {
		return sdk.Errorf(sdk.KindConfig, "forecast weights", "member %d has weight %.3g, want equal weights", p.Member(i), weight).
			WithHint("an EnKF cannot continue from a filter with unequal weights; make that filter resample in every cycle")
	}
	return nil
}
