package filterdiffusion

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/sdk/linalg"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Each lane has the scale of [ensemble.FiniteSizeScale] for its singular values, here with fewer components
// than members and more, and with two that all members predict alike, but for a factor, and that were
// observed differently: the difference is in a direction without variance, which counts for no scale. A
// variance there is rounding, which the innovation's square multiplies: up to 1e-14 of the largest variance
// is. Far observations with little variance make two minima of which the far one, beyond the largest scale,
// may be the lower.
func TestLocalScaleIsTheFiniteSizeScale(t *testing.T) {
	r := rng.New(33).Rand()
	bounded, free := 0, 0
	for trial := range 300 {
		members, k := 2+r.IntN(9), 1+r.IntN(12)
		spread, far := []float64{0.01, 1, 10}[r.IntN(3)], []float64{1, 3, 20}[r.IntN(3)]
		q := newQuartet(&surroundings{filter: &filter{FiniteSize: true}, prior: equalWeights(members)})
		q.bandwidth, q.scale = ones, ones
		q.rows = table(q.rows, k, members+1)
		var want linalg.Four
		for l := range lanes {
			y, d := predictions(r, members, k, spread), make([]float64, k)
			for c := range d {
				d[c] = far * r.NormFloat64()
				for i := range members {
					q.rows[c][i][l] = y.At(i, c) / math.Sqrt(float64(members-1))
				}
				q.rows[c][members][l] = d[c]
			}
			want[l] = min(largestLocalScale, finiteSizeReference(t, y, d))
		}
		q.compress()
		q.decompose()
		for l, w := range want {
			if got := q.scale[l]; math.Abs(got-w) > 1e-12+1e-14*spread*spread*far*far {
				t.Errorf("trial %d, N = %d, k = %d, spread %g, far %g: %.16g, want %.16g", trial, members, k, spread, far, got, w)
			}
			if w == largestLocalScale {
				bounded++
			} else {
				free++
			}
		}
	}
	if bounded < 50 || free < 50 {
		t.Errorf("%d scales are bounded and %d are not, want both", bounded, free)
	}
}

// predictions returns anomalies of k components, the last 0.7 times the first.
func predictions(r *rand.Rand, members, k int, spread float64) *mat.Dense {
	y := mat.NewDense(members, k, nil)
	for c := range k {
		mean := 0.0
		for i := range members {
			v := spread * r.NormFloat64()
			if c > 0 && c == k-1 {
				v = 0.7 * y.At(i, 0)
			}
			y.Set(i, c, v)
			mean += v / float64(members)
		}
		for i := range members {
			y.Set(i, c, y.At(i, c)-mean)
		}
	}
	return y
}
