package linalg

// Four is one number of each of four problems that are computed at once, each in a lane of its
// own. A vector of problem l has element i in x[i][l]. No number depends on what is in the other
// lanes.
//
// The functions on fours have the same bits on all processors. On those that can, one instruction does
// the same for all four. Vectors are as long as the first one, or longer.
type Four = [4]float64

// AddDot adds to sum the inner products of x and y: four chains of fused multiply-adds, the k-th along
// the elements k, k+4, k+8 and so on, which are added as (s_0+s_2) + (s_1+s_3).
func AddDot(sum *Four, x, y []Four) { fastest.addDot(sum, x, y[:len(x)]) }

// Scale multiplies dst by s.
func Scale(dst []Four, s *Four) { fastest.scale(dst, s) }

// Multiply sets dst to x times y, element by element.
func Multiply(dst, x, y []Four) { fastest.multiply(dst, x[:len(dst)], y[:len(dst)]) }

// Invert sets dst to 1 / (x + s), element by element.
func Invert(dst, x []Four, s *Four) { fastest.invert(dst, x[:len(dst)], s) }

// AddScaled adds s times x to dst, rounding once.
func AddScaled(dst []Four, s *Four, x []Four) { fastest.addScaled(dst, s, x[:len(dst)]) }

// SubtractAll takes the rows, each times its factor, from dst, one after the other and rounding once for
// each. Rows may be longer than dst, and more than factors.
func SubtractAll(dst, factors []Four, rows [][]Four) {
	for _, row := range rows[:len(factors)] {
		_ = row[:len(dst)]
	}
	fastest.subtractAll(dst, factors, rows)
}

// UpdateMultiply takes x y' + y x' from symmetric matrices A and then adds A u to p. The lower triangle of A
// is in a, one row after the other; u has the length of the last one. What it does with row j is
//
//	SubtractAll(row, []Four{x[j], y[j]}, [][]Four{y, x})
//	AddScaled(p[:j], &u[j], row)
//	AddDot(&p[j], row, u)
func UpdateMultiply(a, x, y, u, p []Four) {
	n := len(u)
	fastest.updateMultiply(a[:n*(n+1)/2], x[:n], y[:n], u, p[:n])
}

// AddResolvents adds to sum, for each of an even number of shifts, weight (T + shift I)^-1 x, with tridiagonal
// T that has alpha on its diagonal and below left of it. It eliminates from the first row on, without
// exchanges: T + shift I is to be positive definite. below[0] is 0. work has four times the length of sum.
func AddResolvents(sum, weights, shifts, alpha, below, x, work []Four) {
	n := len(sum)
	if len(weights)%2 == 1 {
		panic("linalg: the number of shifts is odd")
	}
	fastest.addResolvents(sum, weights, shifts[:len(weights)], alpha[:n], below[:n], x[:n], work[:4*n])
}
