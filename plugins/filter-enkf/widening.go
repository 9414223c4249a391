package filterenkf

import "github.com/plume-da/plume/sdk"

// widening is what is done about the spread in a call. All of it belongs to the call in
// which an observation is fresh: a filter that is called several times a cycle, each time
// with a fraction of the likelihood, inflates once.
type widening struct {
	fresh             *observed // what inflation is estimated from; nil: nothing is fresh
	prior             float64   // factor on the forecast's anomalies
	inflation         float64   // on those of the analysis
	anomalies, spread float64   // relaxation to those of the forecast: RTPP and RTPS
	carry             []byte
}

// widening returns what is to be done in the call of p, with o the observed side of p.
func (f *filter) widening(p *sdk.Problem, o *observed) (w *widening, err error) {
	w = &widening{fresh: o, prior: 1, inflation: 1, carry: p.Carry}
	switch fresh := p.Fresh(); fresh {
	case nil:
		w.fresh = nil
		return w, nil
	case p:
	default:
		if w.fresh, err = f.observed(fresh); err != nil {
			return nil, err
		}
	}
	w.inflation, w.anomalies, w.spread, w.carry = f.Inflation, f.RTPP, f.RTPS, nil
	if f.AdaptiveInflation {
		e, err := carried(p.Carry)
		if err != nil {
			return nil, err
		}
		w.prior, w.carry = e.inflation(), e.updated(w.fresh).carry()
	}
	return w, nil
}
