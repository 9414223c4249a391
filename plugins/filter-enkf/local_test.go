package filterenkf

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/taper"
	"gonum.org/v1/gonum/mat"
)

// onePlace puts n values in one place, where every taper is 1.
func onePlace(n int) *sdk.Layout {
	return layoutAt([]float64{0}, make([]float64, n)...)
}

func layoutAt(period []float64, coordinates ...float64) *sdk.Layout {
	n := len(coordinates) / len(period)
	return &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "x", Shape: []int{n}}},
		Coordinates: &sdk.Coordinates{Dims: slices.Repeat([]string{"axis"}, len(period)), Period: period, Points: mat.NewDense(n, len(period), coordinates)},
	}
}

// scattered are places in a box of 10 by 6, periodic along the first axis.
func scattered(n int, seed uint64) *sdk.Layout {
	r := rand.New(rand.NewPCG(seed, 4))
	var at []float64
	for range n {
		at = append(at, 10*r.Float64(), 6*r.Float64())
	}
	return layoutAt([]float64{10, 0}, at...)
}

// tapers returns the weight of every pair of values, as the distance defines it.
func tapers(a, b *sdk.Layout, cutoff float64) *mat.Dense {
	period := a.Coordinates.Period
	w := mat.NewDense(a.Size(), b.Size(), nil)
	w.Apply(func(i, j int, _ float64) float64 {
		square := 0.0
		for k, p := range period {
			d := math.Abs(a.Coordinates.Points.At(i, k) - b.Coordinates.Points.At(j, k))
			if p > 0 {
				d = min(d, p-d)
			}
			square += d * d
		}
		if v := taper.GaspariCohn(math.Sqrt(square), cutoff); v >= 1e-3 {
			return v
		}
		return 0
	}, w)
	return w
}

// The LETKF is, value by value, the Kalman filter of the precisions times taper,
// with the symmetric square root of equations 21 to 25 of Hunt et al. (2007), here
// with inverses and eigenvectors of N x N matrices. Rounding as in TestSquareRootsAreKalman.
func TestLETKFIsLocalETKF(t *testing.T) {
	const rows, n, m, cutoff = 6, 70, 40, 4.0
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	p := l.problem(e, 1)
	p.Predicted.Scale(0.1, p.Predicted)
	p.Observation[7] = math.NaN()
	analyse(t, placed(t, rows, state, space, map[string]any{"scheme": "letkf", "cutoff": cutoff}), p)

	weight := tapers(state, space, cutoff)
	mean, observedMean := ensemble.Mean(nil, e, nil), ensemble.Mean(nil, p.Predicted, nil)
	a, y := ensemble.Anomalies(nil, e, mean), ensemble.Anomalies(nil, p.Predicted, observedMean)
	scale := math.Max(1, mat.Max(e))
	for j := range n {
		information, right := mat.NewSymDense(rows, nil), mat.NewVecDense(rows, nil)
		for i := range rows {
			information.SetSym(i, i, rows-1)
		}
		for k := range m {
			if k != 7 {
				precision := weight.At(j, k) / l.variance[k]
				information.SymRankOne(information, precision, y.ColView(k))
				right.AddScaledVec(right, precision*(l.y[k]-observedMean[k]), y.ColView(k))
			}
		}
		var eigen mat.EigenSym
		if !eigen.Factorize(information, true) {
			t.Fatal("no eigenvectors")
		}
		var v, root, inverse mat.Dense
		eigen.VectorsTo(&v)
		function := func(f func(float64) float64) mat.Dense {
			var out mat.Dense
			values := eigen.Values(nil)
			out.Apply(func(_, k int, x float64) float64 { return x * f(values[k]) }, &v)
			out.Mul(&out, v.T())
			return out
		}
		root = function(func(x float64) float64 { return math.Sqrt((rows - 1) / x) })
		inverse = function(func(x float64) float64 { return 1 / x })
		var w, after mat.VecDense
		w.MulVec(&inverse, right)
		after.MulVec(&root, a.ColView(j))
		growth := mat.Dot(&w, a.ColView(j))
		for i := range rows {
			want := mean[j] + growth + after.AtVec(i)
			near(t, fmt.Sprintf("value %d, member %d", j, i), []float64{p.Into.At(i, j)}, []float64{want}, 1e-12*scale)
		}
	}
}

// The serial filter is the one that moves states and observed values together, one
// observation after the other, by the published formulas: the observed value's mean
// and anomalies, then the regression of everything else.
func TestSerialMovesAllTogether(t *testing.T) {
	const rows, n, m, cutoff = 6, 30, 20, 4.0
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	for _, local := range []bool{false, true} {
		p := l.problem(e, 1)
		both := mat.NewDense(rows, n+m, nil)
		both.Augment(e, p.Predicted)
		weight := mat.NewDense(n+m, m, nil)
		weight.Apply(func(int, int, float64) float64 { return 1 }, weight)
		params := map[string]any{"scheme": "serial"}
		if local {
			weight.Stack(tapers(state, space, cutoff), tapers(space, space, cutoff))
			params["cutoff"] = cutoff
		}
		analyse(t, placed(t, rows, state, space, params), p)
		for k := range m {
			mean := ensemble.Mean(nil, both, nil)
			a := ensemble.Anomalies(nil, both, mean)
			variance := mat.Dot(a.ColView(n+k), a.ColView(n+k)) / (rows - 1)
			shrink := math.Sqrt(l.variance[k] / (l.variance[k] + variance))
			growth := variance / (variance + l.variance[k]) * (l.y[k] - mean[n+k])
			for j := range n + m {
				slope := mat.Dot(a.ColView(j), a.ColView(n+k)) / (rows - 1) / variance * weight.At(j, k)
				for i := range rows {
					both.Set(i, j, both.At(i, j)+slope*(growth+(shrink-1)*a.At(i, n+k)))
				}
			}
		}
		scale := math.Max(1, mat.Max(e))
		for i := range rows {
			near(t, fmt.Sprintf("local %v, member %d", local, i), p.Into.RawRowView(i), both.RawRowView(i)[:n], 1e-11*scale)
		}
	}
}

// A value without observations nearby stays as it is, and inflated like the others.
func TestFarFromObservations(t *testing.T) {
	const rows = 6
	l, e := newLinear(1, 3), forecast(rows, 3, 3)
	state, space := layoutAt([]float64{0}, 0, 5, 100), layoutAt([]float64{0}, 0)
	for _, scheme := range []string{"letkf", "serial"} {
		p := l.problem(e, 1)
		analyse(t, placed(t, rows, state, space, map[string]any{"scheme": scheme, "cutoff": 10.0, "inflation": 2.0}), p)
		mean := ensemble.Mean(nil, e, nil)
		for i := range rows {
			near(t, scheme, []float64{p.Into.At(i, 2)}, []float64{mean[2] + 2*(e.At(i, 2)-mean[2])}, 1e-14)
			if p.Into.At(i, 1) == mean[1]+2*(e.At(i, 1)-mean[1]) {
				t.Errorf("%s: what is near has not moved", scheme)
			}
		}
	}
}

// Values in one place share their observations wherever they stand in the state: two
// variables on one grid give what each gives alone.
func TestVariablesInOnePlace(t *testing.T) {
	const rows, n, m = 6, 50, 30
	l, e := newLinear(m, 2*n), forecast(rows, 2*n, 3)
	grid, space := scattered(n, 1), scattered(m, 2)
	at := grid.Coordinates.Points.(*mat.Dense).RawMatrix().Data
	state := layoutAt([]float64{10, 0}, slices.Concat(at, at)...)
	for _, scheme := range []string{"letkf", "serial"} {
		params := map[string]any{"scheme": scheme, "cutoff": 4.0}
		p := l.problem(e, 1)
		analyse(t, placed(t, rows, state, space, params), p)
		for part := range 2 {
			q := *p
			q.Ensemble = mat.DenseCopyOf(e.Slice(0, rows, part*n, (part+1)*n))
			q.Into = mat.NewDense(rows, n, nil)
			analyse(t, placed(t, rows, grid, space, params), &q)
			if !mat.Equal(q.Into, p.Into.Slice(0, rows, part*n, (part+1)*n)) {
				t.Errorf("%s: variable %d differs from itself alone", scheme, part)
			}
		}
	}
}

// One rotation turns all values: the covariance between any two of them, on
// different processors even, is that without it, to rounding.
func TestOneRotationForAll(t *testing.T) {
	const rows, n, m = 6, 100, 40
	l, e := newLinear(m, n), forecast(rows, n, 3)
	state, space := scattered(n, 1), scattered(m, 2)
	for _, scheme := range []string{"letkf", "serial"} {
		a, b := l.problem(e, 1), l.problem(e, 1)
		analyse(t, placed(t, rows, state, space, map[string]any{"scheme": scheme, "cutoff": 4.0}), a)
		analyse(t, placed(t, rows, state, space, map[string]any{"scheme": scheme, "cutoff": 4.0, "rotation": true}), b)
		if mat.EqualApprox(a.Into, b.Into, 1e-3) {
			t.Errorf("%s: nothing has turned", scheme)
		}
		mean, cov := moments(a.Into)
		gotMean, gotCov := moments(b.Into)
		near(t, "mean", gotMean, mean, 1e-11)
		near(t, "covariance", gotCov.RawMatrix().Data, cov.RawMatrix().Data, 1e-10*mat.Max(cov))
	}
}

// Every value is computed by one goroutine in one order, so that the bytes do not
// depend on the number of processors.
func TestProcessorsDoNotMatter(t *testing.T) {
	t.Run("many observations", func(t *testing.T) { processorsDoNotMatter(t, 60) })
	t.Run("few observations", func(t *testing.T) { processorsDoNotMatter(t, 5) })
}

func processorsDoNotMatter(t *testing.T, m int) {
	const rows, n = 16, 3000 // global schemes pass in blocks of 256, local ones of 32
	e, l := mat.NewDense(rows, n, nil), newLinear(m, 3)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range e.RawMatrix().Data {
		e.RawMatrix().Data[i] = r.NormFloat64()
	}
	state, space := scattered(n, 1), scattered(m, 2)
	for _, params := range everyScheme(true) {
		params["rtps"], params["rotation"] = 0.5, true
		var results []*mat.Dense
		for _, processors := range []int{1, 2, 5} {
			before := runtime.GOMAXPROCS(processors)
			p := l.problem(e.Slice(0, rows, 0, 3).(*mat.Dense), 1)
			p.Ensemble, p.Into = e, mat.NewDense(rows, n, nil)
			analyse(t, placed(t, rows, state, space, params), p)
			runtime.GOMAXPROCS(before)
			results = append(results, p.Into)
		}
		if !mat.Equal(results[0], results[1]) || !mat.Equal(results[0], results[2]) {
			t.Errorf("%v: results differ", params)
		}
	}
}

// The vector functions of shrinkage are those of a singular value decomposition, from
// observations that say nothing to those that are 1e100 times as accurate as the
// forecast. The rows of S' sum to zero, as anomalies do. Both sides round in ulps of
// the vector of length sqrt(n), amplified by steps and sums: 1e-12 is generous, and
// beyond every one that squares S.
func TestShrinkage(t *testing.T) {
	q := &shrinkage{}
	for _, n := range []int{2, 5, 24, 60} {
		for _, m := range []int{1, 3, 25, 100} {
			for _, size := range []float64{0, 1e-8, 0.05, 0.3, 1, 100, 1e4, 1e8, 1e15, 1e100} {
				r := rand.New(rand.NewPCG(uint64(n), uint64(m)))
				s, a := mat.NewDense(m, n, nil), mat.NewDense(1, n, nil)
				for _, d := range []*mat.Dense{s, a} {
					for i := range d.RawMatrix().Data {
						d.RawMatrix().Data[i] = r.NormFloat64()
					}
					rows, _ := d.Dims()
					for k := range rows {
						mean := mat.Sum(d.RowView(k)) / float64(n)
						for i := range n {
							d.Set(k, i, d.At(k, i)-mean)
						}
					}
				}
				s.Scale(size/math.Sqrt(float64(n)), s)
				want, wantGain := reference(s, a.RawRowView(0))
				q.s = s.RawMatrix()
				got := slices.Clone(a.RawRowView(0))
				gain := q.apply(got)
				what := fmt.Sprintf("n = %d, m = %d, size %g", n, m, size)
				near(t, what, got, want, 1e-12)
				largest := 0.0
				for _, v := range wantGain {
					largest = max(largest, math.Abs(v))
				}
				near(t, what+": gain", gain, wantGain, 1e-12*largest)
			}
		}
	}
}

func reference(s *mat.Dense, a []float64) (shrunk, gain []float64) {
	m, n := s.Dims()
	var svd mat.SVD
	svd.Factorize(s, mat.SVDThin)
	var left, right mat.Dense
	svd.UTo(&left)
	svd.VTo(&right)
	shrunk, gain = slices.Clone(a), make([]float64, m)
	for j, sigma := range svd.Values(nil) {
		if j == n-1 { // the direction of ones
			break
		}
		part := mat.Dot(right.ColView(j), mat.NewVecDense(n, a))
		for i := range shrunk {
			shrunk[i] += part * (1/math.Hypot(1, sigma) - 1) * right.At(i, j)
		}
		for k := range gain {
			gain[k] += part * sigma / (1 + sigma*sigma) * left.At(k, j)
		}
	}
	return shrunk, gain
}
