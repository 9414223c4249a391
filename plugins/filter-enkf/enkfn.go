package main

import "math"

// finiteSize is the dual cost function of the finite-size EnKF. The forecast's
// covariance being known through N members alone, its anomalies are multiplied by
// the factor l that minimises, with u = log l^2,
//
//	J(u) = sum_j a_j / (1 + sigma_j^2 e^u) + eps e^-u + c u,  a_j = (V'd)_j^2 / (N-1)
//
// which is the dual cost of the source divided by (N-1)/2, without constants.
type finiteSize struct {
	squares []float64 // sigma_j^2, those above rounding
	misfit  []float64 // a_j
	eps, c  float64
}

// newFiniteSize sets eps = eps_N / mc and c = mc N / (N-1), eps_N = 1 + 1/N, which
// is the hyperprior for an uncertain mean. The mode correction
//
//	mc = (eps_N (N-1) / N)^(h/2),  h = tr((I + S S')^-1) / N
//
// keeps the prior's mode at l = 1 where the observation says nothing. Source:
// Bocquet, Raanes and Hannart 2015, doi:10.5194/npg-22-645-2015; c and the correction,
// which is nearly equation 36, as DAPPER's EnKF_N has them.
func newFiniteSize(d *decomposed) *finiteSize {
	members, _ := d.u.Dims()
	size := float64(members)
	j := &finiteSize{eps: 1 + 1/size, c: size / (size - 1)}
	trace := size - float64(len(d.sigma))
	for k, s := range d.sigma {
		trace += 1 / (1 + s*s)
		if s > d.rounding() {
			j.squares = append(j.squares, s*s)
			j.misfit = append(j.misfit, d.projected[k]*d.projected[k]/(size-1))
		}
	}
	correction := math.Pow(j.eps/j.c, trace/size/2)
	j.eps /= correction
	j.c *= correction
	return j
}

// at returns J(u) and its derivative.
func (j *finiteSize) at(u float64) (value, slope float64) {
	square := math.Exp(u)
	value, slope = j.eps/square+j.c*u, j.c-j.eps/square
	for k, s := range j.squares {
		part := 1 / (1 + s*square)
		value += j.misfit[k] * part
		slope -= j.misfit[k] * part * (1 - part)
	}
	return value, slope
}

// inflation returns the factor l at the lowest minimum, to rounding. All minima lie
// between
//
//	eps/c <= e^u <= (eps + sum_j a_j / sigma_j^2) / c
//
// where the slope is at most and at least zero. Observations far outside of the
// spread make several. They are told apart on a grid finer than the terms of J,
// which change on a scale of 1 in u, and the lowest is found by bisection of the
// slope. Cost: 40 min(N, m) for every doubling of l that the bounds allow, at most
// the 1000 of floating-point numbers.
func (j *finiteSize) inflation() float64 {
	const step = 1.0 / 16
	low, most := math.Log(j.eps/j.c), j.eps
	for k, s := range j.squares {
		most += j.misfit[k] / s
	}
	high := max(low, math.Log(min(most, 1e300)/j.c))
	best, lowest := low, math.Inf(1)
	for u := low; u < high+step; u += step {
		if value, _ := j.at(u); value < lowest {
			best, lowest = u, value
		}
	}
	low, high = max(low, best-step), best+step
	for range 50 {
		middle := (low + high) / 2
		if _, slope := j.at(middle); slope < 0 {
			low = middle
		} else {
			high = middle
		}
	}
	return math.Exp(low/4 + high/4) // l = e^(u/2)
}
