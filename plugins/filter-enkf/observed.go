package main

import (
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// observed is the observed side of an analysis with N members and m components
// that are not missing: anomalies S and innovation d in units of s, the standard
// deviation of the observation error, and the thin singular value decomposition
//
//	S = (HE - mean) diag(1/s) / sqrt(N-1) = U diag(sigma) V',  d = (y - mean) / s
//
// with k = min(N, m) singular values. Every scheme is a function of U, sigma and
// V: with A the state's anomalies (N x n), the Kalman gain is
//
//	K' = diag(1/s) V diag(gain) U' A / sqrt(N-1),  gain = sigma / (1 + sigma^2)
//
// so that no covariance is formed, and, the anomalies not being squared,
// observations far more accurate than the forecast lose no digits.
//
// For a black box, whose error is known through simulated observations alone, S
// holds these, s is their own spread, and the gain is that of a pseudo-inverse,
// 1/sigma.
type observed struct {
	members    int
	innovation []float64  // d, m values
	u, v       *mat.Dense // U, N x k; V, m x k
	sigma      []float64  // descending
	gain       []float64
	projected  []float64 // V' d
	blackBox   bool
}

// observed gathers and decomposes the components that are not missing. It returns
// nil when there are none.
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
	o, err := decompose(ensemble.Anomalies(s, s, mean), y, variance)
	if err != nil {
		return nil, err
	}
	o.setGain(f.blackBox())
	return o, nil
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
			return nil, sdk.Errorf(sdk.KindConfig, "observation", "component %d is %v, want a finite number, or NaN where it is missing", j, v)
		}
		if !math.IsNaN(v) {
			present = append(present, j)
		}
	}
	return present, nil
}

// chosen returns the columns of e that are listed.
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

// decompose takes anomalies (N x m) and innovation in their own units, and
// overwrites both. A component without variance, which only a black box can have,
// says nothing about the state: it gets no innovation.
func decompose(anomalies *mat.Dense, innovation, variance []float64) (*observed, error) {
	members, m := anomalies.Dims()
	scale := make([]float64, m)
	for k, v := range variance {
		if v > 0 {
			scale[k] = 1 / math.Sqrt(v)
		}
	}
	floats.Mul(innovation, scale)
	floats.Scale(1/math.Sqrt(float64(members-1)), scale)
	for i := range members {
		floats.Mul(anomalies.RawRowView(i), scale)
	}
	_, _, overflow := ensemble.NonFinite(anomalies)
	var svd mat.SVD
	size := floats.Dot(innovation, innovation)
	if overflow || math.IsInf(size, 0) || math.IsNaN(size) || !svd.Factorize(anomalies, mat.SVDThin) {
		return nil, sdk.Errorf(sdk.KindDiverged, "observed anomalies", "they or the innovation are too large, in units of the observation error, to compute with").
			WithHint("the forecast has left the range of the observations; check inflation and time step")
	}
	o := &observed{members: members, innovation: innovation, u: new(mat.Dense), v: new(mat.Dense), sigma: svd.Values(nil)}
	svd.UTo(o.u)
	svd.VTo(o.v)
	o.projected = make([]float64, len(o.sigma))
	mat.NewVecDense(len(o.sigma), o.projected).MulVec(o.v.T(), mat.NewVecDense(m, innovation))
	return o, nil
}

// setGain computes the gain of every singular value. Values of a black box that
// are rounding beside the largest count as zero and are left out.
func (o *observed) setGain(blackBox bool) {
	o.blackBox, o.gain = blackBox, make([]float64, len(o.sigma))
	limit := float64(max(o.members, len(o.innovation))) * 0x1p-52 * o.sigma[0]
	for j, s := range o.sigma {
		switch {
		case !blackBox:
			o.gain[j] = 1 / (1/s + s) // s / (1 + s^2) without the square, which may overflow
		case s > limit:
			o.gain[j] = 1 / s
		}
	}
}

// meanWeights returns c, k values: the Kalman filter adds c' U' A to the mean, in
// all schemes.
func (o *observed) meanWeights() []float64 {
	c := floats.MulTo(make([]float64, len(o.gain)), o.gain, o.projected)
	floats.Scale(1/math.Sqrt(float64(o.members-1)), c)
	return c
}

// metrics returns the normalised innovation squared, which is 1 on average when
// the ensemble's spread and the error variance are right,
//
//	nis = d' (S'S + I)^-1 d / m
//
// and the degrees of freedom for signal, the number of observed directions in
// which the observation counts more than the forecast (Rodgers 2000,
// doi:10.1142/3171, equation 2.57):
//
//	signal_dof = tr(HK) = sum_j sigma_j^2 / (1 + sigma_j^2)
//
// For a black box the error is inside the sample covariance: its nis has the
// pseudo-inverse of S'S, averaged over its rank, and no degrees of freedom.
func (o *observed) metrics() map[string]float64 {
	nis, signal, rank := 0.0, 0.0, 0
	for j, g := range o.gain {
		b := o.projected[j]
		switch {
		case !o.blackBox:
			nis += b * b / (1 + o.sigma[j]*o.sigma[j])
			signal += g * o.sigma[j]
		case g > 0:
			nis += b * b * g * g
			rank++
		}
	}
	if o.blackBox {
		return map[string]float64{"nis": nis / float64(max(rank, 1))}
	}
	m := len(o.innovation)
	if m > len(o.sigma) { // the part of d that no member predicts
		nis += max(0, floats.Dot(o.innovation, o.innovation)-floats.Dot(o.projected, o.projected))
	}
	return map[string]float64{"nis": nis / float64(m), "signal_dof": signal}
}
