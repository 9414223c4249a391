package filterenkf

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// stochastic returns the anomaly weights (N x k) of the EnKF with perturbed
// observations,
//
//	x_i + K (y + e_i - h(x_i)),  K = A' Y (Y'Y + (N-1) R)^-1
//
// with the exact R. The perturbations e_i ~ N(0, R) are centred, so that the analysis mean
// is that of the Kalman filter with the moments of the ensemble; with the divisor N - 1
// their sample covariance is unbiased for R. With a matrix D whose rows are e_i/s, the
// anomalies change by G U'A,
//
//	G = D V diag(gain) / sqrt(N-1) - U diag(sigma gain)
//
// A member draws m normals from its stream of the branch "perturbations" of the call's seed. Cost: 2 N m k. Source:
// Burgers et al. 1998, doi:10.1175/1520-0493(1998)126<1719:ASITEK>2.0.CO;2,
// section 4.
func stochastic(o *decomposed, call sdk.Call) *mat.Dense {
	members, m := o.anomalies.Dims()
	d, seed := mat.NewDense(members, m, nil), call.Seed.Child("perturbations", 0)
	for i := range members {
		rng.Normals(seed.Member(call.Member(i)), d.RawRowView(i))
	}
	ensemble.Anomalies(d, d, ensemble.Mean(nil, d, nil))
	g := mat.NewDense(members, len(o.gain), nil)
	g.Mul(d, o.v)
	scale := 1 / math.Sqrt(float64(members-1))
	g.Apply(func(i, j int, v float64) float64 {
		return (scale*v - o.u.At(i, j)*o.sigma[j]) * o.gain[j]
	}, g)
	return g
}
