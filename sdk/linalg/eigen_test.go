package linalg

import (
	"math"
	"math/rand"
	"testing"

	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// covarianceOf returns the covariance of members with these weights, apart from a factor: that which a
// local particle filter needs the root of.
func covarianceOf(weights []float64) *mat.SymDense {
	c := mat.NewSymDense(len(weights), nil)
	for i, w := range weights {
		for l := i; l < len(weights); l++ {
			c.SetSym(i, l, -w*weights[l])
		}
		c.SetSym(i, i, c.At(i, i)+w)
	}
	return c
}

// The eigenvectors are orthonormal and A v = λ v, up to the backward error of Householder's and QL steps,
// n eps |A| each, with a factor of 10.
func checkEigen(t *testing.T, what string, a *mat.SymDense) {
	t.Helper()
	var e Eigen
	if !e.Factorize(a) {
		t.Fatalf("%s: no eigenvalues", what)
	}
	n := a.SymmetricDim()
	most := 10 * float64(n) * 0x1p-52
	norm := mat.Norm(a, math.Inf(1))
	var product, gram mat.Dense
	product.Mul(a, e.Vectors)
	gram.Mul(e.Vectors.T(), e.Vectors)
	for j, value := range e.Values {
		if j > 0 && value < e.Values[j-1] {
			t.Errorf("%s: %g follows %g", what, value, e.Values[j-1])
		}
		for i := range n {
			if got := product.At(i, j) - value*e.Vectors.At(i, j); !(math.Abs(got) <= most*norm) {
				t.Errorf("%s: eigenvalue %d is %g, and the rest %g, at most %g expected", what, j, value, got, most*norm)
			}
			if want := map[bool]float64{true: 1}[i == j]; !(math.Abs(gram.At(i, j)-want) <= most) {
				t.Errorf("%s: the product of vectors %d and %d is %g", what, i, j, gram.At(i, j))
			}
		}
	}
}

// Weights of members that observations all but exclude made eigenvalues of 1e122: blocks of small numbers come
// before blocks of others.
func TestEigenvaluesBesideVerySmallOnes(t *testing.T) {
	checkEigen(t, "weights", covarianceOf([]float64{3.224534111308572e-06, 4.697685725743475e-149, 1.0718555980736285e-188, 0.05637671772084597,
		0.16369808866348523, 0.051278023414289525, 1.4036254836033737e-15, 4.971916808350514e-05, 0.08562648876468712, 0.03363756345965121,
		0.10965273574337178, 0.02229466198453625, 0.13877102672541033, 0.0756595683432763, 2.0766528965924078e-66, 0.11138334044575525,
		0.004230252829978481, 0.04367271750246138, 0.0811968868917479, 0.022468983808307197}))
	r := rand.New(rand.NewSource(1))
	for range 300 {
		weights := make([]float64, 2+r.Intn(20))
		for i := range weights {
			weights[i] = math.Exp(-math.Exp(6.5 * r.Float64()))
		}
		checkEigen(t, "random weights", covarianceOf(weights))
	}
}

func TestEigenvaluesOfEveryScale(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for _, n := range []int{1, 2, 7, 33, 70} {
		for _, scale := range []float64{5e-324, 1e-300, 1e-140, 1e-61, 1, 1e61, 1e140, 1e300} {
			a := mat.NewSymDense(n, nil)
			for i := range n {
				for j := i; j < n; j++ {
					a.SetSym(i, j, scale*(r.Float64()-0.5))
				}
			}
			if scale > 1e-300 { // else rounded to whole multiples of the smallest number
				checkEigen(t, "random", a)
			}
			var e Eigen
			if !e.Factorize(a) {
				t.Errorf("n = %d, scale %g: no eigenvalues", n, scale)
			}
		}
		checkEigen(t, "zero", mat.NewSymDense(n, nil))
		var e Eigen
		for _, v := range []float64{math.NaN(), math.Inf(1)} {
			a := mat.NewSymDense(n, nil)
			a.SetSym(0, n-1, v)
			if e.Factorize(a) {
				t.Errorf("n = %d: eigenvalues of a matrix with %g", n, v)
			}
		}
	}
}

// Ordinary matrices have the bits that dsyev gives them.
func TestEigenvaluesAreThoseOfDsyev(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	var e Eigen
	for _, n := range []int{1, 2, 3, 20, 40, 100} {
		a := mat.NewSymDense(n, nil)
		b := mat.NewDense(n, 5, nil)
		for i := range n {
			for k := range 5 {
				b.Set(i, k, r.NormFloat64())
			}
		}
		a.SymOuterK(1, b)
		want := mat.NewSymDense(n, nil)
		want.CopySym(a)
		values, size := make([]float64, n), []float64{0}
		lapack64.Syev(lapack.EVCompute, want.RawSymmetric(), values, size, -1)
		work := make([]float64, int(size[0]))
		if !lapack64.Syev(lapack.EVCompute, want.RawSymmetric(), values, work, len(work)) || !e.Factorize(a) {
			t.Fatalf("n = %d: no eigenvalues", n)
		}
		if !mat.Equal(mat.NewVecDense(n, e.Values), mat.NewVecDense(n, values)) || !mat.Equal(e.Vectors, mat.NewDense(n, n, want.RawSymmetric().Data)) {
			t.Errorf("n = %d: other bits", n)
		}
	}
}
