package main

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
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
	weights := equalWeights(rows)
	anomalies := ensemble.Anomalies(nil, x, ensemble.Mean(nil, x, nil))
	var have mat.SymDense
	have.SymOuterK(1, rootWeightedRows(anomalies, weights).T())
	root, err := symmetricPower(&have, 0.5)
	if err != nil {
		return err
	}
	inverse, err := symmetricPower(&have, -0.5)
	if err != nil {
		return err
	}
	var between mat.Dense
	between.Product(root, covariance, root)
	middle, err := symmetricPower(symmetric(&between), 0.5)
	if err != nil {
		return err
	}
	var transport mat.Dense
	transport.Product(inverse, middle, inverse)
	x.Mul(anomalies, &transport)
	for i := range rows {
		row := x.RawRowView(i)
		for j, m := range mean {
			row[j] += m
		}
	}
	return nil
}

// symmetricPower returns the power of a positive semidefinite matrix. Eigenvalues
// that are rounding beside the largest count as zero, and so do their powers.
func symmetricPower(c *mat.SymDense, power float64) (*mat.Dense, error) {
	n := c.SymmetricDim()
	var eigen mat.EigenSym
	if !eigen.Factorize(c, true) {
		return nil, errEigen()
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values := eigen.Values(nil)
	scaled := mat.DenseCopyOf(&vectors)
	for k, v := range values {
		factor := 0.0
		if v > float64(n)*0x1p-52*values[n-1] {
			factor = math.Pow(v, power)
		}
		for i := range n {
			scaled.Set(i, k, factor*scaled.At(i, k))
		}
	}
	var out mat.Dense
	out.Mul(scaled, vectors.T())
	return &out, nil
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
