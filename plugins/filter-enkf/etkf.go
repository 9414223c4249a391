package main

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// etkf returns the N x N transform of the ensemble transform Kalman filter with
// the symmetric square root (Bishop et al. 2001,
// doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2; Hunt et al. 2007,
// doi:10.1016/j.physd.2006.11.008, equations 21 to 25):
//
//	mean:       xf + w A,   w = (y - mean(h)) R^-1 Y^T (Y R^-1 Y^T + (N-1) I)^-1
//	anomalies:  T A,        T = (Y R^-1 Y^T / (N-1) + I)^(-1/2)
//
// The symmetric root keeps the mean: T 1 = 1, since the anomalies sum to zero. No
// randomness.
func etkf(o *observed) (*mat.Dense, error) {
	u, d, err := spectrum(o.anomalies)
	if err != nil {
		return nil, err
	}
	rows := o.members
	t := identity(rows)
	if len(d) == 0 {
		return t, nil
	}
	// T - I = U ((1 + D)^(-1/2) - I) U^T
	var scaled, root mat.Dense
	scaled.Apply(func(_, j int, v float64) float64 { return v * (1/math.Sqrt(1+d[j]) - 1) }, u)
	root.Mul(&scaled, u.T())
	t.Add(t, &root)

	// w = S dw / sqrt(N-1), less the part that (S S^T + I)^-1 takes away
	b := mat.NewVecDense(rows, nil)
	b.MulVec(o.anomalies, mat.NewVecDense(len(o.innovation), o.innovation))
	var ub, w mat.VecDense
	ub.MulVec(u.T(), b)
	for j, dj := range d {
		ub.SetVec(j, ub.AtVec(j)*dj/(1+dj))
	}
	w.MulVec(u, &ub)
	w.SubVec(b, &w)
	w.ScaleVec(1/math.Sqrt(float64(rows-1)), &w)

	return aroundMean(t, w.RawVector().Data), nil
}

// aroundMean returns the map of members that moves the mean by w, in terms of
// anomalies, and transforms the anomalies with t.
func aroundMean(t *mat.Dense, w []float64) *mat.Dense {
	rows, _ := t.Dims()
	for i := range rows {
		row := t.RawRowView(i)
		for j := range row {
			row[j] += w[j]
		}
	}
	centreRows(t)
	for i := range rows {
		row := t.RawRowView(i)
		for j := range row {
			row[j] += 1 / float64(rows)
		}
	}
	return t
}
