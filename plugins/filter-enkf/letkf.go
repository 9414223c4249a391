package filterenkf

import (
	"math"

	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
)

// letkf is the local ensemble transform Kalman filter: for every state value an ETKF
// with the symmetric square root, in which the precision of every observation is
// multiplied by its taper rho. With a the N anomalies of the value,
//
//	S~ = S diag(sqrt(rho)),  d~ = diag(sqrt(rho)) d
//	the mean grows by a' (I + S~ S~')^(-1) S~ d~ / sqrt(N-1)
//	a becomes (I + S~ S~')^(-1/2) a
//
// The symmetric root varies smoothly in space, so that members stay smooth. Only its
// product with a is needed, see [shrinkage]. No randomness.
//
// Source: Hunt et al. 2007, doi:10.1016/j.physd.2006.11.008, equations 20 to 25.
type letkf struct {
	*locals
	shrinkage  shrinkage
	scaled     []float64 // S~', one row per observation
	innovation []float64 // d~
}

func newLETKF(s *locals) *letkf { return &letkf{locals: s} }

func (l *letkf) place(near []taper.Neighbour) {
	_, members := l.anomalies.Dims()
	l.scaled, l.innovation = resized(l.scaled, len(near)*members), resized(l.innovation, len(near))
	for k, p := range near {
		root := math.Sqrt(p.Weight)
		floats.ScaleTo(l.scaled[k*members:(k+1)*members], root, l.anomalies.RawRowView(p.Index))
		l.innovation[k] = root * l.locals.innovation[p.Index]
	}
	l.shrinkage.s = stacked(l.scaled, len(near), members)
}

func (l *letkf) update(a []float64) float64 {
	gain := l.shrinkage.apply(a)
	if len(gain) == 0 {
		return 0
	}
	return blas64.Dot(vector(gain), vector(l.innovation)) / math.Sqrt(float64(len(a)-1))
}
