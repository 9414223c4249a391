// Package ensemble has the moments of an ensemble and the arithmetic of its
// weights. Rows are members, everywhere.
//
// Functions write into dst and return it; a nil dst is allocated. Weights are
// non-negative and sum to 1, nil stands for equal ones. Nothing but dst is
// modified, nothing is random, and sums run in row order, so that results do not
// depend on the number of processors.
package ensemble

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Mean returns the weighted mean of the rows of e (N x n), n values:
//
//	mean = sum_i w_i e_i
//
// Cost: N n.
func Mean(dst []float64, e *mat.Dense, w []float64) []float64 {
	rows, cols := e.Dims()
	if dst == nil {
		dst = make([]float64, cols)
	}
	clear(dst)
	if w == nil {
		for i := range rows {
			floats.Add(dst, e.RawRowView(i))
		}
		floats.Scale(1/float64(rows), dst)
		return dst
	}
	for i := range rows {
		floats.AddScaled(dst, w[i], e.RawRowView(i))
	}
	return dst
}

// Anomalies returns the rows of e minus mean, N x n. dst may be e itself.
// Cost: N n.
func Anomalies(dst, e *mat.Dense, mean []float64) *mat.Dense {
	rows, cols := e.Dims()
	if dst == nil {
		dst = mat.NewDense(rows, cols, nil)
	}
	for i := range rows {
		floats.SubTo(dst.RawRowView(i), e.RawRowView(i), mean)
	}
	return dst
}

// Covariance returns the unbiased weighted cross-covariance of two sets of
// anomalies of the same members, a (N x n) about their weighted mean and b
// (N x m), as an n x m matrix:
//
//	C = sum_i w_i a_i b_i' / (1 - sum_i w_i^2)
//
// which for equal weights has the divisor N - 1. It is not defined when one
// member holds all the weight. Cost: N n m.
func Covariance(dst, a, b *mat.Dense, w []float64) *mat.Dense {
	rows, n := a.Dims()
	_, m := b.Dims()
	if dst == nil {
		dst = mat.NewDense(n, m, nil)
	}
	if w == nil {
		dst.Mul(a.T(), b)
		dst.Scale(1/float64(rows-1), dst)
		return dst
	}
	dst.Zero()
	for i := range rows {
		for j, v := range a.RawRowView(i) {
			floats.AddScaled(dst.RawRowView(j), w[i]*v, b.RawRowView(i))
		}
	}
	dst.Scale(1/(1-floats.Dot(w, w)), dst)
	return dst
}

// Weights returns the weights of logWeights, which need not be normalised, and
// the logarithm of the sum they are divided by:
//
//	logSum = log sum_i exp(l_i),  w_i = exp(l_i - logSum)
//
// The largest exponent is taken out first, so nothing overflows. dst may be
// logWeights itself. When no weight is above zero, logSum is -Inf, and with a
// NaN or +Inf it is that; dst is then undefined. Cost: N exponentials.
func Weights(dst, logWeights []float64) (w []float64, logSum float64) {
	if dst == nil {
		dst = make([]float64, len(logWeights))
	}
	largest := math.Inf(-1)
	for _, l := range logWeights {
		largest = math.Max(largest, l) // a NaN stays
	}
	if math.IsNaN(largest) || math.IsInf(largest, 0) {
		return dst, largest
	}
	sum := 0.0
	for i, l := range logWeights {
		dst[i] = math.Exp(l - largest)
		sum += dst[i]
	}
	floats.Scale(1/sum, dst)
	return dst, largest + math.Log(sum)
}

// EffectiveSize returns the effective sample size of the weights w, from 1, when
// one member holds all the weight, to N, when all are equal:
//
//	1 / sum_i w_i^2
//
// Source: Kong, Liu and Wong 1994, doi:10.1080/01621459.1994.10476469.
func EffectiveSize(w []float64) float64 { return 1 / floats.Dot(w, w) }

// NonFinite returns where the first value of e that is NaN or infinite stands,
// or false. Cost: N n.
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
