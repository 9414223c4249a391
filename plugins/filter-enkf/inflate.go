package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// inflate multiplies the anomalies of the analysis that m makes by factor. The
// mean of the analysis is the mean of the rows of m.
func inflate(m *mat.Dense, factor float64) {
	if factor == 1 {
		return
	}
	rows, _ := m.Dims()
	mean := meanRow(m)
	for i := range rows {
		row := m.RawRowView(i)
		for j := range row {
			row[j] = mean[j] + factor*(row[j]-mean[j])
		}
	}
}

func meanRow(m *mat.Dense) []float64 {
	rows, n := m.Dims()
	mean := make([]float64, n)
	for i := range rows {
		for j, v := range m.RawRowView(i) {
			mean[j] += v / float64(rows)
		}
	}
	return mean
}

// rotate multiplies the anomalies of the analysis that m makes from the left by a
// random orthogonal matrix that maps the ones vector to itself, uniform among
// these (Sakov and Oke 2008b, doi:10.1175/2007MWR2021.1). Mean and covariance of
// the analysis do not change.
func rotate(m *mat.Dense, r *rand.Rand) {
	omega := rotation(m.RawMatrix().Rows, r)
	var turned mat.Dense
	turned.Mul(omega, m) // omega maps the mean, the same in every row, to itself
	m.Copy(&turned)
}

// rotation returns H diag(1, Q) H, where the reflection H maps the first unit
// vector to 1/sqrt(n) and Q is uniform among the orthogonal matrices of order
// n-1.
func rotation(n int, r *rand.Rand) *mat.Dense {
	block := mat.NewDense(n, n, nil)
	block.Set(0, 0, 1)
	block.Slice(1, n, 1, n).(*mat.Dense).Copy(orthogonal(n-1, r))
	v := make([]float64, n)
	for i := range v {
		v[i] = -1 / math.Sqrt(float64(n))
	}
	v[0]++
	reflectRows(block, v)
	transposed := mat.DenseCopyOf(block.T())
	reflectRows(transposed, v)
	return mat.DenseCopyOf(transposed.T())
}

// reflectRows replaces every row x of m by x (I - 2 v v^T / v^T v).
func reflectRows(m *mat.Dense, v []float64) {
	norm := 0.0
	for _, x := range v {
		norm += x * x
	}
	rows, _ := m.Dims()
	for i := range rows {
		row, dot := m.RawRowView(i), 0.0
		for j, x := range row {
			dot += x * v[j]
		}
		for j := range row {
			row[j] -= 2 * dot / norm * v[j]
		}
	}
}

// orthogonal returns a uniform random orthogonal matrix of order n: the Q of a
// matrix of normal numbers whose R has a positive diagonal (Mezzadri 2007,
// arXiv:math-ph/0609050).
func orthogonal(n int, r *rand.Rand) *mat.Dense {
	normal := mat.NewDense(n, n, nil)
	data := normal.RawMatrix().Data
	for i := range data {
		data[i] = r.NormFloat64()
	}
	var qr mat.QR
	qr.Factorize(normal)
	var q, upper mat.Dense
	qr.QTo(&q)
	qr.RTo(&upper)
	for j := range n {
		if upper.At(j, j) < 0 {
			for i := range n {
				q.Set(i, j, -q.At(i, j))
			}
		}
	}
	return &q
}
