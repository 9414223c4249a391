package filterenkf

import (
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/linalg"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// update is the result of a global scheme. With A the forecast anomalies (N x n), already
// multiplied by the factor on the forecast,
//
//	analysis mean      = forecast mean + c' U' A
//	analysis anomalies = A + G U' A
//
// where the columns of G sum to zero. Relaxation to the forecast's anomalies by r
// (RTPP: Zhang et al. 2004, doi:10.1175/1520-0493(2004)132<1238:IOIEAO>2.0.CO;2,
// equation 5), r A + (1 - r) (A + G U' A), means to multiply G by 1 - r.
type update struct {
	left      *mat.Dense // U, N x k
	mean      []float64  // c, k values
	anomalies *mat.Dense // G, N x k
}

// apply writes the analysis of e (N x n) into into, which may be e, its anomalies multiplied by
// inflation. With A the anomalies of e
//
//	into = 1 mean' + prior (1 c' U' + inflation (I + G U')) A
//
// The state is processed in blocks of columns, in parallel; every value is computed by one
// goroutine in one order. Cost: 4 N k n for k < N/2, otherwise 2 N^2 n. Scratch memory: a
// few blocks for every processor.
func (u *update) apply(into, e *mat.Dense, prior, inflation float64) {
	members, n := e.Dims()
	left, right := u.factors(prior, inflation)
	width := blockWidth(members, n)
	mean := make([]float64, n)
	ensemble.InBlocks(n, width, func() func(from, to int) {
		anomalies, products := mat.NewDense(members, width, nil), new(mat.Dense)
		if right != nil {
			_, k := left.Dims()
			products = mat.NewDense(k, width, nil)
		}
		return func(from, to int) {
			e, out := columns(e, from, to), columns(into, from, to)
			a := ensemble.Anomalies(columns(anomalies, 0, to-from), e, ensemble.Mean(mean[from:to], e, nil))
			factor := a
			if right != nil {
				factor = columns(products, 0, to-from)
				linalg.Mul(factor, right, a)
			}
			linalg.Mul(out, left, factor)
			for i := range members {
				row := out.RawRowView(i)
				floats.Add(row, mean[from:to])
				floats.AddScaled(row, prior*inflation, a.RawRowView(i))
			}
		}
	})
}

// factors splits the matrix that multiplies the anomalies into
//
//	prior inflation I + left right
//
// in the way that is cheaper to apply; right is nil for the identity.
func (u *update) factors(prior, inflation float64) (left, right *mat.Dense) {
	members, k := u.left.Dims()
	left = mat.NewDense(members, k, nil) // prior (1 c' + inflation G)
	left.Apply(func(_, j int, v float64) float64 { return prior * (u.mean[j] + inflation*v) }, u.anomalies)
	if 2*k < members {
		return left, mat.DenseCopyOf(u.left.T())
	}
	whole := mat.NewDense(members, members, nil)
	linalg.Mul(whole, left, u.left.T())
	return whole, nil
}

// blockWidth returns how many of n columns to process at a time: few enough that a block
// fits in a cache of a megabyte, and enough that a loop over a row is efficient.
func blockWidth(members, n int) int { return min(n, max(32, min(256, 1<<15/members))) }

// columns returns a view of columns from to to-1 of m.
func columns(m *mat.Dense, from, to int) *mat.Dense {
	rows, _ := m.Dims()
	return m.Slice(0, rows, from, to).(*mat.Dense)
}
