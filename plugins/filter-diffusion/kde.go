package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The default bandwidths are these parts of Silverman's rule for a normal density
// in the joint space of state and observation. Half of it is the usual advice for
// the state, whose density may have several modes (Musso, Oudjane and Le Gland
// 2001, doi:10.1007/978-1-4757-3437-9_12); predicted observations are the same
// kernels seen through the operator, while simulated ones scatter by the
// observation error, which narrow kernels would not average out.
const (
	partX          = 0.5
	partYPredicted = 0.5
	partYSimulated = 1.0
)

// latentWidth is the default sigma_max, in standard deviations of the density.
// Where the latent is centred d standard deviations away from the noised density,
// the masses of two modes are off by up to d / (latentWidth sqrt(2 pi)).
const latentWidth = 50

// density is the kernel density estimate of the state given the observation, in
// coordinates (state - origin) / scale.
type density struct {
	centres       *mat.Dense // N x n, one kernel a row
	logWeights    []float64  // N, normalised
	bandwidth     float64
	origin, scale []float64
	spread        float64 // root mean square over the values of the standard deviation, in units of scale
	bandwidthY    float64
}

// estimate returns the density of the state given the components observed of the
// observation,
//
//	p(x | y) = sum_i w_i g(x; x_i, sx² I),   w_i ~ W_i g(y; y_i, sy² I + R), normalised,
//
// with x and y in units of the spread where f says so. W are the weights of the
// forecast; R is 0 for simulated observations. Cost: O(N (n + m)). Source: Binder,
// Dasgupta and Oberai (2026), arXiv:2603.21291.
func (f *filter) estimate(p *sdk.Problem, observed []int) (*density, error) {
	members, n := p.Ensemble.Dims()
	var prior []float64 // nil: all equal
	if p.LogWeights != nil {
		prior, _ = ensemble.Normalise(nil, p.LogWeights)
	}
	silverman := silvermanFactor(ensemble.ESS(prior, members), n+len(observed))

	mean, scale := moments(p.Ensemble, prior)
	if err := f.checkSpread("forecast ensemble", mean, scale); err != nil {
		return nil, err
	}
	spread := f.unit(scale)
	bandwidth, err := bandwidthOr("bandwidth_x", f.BandwidthX, partX*silverman*spread)
	if err != nil {
		return nil, err
	}
	logWeights, bandwidthY, err := f.weigh(p, observed, prior, silverman)
	if err != nil {
		return nil, err
	}
	if !f.Centre {
		clear(mean)
	}
	centres := ensemble.Anomalies(nil, p.Ensemble, mean)
	for i := range members {
		floats.Div(centres.RawRowView(i), scale)
	}
	return &density{centres, logWeights, bandwidth, mean, scale, spread, bandwidthY}, nil
}

// weigh returns the normalised log-weights of the kernels and their bandwidth in
// the observation.
func (f *filter) weigh(p *sdk.Problem, observed []int, prior []float64, silverman float64) ([]float64, float64, error) {
	name, all := f.kernels(p)
	y := columns(all, observed)
	mean, scale := moments(y, prior)
	part := partYSimulated
	if f.Observations == "predicted" {
		part = partYPredicted // R keeps the kernels from vanishing where the spread does
	} else if err := f.checkSpread(name, mean, scale); err != nil {
		return nil, 0, err
	}
	spread := f.unit(scale)
	distance := observedDistance(p.Observation, observed, mean, scale, spread)
	bandwidth, err := bandwidthOr("bandwidth_y", f.BandwidthY, part*silverman*distance)
	if err != nil {
		return nil, 0, err
	}
	precision := make([]float64, len(observed))
	for k, j := range observed {
		variance := bandwidth * scale[k] * bandwidth * scale[k]
		if f.Observations == "predicted" {
			variance += p.ErrorVariance[j]
		}
		precision[k] = 1 / variance
	}
	members, _ := y.Dims()
	logWeights := make([]float64, members)
	copy(logWeights, p.LogWeights)
	for i := range logWeights {
		for k, j := range observed {
			r := p.Observation[j] - y.At(i, k)
			logWeights[i] -= r * r * precision[k] / 2
		}
	}
	return logWeights, bandwidth, normaliseLogs(logWeights)
}

// unit turns the standard deviations in sd into the units of the kernels and
// returns the root mean square of the standard deviations in these units.
func (f *filter) unit(sd []float64) (spread float64) {
	if f.Units == "spread" {
		return 1
	}
	spread = floats.Norm(sd, 2) / math.Sqrt(float64(len(sd)))
	for j := range sd {
		sd[j] = 1
	}
	return spread
}

// observedDistance returns the root mean square of y_i - y over members and
// components, given the moments of the y_i. Unlike the spread it is wide where the
// observation is far from all members. Kernels in proportion to it then hardly
// distinguish members, and the ensemble keeps its spread until the model has carried
// it back; kernels in proportion to the spread would leave one member, and of the
// next forecast the spread of that member's kernel.
func observedDistance(y []float64, observed []int, mean, scale []float64, spread float64) float64 {
	sum := spread * spread
	for k, j := range observed {
		if scale[k] == 0 {
			continue // predictions that agree distinguish no members
		}
		z := (y[j] - mean[k]) / scale[k]
		sum += z * z / float64(len(observed))
	}
	return math.Sqrt(sum)
}

// checkSpread refuses standard deviations that cannot serve as units.
func (f *filter) checkSpread(name string, mean, sd []float64) error {
	if f.Units != "spread" {
		return nil
	}
	for j, s := range sd {
		if !(s > roundOff*math.Abs(mean[j])) {
			return sdk.Errorf(sdk.KindDiverged, name, "value %d has no spread (standard deviation %.3g), which units = \"spread\" divides by", j, s).
				WithHint("spread the members, or set units = \"raw\"")
		}
	}
	return nil
}

// roundOff is the part of a mean below which a standard deviation is the rounding
// of equal values.
const roundOff = 1e-14

func bandwidthOr(name string, given, rule float64) (float64, error) {
	switch {
	case !sdk.IsAuto(given):
		return given, nil
	case rule > 0 && !math.IsInf(rule, 0):
		return rule, nil
	}
	return 0, sdk.Errorf(sdk.KindDiverged, name, "its rule gives %.3g for this ensemble, want a finite number above 0", rule).
		WithHint("set %s, or check the members and the observation", name)
}

// silvermanFactor returns (4 / (N (d + 2)))^(1 / (d + 4)), the bandwidth in
// standard deviations that is best for a normal density in d dimensions known
// from N draws. Source: Silverman (1986), equation 4.14.
func silvermanFactor(size float64, d int) float64 {
	return math.Pow(4/(size*float64(d+2)), 1/float64(d+4))
}

// toState turns coordinates into states, in place.
func (d *density) toState(x *mat.Dense) {
	rows, _ := x.Dims()
	for i := range rows {
		row := x.RawRowView(i)
		floats.Mul(row, d.scale)
		floats.Add(row, d.origin)
	}
}

// weights returns the normalised weights of the kernels.
func (d *density) weights() []float64 {
	w, _ := ensemble.Normalise(nil, d.logWeights)
	return w
}

// moments returns the weighted mean and standard deviation of every column of e.
func moments(e *mat.Dense, weights []float64) (mean, sd []float64) {
	mean = ensemble.Mean(nil, e, weights)
	sd = ensemble.Variance(nil, e, mean, weights)
	for j := range sd {
		sd[j] = math.Sqrt(sd[j])
	}
	return mean, sd
}

// normaliseLogs shifts l so that the exponentials sum to 1.
func normaliseLogs(l []float64) error {
	_, logSum := ensemble.Normalise(nil, l)
	if math.IsInf(logSum, 0) || math.IsNaN(logSum) {
		return errFar()
	}
	floats.AddConst(-logSum, l)
	return nil
}

func errFar() error {
	return sdk.Errorf(sdk.KindDiverged, "observation", "is too far from every member for float64").
		WithHint("check the observation and its units")
}

// columns returns a copy of the given columns of e.
func columns(e *mat.Dense, which []int) *mat.Dense {
	rows, _ := e.Dims()
	out := mat.NewDense(rows, len(which), nil)
	for k, j := range which {
		for i := range rows {
			out.Set(i, k, e.At(i, j))
		}
	}
	return out
}
