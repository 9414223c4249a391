package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
)

// largestLocalScale bounds the finite-size scale in a place: an estimate from few
// components is uncertain.
const largestLocalScale = 2

// dualCost is that of [ensemble.FiniteSizeScale] in four places, over N - 1 and as a function of
// l², for C and d in tridiagonal form.
type dualCost struct {
	*tridiagonal
	k       int
	degrees float64
	e, c    linalg.Four
	rest    linalg.Four // up to which eigenvalues are rounding
}

// inflate sets the finite-size scale of all places.
func (q *quartet) inflate() {
	j := &dualCost{tridiagonal: &q.spectrum, k: len(q.rows), degrees: float64(q.members - 1)}
	for l, largest := range j.largest(j.k) {
		j.rest[l] = 0x1p-50 * largest
	}
	for l, unseen := range j.unseen() {
		j.e[l], j.c[l] = ensemble.FiniteSizeTerms(unseen, float64(q.members))
	}
	low, high := j.around()
	for l, square := range j.lowest(low, high) {
		q.scale[l] = min(largestLocalScale, math.Sqrt(square))
	}
}

// around returns an interval around the lowest minimum, found on a grid of log l² as in
// [ensemble.FiniteSizeScale].
func (j *dualCost) around() (low, high linalg.Four) {
	const step, largest = 1.0 / 8, 100
	var u, square, start, best, lowest linalg.Four
	for l := range u {
		square[l] = j.e[l] / j.c[l]
		u[l], lowest[l] = math.Log(square[l]), math.Inf(1)
	}
	start = square
	factor := math.Exp(step)
	for more := true; more; {
		more = false
		misfit := j.misfit(&square)
		for l := range u {
			if value := j.e[l]/square[l] + j.c[l]*u[l] + misfit[l]/j.degrees; value < lowest[l] {
				best[l], lowest[l] = square[l], value
			}
			u[l] += step
			square[l] *= factor
			more = more || u[l] < largest && j.c[l]*u[l] < lowest[l]
		}
	}
	for l, b := range best {
		low[l], high[l] = max(start[l], b/factor), b*factor
	}
	return low, high
}

// lowest returns where the slope is 0, by the rule of false position in the form that is called Illinois,
// or the end at which the cost is lowest. An end that stays halves its slope, so that both move; the
// intervals become shorter than rounding in some eight steps.
func (j *dualCost) lowest(low, high linalg.Four) linalg.Four {
	const rounding = 0x1p-50
	left, right := j.slope(&low), j.slope(&high)
	var side, square linalg.Four
	for range 60 {
		done := true
		for l := range square {
			switch {
			case left[l] >= 0 || high[l]-low[l] < rounding*high[l]:
				square[l] = low[l]
			case right[l] <= 0:
				square[l] = high[l]
			default:
				square[l] = low[l] - left[l]*(high[l]-low[l])/(right[l]-left[l])
				done = false
			}
		}
		if done {
			break
		}
		for l, slope := range j.slope(&square) {
			if left[l] >= 0 || right[l] <= 0 {
				continue
			}
			if slope < 0 {
				low[l], left[l] = square[l], slope
				if side[l] < 0 {
					right[l] /= 2
				}
				side[l] = -1
			} else {
				high[l], right[l] = square[l], slope
				if side[l] > 0 {
					left[l] /= 2
				}
				side[l] = 1
			}
		}
	}
	return square
}

// slope returns l² times the derivative of the cost.
func (j *dualCost) slope(square *linalg.Four) (slope linalg.Four) {
	j.misfit(square)
	var x, norm linalg.Four
	for l, p := range j.right[0] {
		x[l] = 1 / p
		slope[l], norm[l] = x[l], x[l]*x[l]
	}
	for i := j.k - 1; i > 0; i-- {
		ratio := &j.ratio[i]
		for l := range x {
			x[l] *= -ratio[l]
			norm[l] += x[l] * x[l]
		}
	}
	for l, d := range j.below[j.k] {
		slope[l] = j.c[l] - j.e[l]/square[l] - d*d*(slope[l]-norm[l])/j.degrees
	}
	return slope
}

// misfit returns d' (I + square C)^-1 d. It eliminates from the first row on, and d is in the direction
// of the last: the last pivot, which it leaves in right[0], is all it takes. Where members predict nothing,
// C is rounding, which a large square would make count: it is taken off, and pivots below 1 are 1.
func (j *dualCost) misfit(square *linalg.Four) (misfit linalg.Four) {
	pivot := ones
	for i := range j.k {
		below, alpha, ratio := &j.below[i], &j.alpha[i], &j.ratio[i]
		for l := range ratio {
			s := square[l]
			off := s * below[l]
			ratio[l] = off / pivot[l]
			pivot[l] = max(1, 1+s*(alpha[l]-j.rest[l])-ratio[l]*off)
		}
	}
	j.right[0] = pivot
	for l, d := range j.below[j.k] {
		misfit[l] = d * d / pivot[l]
	}
	return misfit
}

// unseen returns the sum of 1 / (1 + s²) over the N - 1 directions of the members, 1 for those that are
// not observed: the trace of (I + C)^-1, by elimination from both ends.
func (j *dualCost) unseen() (sum linalg.Four) {
	pivot := ones
	for i := range j.k {
		for l := range pivot {
			b := j.below[i][l]
			pivot[l] = max(1, 1+j.alpha[i][l]-b*b/pivot[l])
			j.ratio[i][l] = pivot[l]
		}
	}
	var taken linalg.Four // from the diagonal by the rows after
	for l := range sum {
		sum[l] = j.degrees - float64(j.k)
	}
	for i := j.k - 1; i >= 0; i-- {
		for l, p := range j.ratio[i] {
			sum[l] += 1 / max(1, p-taken[l])
			b := j.below[i][l]
			taken[l] = b * b / max(1, 1+j.alpha[i][l]-taken[l])
		}
	}
	return sum
}
