package filterenkf

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// etkf returns the anomaly weights G (N x k) of the ensemble transform Kalman
// filter with the symmetric square root, I + G U':
//
//	T = (S S' + I)^(-1/2) = I + U diag(1/sqrt(1 + sigma^2) - 1) U'
//
// It gives the covariance of the Kalman filter and preserves the mean, T 1 = 1, because the
// columns of U with sigma > 0 sum to zero. No randomness. Cost: N k.
//
// Sources: Bishop et al. 2001,
// doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2; Hunt et al. 2007,
// doi:10.1016/j.physd.2006.11.008, equations 21 to 25.
func etkf(d *decomposed) *mat.Dense {
	return d.weights(func(sigma, _ float64) float64 { return 1/math.Hypot(1, sigma) - 1 })
}

// denkf returns the anomaly weights G (N x k) of the deterministic EnKF, which moves
// the anomalies by half of the gain,
//
//	Aa = A - 1/2 A (K H)',  G = -1/2 U diag(sigma gain)
//
// a first-order expansion of the square root. Its covariance exceeds that of the Kalman
// filter, (I - K H) P, by the second-order term K H P H' K' / 4. No randomness. Cost: N k.
// Source: Sakov and Oke 2008a, doi:10.1111/j.1600-0870.2007.00299.x.
func denkf(d *decomposed) *mat.Dense {
	return d.weights(func(sigma, gain float64) float64 { return -sigma * gain / 2 })
}

// blackBox returns the anomaly weights (N x k) of the EnKF that knows the observation error
// only from simulated observations y_i (arXiv:2603.21291, section 4):
//
//	x_i + K (y - y_i),  K = Cxy Cyy^+,  G = -U diag(sigma gain)
//
// The pseudo-inverse omits directions in which the sample does not vary. With N - 1
// components or more it fits every y_i exactly, and the members collapse onto the
// observation. Cost: N k.
func blackBox(d *decomposed) *mat.Dense {
	return d.weights(func(sigma, gain float64) float64 { return -sigma * gain })
}

// weights returns U diag(f).
func (d *decomposed) weights(f func(sigma, gain float64) float64) *mat.Dense {
	members, k := d.u.Dims()
	g := mat.NewDense(members, k, nil)
	factor := make([]float64, k)
	for j := range factor {
		factor[j] = f(d.sigma[j], d.gain[j])
	}
	g.Apply(func(_, j int, v float64) float64 { return v * factor[j] }, d.u)
	return g
}
