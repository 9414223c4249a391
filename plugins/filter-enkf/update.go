package main

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// update is what a scheme decides. With A the forecast anomalies (N x n),
//
//	analysis mean      = forecast mean + c' U' A
//	analysis anomalies = A + G U' A
//
// where the columns of G sum to zero.
type update struct {
	left      *mat.Dense // U, N x k
	mean      []float64  // c, k values
	anomalies *mat.Dense // G, N x k
}

// apply writes the analysis of e (N x n) into into, its anomalies multiplied by
// inflation and then from the left by rotation, W, unless that is nil:
//
//	into = 1 mean' + (1 c' U' + inflation W (I + G U')) A
//
// The state passes in blocks of columns, in parallel; every value is computed by
// one goroutine in one order. Cost: 4 N k n with k < N/2 and no rotation, else
// 2 N^2 n. Scratch memory: a block or two for every processor.
func (u *update) apply(into, e *mat.Dense, inflation float64, rotation *mat.Dense) {
	members, n := e.Dims()
	transform := u.transform(members, inflation, rotation)
	mean := make([]float64, n)
	inBlocks(n, max(32, 1<<15/members), func(from, to int) {
		e := e.Slice(0, members, from, to).(*mat.Dense)
		out := into.Slice(0, members, from, to).(*mat.Dense)
		a := ensemble.Anomalies(nil, e, ensemble.Mean(mean[from:to], e, nil))
		for i := range members {
			copy(out.RawRowView(i), mean[from:to])
		}
		transform(out, a)
	})
}

// transform returns a function that adds to out the analysis of anomalies a less
// the forecast mean, by whichever order of products is cheaper.
func (u *update) transform(members int, inflation float64, rotation *mat.Dense) func(out, a *mat.Dense) {
	_, k := u.left.Dims()
	g := u.anomalies
	if rotation != nil {
		g = mat.NewDense(members, k, nil)
		g.Mul(rotation, u.anomalies)
	}
	factor := mat.NewDense(members, k, nil) // 1 c' + inflation W G
	factor.Apply(func(_, j int, v float64) float64 { return u.mean[j] + inflation*v }, g)
	if rotation == nil && 2*k < members {
		return func(out, a *mat.Dense) {
			var projected, scaled mat.Dense
			projected.Mul(u.left.T(), a)
			scaled.Scale(inflation, a)
			out.Add(out, &scaled)
			addProduct(out, factor, &projected)
		}
	}
	whole := mat.NewDense(members, members, nil)
	whole.Mul(factor, u.left.T())
	for i := range members {
		if rotation == nil {
			whole.Set(i, i, whole.At(i, i)+inflation)
			continue
		}
		for j, w := range rotation.RawRowView(i) {
			whole.Set(i, j, whole.At(i, j)+inflation*w)
		}
	}
	return func(out, a *mat.Dense) { addProduct(out, whole, a) }
}

// addProduct adds a b to dst.
func addProduct(dst, a, b *mat.Dense) {
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, a.RawMatrix(), b.RawMatrix(), 1, dst.RawMatrix())
}

// inBlocks calls do for consecutive blocks of at most width of the n columns, on
// all processors.
func inBlocks(n, width int, do func(from, to int)) {
	blocks := (n + width - 1) / width
	var next atomic.Int64
	work := func() {
		for b := int(next.Add(1)) - 1; b < blocks; b = int(next.Add(1)) - 1 {
			do(b*width, min(n, (b+1)*width))
		}
	}
	var wg sync.WaitGroup
	for range min(blocks, runtime.GOMAXPROCS(0)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
