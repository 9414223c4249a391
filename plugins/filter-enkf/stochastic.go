package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// stochastic returns the N x N transform of the EnKF with perturbed observations
// (Burgers et al. 1998, doi:10.1175/1520-0493(1998)126<1719:ASITEK>2.0.CO;2):
//
//	x_i + K (y + e_i - h(x_i)),   K = A^T Y (Y^T Y + (N-1) R)^-1
//
// with the exact R. The perturbations e_i ~ N(0, R) are centred, so that the
// analysis mean is that of the Kalman filter with the ensemble's moments. With
// whitened residuals G and anomalies S, row i of the update is
// G_i (S^T S + I)^-1 S^T times the state's anomalies.
func stochastic(o *observed, r *rand.Rand) (*mat.Dense, error) {
	rows, m := o.residuals.Dims()
	g := mat.DenseCopyOf(o.residuals)
	for k := range m {
		mean := 0.0
		noise := make([]float64, rows)
		for i := range noise {
			noise[i] = r.NormFloat64()
			mean += noise[i] / float64(rows)
		}
		for i := range noise {
			g.Set(i, k, g.At(i, k)+noise[i]-mean)
		}
	}
	x, err := o.solve(o.anomalies.T())
	if err != nil {
		return nil, err
	}
	return update(g, x, rows), nil
}

// blackBox returns the N x N transform of the EnKF that knows the observation
// error through its own simulated observations y_i alone (arXiv:2603.21291,
// section 4):
//
//	x_i + K (y - y_i),   K = Cxy Cyy^+
//
// The pseudo-inverse leaves out directions in which the sample does not vary.
func blackBox(o *observed) (*mat.Dense, error) {
	u, d, err := spectrum(o.anomalies)
	if err != nil {
		return nil, err
	}
	rows := o.members
	if len(d) == 0 {
		return identity(rows), nil
	}
	// With S = U sqrt(D) V^T the map is G S^+ = G S^T U D^-1 U^T.
	var su, x mat.Dense
	su.Mul(o.anomalies.T(), u)
	su.Apply(func(_, j int, v float64) float64 { return v / d[j] }, &su)
	x.Mul(&su, u.T())
	return update(o.residuals, &x, rows), nil
}

// update returns I + G X / sqrt(N - 1) with the rows of G X centred: they
// multiply members, and stand for a product with anomalies.
func update(g, x *mat.Dense, rows int) *mat.Dense {
	w := mat.NewDense(rows, rows, nil)
	w.Mul(g, x)
	w.Scale(1/math.Sqrt(float64(rows-1)), w)
	centreRows(w)
	for i := range rows {
		w.Set(i, i, w.At(i, i)+1)
	}
	return w
}

// centreRows subtracts its mean from every row, which turns a map of anomalies
// into the same map of members: W A = W (I - 11^T/N) E.
func centreRows(w *mat.Dense) {
	rows, n := w.Dims()
	for i := range rows {
		row := w.RawRowView(i)
		mean := 0.0
		for _, v := range row {
			mean += v / float64(n)
		}
		for j := range row {
			row[j] -= mean
		}
	}
}

func identity(n int) *mat.Dense {
	m := mat.NewDense(n, n, nil)
	for i := range n {
		m.Set(i, i, 1)
	}
	return m
}
