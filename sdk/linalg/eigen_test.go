package linalg

import (
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
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

// gram returns the products of the rows of n x m normal numbers, of standard deviations scale(i).
func gram(n, m int, scale func(i int) float64) *mat.SymDense {
	r := rand.New(rand.NewSource(int64(n)))
	x := mat.NewDense(n, m, nil)
	x.Apply(func(i, _ int, _ float64) float64 { return scale(i) * r.NormFloat64() }, x)
	products := mat.NewSymDense(n, nil)
	products.SymOuterK(1, x)
	return products
}

// Ordinary matrices have the results of gonum's dsyev, to the bit where Go does not fuse operations of its own accord:
// one after the other, with blocks and without, of full rank and not, that split or are diagonal.
func TestEigenvaluesAreThoseOfDsyev(t *testing.T) {
	matrices := map[string]*mat.SymDense{
		"one": mat.NewSymDense(1, []float64{-3}), "diagonal": mat.NewSymDense(3, []float64{3, 0, 0, 0, 1, 0, 0, 0, 2}),
		"splits": mat.NewSymDense(4, []float64{2, 1, 0, 0, 1, 3, 0, 0, 0, 0, -1, 4, 0, 0, 4, 1}),
	}
	for _, n := range []int{2, 3, 10, 20, 31, 33, 40, 70, 130} {
		matrices[fmt.Sprint("full ", n)] = gram(n, 2*n, func(int) float64 { return 1 })
		matrices[fmt.Sprint("deficient ", n)] = gram(n, max(1, n/3), func(int) float64 { return 1 })
		matrices[fmt.Sprint("graded ", n)] = gram(n, 2*n, func(i int) float64 { return math.Pow(10, float64(-6*i)/float64(n)) })
		matrices[fmt.Sprint("graded the other way ", n)] = gram(n, 2*n, func(i int) float64 { return math.Pow(10, float64(6*i)/float64(n)) })
	}
	var e Eigen
	for name, a := range matrices {
		checkEigen(t, name, a)
		var want mat.EigenSym
		if !want.Factorize(a, true) || !e.Factorize(a) {
			t.Fatalf("%s: no eigenvalues", name)
		}
		var vectors mat.Dense
		want.VectorsTo(&vectors)
		n := a.SymmetricDim()
		if runtime.GOARCH == "amd64" && !(slices.Equal(e.Values, want.Values(nil)) && mat.Equal(e.Vectors, &vectors)) {
			t.Errorf("%s: other bits", name)
		}
		if !floats.EqualApprox(e.Values, want.Values(nil), float64(n)*0x1p-48*mat.Norm(a, 2)) {
			t.Errorf("%s: %v, want %v", name, e.Values, want.Values(nil))
		}
	}
}

// The eigenvectors of an ensemble of 20 and of 100 members.
func BenchmarkEigen(b *testing.B) {
	for _, n := range []int{20, 100} {
		a := gram(n, 2*n, func(int) float64 { return 1 })
		b.Run(fmt.Sprint("own/n=", n), func(b *testing.B) {
			var e Eigen
			for b.Loop() {
				e.Factorize(a)
			}
		})
		b.Run(fmt.Sprint("gonum/n=", n), func(b *testing.B) {
			for b.Loop() {
				var e mat.EigenSym
				e.Factorize(a, true)
			}
		})
	}
}
