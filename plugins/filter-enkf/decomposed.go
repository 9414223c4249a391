package filterenkf

import (
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// decomposed is the thin singular value decomposition of the observed side,
//
//	S = U diag(sigma) V'
//
// with k = min(N, m) singular values. Every global scheme is a function of U, sigma
// and V: with A the state's anomalies (N x n), the Kalman gain is
//
//	K' = diag(1/s) V diag(gain) U' A / sqrt(N-1),  gain = sigma / (1 + sigma^2)
//
// so that no covariance is formed.
//
// For a black box the gain is that of a pseudo-inverse, 1/sigma.
type decomposed struct {
	*observed
	u, v      *mat.Dense // U, N x k; V, m x k
	sigma     []float64  // descending
	gain      []float64
	projected []float64 // V' d
}

// decompose returns the decomposition of the observed side: from the products of the anomalies, unless
// those lose digits, because that is up to three times as fast; see docs/decisions/0094-products-of-anomalies.md. Cost: N m min(N, m).
func decompose(o *observed) (*decomposed, error) {
	d := &decomposed{observed: o}
	if o.blackBox || !d.fromProducts() { // small singular values matter to a pseudo-inverse
		var svd mat.SVD
		if !svd.Factorize(o.anomalies, mat.SVDThin) {
			return nil, sdk.Errorf(sdk.KindDiverged, "observed anomalies", "their singular value decomposition does not converge")
		}
		d.u, d.v, d.sigma = new(mat.Dense), new(mat.Dense), svd.Values(nil)
		svd.UTo(d.u)
		svd.VTo(d.v)
	}
	d.gain, d.projected = make([]float64, len(d.sigma)), make([]float64, len(d.sigma))
	mat.NewVecDense(len(d.sigma), d.projected).MulVec(d.v.T(), mat.NewVecDense(len(o.innovation), o.innovation))
	d.setGain()
	return d, nil
}

// mostLost is the relative error of I + S S' up to which products are used.
const mostLost = 1e-9

// fromProducts sets U, sigma and V from the eigenvectors of S S' or S'S, whichever is smaller, and
// reports whether they are accurate: rounding errors of the products are k eps tr(S S'), which is small
// next to I, unless observations are far more accurate than the forecast. Singular values within
// rounding of zero, relative to the largest, become zero, and so do the vectors that would be divided by
// them.
func (d *decomposed) fromProducts() bool {
	members, m := d.anomalies.Dims()
	wide := members <= m
	long, k := d.anomalies.T(), min(members, m) // long: max(N, m) x k
	if !wide {
		long = d.anomalies
	}
	products := mat.NewDense(k, k, nil)
	linalg.Mul(products, long.T(), long)
	var eigen linalg.Eigen
	lost := float64(k) * 0x1p-52
	if !(lost*mat.Trace(products) <= mostLost) || !eigen.Factorize(mat.NewSymDense(k, products.RawMatrix().Data)) {
		return false
	}
	squares := eigen.Values // ascending
	short, far := mat.NewDense(k, k, nil), new(mat.Dense)
	d.sigma = make([]float64, k)
	slices.Reverse(squares)
	for j, s := range squares {
		if s > lost*squares[0] {
			d.sigma[j] = math.Sqrt(s)
		}
	}
	for i := range k {
		copy(short.RawRowView(i), eigen.Vectors.RawRowView(i))
		slices.Reverse(short.RawRowView(i))
	}
	linalg.Mul(far, long, short)
	rows, _ := far.Dims()
	for i := range rows {
		for j, v := range far.RawRowView(i) {
			if v /= d.sigma[j]; d.sigma[j] == 0 {
				v = 0
			}
			far.RawRowView(i)[j] = v
		}
	}
	if d.u, d.v = far, short; wide {
		d.u, d.v = short, far
	}
	return true
}

// inflate multiplies the anomalies of the forecast by factor, on the observed side.
func (d *decomposed) inflate(factor float64) {
	floats.Scale(factor, d.sigma)
	d.setGain()
}

// setGain computes the gain of every singular value. Values of a black box that are
// within rounding of zero, relative to the largest, are skipped.
func (d *decomposed) setGain() {
	for j, s := range d.sigma {
		switch {
		case !d.blackBox:
			d.gain[j] = 1 / (1/s + s) // s / (1 + s^2) without the square, which may overflow
		case s > d.rounding():
			d.gain[j] = 1 / s
		}
	}
}

// finiteSizeScale returns the factor on the forecast's anomalies of the finite-size EnKF,
// see [ensemble.FiniteSizeScale].
func (d *decomposed) finiteSizeScale() float64 {
	members, _ := d.u.Dims()
	var variance []float64
	for _, s := range d.sigma {
		if s > d.rounding() {
			variance = append(variance, s*s)
		}
	}
	return ensemble.FiniteSizeScale(d.projected[:len(variance)], variance, float64(members))
}

// rounding returns the size below which singular values are rounding errors, relative to
// the largest.
func (d *decomposed) rounding() float64 {
	members, m := d.anomalies.Dims()
	return float64(max(members, m)) * 0x1p-52 * d.sigma[0]
}

// meanWeights returns c, k values: the Kalman filter adds c' U' A to the mean, in
// all schemes.
func (d *decomposed) meanWeights() []float64 {
	members, _ := d.anomalies.Dims()
	c := floats.MulTo(make([]float64, len(d.gain)), d.gain, d.projected)
	floats.Scale(1/math.Sqrt(float64(members-1)), c)
	return c
}

// metrics returns the normalised innovation squared, which is 1 on average if the
// ensemble's spread and the error variance are right,
//
//	nis = d' (S'S + I)^-1 d / m
//
// and the degrees of freedom for signal, the number of observed directions in
// which the observation has more weight than the forecast (Rodgers 2000,
// doi:10.1142/3171, equation 2.57):
//
//	signal_dof = tr(HK) = sum_j sigma_j^2 / (1 + sigma_j^2)
//
// For a black box the sample covariance includes the error: nis uses the pseudo-inverse of
// S'S, averaged over its rank, and there are no degrees of freedom.
func (d *decomposed) metrics() map[string]float64 {
	nis, signal, rank := 0.0, 0.0, 0
	for j, g := range d.gain {
		b := d.projected[j]
		switch {
		case !d.blackBox:
			nis += b * b / (1 + d.sigma[j]*d.sigma[j])
			signal += g * d.sigma[j]
		case g > 0:
			nis += b * b * g * g
			rank++
		}
	}
	if d.blackBox {
		return map[string]float64{"nis": nis / float64(max(rank, 1))}
	}
	nis += d.outside()
	return map[string]float64{"nis": nis / float64(len(d.innovation)), "signal_dof": signal}
}

// outside returns the sum of squares of what of the innovation lies outside of the span of the members. Where
// that is so little next to a large innovation that the difference of squares would be rounding, it is computed by itself.
func (d *decomposed) outside() float64 {
	squares := floats.Dot(d.innovation, d.innovation)
	difference := squares - floats.Dot(d.projected, d.projected)
	if difference > 0x1p-20*squares || squares < 1e6*float64(len(d.innovation)) {
		return max(0, difference)
	}
	var inside mat.VecDense
	inside.MulVec(d.v, mat.NewVecDense(len(d.projected), d.projected))
	rest := floats.SubTo(make([]float64, len(d.innovation)), d.innovation, inside.RawVector().Data)
	return floats.Dot(rest, rest)
}
