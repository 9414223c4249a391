package main

import (
	"fmt"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// observed is what one cycle's observations say, in units of the error's standard
// deviation (or, for a black box, of the sample's), without the missing ones.
type observed struct {
	members    int        // N
	anomalies  *mat.Dense // S = Y / sqrt(N - 1), N x m
	innovation []float64  // of the mean, y - mean(h(x_i)), m values
	residuals  *mat.Dense // y - h(x_i), N x m
}

// observed gathers the components that are not missing. It returns nil when there
// are none.
func (f *filter) observed(p *sdk.Problem) (*observed, error) {
	given := p.Predicted
	if f.Observations == "simulated" {
		given = p.Simulated
	}
	var present []int
	for k, y := range p.Observation {
		if !math.IsNaN(y) {
			present = append(present, k)
		}
	}
	if len(present) == 0 {
		return nil, nil
	}
	rows, m := given.RawMatrix().Rows, len(present)
	h, y, variance := mat.NewDense(rows, m, nil), make([]float64, m), make([]float64, m)
	for k, j := range present {
		y[k] = p.Observation[j]
		for i := range rows {
			h.Set(i, k, given.At(i, j))
		}
		if f.Observations == "predicted" {
			variance[k] = p.ErrorVariance[j]
		}
	}
	mean := ensemble.Mean(nil, h, nil)
	if f.Observations == "simulated" {
		ensemble.Variance(variance, h, mean, nil)
	}
	return whiten(h, mean, y, variance)
}

// whiten divides everything by the standard deviations. A component whose sample
// does not vary at all, which only a black box can have, is left as it is: it
// carries no information on the state.
func whiten(h *mat.Dense, mean, y, variance []float64) (*observed, error) {
	rows, m := h.Dims()
	o := &observed{members: rows, anomalies: mat.NewDense(rows, m, nil), innovation: make([]float64, m), residuals: mat.NewDense(rows, m, nil)}
	for k := range m {
		scale := 1.0
		if variance[k] > 0 {
			scale = 1 / math.Sqrt(variance[k])
		}
		o.innovation[k] = (y[k] - mean[k]) * scale
		for i := range rows {
			v := h.At(i, k)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("predicted observation of member %d", i), "component %d is %v, want a finite number", k, v)
			}
			o.anomalies.Set(i, k, (v-mean[k])*scale/math.Sqrt(float64(rows-1)))
			o.residuals.Set(i, k, (y[k]-v)*scale)
		}
	}
	return o, nil
}

// spectrum returns the eigenvalues d above zero of S S^T and their eigenvectors
// as the columns of u, N x r with r at most min(N, m), from the smaller of the
// two Gram matrices.
func spectrum(s *mat.Dense) (u *mat.Dense, d []float64, err error) {
	rows, m := s.Dims()
	var gram mat.SymDense
	left := rows <= m
	if left {
		gram.SymOuterK(1, s)
	} else {
		gram.SymOuterK(1, s.T())
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(&gram, true) {
		return nil, nil, sdk.Errorf(sdk.KindDiverged, "observed anomalies", "the eigenvalues of their %d x %d Gram matrix do not converge", gram.SymmetricDim(), gram.SymmetricDim())
	}
	values := eigen.Values(nil)
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	first := positive(values)
	if first == len(values) {
		return nil, nil, nil
	}
	d = values[first:]
	kept := vectors.Slice(0, len(values), first, len(values))
	if left {
		return mat.DenseCopyOf(kept), d, nil
	}
	u = mat.NewDense(rows, len(d), nil)
	u.Mul(s, kept)
	u.Apply(func(_, j int, v float64) float64 { return v / math.Sqrt(d[j]) }, u)
	return u, d, nil
}

// positive returns the index of the first of ascending eigenvalues that is not
// zero to rounding.
func positive(values []float64) int {
	limit := values[len(values)-1] * float64(len(values)) * 1e-15
	for i, v := range values {
		if v > limit {
			return i
		}
	}
	return len(values)
}

// solve returns (S^T S + I)^-1 b for an m x k matrix b, by a Cholesky
// factorisation of m or, with the Woodbury identity, of N values a side:
//
//	(S^T S + I)^-1 = I - S^T (S S^T + I)^-1 S
func (o *observed) solve(b mat.Matrix) (*mat.Dense, error) {
	rows, m := o.anomalies.Dims()
	var x mat.Dense
	if m <= rows {
		chol, err := factor(o.anomalies.T())
		if err == nil {
			err = chol.SolveTo(&x, b)
		}
		return &x, err
	}
	chol, err := factor(o.anomalies)
	if err != nil {
		return nil, err
	}
	var inner, sb mat.Dense
	sb.Mul(o.anomalies, b)
	if err := chol.SolveTo(&inner, &sb); err != nil {
		return nil, err
	}
	x.Mul(o.anomalies.T(), &inner)
	x.Sub(b, &x)
	return &x, nil
}

// factor returns the Cholesky factorisation of a a^T + I.
func factor(a mat.Matrix) (*mat.Cholesky, error) {
	var gram mat.SymDense
	gram.SymOuterK(1, a)
	n := gram.SymmetricDim()
	for i := range n {
		gram.SetSym(i, i, gram.At(i, i)+1)
	}
	var chol mat.Cholesky
	if !chol.Factorize(&gram) {
		return nil, sdk.Errorf(sdk.KindDiverged, "observed anomalies", "their covariance overflows").
			WithHint("the forecast has left the range of the observations; check inflation and time step")
	}
	return &chol, nil
}

// nis returns the normalised innovation squared, which is 1 on average when the
// ensemble's spread is right:
//
//	d^T (Y^T Y / (N-1) + R)^-1 d / m
//
// For a black box R is inside the sample covariance, and the number compares the
// innovation with the sum of that and its diagonal.
func (o *observed) nis() (float64, error) {
	m := len(o.innovation)
	d := mat.NewDense(m, 1, o.innovation)
	x, err := o.solve(d)
	if err != nil {
		return 0, err
	}
	return mat.Dot(d.ColView(0), x.ColView(0)) / float64(m), nil
}
