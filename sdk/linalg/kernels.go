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

	fours
}

// fours do what [AddDot], [Scale], [Multiply], [Invert], [AddScaled], [SubtractAll], [UpdateMultiply] and [AddResolvents] do.
type fours struct {
	addDot         func(sum *Four, x, y []Four)
	scale          func(dst []Four, s *Four)
	multiply       func(dst, x, y []Four)
	invert         func(dst, x []Four, s *Four)
	addScaled      func(dst []Four, s *Four, x []Four)
	subtractAll    func(dst, factors []Four, rows [][]Four)
	updateMultiply func(a, x, y, u, p []Four)
	addResolvents  func(sum, weights, shifts, alpha, below, x, work []Four)
}

// fastest is what products and exponentials are computed with.
var fastest = available[len(available)-1]

// portable is for every processor.
var portable = kernels{"portable", panelColumns, productPortable, exponentialsPortable, fours{
	addDotPortable, scalePortable, multiplyPortable, invertPortable, addScaledPortable, subtractAllPortable, updateMultiplyPortable, addResolventsPortable,
}}

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

func addDotPortable(sum *Four, x, y []Four) {
	var s [4]Four
	y = y[:len(x)]
	for i := range x {
		a, b, c := &x[i], &y[i], &s[i%4]
		c[0] = math.FMA(a[0], b[0], c[0])
		c[1] = math.FMA(a[1], b[1], c[1])
		c[2] = math.FMA(a[2], b[2], c[2])
		c[3] = math.FMA(a[3], b[3], c[3])
	}
	for l := range sum {
		sum[l] += (s[0][l] + s[2][l]) + (s[1][l] + s[3][l])
	}
}

func scalePortable(dst []Four, s *Four) {
	for i := range dst {
		a := &dst[i]
		a[0] *= s[0]
		a[1] *= s[1]
		a[2] *= s[2]
		a[3] *= s[3]
	}
}

func multiplyPortable(dst, x, y []Four) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		a, b, c := &x[i], &y[i], &dst[i]
		c[0] = a[0] * b[0]
		c[1] = a[1] * b[1]
		c[2] = a[2] * b[2]
		c[3] = a[3] * b[3]
	}
}

func invertPortable(dst, x []Four, s *Four) {
	x = x[:len(dst)]
	for i := range dst {
		a, b := &x[i], &dst[i]
		b[0] = 1 / (a[0] + s[0])
		b[1] = 1 / (a[1] + s[1])
		b[2] = 1 / (a[2] + s[2])
		b[3] = 1 / (a[3] + s[3])
	}
}

func addScaledPortable(dst []Four, s *Four, x []Four) {
	x = x[:len(dst)]
	for i := range dst {
		a, b := &x[i], &dst[i]
		b[0] = math.FMA(s[0], a[0], b[0])
		b[1] = math.FMA(s[1], a[1], b[1])
		b[2] = math.FMA(s[2], a[2], b[2])
		b[3] = math.FMA(s[3], a[3], b[3])
	}
}

func subtractAllPortable(dst, factors []Four, rows [][]Four) {
	for r := range factors {
		s, x := &factors[r], rows[r][:len(dst)]
		for i := range dst {
			a, b := &x[i], &dst[i]
			b[0] = math.FMA(-s[0], a[0], b[0])
			b[1] = math.FMA(-s[1], a[1], b[1])
			b[2] = math.FMA(-s[2], a[2], b[2])
			b[3] = math.FMA(-s[3], a[3], b[3])
		}
	}
}

func updateMultiplyPortable(a, x, y, u, p []Four) {
	for j := range u {
		row := a[:j+1]
		subtractAllPortable(row, []Four{x[j], y[j]}, [][]Four{y, x})
		addScaledPortable(p[:j], &u[j], row)
		addDotPortable(&p[j], row, u)
		a = a[j+1:]
	}
}

func addResolventsPortable(sum, weights, shifts, alpha, below, x, work []Four) {
	ratios, solutions := work[:len(sum)], work[len(sum):2*len(sum)]
	for j := range weights {
		var right, inverse, ratio, y Four
		for i := range sum {
			for l := range right {
				ratios[i][l] = below[i][l] * inverse[l]
				right[l] = math.FMA(-ratios[i][l], right[l], x[i][l])
				inverse[l] = 1 / math.FMA(-ratios[i][l], below[i][l], alpha[i][l]+shifts[j][l])
				solutions[i][l] = right[l] * inverse[l]
			}
		}
		for i := len(sum) - 1; i >= 0; i-- {
			for l := range y {
				y[l] = math.FMA(-ratio[l], y[l], solutions[i][l])
				ratio[l] = ratios[i][l]
				sum[i][l] = math.FMA(weights[j][l], y[l], sum[i][l])
			}
		}
	}
}
