package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// bandwidthRule returns the width of the kernels of scheme joint,
//
//	b² = within p / (N + p),   p = r (r + 1) / 2,
//
// the share of the covariance that stays with the kernels. p is the number of
// values in a covariance of r dimensions: where N members determine little more,
// the kernels have nearly the ensemble's covariance, and the filter is an ensemble
// Kalman filter; as N grows they narrow, and the members shape the density. They are
// no wider than modes, of which within is the share in the variance, see [split] and,
// with a cutoff, [withinModes].
//
// The rule is plume's own. It was found on Lorenz-63 and Lorenz-96 with 3 to 40
// values, N = 10 to 1000, linear and nonlinear observations; see docs/results.
func bandwidthRule(within float64, members int, r float64) float64 {
	return math.Sqrt(kernelShare(within, float64(members), r))
}

// kernelShare returns b² of [bandwidthRule] for a sample of size members.
func kernelShare(within, size, r float64) float64 {
	p := covarianceValues(r)
	return within * p / (size + p)
}

// covarianceValues returns the number of values in a covariance of r dimensions.
func covarianceValues(r float64) float64 { return r * (r + 1) / 2 }

// many is how many members for each value of a covariance make kernels before the analysis less useful than after it.
const many = 20

// fewness returns how many times as many members as there are would be [many].
func fewness(members int, r float64) float64 {
	return many * covarianceValues(r) / float64(members)
}

// laterRule returns the part of the kernels of the global form that is left out before the analysis and made up for after it,
// see [conditional.smooth]:
//
//	within (2 - within) max(0, 1 - (20 p / N)²),   p as in [bandwidthRule].
//
// Kernels before the analysis have the shape of the forecast, and smooth it in every cycle, whether the observation says much or little. That moves members
// away from the sheets and bends of a density that many members know better. Kernels after it have the shape of the analysis and are as wide as the effective sample size asks for:
// wide where few members are left, which would be drawn many times. With few members the gain of the kernels is needed. Where a density
// has several modes, within is small, and the shape of the analysis is no better than that of the forecast.
func laterRule(within float64, members int, r float64) float64 {
	few := fewness(members, r)
	return within * (2 - within) * max(0, 1-few*few)
}

// narrowest bounds the share within modes from below: kernels without width have no density.
const narrowest = 0.02

// withinModes estimates the share of the variance of a value that lies within the
// modes of its density, 1 for a normal one, from its excess kurtosis. For two equal
// modes of share s each that is -2 (1 - s)².
func withinModes(excess float64) float64 {
	return max(narrowest, 1-math.Sqrt(max(0, -excess/2)))
}

// excessKurtosis returns of every value of the state
//
//	mean((x - mean)⁴) / variance² - 3 (N - 1) / (N + 1),
//
// the last term being what N draws of a normal density have on average (Cramer
// 1946, Mathematical Methods of Statistics, section 29.3), or NaN where there is no
// spread. Cost: N n.
func excessKurtosis(e *mat.Dense, mean, sd, weights []float64) []float64 {
	members, n := e.Dims()
	effective := ensemble.ESS(weights, members)
	biased := (effective - 1) / effective
	fourth := make([]float64, n)
	for i, w := range weights {
		for j, x := range e.RawRowView(i) {
			z := (x - mean[j]) / sd[j]
			fourth[j] += w * z * z * z * z
		}
	}
	for j := range fourth {
		if sd[j] > 0 {
			fourth[j] = fourth[j]/(biased*biased) - 3*(effective-1)/(effective+1)
		} else {
			fourth[j] = math.NaN()
		}
	}
	return fourth
}

// temperingRule returns the power of the likelihoods in the weights of the kernels of a
// place, the square of the share of the variance within modes. Between modes that the
// observation does not distinguish the weights differ by noise alone, which moves mass from
// mode to mode for good. Weights that are tempered too much waste the observation, so there has
// to be evidence of modes: the kurtosis, a mean over values, counts beyond its standard error
// sqrt(24 / (N values)) in an ensemble with one mode. The rule is plume's own, found with [bandwidthRule].
func temperingRule(excess float64, members int, values float64) float64 {
	within := withinModes(excess + math.Sqrt(24/(float64(members)*values)))
	return within * within
}

// leastESS returns the effective sample size that weights are to leave whatever the rule says: a quarter of the
// degrees of freedom N - 1, but not more than ten for each of the mean and r directions. With fewer, moments are not known; with
// a share of the members alone, the weights would be too flat however many there are.
func leastESS(members int, r float64) float64 { return 1 + min(float64(members-1)/4, 10*(r+1)) }

// largestScale bounds the scale of a forecast. A larger one is not sampling error: the
// forecast has lost the truth.
const largestScale = 10

// finiteSize returns by how much the spread of the forecast is to be multiplied
// because a sample of size members knows mean and covariance only so well, see
// [ensemble.FiniteSizeScale].
func (o *observedSpace) finiteSize(size float64) float64 {
	return min(largestScale, ensemble.FiniteSizeScale(o.innovation, o.variance, size))
}
