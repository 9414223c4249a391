package main

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// jitter adds to resampled members a draw from N(0, h² C) with the weighted
// covariance C of the forecast and
//
//	h = jitter N^(-1/(d+4)),   d = n
//
// (Musso, Oudjane and Le Gland 2001, doi:10.1007/978-1-4757-3437-9_12, whose
// optimal factor jitter is about 1 for Gaussian kernels). A draw is a random
// combination of weighted anomalies, so no covariance is formed or factored when
// there are fewer members than state values. Streams: by member.
func (f *filter) jitter(p *sdk.Problem, ancestors []int, weights []float64) {
	if f.Jitter == 0 {
		return
	}
	factor := covarianceFactor(p.Ensemble, weights)
	if factor == nil {
		return
	}
	rows, n := p.Into.Dims()
	h := f.Jitter * math.Pow(float64(rows), -1/float64(n+4))
	seed := p.Seed.Child("jitter", 0)
	rank, _ := factor.Dims()
	z, noise := make([]float64, rank), mat.NewVecDense(n, nil)
	for i, from := range ancestors {
		if f.JitterTarget == "duplicates" && (i == 0 || ancestors[i-1] != from) {
			continue
		}
		rng.Normals(seed.Member(p.First+i), z)
		noise.MulVec(factor.T(), mat.NewVecDense(rank, z))
		row := p.Into.RawRowView(i)
		for j := range row {
			row[j] += h * noise.AtVec(j)
		}
	}
}

// covarianceFactor returns L, r x n with L^T L = C, the unbiased weighted
// covariance of e: the weighted anomalies themselves when N <= n, and a Cholesky
// factor of C otherwise. Without spread in some direction there is no Cholesky
// factor, and the anomalies serve again. It returns nil when one member carries
// all the weight: a single point has no covariance.
func covarianceFactor(e *mat.Dense, weights []float64) *mat.Dense {
	rows, n := e.Dims()
	correction := 1 - 1/ensemble.ESS(weights, rows)
	if correction <= 0 {
		return nil
	}
	a := ensemble.Anomalies(nil, e, ensemble.Mean(nil, e, weights))
	for i, w := range weights {
		scale := math.Sqrt(w / correction)
		row := a.RawRowView(i)
		for j := range row {
			row[j] *= scale
		}
	}
	if rows <= n {
		return a
	}
	var c mat.SymDense
	c.SymOuterK(1, a.T())
	var chol mat.Cholesky
	if !chol.Factorize(&c) {
		return a
	}
	var upper mat.TriDense
	chol.UTo(&upper)
	return mat.DenseCopyOf(&upper)
}
