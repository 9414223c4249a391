// Package resample draws ancestors: it turns a weighted ensemble into an equally
// weighted one.
//
// Every scheme fills dst, M numbers, with indices into weights, N numbers, in
// ascending order, such that index i is expected
//
//	M w_i / sum_j w_j
//
// times: all are unbiased, and differ in how far the number of copies scatters
// around that. A nil dst is allocated with M = N. Weights are finite and not
// negative and need not sum to 1; with a sum that is not a positive finite number
// the functions panic. An index of weight zero is never drawn. Draws come from r,
// weights are not modified, the cost is N + M.
//
// Source: Douc and Cappé 2005, doi:10.1109/ISPA.2005.195385.
package resample

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
)

// Scheme is a resampling scheme.
type Scheme func(dst []int, weights []float64, r *rand.Rand) []int

// Systematic places M equidistant points with one common random offset on the
// cumulative weights. Index i is drawn M w_i times, rounded up or down. One
// uniform number is drawn. Source: Kitagawa 1996,
// doi:10.1080/10618600.1996.10474692.
func Systematic(dst []int, weights []float64, r *rand.Rand) []int {
	dst = sized(dst, weights)
	offset := r.Float64()
	invert(dst, weights, func(k int) float64 { return (float64(k) + offset) / float64(len(dst)) })
	return dst
}

// Stratified places one point at random in each of M intervals of equal length
// on the cumulative weights. Index i is drawn at most twice more or less often
// than M w_i. M uniform numbers are drawn. Source: Kitagawa 1996,
// doi:10.1080/10618600.1996.10474692.
func Stratified(dst []int, weights []float64, r *rand.Rand) []int {
	dst = sized(dst, weights)
	invert(dst, weights, func(k int) float64 { return (float64(k) + r.Float64()) / float64(len(dst)) })
	return dst
}

// Multinomial draws M times independently, the plain bootstrap. The points come
// in ascending order from M exponential numbers (Rényi's representation of order
// statistics; Devroye 1986, doi:10.1007/978-1-4613-8643-8, section V.3), which
// spares the sorting.
func Multinomial(dst []int, weights []float64, r *rand.Rand) []int {
	dst = sized(dst, weights)
	exponential := 0.0
	invert(dst, weights, func(k int) float64 {
		exponential += r.ExpFloat64() / float64(len(dst)-k)
		return -math.Expm1(-exponential)
	})
	return dst
}

// Residual takes the whole part of M w_i copies of every index and draws the
// rest by [Multinomial] from the fractions left over. Source: Liu and Chen 1998,
// doi:10.1080/01621459.1998.10473765.
func Residual(dst []int, weights []float64, r *rand.Rand) []int {
	dst = sized(dst, weights)
	scale := float64(len(dst)) / total(weights)
	copies, rest := make([]int, len(weights)), make([]float64, len(weights))
	left := len(dst)
	for i, w := range weights {
		whole := math.Floor(scale * w)
		copies[i], rest[i] = int(whole), scale*w-whole
		left -= copies[i]
	}
	if left > 0 {
		for _, i := range Multinomial(dst[:left], rest, r) {
			copies[i]++
		}
	}
	next := 0
	for i, c := range copies {
		for range c {
			dst[next] = i
			next++
		}
	}
	return dst
}

func sized(dst []int, weights []float64) []int {
	if dst == nil {
		return make([]int, len(weights))
	}
	return dst
}

// invert stores in dst[k] the first index whose cumulative weight, as a share of
// the whole, exceeds point(k). Points ascend in [0, 1).
func invert(dst []int, weights []float64, point func(k int) float64) {
	whole := total(weights)
	last := len(weights) - 1
	for weights[last] == 0 {
		last-- // a point rounded up to 1 must not fall behind the last positive weight
	}
	i, sum := 0, weights[0]
	for k := range dst {
		p := point(k) * whole
		for sum <= p && i < last {
			i++
			sum += weights[i]
		}
		dst[k] = i
	}
}

func total(weights []float64) float64 {
	sum := floats.Sum(weights)
	if !(sum > 0) || math.IsInf(sum, 1) {
		panic(fmt.Sprintf("resample: %d weights sum to %v", len(weights), sum))
	}
	return sum
}
