package ensemble

import (
	"math"

	"github.com/plume-da/plume/sdk/linalg"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Rotate multiplies e (N x n) from the left by a random orthogonal matrix whose rows and
// columns sum to 1, which keeps the mean and the covariance of the members:
//
//	W = H diag(1, Q) H
//
// H is the reflection that swaps the first unit vector with the vector of ones over
// sqrt(N), and Q is uniform (Haar) on the orthogonal group of order N - 1. Both are
// products of Householder reflections, N + 1 in all, and W is not formed for n ≤ 2 N: a
// uniform Q_k of order k has a uniform first column and, given that, a uniform Q_(k-1),
//
//	Q_k = P_k diag(1, Q_(k-1)),   Q_1 = ±1,
//
// where P_k is any orthogonal matrix with the first column x / |x|, and x is k normals.
// Here it is the reflection that swaps the first unit vector with x / |x|. The reflections
// of a usual QR decomposition map it to -x / |x| if x_1 > 0, and need signs to be uniform.
//
// Because W preserves means, only anomalies are multiplied: the error of an element is the
// rounding of its own and its column's anomalies, however large the mean is in comparison.
//
// Randomness: N (N - 1) / 2 normals, those of P_k from member k of seed. Columns are
// processed in parallel, each by one goroutine in one order. Cost: 2 N² n, and 2 N² for the
// reflections; for n > 2 N, where W is formed to multiply by it with [linalg.Factor],
// 2 N³ more. Scratch memory: N² / 2 numbers, for n > 2 N five times that, and blocks.
//
// Sources: Sakov and Oke 2008, doi:10.1175/2007MWR2021.1, section 2, for W; Stewart 1980,
// doi:10.1137/0717034, theorem 3.3, and Mezzadri 2007, arXiv:math-ph/0609050, for Q.
func Rotate(e *mat.Dense, seed rng.Seed) {
	members, n := e.Dims()
	fill := 1 << 12 / members // columns of 32 KiB, which stay in the nearest cache
	if n <= 2*members {
		transformAnomalies(e, max(8, fill), newRotation(members, seed).turn)
		return
	}
	w := mat.NewDense(members, members, nil)
	for i := range members {
		w.Set(i, i, 1)
	}
	Rotate(w, seed)
	factor := linalg.NewFactor(w.T())
	transformAnomalies(e, max(64, fill), func(block *mat.Dense) *mat.Dense {
		turned := new(mat.Dense)
		factor.MulTo(turned, block)
		return turned
	})
}

// transformAnomalies replaces the anomalies of e by their images under transform, in blocks
// with one row for each of at most width columns of e. transform may work in place.
func transformAnomalies(e *mat.Dense, width int, transform func(block *mat.Dense) *mat.Dense) {
	members, n := e.Dims()
	width = min(n, width)
	InBlocks(n, width, func() func(from, to int) {
		anomalies, means := mat.NewDense(width, members, nil), make([]float64, width)
		return func(from, to int) {
			block, mean := anomalies.Slice(0, to-from, 0, members).(*mat.Dense), means[:to-from]
			clear(mean)
			values := block.RawMatrix().Data
			for i := range members {
				for q, v := range e.RawRowView(i)[from:to] {
					values[q*members+i] = v
					mean[q] += v
				}
			}
			for q := range mean {
				mean[q] /= float64(members)
				floats.AddConst(-mean[q], block.RawRowView(q))
			}
			turned := transform(block).RawMatrix()
			for i := range members {
				row := e.RawRowView(i)[from:to]
				for q := range row {
					row[q] = mean[q] + turned.Data[q*turned.Stride+i]
				}
			}
		}
	})
}

// rotation is W as reflections I - v v', each a vector v of length sqrt(2), or zero for I.
type rotation struct {
	exchange []float64   // H
	nested   [][]float64 // P_1 to P_(N-1); P_k changes the last k numbers
}

func newRotation(members int, seed rng.Seed) *rotation {
	w := &rotation{make([]float64, members), make([][]float64, members-1)}
	for i := range w.exchange {
		w.exchange[i] = 1
	}
	toReflection(w.exchange)
	InBlocks(members-1, 32, func() func(from, to int) {
		return func(from, to int) {
			all := make([]float64, (to*(to+1)-from*(from+1))/2)
			for k := from + 1; k <= to; k++ {
				var x []float64
				x, all = all[:k:k], all[k:]
				rng.Normals(seed.Member(k), x)
				toReflection(x)
				w.nested[k-1] = x
			}
		}
	})
	return w
}

// turn multiplies every row of block, as a column vector, by W, in place.
func (w *rotation) turn(block *mat.Dense) *mat.Dense {
	rows, members := block.Dims()
	reflect := func(v []float64) {
		for q := range rows {
			a := block.RawRowView(q)[members-len(v):]
			floats.AddScaled(a, -floats.Dot(v, a), v)
		}
	}
	reflect(w.exchange)
	for _, v := range w.nested {
		reflect(v)
	}
	reflect(w.exchange)
	return block
}

// toReflection turns x into the vector v of length sqrt(2) along x - |x| (1, 0, ..., 0), for
// which I - v v' swaps the first unit vector with x / |x|; zero if they are the same. The
// difference is computed without cancellation: Golub and Van Loan 2013, algorithm 5.1.1.
func toReflection(x []float64) {
	rest := floats.Dot(x[1:], x[1:])
	length := math.Sqrt(x[0]*x[0] + rest)
	if x[0] > 0 {
		x[0] = -rest / (x[0] + length)
	} else {
		x[0] -= length
	}
	if squares := x[0]*x[0] + rest; squares > 0 {
		floats.Scale(math.Sqrt(2/squares), x)
	}
}
