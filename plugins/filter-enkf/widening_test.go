package filterenkf

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// observedTwice returns a problem with two values, both observed, and its filter.
func observedTwice(t *testing.T, params map[string]any) (*sdk.Problem, sdk.Filter) {
	t.Helper()
	e := mat.NewDense(10, 2, nil)
	rng.Normals(rng.New(3).Rand(), e.RawMatrix().Data)
	state := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}}}}
	plugin, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := plugin.Manifest.Resolve(params)
	if err != nil {
		t.Fatal(err)
	}
	f, err := plugin.NewFilter(t.Context(), sdk.FilterConfig{Params: resolved, State: state, Observations: &sdk.ObservationSpace{Layout: state}, Members: 10})
	if err != nil {
		t.Fatal(err)
	}
	return &sdk.Problem{Call: sdk.Call{Cycle: 1, Seed: rng.New(4)}, Ensemble: e, Predicted: mat.DenseCopyOf(e),
		Observation: []float64{1, -2}, ErrorVariance: []float64{1, 1}, Into: mat.NewDense(10, 2, nil)}, f
}

// analysed returns the analysis of p in calls of these fractions; predictions follow the members.
func analysed(t *testing.T, p *sdk.Problem, f sdk.Filter, fractions ...float64) (*mat.Dense, *sdk.Analysis) {
	t.Helper()
	q := *p
	var a *sdk.Analysis
	for k, share := range fractions {
		q.Fraction, q.Into = slices.Repeat([]float64{share}, 2), mat.NewDense(10, 2, nil)
		q.ErrorVariance = []float64{p.ErrorVariance[0] / share, p.ErrorVariance[1] / share}
		if k > 0 {
			q.Seen = 2
		}
		var err error
		if a, err = f.Analyse(t.Context(), &q); err != nil {
			t.Fatal(err)
		}
		q.Ensemble, q.Predicted, q.Carry = q.Into, q.Into, a.Carry
	}
	return q.Into, a
}

// With a linear operator the square root in several calls is that in one, with whatever inflation
// of the forecast: it is applied and learnt once. Inflation of the analysis comes before the second
// half of the likelihood, so it is not exact.
func TestSquareRootInSeveralCalls(t *testing.T) {
	for _, params := range []map[string]any{
		{}, {"adaptive_inflation": true}, {"scheme": "enkf-n"},
		{"scheme": "letkf", "adaptive_inflation": true}, {"scheme": "serial"},
	} {
		p, f := observedTwice(t, params)
		p.Carry = nil
		if params["adaptive_inflation"] != nil {
			p.Carry = estimate{factor: 1.3, variance: 0.01}.carry()
		}
		once, first := analysed(t, p, f, 1)
		for _, fractions := range [][]float64{{0.5, 0.5}, {0.125, 0.25, 0.625}} {
			got, last := analysed(t, p, f, fractions...)
			var off mat.Dense
			if params["scheme"] == "serial" { // which makes other members, of the same moments
				off.Sub(covarianceOf(got), covarianceOf(once))
			} else {
				off.Sub(got, once)
			}
			if worst := mat.Norm(&off, math.Inf(1)); worst > 1e-13 {
				t.Errorf("%v in calls of %v: off by %g", params, fractions, worst)
			}
			if !bytes.Equal(first.Carry, last.Carry) {
				t.Errorf("%v in calls of %v: what is carried differs from one call", params, fractions)
			}
		}
	}
}

func covarianceOf(e *mat.Dense) *mat.SymDense {
	_, n := e.Dims()
	c := mat.NewSymDense(n, nil)
	mean := make([]float64, n)
	for i := range 10 {
		for j := range n {
			mean[j] += e.At(i, j) / 10
		}
	}
	for j := range n {
		for k := j; k < n; k++ {
			sum := 0.0
			for i := range 10 {
				sum += (e.At(i, j) - mean[j]) * (e.At(i, k) - mean[k]) / 9
			}
			c.SetSym(j, k, sum)
		}
	}
	return c
}

// Relaxation, and a factor on the analysis, apply in the first call alone.
func TestInflationOnce(t *testing.T) {
	for name, value := range map[string]float64{"inflation": 1.5, "rtps": 0.5, "rtpp": 0.5} {
		p, f := observedTwice(t, map[string]any{name: value})
		_, plain := observedTwice(t, nil)
		p.Seen, p.Fraction = 2, []float64{1, 1}
		if _, err := f.Analyse(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		got := mat.DenseCopyOf(p.Into)
		if _, err := plain.Analyse(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if !mat.Equal(got, p.Into) {
			t.Errorf("%s widens in a later call", name)
		}
	}
}
