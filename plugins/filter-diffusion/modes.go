package filterdiffusion

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// halves are the members on either side of the forecast mean along the direction in
// which they spread most.
type halves struct {
	right  []bool  // N
	within float64 // share of the variance within modes, see [split]
}

// split halves the members by their scores in the first principal component, with mean 0
// and variance 1. A normal density has the share 2/pi of that variance between the means
// of its halves, two distinct modes have all of it. So
//
//	within = (1 - between) / (1 - 2/pi),  between = m (1 - m) (difference of the means)²
//
// with the weight m of one half, no more than 1 and no less than [narrowest]. Unlike
// kurtosis it shows in few members, with a standard error of 0.93 / sqrt(N) for a normal
// density, and modes of unequal mass do not mislead it. Cost: N.
func split(scores mat.Vector, weights []float64) halves {
	h := halves{right: make([]bool, len(weights))}
	mass, moment, square := 0.0, 0.0, 0.0
	for i, w := range weights {
		x := scores.AtVec(i)
		square += w * x * x
		if h.right[i] = x > 0; h.right[i] {
			mass += w
			moment += w * x
		}
	}
	between := moment * moment / (mass * (1 - mass)) / square // the mean of all is 0
	h.within = min(1, max(narrowest, (1-between)/(1-2/math.Pi)))
	return h
}

// certainty returns how many standard errors the evidence for a half has to exceed to count for
// more than what [halves.hold] leaves of it: 4, and with more than 100 members as many as
// make the difference of the means the same: modes that sampling noise shaped differently in
// earlier cycles keep that difference, however many members there are.
func certainty(members int) float64 { return 4 * math.Sqrt(max(1, float64(members)/100)) }

// hold shifts the logarithms of weights so that the odds of the halves are those of the
// prior times the evidence for the right half to the power
//
//	max(within², 1 - (certainty / t)²)
//
// the evidence being the ratio of the halves' mean likelihoods and t their difference in
// standard errors. So weights count in full among the members of a mode. But where an
// observation does not distinguish modes, their means differ by sampling noise alone, which
// would move mass between modes for good. The logarithms need not be normalised, before or
// after. Cost: N.
func (h halves) hold(logWeights, prior []float64) {
	likelihoods := make([]float64, len(prior))
	largest := math.Inf(-1)
	for i, p := range prior {
		if likelihoods[i] = math.Inf(-1); p > 0 {
			likelihoods[i] = logWeights[i] - math.Log(p)
		}
		largest = max(largest, likelihoods[i])
	}
	for i, l := range likelihoods {
		likelihoods[i] = math.Exp(l - largest)
	}
	left, leftVariance := h.mean(false, likelihoods, prior)
	right, rightVariance := h.mean(true, likelihoods, prior)
	if left == 0 || right == 0 || left == right {
		return // certain beyond float64, or nothing to hold
	}
	t := (right - left) / math.Sqrt(leftVariance+rightVariance)
	doubt := certainty(len(prior)) / t
	power := max(h.within*h.within, 1-doubt*doubt)
	shift := (power - 1) * math.Log(right/left)
	for i := range logWeights {
		if h.right[i] {
			logWeights[i] += shift
		}
	}
}

// mean returns the weighted mean of the values in a half and the variance of that mean,
// infinite where one member is all there is.
func (h halves) mean(right bool, values, weights []float64) (mean, variance float64) {
	mass, squares := 0.0, 0.0
	for i, w := range weights {
		if h.right[i] == right {
			mass += w
			squares += w * w
			mean += w * values[i]
		}
	}
	mean /= mass
	for i, w := range weights {
		if d := values[i] - mean; h.right[i] == right {
			variance += w * w * d * d
		}
	}
	if alone := squares == mass*mass; alone {
		return mean, math.Inf(1)
	}
	return mean, variance / (mass*mass - squares)
}
