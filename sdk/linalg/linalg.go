// Package linalg has the linear algebra that filters share: products and exponentials
// that use the processor's vectors, with the same bits on every processor, and the
// little that gonum lacks.
package linalg

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// MeanPreservingRotation returns a random orthogonal N x N matrix whose rows and
// columns sum to 1, so that multiplying anomalies by it keeps their zero mean
// and their covariance:
//
//	W = H diag(1, Q) H
//
// H is the reflection that exchanges the first unit vector with the vector of
// ones over sqrt(N), and Q is uniform (Haar) on the orthogonal group of order
// N - 1: the orthogonal factor of a matrix of normal draws, its columns' signs
// set to those of the triangular factor's diagonal. (N-1)^2 normals are drawn
// from r. Cost: about 4 N^3.
//
// Sources: Sakov and Oke 2008, doi:10.1175/2007MWR2021.1, section 2;
// Mezzadri 2007, arXiv:math-ph/0609050, section 5, for the signs.
func MeanPreservingRotation(n int, r *rand.Rand) *mat.Dense {
	w := mat.NewDense(n, n, nil)
	w.Set(0, 0, 1)
	if n > 1 {
		w.Slice(1, n, 1, n).(*mat.Dense).Copy(haar(n-1, r))
	}
	u := make([]float64, n) // H = I - 2 u u' / (u'u)
	for i := range u {
		u[i] = -1 / math.Sqrt(float64(n))
	}
	u[0]++
	v := mat.NewVecDense(n, u)
	if norm := mat.Dot(v, v); norm > 0 { // zero for n = 1
		var product mat.VecDense
		product.MulVec(w.T(), v)
		w.RankOne(w, -2/norm, v, &product)
		product.MulVec(w, v)
		w.RankOne(w, -2/norm, &product, v)
	}
	return w
}

func haar(n int, r *rand.Rand) *mat.Dense {
	g := mat.NewDense(n, n, nil)
	data := g.RawMatrix().Data
	for i := range data {
		data[i] = r.NormFloat64()
	}
	var qr mat.QR
	var q, triangular mat.Dense
	qr.Factorize(g)
	qr.QTo(&q)
	qr.RTo(&triangular)
	for j := range n {
		if triangular.At(j, j) < 0 {
			for i := range n {
				q.Set(i, j, -q.At(i, j))
			}
		}
	}
	return &q
}
