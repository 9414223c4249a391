// Package resample draws ancestors in proportion to weights.
//
// Every scheme is unbiased: the expected number of copies of member i is n w_i.
// They differ in how much the numbers vary around that. Ancestors are in ascending
// order. Weights are linear and sum to one within rounding; they are not modified.
// Cost: O(N + n).
//
// A comparison is in Douc, Cappé and Moulines (2005, doi:10.1109/ISPA.2005.195385).
package resample

import (
	"math"
	"math/rand/v2"
)

// Systematic draws len(dst) ancestors with one uniform number for all: member i
// is drawn floor(n w_i) or ceil(n w_i) times (Kitagawa 1996,
// doi:10.1080/10618600.1996.10474692).
func Systematic(dst []int, weights []float64, r *rand.Rand) []int {
	u := r.Float64()
	return invert(dst, weights, func(k int) float64 { return (float64(k) + u) / float64(len(dst)) })
}

// Stratified draws len(dst) ancestors with one uniform number in each of n equal
// intervals (Kitagawa 1996, doi:10.1080/10618600.1996.10474692).
func Stratified(dst []int, weights []float64, r *rand.Rand) []int {
	return invert(dst, weights, func(k int) float64 { return (float64(k) + r.Float64()) / float64(len(dst)) })
}

// Multinomial draws len(dst) ancestors independently of one another (Gordon,
// Salmond and Smith 1993, doi:10.1049/ip-f-2.1993.0015). The ordered uniform
// numbers come from sums of exponential ones.
func Multinomial(dst []int, weights []float64, r *rand.Rand) []int {
	sums := make([]float64, len(dst)+1)
	total := 0.0
	for k := range sums {
		total += r.ExpFloat64()
		sums[k] = total
	}
	return invert(dst, weights, func(k int) float64 { return sums[k] / total })
}

// Residual draws floor(n w_i) copies of every member and the rest with
// Multinomial in proportion to the remaining weights (Liu and Chen 1998,
// doi:10.1080/01621459.1998.10473765). With a systematic rest the whole scheme would be
// systematic.
func Residual(dst []int, weights []float64, r *rand.Rand) []int {
	n := len(dst)
	rest := make([]float64, len(weights))
	drawn, left := 0, 0.0
	for i, w := range weights {
		whole := math.Floor(float64(n) * w)
		for range min(int(whole), n-drawn) {
			dst[drawn] = i
			drawn++
		}
		rest[i] = max(0, float64(n)*w-whole)
		left += rest[i]
	}
	if drawn == n {
		return dst
	}
	for i := range rest {
		rest[i] /= left
	}
	extra := Multinomial(make([]int, n-drawn), rest, r)
	return merge(dst, drawn, extra)
}

// merge puts the first n ancestors of dst and extra in order.
func merge(dst []int, n int, extra []int) []int {
	for i, j, k := n-1, len(extra)-1, len(dst)-1; j >= 0; k-- {
		if i >= 0 && dst[i] > extra[j] {
			dst[k] = dst[i]
			i--
		} else {
			dst[k] = extra[j]
			j--
		}
	}
	return dst
}

// invert maps ascending numbers u(k) in [0, 1) through the inverse of the
// cumulative weights. If rounding leaves the sum of the weights below the last number,
// that number is mapped to the last member whose weight is not 0.
func invert(dst []int, weights []float64, u func(k int) float64) []int {
	last := len(weights) - 1
	for last > 0 && weights[last] == 0 {
		last--
	}
	i, sum := 0, weights[0]
	for k := range dst {
		for p := u(k); p >= sum && i < last; sum += weights[i] {
			i++
		}
		dst[k] = i
	}
	return dst
}
