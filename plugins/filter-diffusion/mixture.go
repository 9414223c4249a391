package main

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// mixture is a density made of Gaussian kernels that are all alike:
//
//	p(x) = sum_i exp(logWeights_i) g(x; c_i, bandwidth² I)
//
// It is immutable.
type mixture struct {
	centres    *mat.Dense // n x N, one kernel a column: both products of denoise then run along N
	halfNorms  []float64  // N, |c_i|²/2
	logWeights []float64  // N, normalised
	bandwidth  float64
}

// newMixture returns the mixture around the rows of centres, which it keeps no
// reference to.
func newMixture(centres *mat.Dense, logWeights []float64, bandwidth float64) *mixture {
	m := &mixture{
		centres:    mat.DenseCopyOf(centres.T()),
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
//	dst = sum_i w_i c_i,   w_i ~ exp(logWeights_i) g(x; a c_i, v I), normalised.
//
// Cost of a call: O(N n) a state in two matrix products, and N exponentials.
// Memory: rows x N. The logarithms of the weights round like |c|²/v: the centres
// should lie around the origin.
func (m *mixture) denoiser(rows int) denoiser {
	weights := mat.NewDense(rows, len(m.logWeights), nil)
	return func(dst, x *mat.Dense, at level) {
		k, _ := x.Dims()
		w := weights.Slice(0, k, 0, len(m.logWeights)).(*mat.Dense)
		w.Mul(x, m.centres)
		for r := range k {
			m.respond(w.RawRowView(r), at)
		}
		dst.Mul(w, m.centres.T())
	}
}

// respond turns the inner products w_i = x.c_i into the normalised weights of
// the kernels at x. |x|² is common to all of them and left out.
func (m *mixture) respond(w []float64, at level) {
	slope, fall := at.signal/at.variance, at.signal*at.signal/at.variance
	largest := math.Inf(-1)
	for i, g := range w {
		w[i] = m.logWeights[i] + slope*g - fall*m.halfNorms[i]
		if w[i] > largest {
			largest = w[i]
		}
	}
	floats.Scale(1/expRelative(w, largest), w)
}
