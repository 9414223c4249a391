package filterdiffusion

import (
	"context"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// analyseJoint is the analysis of scheme joint. Kernels have the shape of the
// covariance of states and predicted observations together, b times as wide, and
// their centres are drawn towards the mean so that mean and covariance of the
// density are the ensemble's (Liu and West 2001,
// doi:10.1007/978-1-4757-3437-9_10, section 10.3). In coordinates in which the
// forecast has mean 0 and covariance I, with a = sqrt(1 - b²),
//
//	mu_i = a xi_i + K (y - a y_i),   K = b² Cxy (b² Cyy + R)^-1,   P = b² I - b² K Cyx,
//	w_i ~ W_i g(y; a y_i, b² Cyy + R)^gamma, modes held as [halves.hold] does
//
// and the state given the observation has the density sum_i w_i g(xi; mu_i, P),
// noised along the path sum_i w_i g(xi; mu_i, (1 + sigma²) P). b = 1 is an
// ensemble Kalman filter, b towards 0 a particle filter. b, see [bandwidthRule], [laterRule],
// [observedSpace.wideEnough] and [observedSpace.lost]; gamma, see [temper]. With many members that density is
// smoothed, see [conditional.smooth].
//
// Cost: two passes over the state of 2 N² n, and O(N² (m + r) + r³) with
// r = min(N - 1, n).
func (f *filter) analyseJoint(ctx context.Context, p *sdk.Problem, observed []int) (*sdk.Analysis, error) {
	members, _ := p.Ensemble.Dims()
	prior := equalWeights(members)
	if p.LogWeights != nil {
		ensemble.Normalise(prior, p.LogWeights)
	}
	now := p.Now(f.past)
	w, err := whiten(now.Ensemble, prior)
	if err != nil {
		return nil, err
	}
	o, err := f.observe(p, observed, prior)
	if err != nil {
		return nil, err
	}
	inflation, calibration, carry, err := f.widenOnce(p, o, prior, tightest(members, float64(w.rank())))
	if err != nil {
		return nil, err
	}
	cross := mat.NewDense(w.rank(), len(o.variance), nil) // Cxy
	linalg.Mul(cross, weightedRows(w.scores, prior).T(), o.anomalies)
	least := leastESS(members, float64(w.rank()))
	modes := split(w.scores.ColView(0), prior)
	b, later := f.Bandwidth, 0.0
	if sdk.IsAuto(b) {
		later = laterRule(modes.within, members, float64(w.rank()))
		b = math.Sqrt(1-later) * bandwidthRule(modes.within, members, float64(w.rank()))
		widest := o.widest(modes.within, cross)
		b = max(o.wideEnough(b, widest, least, prior), o.lost*widest)
	}
	posterior, err := w.given(o, cross, b, prior)
	if err != nil {
		return nil, err
	}
	gamma := temper(posterior.weights, posterior.logWeights, logarithms(prior), least, 1, f.Tempering)
	if sdk.IsAuto(f.Tempering) {
		modes.hold(posterior.logWeights, prior)
		_, logSum := ensemble.Normalise(posterior.weights, posterior.logWeights)
		floats.AddConst(-logSum, posterior.logWeights)
	}
	ess := ensemble.ESS(posterior.weights, members)
	if later > 0 {
		posterior.smooth(later * kernelShare(modes.within, ess, float64(w.rank())))
	}
	x, ancestors, metrics, err := f.drawJoint(ctx, p, posterior)
	if err != nil {
		return nil, err
	}
	w.follow(p, f.past, x, ancestors, prior)
	scaleSpread(x, calibration)
	w.toState(now.Into, now.Ensemble, x, inflation, prior)
	if err := checkFinite(p.Call, "analysis ensemble", p.Into, allOf(len(w.mean)*(1+f.past))); err != nil {
		return nil, err
	}
	metrics["weights_ess"], metrics["within_modes"], metrics["bandwidth"], metrics["tempering"] = ess, modes.within, b, gamma
	metrics["inflation"], metrics["calibration"], metrics["rank"] = inflation, calibration, float64(w.rank())
	return &sdk.Analysis{Ancestors: ancestors, Carry: carry, Metrics: metrics}, nil
}

// widenOnce is [filter.widen] by the components that no earlier call has used, which applies to
// all of them: it belongs to the call in which an observation is fresh.
func (f *filter) widenOnce(p *sdk.Problem, o *observedSpace, prior []float64, tightest float64) (factor, calibration float64, carry []byte, err error) {
	fresh, size := p.Fresh(), ensemble.ESS(prior, len(prior))
	if fresh == nil {
		return 1, 1, p.Carry, nil
	}
	if fresh == p {
		return f.widen(o, p.Carry, size, tightest)
	}
	seen, err := f.observe(fresh, present(fresh.Observation), prior)
	if err != nil {
		return 0, 0, nil, err
	}
	if factor, calibration, carry, err = f.widen(seen, p.Carry, size, tightest); err == nil {
		o.scale(factor)
		o.lost = seen.lost
	}
	return factor, calibration, carry, err
}

// present returns the indices of the components that are not missing.
func present(y []float64) (indices []int) {
	for j, v := range y {
		if !math.IsNaN(v) {
			indices = append(indices, j)
		}
	}
	return indices
}

// widen multiplies the spread of the predictions by what the last analysis took from it, by
// the most likely factor for an ensemble of this size, see [observedSpace.finiteSize], and by what the innovations
// so far demand, see [innovations.scale]. It returns the factor,
// the one that brings the spread of the analysis down to that of its error, see
// [innovations.calibration], and what is to be carried over. The predictions of a black box, whose
// error is not known, stay as they are.
func (f *filter) widen(o *observedSpace, carry []byte, size, tightest float64) (factor, calibration float64, _ []byte, err error) {
	if f.Observations != "predicted" {
		return 1, 1, nil, nil
	}
	kept, factor, calibration := 1.0, 1.0, 1.0
	if f.AdaptiveInflation {
		seen, err := carried(carry)
		if err != nil {
			return 0, 0, nil, err
		}
		kept = 1 / seen.calibration(tightest)
		o.scale(kept)
		seen = seen.with(o)
		factor, calibration, carry = seen.scale(), seen.calibration(tightest), seen.carry()
		o.lost = seen.recent.believed()
	}
	if f.FiniteSize {
		factor *= o.finiteSize(size)
	}
	o.scale(factor)
	return kept * factor, calibration, carry, nil
}

// conditional is a mixture of kernels g(xi; centre, P) in whitened
// coordinates.
type conditional struct {
	centres    *mat.Dense    // N x r
	logWeights []float64     // N
	weights    []float64     // N, normalised
	covariance *mat.SymDense // P
}

// smooth moves the given share of the covariance of the centres to the kernels. Centres are drawn towards their mean, so that mean and
// covariance of the density stay as they are.
func (c *conditional) smooth(share float64) {
	mean := ensemble.Mean(nil, c.centres, c.weights)
	scatter := scatterOf(ensemble.Anomalies(nil, c.centres, mean), c.weights)
	scatter.ScaleSym(share, scatter)
	c.covariance.AddSym(c.covariance, scatter)
	members, _ := c.centres.Dims()
	for i := range members {
		scaleFrom(mean, c.centres.RawRowView(i), math.Sqrt(1-share))
	}
}

// given returns the density of the state given the observation, with gamma = 1.
func (w *whitened) given(o *observedSpace, cross *mat.Dense, b float64, prior []float64) (*conditional, error) {
	members, r := w.scores.Dims()
	_, k := o.anomalies.Dims()
	a := math.Sqrt(1 - b*b)
	precision := o.precision(b)
	innovations := mat.NewDense(members, k, nil)
	for i := range members {
		row := innovations.RawRowView(i)
		floats.AddScaledTo(row, o.innovation, -a, o.anomalies.RawRowView(i))
		for j := range row {
			row[j] *= b * b * precision[j]
		}
	}
	c := &conditional{centres: mat.NewDense(members, r, nil), logWeights: o.logWeights(b, prior), weights: make([]float64, members)}
	linalg.Mul(c.centres, innovations, cross.T())
	for i := range members {
		floats.AddScaled(c.centres.RawRowView(i), a, w.scores.RawRowView(i))
	}
	explained := mat.DenseCopyOf(cross)
	for i := range r {
		floats.Mul(explained.RawRowView(i), precision)
	}
	c.covariance = mat.NewSymDense(r, nil)
	for i := range r {
		for j := i; j < r; j++ {
			c.covariance.SetSym(i, j, -b*b*b*b*floats.Dot(explained.RawRowView(i), cross.RawRowView(j)))
		}
		c.covariance.SetSym(i, i, c.covariance.At(i, i)+b*b)
	}
	return c, normaliseLogs(c.logWeights)
}

// temper raises the likelihoods in logWeights to the power gamma and returns it: the
// given one, or for auto the largest up to limit that leaves an effective sample size of
// least. The weights become what logWeights say, normalised.
func temper(weights, logWeights, logPrior []float64, least, limit, given float64) (gamma float64) {
	likelihood := make([]float64, len(logPrior))
	for i, l := range logWeights {
		if !math.IsInf(logPrior[i], -1) {
			likelihood[i] = l - logPrior[i]
		}
	}
	try := func(g float64) float64 {
		for i := range logWeights {
			logWeights[i] = logPrior[i] + g*likelihood[i]
		}
		_, logSum := ensemble.Normalise(weights, logWeights)
		floats.AddConst(-logSum, logWeights)
		return ensemble.ESS(weights, len(weights))
	}
	return largestPower(try, least, limit, given)
}

// mostHalvings is how often 1 can be halved.
const mostHalvings = 1075

// largestPower returns the power of the likelihoods, as [temper] does, where try sets the weights for one and returns the effective
// sample size. It tries the one that it returns last.
func largestPower(try func(gamma float64) float64, least, limit, given float64) float64 {
	if !sdk.IsAuto(given) {
		try(given)
		return given
	}
	low, high := 0.0, limit
	if try(high) >= least {
		return high
	}
	for step := range mostHalvings {
		if step >= 30 && high-low <= high/32 { // likelihoods may be of any size
			break
		}
		middle := (low + high) / 2
		if try(middle) < least {
			high = middle
		} else {
			low = middle
		}
	}
	try(low)
	return low
}

// drawJoint returns N draws from c in whitened coordinates. Kernels are ordered
// along the direction in which their centres spread most, so that systematic
// draws represent each stretch of it by its weight. With second_order the draws are moved
// as little as possible to the mean and covariance of c.
func (f *filter) drawJoint(ctx context.Context, p *sdk.Problem, c *conditional) (*mat.Dense, []int, map[string]float64, error) {
	members, r := c.centres.Dims()
	mean := ensemble.Mean(nil, c.centres, c.weights)
	anomalies := ensemble.Anomalies(nil, c.centres, mean)
	scatter := scatterOf(anomalies, c.weights)
	order, err := alongFirstComponent(anomalies, scatter)
	if err != nil {
		return nil, nil, nil, err
	}
	root, inverse, err := roots(c.covariance)
	if err != nil {
		return nil, nil, nil, err
	}
	sorted, logWeights := mat.NewDense(members, r, nil), make([]float64, members)
	for q, i := range order {
		sorted.SetRow(q, c.centres.RawRowView(i))
		logWeights[q] = c.logWeights[i]
	}
	centres := mat.NewDense(members, r, nil) // in the kernels' own unit
	linalg.Mul(centres, sorted, inverse)
	// The covariance of the mixture, without the bias of a finite sample, as everywhere: an
	// observation that says nothing leaves mean and covariance as they were.
	covariance := new(mat.SymDense)
	covariance.AddSym(scatter, c.covariance)
	spread := math.Sqrt(mat.Trace(covariance) / float64(r))
	q := *p
	q.Into = mat.NewDense(members, r, nil)
	ancestors, metrics, err := f.sample(ctx, &q, &density{centres: centres, logWeights: logWeights, bandwidth: 1, spread: spread})
	if err != nil {
		return nil, nil, nil, err
	}
	for i, a := range ancestors {
		ancestors[i] = order[a]
	}
	x := mat.NewDense(members, r, nil)
	linalg.Mul(x, q.Into, root)
	if f.SecondOrder {
		err = matchMoments(x, mean, covariance)
	}
	return x, ancestors, metrics, err
}

// scaleSpread multiplies the distances of rows from their mean by factor.
func scaleSpread(x *mat.Dense, factor float64) {
	mean := ensemble.Mean(nil, x, nil)
	for i := range x.RawMatrix().Rows {
		scaleFrom(mean, x.RawRowView(i), factor)
	}
}

// scaleFrom multiplies the distance of row from mean by factor.
func scaleFrom(mean, row []float64, factor float64) {
	floats.SubTo(row, row, mean)
	floats.AddScaledTo(row, mean, factor, row)
}

// scatterOf returns the covariance of rows with these weights and anomalies,
//
//	sum_i w_i a_i a_i' / (1 - sum_i w_i²).
func scatterOf(anomalies *mat.Dense, weights []float64) *mat.SymDense {
	scatter := new(mat.SymDense)
	scatter.SymOuterK(1, rootWeightedRows(anomalies, weights).T())
	return scatter
}

// alongFirstComponent returns the rows of anomalies in the order of their projections
// on the direction in which their covariance is largest.
func alongFirstComponent(anomalies *mat.Dense, covariance *mat.SymDense) ([]int, error) {
	rows, r := anomalies.Dims()
	_, vectors, err := eigen(covariance)
	if err != nil {
		return nil, err
	}
	projection := mat.NewVecDense(rows, nil)
	projection.MulVec(anomalies, vectors.ColView(r-1))
	order := allOf(rows)
	slices.SortStableFunc(order, func(i, j int) int {
		switch a, b := projection.AtVec(i), projection.AtVec(j); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return order, nil
}
