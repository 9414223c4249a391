package score

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// W2Points is the number of points per set that [w2] is meant for: two sets of this size
// take 32 MB and about half a second. For a larger set the exact distance of a sample of
// this size is used. By the triangle inequality it errs by no more than the distance of
// the sample to the set it was drawn from, which is of order W2Points^(-1/n), or
// W2Points^(-1/4) in fewer than four dimensions, times the spread (Fournier and Guillin
// 2015, doi:10.1007/s00440-014-0583-7, theorem 1), and it errs upwards on average.
const W2Points = 2000

// w2 returns the 2-Wasserstein distance between two sets of points with equal
// weights within each, N x n and M x n:
//
//	min over couplings of sqrt(sum_ij pi_ij |a_i - b_j|²)
//
// by exact optimal transport, see [transport]. Mass is counted in whole units, so
// that none is lost: with g = gcd(N, M) every point of the first set supplies M/g
// units and every point of the second demands N/g. Rounding errors stay below 1e-12 of
// the largest squared distance. Cost: memory of 8 N M bytes; time on one core about
// 10 ms for 100 against 1000 points, 20 ms for 250 and 0.2 s for 1000 against 2000.
func w2(a, b *mat.Dense) float64 {
	rows, _ := a.Dims()
	cols, _ := b.Dims()
	if rows > cols {
		a, b, rows, cols = b, a, cols, rows
	}
	g := gcd(rows, cols)
	t := newTransport(squaredDistances(a, b), rows, cols, cols/g, rows/g)
	t.solve()
	return math.Sqrt(max(0, t.cost()/float64(rows*(cols/g))))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// squaredDistances returns the matrix |a_i - b_j|², row by row.
func squaredDistances(a, b *mat.Dense) []float64 {
	rows, _ := a.Dims()
	cols, _ := b.Dims()
	d := make([]float64, rows*cols)
	for i := range rows {
		x := a.RawRowView(i)
		for j := range cols {
			sum := 0.0
			for k, y := range b.RawRowView(j) {
				v := x[k] - y
				sum += v * v
			}
			d[i*cols+j] = sum
		}
	}
	return d
}
