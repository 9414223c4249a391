package response

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// statesFor returns M x n values from a normal density of standard deviation 3 around 1.
func statesFor(rows, n int, r *rand.Rand) *mat.Dense {
	x := mat.NewDense(rows, n, nil)
	x.Apply(func(int, int, float64) float64 { return 1 + 3*r.NormFloat64() }, x)
	return x
}

// The response is nearer to what is read on average than readings are, and its variance is that
// of their error: sqrt(2/M) is the relative standard error of a variance from M readings, 0.07, and
// four of them are allowed. A function of q degrees of freedom can be known to sd sqrt(q/M): a smooth
// function of one value has some eight, and twice the deviation is allowed for its bias.
func TestResponseIsTheFunction(t *testing.T) {
	const rows, n, sd = 400, 12, 2.0
	mean := func(x []float64) (sum float64) {
		for _, v := range x {
			sum += v / n
		}
		return sum
	}
	for name, test := range map[string]struct {
		h      func([]float64) float64
		degree float64
		values []int
	}{
		"absolute value": {func(x []float64) float64 { return math.Abs(x[3]) }, 8, []int{3}},
		"arc tangent":    {func(x []float64) float64 { return 5 * math.Atan(x[7]) }, 8, []int{7}},
		"sum of two":     {func(x []float64) float64 { return math.Abs(x[3]) + x[8]*x[8]/4 }, 16, []int{3, 8}},
		"mean of all":    {func(x []float64) float64 { return 4 * mean(x) }, n, []int{everything}},
		"nothing":        {func([]float64) float64 { return 7 }, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := rng.New(5).Rand()
			x, y := statesFor(rows, n, r), mat.NewDense(rows, 2, nil)
			for i := range rows {
				y.SetRow(i, []float64{test.h(x.RawRowView(i)) + sd*r.NormFloat64(), sd * r.NormFloat64()})
			}
			learnt := Learn(x, y)
			fresh := statesFor(1000, n, r)
			fresh.Apply(func(_, _ int, v float64) float64 { return min(max(v, -5), 7) }, fresh) // two standard deviations: there are readings
			got, square := mat.NewDense(1000, 2, nil), 0.0
			learnt.Predict(got, fresh)
			for i := range 1000 {
				d := got.At(i, 0) - test.h(fresh.RawRowView(i))
				square += d * d / 1000
			}
			if limit := 2 * sd * math.Sqrt(test.degree/rows); math.Sqrt(square) > limit {
				t.Errorf("the error of the response is %.3f, want at most %.3f", math.Sqrt(square), limit)
			}
			for j := range 2 {
				if v := learnt.Variance(j); math.Abs(v/(sd*sd)-1) > 4*math.Sqrt(2.0/rows) {
					t.Errorf("component %d: variance %.3f, want %.3f", j, v, sd*sd)
				}
			}
			var values []int
			for _, term := range learnt.of[0].terms {
				values = append(values, term.value)
			}
			if slices.Sort(values); test.values != nil && !slices.Equal(values, test.values) {
				t.Errorf("it depends on the values %v, want %v", values, test.values)
			}
		})
	}
}

// Values that do not vary, or as many readings as one, make no number that is not finite.
func TestResponseOfFewReadings(t *testing.T) {
	for _, rows := range []int{1, 2, 3, 5, 20} {
		r := rng.New(6).Rand()
		x, y := statesFor(rows, 30, r), mat.NewDense(rows, 1, nil)
		for i := range rows {
			x.Set(i, 4, 2)
			y.Set(i, 0, x.At(i, 0)+r.NormFloat64())
		}
		learnt, got := Learn(x, y), mat.NewDense(3, 1, nil)
		learnt.Predict(got, statesFor(3, 30, r))
		for i := range 3 {
			if v := got.At(i, 0); math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%d readings: predicted %v", rows, v)
			}
		}
		if v := learnt.Variance(0); !(v >= 0) || math.IsInf(v, 0) {
			t.Errorf("%d readings: variance %v", rows, v)
		}
	}
}
