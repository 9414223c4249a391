package linalg

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

func normal(rows, cols int, r *rand.Rand) *mat.Dense {
	m := mat.NewDense(rows, cols, nil)
	data := m.RawMatrix().Data
	for i := range data {
		data[i] = r.NormFloat64()
	}
	return m
}

// Every number is the chain that Mul promises, in the portable kernel and in all
// others, for all remainders of rows and columns, several blocks, matrices that lie in
// larger ones, and as a right factor laid out before or not. What lies around the
// result is not written to.
func TestProductsAreChainsOfFusedMultiplyAdds(t *testing.T) {
	r := rng.New(1).Rand()
	sizes := [][3]int{{70, 300, 270}, {64, 256, 256}, {65, 257, 257}, {1, 600, 1}}
	for rows := 1; rows <= 17; rows++ {
		for cols := 1; cols <= 17; cols++ {
			sizes = append(sizes, [3]int{rows, 1 + (rows*cols)%7, cols})
		}
	}
	for _, size := range sizes {
		rows, depth, cols := size[0], size[1], size[2]
		a := normal(rows+1, depth+2, r).Slice(0, rows, 1, depth+1).(*mat.Dense)
		b := normal(depth+1, cols+2, r).Slice(1, depth+1, 0, cols).(*mat.Dense)
		want := mat.NewDense(rows, cols, nil)
		for i := range rows {
			for j := range cols {
				sum := 0.0
				for k := range depth {
					sum = math.FMA(a.At(i, k), b.At(k, j), sum)
				}
				want.Set(i, j, sum)
			}
		}
		for _, kernel := range available {
			use(t, kernel, func() {
				around := normal(rows+2, cols+2, r)
				before := mat.DenseCopyOf(around)
				got := around.Slice(1, rows+1, 1, cols+1).(*mat.Dense)
				products := map[string]func(){
					"a b":           func() { Mul(got, a, b) },
					"a (b')'":       func() { Mul(got, a, mat.DenseCopyOf(b.T()).T()) },
					"(a')' b":       func() { Mul(got, mat.DenseCopyOf(a.T()).T(), b) },
					"a factor b":    func() { NewFactor(b).MulTo(got, a) },
					"a factor b' '": func() { NewFactor(mat.DenseCopyOf(b.T()).T()).MulTo(got, a) },
				}
				for name, product := range products {
					got.Zero()
					product()
					if !mat.Equal(got, want) {
						t.Fatalf("%s, %d x %d x %d: %s is not the chain", kernel.name, rows, depth, cols, name)
					}
				}
				got.Copy(before.Slice(1, rows+1, 1, cols+1))
				if !mat.Equal(around, before) {
					t.Fatalf("%s, %d x %d x %d: writes beside the result", kernel.name, rows, depth, cols)
				}
			})
		}
	}
}

// What is not finite goes where the chain takes it.
func TestProductsKeepWhatIsNotFinite(t *testing.T) {
	for _, kernel := range available {
		use(t, kernel, func() {
			a := mat.NewDense(2, 2, []float64{1, 2, math.Inf(1), 0})
			b := mat.NewDense(2, 3, []float64{1, math.NaN(), 1, math.Inf(1), 1, 0})
			var got mat.Dense
			Mul(&got, a, b)
			want := []float64{math.Inf(1), math.NaN(), 1, math.NaN(), math.NaN(), math.Inf(1)}
			if !slices.EqualFunc(got.RawMatrix().Data, want, same) {
				t.Errorf("%s: got %v, want %v", kernel.name, got.RawMatrix().Data, want)
			}
		})
	}
}

func TestProductsRefuseOtherShapes(t *testing.T) {
	two, three := mat.NewDense(2, 2, nil), mat.NewDense(3, 3, nil)
	for name, product := range map[string]func(){
		"depth":  func() { Mul(new(mat.Dense), two, three) },
		"result": func() { Mul(three, two, two) },
		"factor": func() { NewFactor(three).MulTo(new(mat.Dense), two) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: a product of the wrong shape is computed", name)
				}
			}()
			product()
		}()
	}
}

// use runs f with a kernel in place of the fastest.
func use(t testing.TB, k kernels, f func()) {
	t.Helper()
	before := fastest
	fastest = k
	defer func() { fastest = before }()
	f()
}

// same tells whether two numbers have the same bits, or are both NaN.
func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

func BenchmarkProduct(b *testing.B) {
	for _, size := range [][3]int{{16, 3, 250}, {16, 250, 3}, {16, 40, 250}, {16, 250, 40}, {100, 6250, 100}, {100, 100, 2000}, {2000, 2000, 2000}} {
		rows, depth, cols := size[0], size[1], size[2]
		r := rng.New(2).Rand()
		left, right, dst := normal(rows, depth, r), normal(depth, cols, r), mat.NewDense(rows, cols, nil)
		run := func(name string, product func()) {
			b.Run(fmt.Sprintf("%dx%dx%d/%s", rows, depth, cols, name), func(b *testing.B) {
				for b.Loop() {
					product()
				}
				b.ReportMetric(2*float64(rows*depth*cols*b.N)/b.Elapsed().Seconds()/1e9, "Gflop/s")
			})
		}
		run("gonum", func() { dst.Mul(left, right) })
		for _, kernel := range available {
			use(b, kernel, func() {
				factor := NewFactor(right)
				run(kernel.name, func() { Mul(dst, left, right) })
				run(kernel.name+"-factor", func() { factor.MulTo(dst, left) })
			})
		}
	}
}
