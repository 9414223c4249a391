package ensemble

import "math"

// FiniteSizeScale returns the factor l on the anomalies of a forecast that an observation
// makes the most likely when mean and covariance are known from size members alone: where the
// dual cost of the finite-size ensemble Kalman filter is lowest,
//
//	J(l) = sum_j d_j² / (1 + l² s_j²) + (N - 1) (e / l² + c log l²),
//	e = (1 + 1/N) / q,  c = q N / (N - 1),  q = (1 - 1/N²)^(h/2).
//
// d is the innovation and s² the forecast's variance along directions in which predictions
// are uncorrelated, in units of the error's standard deviation; N is size, above 1, and
// may be an effective one. q keeps the minimum at l = 1 where the observation says nothing:
// h is the mean of 1 / (1 + s²) over N - 1 directions, 1 for those that are not listed.
//
// Observations far outside of the spread make several minima. They are told apart on a grid
// finer than the terms of J, which change on a scale of 1 in u = log l², from l² = e/c, up to
// which J falls, to where c u alone exceeds the lowest value found, or l to 1e150. The
// lowest is then found by bisection of the slope, to rounding.
//
// Cost: for every direction 50 evaluations of its term, and 16 for every factor of 1.6 in l
// on the grid.
//
// Source: Bocquet, Raanes and Hannart 2015, doi:10.5194/npg-22-645-2015, equations 29
// and 36 to 38.
func FiniteSizeScale(innovation, variance []float64, size float64) float64 {
	const step, largest = 1.0 / 16, 690 // of u
	j := newDualCost(innovation, variance, size)
	low := math.Log(j.e / j.c)
	best, lowest := low, math.Inf(1)
	for u := low; u < largest && j.c*u < lowest; u += step {
		if value, _ := j.at(u); value < lowest {
			best, lowest = u, value
		}
	}
	low, high := max(low, best-step), best+step
	for range 50 {
		middle := (low + high) / 2
		if _, slope := j.at(middle); slope < 0 {
			low = middle
		} else {
			high = middle
		}
	}
	return math.Exp((low + high) / 4) // l = e^(u/2)
}

// dualCost is J / (N - 1) as a function of u = log l².
type dualCost struct {
	innovation, variance []float64
	degrees, e, c        float64
}

func newDualCost(innovation, variance []float64, size float64) *dualCost {
	degrees := size - 1
	unseen := max(0, degrees-float64(len(variance)))
	for _, s2 := range variance {
		unseen += 1 / (1 + s2)
	}
	e, c := FiniteSizeTerms(unseen, size)
	return &dualCost{innovation, variance, degrees, e, c}
}

// FiniteSizeTerms returns e and c of the cost of [FiniteSizeScale] for unseen = (N - 1) h, the sum of
// 1 / (1 + s²) over all directions.
func FiniteSizeTerms(unseen, size float64) (e, c float64) {
	degrees := size - 1
	q := math.Pow(1-1/(size*size), min(1, unseen/degrees)/2)
	return (1 + 1/size) / q, q * size / degrees
}

// at returns the cost and its derivative.
func (j *dualCost) at(u float64) (value, slope float64) {
	square := math.Exp(u)
	value, slope = j.e/square+j.c*u, j.c-j.e/square
	for k, s2 := range j.variance {
		part := 1 / (1 + s2*square)
		misfit := j.innovation[k] * j.innovation[k] / j.degrees * part
		value += misfit
		slope -= misfit * (1 - part)
	}
	return value, slope
}
