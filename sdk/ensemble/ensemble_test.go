package ensemble

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats/scalar"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

func draw(rows, cols int) *mat.Dense {
	e := mat.NewDense(rows, cols, nil)
	for i := range rows {
		rng.Normals(rng.New(3).Member(i), e.RawRowView(i))
		e.Set(i, 0, 100+e.At(i, 0)) // far from zero: anomalies must not lose digits
	}
	return e
}

// Moments agree with gonum/stat, which computes each element by itself, within
// the rounding of sums of 50 numbers of size 100.
func TestMomentsAgainstStat(t *testing.T) {
	const rows, cols, tol = 50, 4, 50 * 100 * 0x1p-52
	e := draw(rows, cols)
	raw := make([]float64, rows)
	for i := range raw {
		raw[i] = float64(1 + i%7)
	}
	weights, _ := Weights(nil, logs(raw))
	for name, w := range map[string][]float64{"equal": nil, "weighted": weights} {
		mean := Mean(nil, e, w)
		a := Anomalies(nil, e, mean)
		c := Covariance(nil, a, a, w)
		for j := range cols {
			x := mat.Col(nil, j, e)
			if want := stat.Mean(x, w); math.Abs(mean[j]-want) > tol {
				t.Errorf("%s: mean %d is %v, want %v", name, j, mean[j], want)
			}
			for k := range cols {
				want := stat.Covariance(x, mat.Col(nil, k, e), nil)
				if w != nil {
					want = weightedCovariance(x, mat.Col(nil, k, e), w)
				}
				if got := c.At(j, k); !scalar.EqualWithinAbsOrRel(got, want, tol, 1e-12) {
					t.Errorf("%s: covariance of %d and %d is %v, want %v", name, j, k, got, want)
				}
			}
		}
	}
}

func weightedCovariance(x, y, w []float64) float64 {
	mx, my, sum, squares := stat.Mean(x, w), stat.Mean(y, w), 0.0, 0.0
	for i := range x {
		sum += w[i] * (x[i] - mx) * (y[i] - my)
		squares += w[i] * w[i]
	}
	return sum / (1 - squares)
}

func logs(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Log(v)
	}
	return out
}

// Over many weighted samples of one law the weighted covariance is unbiased: the
// mean of 4,000 variances of 10 standard normals under fixed weights is 1 within
// 4.5 standard errors. One variance with effective divisor d = 1 - sum w^2 has
// variance of at most 2 (sum w^2) / d^2.
func TestWeightedCovarianceIsUnbiased(t *testing.T) {
	const trials, rows = 4000, 10
	raw := []float64{1, 1, 1, 1, 1, 2, 2, 3, 4, 5}
	w, _ := Weights(nil, logs(raw))
	sum := 0.0
	e := mat.NewDense(rows, 1, nil)
	for k := range trials {
		rng.Normals(rng.New(5).Member(k), e.RawMatrix().Data)
		a := Anomalies(nil, e, Mean(nil, e, w))
		sum += Covariance(nil, a, a, w).At(0, 0)
	}
	squares := 1 / EffectiveSize(w)
	se := math.Sqrt(2*squares/trials) / (1 - squares)
	if got := sum / trials; math.Abs(got-1) > 4.5*se {
		t.Errorf("mean variance %v, want 1 within %v", got, 4.5*se)
	}
}

func TestWeights(t *testing.T) {
	w, logSum := Weights(nil, []float64{-1e5, -1e5 + math.Log(3), math.Inf(-1)})
	for i, want := range []float64{0.25, 0.75, 0} {
		// The logarithm of 3 is lost below an ulp of 1e5, 1.5e-11.
		if math.Abs(w[i]-want) > 1e-11 {
			t.Errorf("weight %d is %v, want %v", i, w[i], want)
		}
	}
	if want := -1e5 + math.Log(4); math.Abs(logSum-want) > 2e-11 {
		t.Errorf("log of the sum is %v, want %v", logSum, want)
	}
	if got := EffectiveSize(w); math.Abs(got-1.6) > 1e-10 {
		t.Errorf("effective size %v, want 1.6", got)
	}
	same := []float64{0, 0}
	if w, _ := Weights(same, same); &w[0] != &same[0] || w[0] != 0.5 {
		t.Errorf("in place: got %v", w)
	}
}

func TestWeightsWithoutSum(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		logs []float64
		want float64
	}{
		{[]float64{-inf, -inf}, -inf},
		{[]float64{0, inf}, inf},
		{[]float64{0, math.NaN()}, math.NaN()},
	}
	for _, tt := range tests {
		if _, got := Weights(nil, tt.logs); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%v: log of the sum is %v, want %v", tt.logs, got, tt.want)
		}
	}
}

func TestNonFinite(t *testing.T) {
	e := draw(3, 4)
	e.Set(1, 1, math.MaxFloat64)
	if i, j, found := NonFinite(e); found {
		t.Errorf("found %d, %d in finite numbers", i, j)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		e := draw(3, 4)
		e.Set(2, 3, bad)
		if i, j, found := NonFinite(e); !found || i != 2 || j != 3 {
			t.Errorf("%v: got %d, %d, %v", bad, i, j, found)
		}
	}
}

func BenchmarkMeanAndCovariance(b *testing.B) {
	e := draw(100_000, 3)
	w, _ := Weights(nil, make([]float64, 100_000))
	mean, c := make([]float64, 3), mat.NewDense(3, 3, nil)
	a := mat.NewDense(100_000, 3, nil)
	for range b.N {
		Covariance(c, Anomalies(a, e, Mean(mean, e, w)), a, w)
	}
}
