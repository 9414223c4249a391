package linalg

import "math"

// kernels are the innermost loops for one kind of processor. All kinds give the same
// bits: the order of operations is part of what a kernel promises, and multiply-adds
// are fused, so that they round once everywhere.
type kernels struct {
	name string

	// columns is how many columns product takes at most.
	columns int

	// product sets the rows x cols numbers at c to
	//
	//	c_ij = fma(a_im, b_mj, ... fma(a_i1, b_1j, fma(a_i0, b_0j, c)) ... ),   m = depth - 1
	//
	// where c is c_ij if accumulate, else 0. Rows of a are lda apart, those of c ldc.
	// Columns of b come in panels of panelColumns, one after the other, row by row.
	// rows, cols and depth are at least 1.
	product func(rows, cols, depth int, a []float64, lda int, panels, c []float64, ldc int, accumulate bool)

	// exponentials does what [ExpRelative] does, with
	//
	//	l_i = fma(slope, w_i, offsets_i).
	//
	// Number i goes into sum s_j, j = i mod 8, and the sum of all is
	// ((s_0+s_4) + (s_2+s_6)) + ((s_1+s_5) + (s_3+s_7)).
	exponentials func(w, offsets []float64, slope float64, table *[expRows * expWidth]float64) float64
}

// fastest is what products and exponentials are computed with.
var fastest = available[len(available)-1]

// portable is for every processor.
var portable = kernels{"portable", panelColumns, productPortable, exponentialsPortable}

func productPortable(rows, cols, depth int, a []float64, lda int, panels, c []float64, ldc int, accumulate bool) {
	for i := range rows {
		var s [panelColumns]float64
		row := c[i*ldc : i*ldc+cols]
		if accumulate {
			copy(s[:], row)
		}
		for k, v := range a[i*lda : i*lda+depth] {
			b := (*[panelColumns]float64)(panels[k*panelColumns:])
			s[0] = math.FMA(v, b[0], s[0])
			s[1] = math.FMA(v, b[1], s[1])
			s[2] = math.FMA(v, b[2], s[2])
			s[3] = math.FMA(v, b[3], s[3])
			s[4] = math.FMA(v, b[4], s[4])
			s[5] = math.FMA(v, b[5], s[5])
			s[6] = math.FMA(v, b[6], s[6])
			s[7] = math.FMA(v, b[7], s[7])
		}
		copy(row, s[:])
	}
}

func exponentialsPortable(w, offsets []float64, slope float64, _ *[expRows * expWidth]float64) float64 {
	largest := math.Inf(-1)
	for i, v := range w {
		w[i] = math.FMA(slope, v, offsets[i])
		if w[i] > largest {
			largest = w[i]
		}
	}
	var s [8]float64
	for i, l := range w {
		w[i] = exp(l - largest)
		s[i%8] += w[i]
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
