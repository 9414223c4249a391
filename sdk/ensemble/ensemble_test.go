package ensemble

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// An ensemble with a weight of k/K is the ensemble with the member k times.
func TestWeightsAreMultiplicities(t *testing.T) {
	e := mat.NewDense(3, 2, []float64{1, 5, 2, -1, 4, 0.5})
	weights := []float64{0.5, 0.25, 0.25}
	repeated := mat.NewDense(4, 2, []float64{1, 5, 1, 5, 2, -1, 4, 0.5})
	a, b := Mean(nil, e, weights), Mean(nil, repeated, nil)
	for j := range 2 {
		if math.Abs(a[j]-b[j]) > 1e-15*4 { // a few roundings of numbers near 5
			t.Errorf("mean %d: %v and %v", j, a[j], b[j])
		}
	}
	// sum w² = 0.375: dividing by 0.625 instead of 3/4 is what the weights ask for
	va, vb := Variance(nil, e, a, weights), Variance(nil, repeated, b, nil)
	for j := range 2 {
		if want := vb[j] * 0.75 / 0.625; math.Abs(va[j]-want) > 1e-14*want {
			t.Errorf("variance %d: got %v, want %v", j, va[j], want)
		}
	}
}

func TestVarianceOfOneMember(t *testing.T) {
	e := mat.NewDense(2, 1, []float64{1, 2})
	if v := Variance(nil, e, []float64{1}, []float64{1, 0}); !math.IsNaN(v[0]) {
		t.Errorf("got %v, want NaN", v[0])
	}
}

func TestAnomaliesSumToZero(t *testing.T) {
	e := mat.NewDense(4, 2, []float64{1, 5, 2, -1, 4, 0.5, 9, 9})
	a := Anomalies(nil, e, Mean(nil, e, nil))
	for j := range 2 {
		if s := mat.Sum(a.ColView(j)); math.Abs(s) > 1e-14 {
			t.Errorf("column %d sums to %v", j, s)
		}
	}
	if got := Anomalies(e, e, Mean(nil, e, nil)); !mat.Equal(got, a) {
		t.Error("in place the anomalies differ")
	}
}

func TestNormalise(t *testing.T) {
	weights, logSum := Normalise(nil, []float64{-1000, -1000 + math.Log(3), math.Inf(-1)})
	for i, want := range []float64{0.25, 0.75, 0} {
		if math.Abs(weights[i]-want) > 1e-13 { // exp amplifies the rounding of 1000 by 1000 ulps
			t.Errorf("weight %d: got %v, want %v", i, weights[i], want)
		}
	}
	if want := -1000 + math.Log(4); math.Abs(logSum-want) > 1e-12 {
		t.Errorf("log of the sum: got %v, want %v", logSum, want)
	}
	for _, bad := range [][]float64{{math.Inf(-1), math.Inf(-1)}, {0, math.NaN()}, {math.Inf(1), 0}} {
		if w, s := Normalise(nil, bad); !math.IsNaN(w[0]) || !math.IsNaN(s) && !math.IsInf(s, 0) {
			t.Errorf("%v: got %v, %v", bad, w, s)
		}
	}
}

func TestESS(t *testing.T) {
	if got := ESS([]float64{0.5, 0.5, 0, 0}, 4); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
	if got := ESS(nil, 7); got != 7 {
		t.Errorf("got %v, want 7", got)
	}
}

func TestNonFinite(t *testing.T) {
	e := mat.NewDense(3, 2, []float64{1, 2, 3, 4, 5, 6})
	if _, _, found := NonFinite(e); found {
		t.Error("finite numbers are found not to be")
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		e.Set(1, 1, bad)
		e.Set(2, 0, bad)
		if i, j, found := NonFinite(e); i != 1 || j != 1 || !found {
			t.Errorf("%v: got %d, %d, %v", bad, i, j, found)
		}
	}
}

func TestInBlocksCoversAllOnce(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 5}, {2, 1}, {3, 2}, {100, 7}, {100, 100}} {
		n, width := size[0], size[1]
		seen := make([]int, n)
		InBlocks(n, width, func() func(from, to int) {
			return func(from, to int) {
				if to-from > width {
					t.Errorf("%v: a block from %d to %d", size, from, to)
				}
				for i := from; i < to; i++ {
					seen[i]++
				}
			}
		})
		for i, times := range seen {
			if times != 1 {
				t.Errorf("%v: %d is done %d times", size, i, times)
			}
		}
	}
}

// A processor that comes when all blocks are taken makes no buffers.
func TestInBlocksMakesWorkersForBlocks(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range 100 {
		var workers, used atomic.Int64
		InBlocks(4, 1, func() func(from, to int) {
			workers.Add(1)
			first := true
			return func(_, _ int) {
				if first {
					used.Add(1)
				}
				first = false
			}
		})
		if workers.Load() != used.Load() {
			t.Fatalf("%d workers, of which %d had a block", workers.Load(), used.Load())
		}
	}
}

func TestUnequal(t *testing.T) {
	equal := []float64{-math.Log(3), -math.Log(3) + 1e-12, -math.Log(3)}
	for _, weights := range [][]float64{nil, equal} {
		if i, _, found := Unequal(weights); found {
			t.Errorf("%v: member %d is taken for unequal", weights, i)
		}
	}
	if i, weight, found := Unequal([]float64{math.Log(0.25), math.Log(0.5), math.Log(0.25)}); !found || i != 0 || math.Abs(weight-0.25) > 1e-15 {
		t.Errorf("member %d with weight %g, found is %t", i, weight, found)
	}
}

// Two members have the variance d²/2, however the weight is divided between them.
func TestVarianceOfUnequalWeights(t *testing.T) {
	e := mat.NewDense(2, 1, []float64{3, 4})
	for _, w := range []float64{1e-3, 1e-7, 1e-12, 3e-16, 1e-16, 1e-20, 1e-100} {
		for _, weights := range [][]float64{{1 - w, w}, {w, 1 - w}} {
			if v := Variance(nil, e, Mean(nil, e, weights), weights)[0]; math.Abs(v-0.5) > 1e-9 {
				t.Errorf("weights %v: variance %v, want 0.5", weights, v)
			}
		}
	}
	if v := Unbiased([]float64{1, 1e-200}, 2); v != 0 {
		t.Errorf("one member has all weight, but got %v", v)
	}
}

// Members that are the same have no variance, although the mean of 3 times 0.1 is not 0.1.
func TestVarianceOfTheSame(t *testing.T) {
	for _, members := range []int{3, 6, 10, 1001} {
		for _, c := range []float64{0.1, 1, -273.15, 1e100, 1e-100} {
			e, weights := mat.NewDense(members, 2, nil), make([]float64, members)
			for i := range members {
				e.SetRow(i, []float64{c, c})
				weights[i] = float64(i+1) / float64(members*(members+1)/2)
			}
			for _, w := range [][]float64{nil, weights} {
				if v := Variance(nil, e, Mean(nil, e, w), w); v[0] != 0 || v[1] != 0 {
					t.Errorf("%d members of %g: variance %v, want 0", members, c, v)
				}
			}
		}
	}
}
