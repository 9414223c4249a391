package main

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// etkf returns the anomaly weights G (N x k) of the ensemble transform Kalman
// filter with the symmetric square root, I + G U':
//
//	T = (Y R^-1 Y' / (N-1) + I)^(-1/2) = I + U diag(1/sqrt(1 + sigma^2) - 1) U'
//
// It gives the Kalman filter's covariance and keeps the mean, T 1 = 1, since the
// columns of U sum to zero where sigma is not. No randomness. Cost: N k.
//
// Sources: Bishop et al. 2001,
// doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2; Hunt et al. 2007,
// doi:10.1016/j.physd.2006.11.008, equations 21 to 25.
func etkf(o *observed) *mat.Dense {
	g := mat.NewDense(o.members, len(o.sigma), nil)
	g.Apply(func(_, j int, v float64) float64 { return v * (1/math.Hypot(1, o.sigma[j]) - 1) }, o.u)
	return g
}
