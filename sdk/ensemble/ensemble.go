// Package ensemble has the functions on ensembles that filters share: the moments of
// weighted ensembles, their rotation and the scale of their spread. Rows are members.
//
// Functions fill and return dst; they allocate it if it is nil. They do not modify their
// other arguments. A nil slice of weights means equal weights; other weights are linear,
// not logarithmic, and sum to one.
package ensemble

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Mean returns the weighted mean of the rows of e, n values:
//
//	mean_j = sum_i w_i e_ij
//
// Cost: N n.
func Mean(dst []float64, e *mat.Dense, weights []float64) []float64 {
	rows, n := e.Dims()
	if dst == nil {
		dst = make([]float64, n)
	}
	clear(dst)
	for i := range rows {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		for j, v := range e.RawRowView(i) {
			dst[j] += w * v
		}
	}
	if weights == nil {
		for j := range dst {
			dst[j] /= float64(rows)
		}
	}
	return dst
}

// Anomalies returns the rows of e minus mean, N x n. dst may be e.
func Anomalies(dst, e *mat.Dense, mean []float64) *mat.Dense {
	rows, n := e.Dims()
	if dst == nil {
		dst = mat.NewDense(rows, n, nil)
	}
	for i := range rows {
		to := dst.RawRowView(i)
		for j, v := range e.RawRowView(i) {
			to[j] = v - mean[j]
		}
	}
	return dst
}

// Variance returns the unbiased weighted variance of every column of e, n values:
//
//	var_j = sum_i w_i (e_ij - mean_j)² / (1 - sum_i w_i²)
//
// which for equal weights divides by N - 1. It is NaN if all weight is on one
// member, see [Unbiased], and 0 if all members are the same, although their mean may be rounded. Cost: N n.
func Variance(dst []float64, e *mat.Dense, mean, weights []float64) []float64 {
	rows, n := e.Dims()
	if dst == nil {
		dst = make([]float64, n)
	}
	clear(dst)
	w := 1 / float64(rows)
	for i := range rows {
		if weights != nil {
			w = weights[i]
		}
		for j, v := range e.RawRowView(i) {
			d := v - mean[j]
			dst[j] += w * d * d
		}
	}
	correction := Unbiased(weights, rows)
	for j := range dst {
		if correction > 0 {
			dst[j] /= correction
		} else {
			dst[j] = math.NaN()
		}
		if limit := maybeRounding * mean[j]; dst[j] > 0 && dst[j] < limit*limit && same(e, j) {
			dst[j] = 0
		}
	}
	return dst
}

// maybeRounding is the part of a mean above which a standard deviation is not the rounding of the mean.
const maybeRounding = 1e-9

// same reports whether all values of a column are the same.
func same(e *mat.Dense, column int) bool {
	rows, _ := e.Dims()
	first := e.At(0, column)
	for i := 1; i < rows; i++ {
		if e.At(i, column) != first {
			return false
		}
	}
	return true
}

// ESS returns the effective sample size 1 / sum_i w_i² of n weights (Kish 1965);
// n if weights is nil.
func ESS(weights []float64, n int) float64 {
	if weights == nil {
		return float64(n)
	}
	var squares float64
	for _, w := range weights {
		squares += w * w
	}
	return 1 / squares
}

// Unbiased returns 1 - sum_i w_i² of n weights, by which moments are divided to be without bias; 1 - 1/n if
// weights is nil. Nearly all weight may be on one member: the rest is summed by itself then, because the
// difference would be rounding. It is 0 if the rest is below 2⁻⁵⁰⁰, which counts as none. Cost: n.
func Unbiased(weights []float64, n int) float64 {
	difference := 1 - 1/ESS(weights, n)
	if weights == nil || !(difference < 0x1p-20) {
		return difference
	}
	heaviest := 0
	for i, w := range weights {
		if w > weights[heaviest] {
			heaviest = i
		}
	}
	var rest, sum float64
	for i, w := range weights {
		if i != heaviest {
			rest += w
			sum += w * (1 - w)
		}
	}
	if rest < 0x1p-500 {
		return 0
	}
	return weights[heaviest]*rest + sum
}

// Normalise returns the linear weights for logWeights, which may have any common offset
// and may be -Inf, and the logarithm of their sum. The sum is computed relative to the
// largest weight, so that no relevant weight underflows. If all are -Inf, or one is NaN
// or +Inf, the sum is that value and the weights are NaN.
func Normalise(dst, logWeights []float64) (weights []float64, logSum float64) {
	if dst == nil {
		dst = make([]float64, len(logWeights))
	}
	largest := math.Inf(-1)
	for _, l := range logWeights {
		if l > largest || math.IsNaN(l) {
			largest = l
		}
	}
	if math.IsNaN(largest) || math.IsInf(largest, 0) {
		for i := range dst {
			dst[i] = math.NaN()
		}
		return dst, largest
	}
	var sum float64
	for i, l := range logWeights {
		dst[i] = math.Exp(l - largest)
		sum += dst[i]
	}
	for i := range dst {
		dst[i] /= sum
	}
	return dst, largest + math.Log(sum)
}

// NonFinite returns the position of the first value of e that is NaN or infinite, or
// false. Cost: N n.
func NonFinite(e *mat.Dense) (member, value int, found bool) {
	rows, _ := e.Dims()
	for i := range rows {
		row := e.RawRowView(i)
		zero := 0.0
		for _, v := range row {
			zero += v * 0 // NaN for every value that is not finite
		}
		if zero == 0 {
			continue
		}
		for j, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// Unequal returns the first of N members whose weight is not 1/N, and its weight.
// Normalised log-weights that differ by no more than the rounding of a sum, 1e-9, count
// as equal; so do nil ones.
func Unequal(logWeights []float64) (member int, weight float64, found bool) {
	equal := -math.Log(float64(len(logWeights)))
	for i, w := range logWeights {
		if math.Abs(w-equal) > 1e-9 {
			return i, math.Exp(w), true
		}
	}
	return 0, 0, false
}
