package filterdiffusion

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// configure returns the filter with the given parameters, of which scheme,
// observations and sampler are the paper's unless they are given, over the defaults.
func configure(t testing.TB, params map[string]any) *filter {
	t.Helper()
	params = maps.Clone(params)
	if params == nil {
		params = map[string]any{}
	}
	for name, value := range map[string]any{"scheme": "kde", "observations": "simulated", "sampler": "ode"} {
		if _, given := params[name]; !given {
			params[name] = value
		}
	}
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: 2})
	if err != nil {
		t.Fatal(err)
	}
	return f.(*filter)
}

// with returns params and one more.
func with(params map[string]any, name string, value any) map[string]any {
	return merged(params, map[string]any{name: value})
}

// merged returns the values of over, and those of params that it has none for.
func merged(params, over map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, params)
	maps.Copy(out, over)
	return out
}

// twinProblem is a problem with members around a curve in n dimensions of which
// the first m are observed.
func twinProblem(members, n, m int) *sdk.Problem {
	p := &sdk.Problem{
		Call:          sdk.Call{Cycle: 1, Seed: rng.New(11)},
		Ensemble:      mat.NewDense(members, n, nil),
		Predicted:     mat.NewDense(members, m, nil),
		Simulated:     mat.NewDense(members, m, nil),
		Observation:   make([]float64, m),
		ErrorVariance: slices.Repeat([]float64{0.25}, m),
		Into:          mat.NewDense(members, n, nil),
	}
	for i := range members {
		stream, row := rng.New(12).Member(i), p.Ensemble.RawRowView(i)
		s := stream.NormFloat64()
		for j := range row {
			row[j] = math.Sin(float64(j)+s) + 0.5*stream.NormFloat64() + 3
		}
		for k := range m {
			p.Predicted.Set(i, k, row[k])
			p.Simulated.Set(i, k, row[k]+0.5*stream.NormFloat64())
		}
	}
	for k := range m {
		p.Observation[k] = 3.2
	}
	return p
}

func analyse(t testing.TB, f *filter, p *sdk.Problem) *sdk.Analysis {
	t.Helper()
	a, err := f.Analyse(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// largestDifference returns max |a - b|.
func largestDifference(a, b mat.Matrix) float64 {
	var d mat.Dense
	d.Sub(a, b)
	return max(mat.Max(&d), -mat.Min(&d))
}

// logDensity returns log sum_i exp(l_i) g(x; a c_i, v I), written independently
// of the filter.
func logDensity(x []float64, centres [][]float64, l []float64, a, v float64) float64 {
	terms := make([]float64, len(l))
	for i, c := range centres {
		d2 := 0.0
		for j := range x {
			d2 += (x[j] - a*c[j]) * (x[j] - a*c[j])
		}
		terms[i] = l[i] - d2/(2*v) - float64(len(x))/2*math.Log(2*math.Pi*v)
	}
	largest, sum := slices.Max(terms), 0.0
	for _, t := range terms {
		sum += math.Exp(t - largest)
	}
	return largest + math.Log(sum)
}

func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// kolmogorov returns sqrt(n) times the largest distance between the empirical
// distribution of draws and cdf. It exceeds 1.95 with probability 0.001 when the
// draws are independent and follow cdf.
func kolmogorov(draws []float64, cdf func(float64) float64) float64 {
	s := slices.Sorted(slices.Values(draws))
	n, largest := float64(len(s)), 0.0
	for i, x := range s {
		largest = max(largest, cdf(x)-float64(i)/n, float64(i+1)/n-cdf(x))
	}
	return math.Sqrt(n) * largest
}
