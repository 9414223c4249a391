package filterdiffusion

import (
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// mixture is a density made of Gaussian kernels that are all alike:
//
//	p(x) = sum_i exp(logWeights_i) g(x; c_i, bandwidth² I)
//
// It is immutable.
type mixture struct {
	byValue, byKernel *linalg.Factor // the centres as n x N and as N x n
	halfNorms         []float64      // N, |c_i|²/2
	logWeights        []float64      // N, normalised
	bandwidth         float64
}

// newMixture returns the mixture around the rows of centres, which it keeps no
// reference to.
func newMixture(centres *mat.Dense, logWeights []float64, bandwidth float64) *mixture {
	m := &mixture{
		byValue:    linalg.NewFactor(centres.T()),
		byKernel:   linalg.NewFactor(centres),
		halfNorms:  make([]float64, len(logWeights)),
		logWeights: logWeights,
		bandwidth:  bandwidth,
	}
	for i := range m.halfNorms {
		row := centres.RawRowView(i)
		m.halfNorms[i] = floats.Dot(row, row) / 2
	}
	return m
}

// denoiser estimates what the states were before noise was added: dst is the
// expectation of the kernel's centre given the noised states x, one a row, all at
// the same level. The score of the noised density follows from it:
//
//	s(x) = (a dst - x) / v
//
// Calls must not overlap: a denoiser owns buffers.
type denoiser func(dst, x *mat.Dense, at level)

// denoiser returns the direct evaluation for at most rows states,
//
//	dst = sum_i w_i c_i / sum_i w_i,   w_i = exp(l_i - max l),
//	l_i = logWeights_i + a x.c_i / v - a² |c_i|² / (2 v),
//
// where |x|² is left out of the exponents, being common to all of them. Cost of a
// call: O(N n) a state in two matrix products, and N exponentials. Memory: rows x N.
// The exponents round like |c|²/v: the centres should lie around the origin.
func (m *mixture) denoiser(rows int) denoiser {
	kernels := len(m.logWeights)
	weights, offsets, sums := mat.NewDense(rows, kernels, nil), make([]float64, kernels), make([]float64, rows)
	return func(dst, x *mat.Dense, at level) {
		k, _ := x.Dims()
		w := weights.Slice(0, k, 0, kernels).(*mat.Dense)
		m.byValue.MulTo(w, x)
		slope, fall := at.signal/at.variance, at.signal*at.signal/at.variance
		floats.AddScaledTo(offsets, m.logWeights, -fall, m.halfNorms)
		for r := range k {
			sums[r] = linalg.ExpRelative(w.RawRowView(r), slope, offsets)
		}
		m.byKernel.MulTo(dst, w)
		for r := range k {
			floats.Scale(1/sums[r], dst.RawRowView(r))
		}
	}
}
