package filterdiffusion

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/mat"
)

// matchMoments moves the rows of x so that their mean and covariance, with N - 1,
// are the given ones. Anomalies are multiplied by the symmetric matrix
//
//	T = S^(-1/2) (S^(1/2) C S^(1/2))^(1/2) S^(-1/2),   S the covariance they have,
//
// the map between normal densities that moves them least (Olkin and Pukelsheim
// 1982, doi:10.1016/0024-3795(82)90112-4). Where S is singular, T acts on its range
// alone. Cost: N r² and a few decompositions of r³.
func matchMoments(x *mat.Dense, mean []float64, covariance *mat.SymDense) error {
	rows, _ := x.Dims()
	anomalies := ensemble.Anomalies(nil, x, ensemble.Mean(nil, x, nil))
	have := scatterOf(anomalies, equalWeights(rows))
	forth, back, err := roots(have)
	if err != nil {
		return err
	}
	values, vectors, err := eigen(symmetric(enclosed(forth, covariance)))
	if err != nil {
		return err
	}
	if values[0] > leastSquare*values[len(values)-1] {
		linalg.Mul(x, anomalies, enclosed(back, power(values, vectors, 0.5)))
	} else if moved, err := matchGraded(anomalies, have, covariance); err != nil {
		return err
	} else {
		x.Copy(moved)
	}
	for i := range rows {
		row := x.RawRowView(i)
		for j, m := range mean {
			row[j] += m
		}
	}
	return nil
}

// enclosed returns a b a.
func enclosed(a *mat.Dense, b mat.Matrix) *mat.Dense {
	var left, product mat.Dense
	linalg.Mul(&left, a, b)
	linalg.Mul(&product, &left, a)
	return &product
}

// leastSquare is how small an eigenvalue of S^(1/2) C S^(1/2) may be, relative to the largest, to have a root that is
// right to a part in a thousand.
const leastSquare = 1e-12

// matchGraded returns the anomalies times the matrix of [matchMoments] for a covariance s of theirs and the wanted one
// that are both small in the same direction, as what is observed far more accurately than it is forecast. There
// their product is rounding. In the coordinates of the eigenvectors of S, with eigenvalues d²,
//
//	T = diag(1/d) V E V' diag(1/d),   U E V' = C^(1/2) diag(d),
//
// which squares nothing, and adds nothing to what is divided by d.
func matchGraded(anomalies *mat.Dense, s, covariance *mat.SymDense) (*mat.Dense, error) {
	squares, axes, err := eigen(s)
	if err != nil {
		return nil, err
	}
	half, err := root(covariance)
	if err != nil {
		return nil, err
	}
	r := len(squares)
	d := make([]float64, r)
	for k, square := range squares {
		if square > roundingOf(squares) {
			d[k] = math.Sqrt(square)
		}
	}
	var scaled, v mat.Dense
	linalg.Mul(&scaled, half, axes)
	scaled.Apply(func(_, k int, x float64) float64 { return x * d[k] }, &scaled)
	var svd mat.SVD
	if !svd.Factorize(&scaled, mat.SVDThin) {
		return nil, errEigen()
	}
	svd.VTo(&v)
	values, left := svd.Values(nil), mat.DenseCopyOf(&v)
	left.Apply(func(_, k int, x float64) float64 { return x * values[k] }, left)
	var t, turned, moved, back mat.Dense
	linalg.Mul(&t, left, v.T())
	t.Apply(func(j, k int, x float64) float64 {
		if d[j] == 0 || d[k] == 0 {
			return 0
		}
		return x / d[j] / d[k]
	}, &t)
	linalg.Mul(&turned, anomalies, axes)
	linalg.Mul(&moved, &turned, &t)
	linalg.Mul(&back, &moved, axes.T())
	return &back, nil
}

// roundingOf returns the size up to which eigenvalues, ascending, are rounding errors.
func roundingOf(values []float64) float64 {
	return float64(len(values)) * 0x1p-52 * values[len(values)-1]
}

// root returns the symmetric square root of a positive semidefinite matrix.
// Eigenvalues that are rounding relative to the largest count as zero.
func root(c *mat.SymDense) (*mat.Dense, error) {
	values, vectors, err := eigen(c)
	if err != nil {
		return nil, err
	}
	return power(values, vectors, 0.5), nil
}

// roots returns the [root] and its inverse, on the range of c.
func roots(c *mat.SymDense) (root, inverse *mat.Dense, err error) {
	values, vectors, err := eigen(c)
	if err != nil {
		return nil, nil, err
	}
	return power(values, vectors, 0.5), power(values, vectors, -0.5), nil
}

// power returns the matrix with these eigenvectors and the eigenvalues to the
// exponent.
func power(values []float64, vectors *mat.Dense, exponent float64) *mat.Dense {
	scaled := mat.DenseCopyOf(vectors)
	scaled.Apply(func(_, k int, v float64) float64 {
		if values[k] > roundingOf(values) {
			return math.Pow(values[k], exponent) * v
		}
		return 0
	}, scaled)
	var out mat.Dense
	linalg.Mul(&out, scaled, vectors.T())
	return &out
}

// eigen returns the eigenvalues of c, ascending, and its eigenvectors as columns.
func eigen(c mat.Symmetric) (values []float64, vectors *mat.Dense, err error) {
	var e linalg.Eigen
	if !e.Factorize(c) {
		return nil, nil, errEigen()
	}
	return e.Values, e.Vectors, nil
}

// symmetric returns the symmetric part of a.
func symmetric(a *mat.Dense) *mat.SymDense {
	n, _ := a.Dims()
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			s.SetSym(i, j, (a.At(i, j)+a.At(j, i))/2)
		}
	}
	return s
}

func errEigen() error {
	return sdk.Errorf(sdk.KindDiverged, "forecast ensemble", "its covariance has no eigenvalues in float64").
		WithHint("the members are too far apart to compute with; check the model and its time step")
}
