package filterenkf

import (
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// observed is the observed side of an analysis with N members and m components
// that are not missing, in units of s, the standard deviation of the observation
// error:
//
//	S = (HE - mean) diag(1/s) / sqrt(N-1),  d = (y - mean) / s
//
// For a black box, whose error is known only from simulated observations, S holds these
// and s is their spread.
type observed struct {
	present    []int      // indices of the components in the observation
	anomalies  *mat.Dense // S, N x m
	innovation []float64  // d, m values
	blackBox   bool
}

// observed collects the components that are not missing. It returns nil if there are none.
func (f *filter) observed(p *sdk.Problem) (*observed, error) {
	given, what := p.Predicted, "predicted observation"
	if f.blackBox() {
		given, what = p.Simulated, "simulated observation"
	}
	present, err := presentComponents(p.Observation)
	if len(present) == 0 || err != nil {
		return nil, err
	}
	s, y := chosen(given, present), make([]float64, len(present))
	if i, k, found := ensemble.NonFinite(s); found {
		return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("%s of member %d", what, i), "component %d is %v, want a finite number", present[k], s.At(i, k))
	}
	for k, j := range present {
		y[k] = p.Observation[j]
	}
	mean := ensemble.Mean(nil, s, nil)
	variance := make([]float64, len(present))
	if f.blackBox() {
		ensemble.Variance(variance, s, mean, nil)
	} else if err := errorVariance(variance, p, present); err != nil {
		return nil, err
	}
	floats.Sub(y, mean)
	o := &observed{present: present, anomalies: ensemble.Anomalies(s, s, mean), innovation: y, blackBox: f.blackBox()}
	return o, o.normalise(variance)
}

// errorVariance stores the error variances of the present components.
func errorVariance(dst []float64, p *sdk.Problem, present []int) error {
	for k, j := range present {
		dst[k] = p.ErrorVariance[j]
		if !(dst[k] > 0) || math.IsInf(dst[k], 1) {
			return sdk.Errorf(sdk.KindContract, "error variance", "component %d is %v, want a finite number above 0", j, dst[k])
		}
	}
	return nil
}

func presentComponents(y []float64) ([]int, error) {
	var present []int
	for j, v := range y {
		if math.IsInf(v, 0) {
			return nil, sdk.Errorf(sdk.KindConfig, "observation", "component %d is %v, want a finite number, or NaN if it is missing", j, v)
		}
		if !math.IsNaN(v) {
			present = append(present, j)
		}
	}
	return present, nil
}

// chosen returns the listed columns of e.
func chosen(e *mat.Dense, which []int) *mat.Dense {
	rows, _ := e.Dims()
	out := mat.NewDense(rows, len(which), nil)
	for i := range rows {
		from, to := e.RawRowView(i), out.RawRowView(i)
		for k, j := range which {
			to[k] = from[j]
		}
	}
	return out
}

// largest bounds the sum of squares of anomalies and innovations, in units of the
// observation error, so that their products do not overflow.
const largest = 1e300

// normalise divides anomalies and innovation by the standard deviation. A component without
// variance, which only a black box can have, has no information about the state: its
// innovation is set to 0.
func (o *observed) normalise(variance []float64) error {
	members, m := o.anomalies.Dims()
	scale := make([]float64, m)
	for k, v := range variance {
		if v > 0 {
			scale[k] = 1 / math.Sqrt(v)
		}
	}
	floats.Mul(o.innovation, scale)
	floats.Scale(1/math.Sqrt(float64(members-1)), scale)
	size := floats.Dot(o.innovation, o.innovation)
	for i := range members {
		row := o.anomalies.RawRowView(i)
		floats.Mul(row, scale)
		size += floats.Dot(row, row)
	}
	if !(size < largest) {
		return sdk.Errorf(sdk.KindDiverged, "observed anomalies", "they or the innovation are too large to compute with, in units of the observation error").
			WithHint("the forecast has left the range of the observations; check inflation and time step")
	}
	return nil
}

// variance returns the ensemble's variance of every component in units of the
// error's, the diagonal of S'S. Cost: N m.
func (o *observed) variance() []float64 {
	members, m := o.anomalies.Dims()
	v := make([]float64, m)
	for i := range members {
		for k, s := range o.anomalies.RawRowView(i) {
			v[k] += s * s
		}
	}
	return v
}

// nis returns the normalised innovation squared, component by component,
//
//	nis = 1/m sum_k d_k^2 / (prior^2 v_k + 1)
//
// with v the ensemble's variances and prior the factor on its anomalies. It is 1 on
// average if spread and error variance are right. Unlike that of [decomposed.metrics] it
// does not use the covariances of the ensemble, which localization does not trust.
func (o *observed) nis(prior float64) float64 {
	sum := 0.0
	for k, v := range o.variance() {
		sum += o.innovation[k] * o.innovation[k] / (1 + prior*prior*v)
	}
	return sum / float64(len(o.innovation))
}
