package filterenkf

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/floats"
)

// estimate is the mean and the variance of the factor on the variances of forecasts. It is
// carried from cycle to cycle.
type estimate struct{ factor, variance float64 }

// firstEstimate is no inflation, with a standard deviation of 0.1.
var firstEstimate = estimate{factor: 1, variance: 0.01}

// drift is the growth of the variance from cycle to cycle, so that the past is forgotten:
// the factor drifts with a standard deviation of 0.01.
const drift = 1e-4

// inflation returns the factor on the forecast's anomalies. Variances are never reduced.
func (e estimate) inflation() float64 { return math.Sqrt(max(1, e.factor)) }

// updated returns e after one more observation, with d and S of the forecast before
// inflation. The expectation of the innovation, E d'd = factor tr(S'S) + m, gives an
// observation of the factor,
//
//	(d'd - m) / tr(S'S),  of variance  2/m ((factor tr(S'S) + m) / tr(S'S))^2
//
// which a scalar Kalman filter assimilates. Without spread nothing is learned. Sources:
// Li, Kalnay and Miyoshi 2009, doi:10.1002/qj.371, for the observation and its
// filter; Miyoshi 2011, doi:10.1175/2010MWR3570.1, for its variance.
// The drift, a random walk, replaces their growth by a percentage and their fixed
// variance.
func (e estimate) updated(o *observed) estimate {
	m := float64(len(o.innovation))
	trace := floats.Sum(o.variance())
	e.variance += drift
	if !(trace > 0) {
		return e
	}
	seen := (floats.Dot(o.innovation, o.innovation) - m) / trace
	sd := (max(1, e.factor)*trace + m) / trace
	gain := e.variance / (e.variance + 2/m*sd*sd)
	e.factor += gain * (seen - e.factor)
	e.variance *= 1 - gain
	return e
}

const carryVersion = 1

// carry returns the mean and the variance of e.
func (e estimate) carry() []byte { return sdk.EncodeCarry(carryVersion, e.factor, e.variance) }

// carried returns the estimate of the previous cycle, or the first one.
func carried(carry []byte) (estimate, error) {
	if len(carry) == 0 {
		return firstEstimate, nil
	}
	v, err := sdk.DecodeCarry(carry, carryVersion, 2)
	if err != nil {
		return estimate{}, err
	}
	if v[1] <= 0 {
		return estimate{}, sdk.Errorf(sdk.KindContract, "carry", "the variance of the inflation is %v, want a number above 0", v[1])
	}
	return estimate{factor: v[0], variance: v[1]}, nil
}
