package plan

import (
	"context"
	"math"
	"testing"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distmv"
)

// identity observes the state, whose values lie on a circle of length 4, with standard
// deviations 1, 2, 3 and 4.
type identity struct{}

func (identity) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{
		Layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "y", Shape: []int{4}}},
			Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{4}, Points: mat.NewDense(4, 1, []float64{0, 1, 2, 3})}},
		Offers: []sdk.Capability{sdk.Predicted, sdk.ErrorVariance, sdk.HasPositions},
	}
}

func (identity) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	r.Predicted.Copy(r.Ensemble)
	return &sdk.ObserveResult{ErrorVariance: []float64{1, 4, 9, 16}}, nil
}

// on returns the operator with correlated errors, and their covariance R.
func on(t *testing.T, c *workflow.Correlation) (*correlated, *mat.SymDense) {
	t.Helper()
	of := (&maker{w: &workflow.Workflow{Observations: make([]workflow.Observations, 1)}}).correlation(0, "error", c, identity{}.Space())
	if of == nil {
		t.Fatal("refused")
	}
	r := mat.NewSymDense(4, nil)
	for j := range 4 {
		for k := j; k < 4; k++ {
			r.SetSym(j, k, float64((j+1)*(k+1))*of.matrix.At(j, k))
		}
	}
	return newCorrelated(identity{}, of), r
}

func TestCorrelations(t *testing.T) {
	for _, c := range []struct {
		of   workflow.Correlation
		want [3]float64 // of places that are 1, 2 and 3 apart
	}{
		{workflow.Correlation{Length: 2}, [3]float64{math.Exp(-0.5), math.Exp(-1), math.Exp(-0.5)}},
		{workflow.Correlation{Lags: []float64{0.5, 0.2}}, [3]float64{0.5, 0.2, 0}},
	} {
		op, _ := on(t, &c.of)
		for lag, want := range c.want {
			if got := op.matrix.At(0, lag+1); got != want {
				t.Errorf("%+v: %v at a lag of %d, want %v", c.of, got, lag+1, want)
			}
		}
	}
}

// Simulated errors have the covariance R, within five standard errors of a sample covariance.
func TestCorrelatedErrors(t *testing.T) {
	op, want := on(t, &workflow.Correlation{Length: 2})
	const members = 20000
	r := &sdk.ObserveRequest{Call: sdk.Call{Seed: rng.New(5)}, Ensemble: mat.NewDense(members, 4, nil), Simulated: mat.NewDense(members, 4, nil)}
	if _, err := op.Observe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var got mat.SymDense
	stat.CovarianceMatrix(&got, r.Simulated, nil)
	for j := range 4 {
		for k := range 4 {
			w := want.At(j, k)
			if se := math.Sqrt((w*w + want.At(j, j)*want.At(k, k)) / members); math.Abs(got.At(j, k)-w) > 5*se {
				t.Errorf("covariance of %d and %d: %v, more than 5 x %v from %v", j, k, got.At(j, k), se, w)
			}
		}
	}
}

// Log-likelihoods add up to the log-density of a normal distribution with covariance R, also
// when a value is missing.
func TestCorrelatedLikelihood(t *testing.T) {
	op, cov := on(t, &workflow.Correlation{Length: 2})
	x := []float64{1, -2, 0.5, 3}
	r := &sdk.ObserveRequest{Ensemble: mat.NewDense(1, 4, x), Observation: []float64{2, 0, math.NaN(), -5}, LogLikelihood: mat.NewDense(1, 4, nil)}
	if _, err := op.Observe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	some := mat.NewSymDense(3, nil)
	for a, j := range []int{0, 1, 3} {
		for b, k := range []int{0, 1, 3} {
			some.SetSym(a, b, cov.At(j, k))
		}
	}
	density, ok := distmv.NewNormal([]float64{1, -2, 3}, some, nil)
	if !ok {
		t.Fatal("R is not positive definite")
	}
	if got, want := mat.Sum(r.LogLikelihood), density.LogProb([]float64{2, 0, -5}); math.Abs(got-want) > 1e-13*math.Abs(want) || r.LogLikelihood.At(0, 2) != 0 {
		t.Errorf("got %v, want %v", got, want)
	}
}

// kalman moves members by the Kalman gain of the ensemble's covariance P: it knows error
// variances alone.
type kalman struct{}

func (kalman) Needs() []sdk.Capability { return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance} }

func (kalman) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	r := mat.NewSymDense(4, nil)
	for j, v := range p.ErrorVariance {
		r.SetSym(j, j, v)
	}
	update(p.Into, p.Ensemble, p.Predicted, p.Observation, r)
	return &sdk.Analysis{}, nil
}

// update writes x + cov(x, h) (cov(h, h) + R)⁻¹ (y - h) for each member, without missing
// values.
func update(into, x, h *mat.Dense, y []float64, r mat.Symmetric) {
	var present []int
	for j, v := range y {
		if !math.IsNaN(v) {
			present = append(present, j)
		}
	}
	rows, n := x.Dims()
	k := len(present)
	both := mat.NewDense(rows, n+k, nil)
	for i := range rows {
		copy(both.RawRowView(i), x.RawRowView(i))
		for a, j := range present {
			both.Set(i, n+a, h.At(i, j))
		}
	}
	var c mat.SymDense
	stat.CovarianceMatrix(&c, both, nil)
	s, cross := mat.NewDense(k, k, nil), mat.NewDense(k, n, nil)
	for a, j := range present {
		for b, l := range present {
			s.Set(a, b, c.At(n+a, n+b)+r.At(j, l))
		}
		for j := range n {
			cross.Set(a, j, c.At(n+a, j))
		}
	}
	var gain mat.Dense
	if err := gain.Solve(s, cross); err != nil {
		panic(err)
	}
	d := mat.NewDense(rows, k, nil)
	for i := range rows {
		for a, j := range present {
			d.Set(i, a, y[j]-h.At(i, j))
		}
	}
	into.Mul(d, &gain)
	into.Add(into, x)
}

// A filter that knows variances alone gives what the Kalman gain with the full R gives, whatever
// is missing: whitening is exact.
func TestWhitening(t *testing.T) {
	op, r := on(t, &workflow.Correlation{Length: 2})
	const members = 30
	x, h := mat.NewDense(members, 4, nil), mat.NewDense(members, 4, nil)
	random := rng.New(2).Rand()
	for i := range members {
		for j := range 4 {
			v := random.NormFloat64()
			x.Set(i, j, v)
			h.Set(i, j, v+0.1*v*v) // not linear
		}
	}
	f := withWhitening(kalman{}, []block{{0, 4, op.correlation}})
	for _, y := range [][]float64{{1, 2, -1, 4}, {math.NaN(), 2, math.NaN(), 4}, {1, math.NaN(), math.NaN(), math.NaN()}} {
		p := &sdk.Problem{Ensemble: x, Predicted: h, Observation: y, ErrorVariance: []float64{1, 4, 9, 16}, Into: mat.NewDense(members, 4, nil)}
		if _, err := f.Analyse(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		want := mat.NewDense(members, 4, nil)
		update(want, x, h, y, r)
		if !mat.EqualApprox(p.Into, want, 1e-12) { // condition numbers are below 100
			t.Errorf("with %v the analysis is not that of the full R", y)
		}
		diagonal := mat.NewDense(members, 4, nil)
		p.Into = diagonal
		if _, err := (kalman{}).Analyse(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if missing := math.IsNaN(y[1]); !missing && mat.EqualApprox(diagonal, want, 1e-3) {
			t.Error("correlations make no difference")
		}
		if p.ErrorVariance[3] != 16 || p.Predicted.At(0, 0) != h.At(0, 0) {
			t.Error("what the host holds was changed")
		}
	}
}

// The squares of standardised residuals sum to d' R^-1 d, with R that of the values that are not
// missing; without correlations there is nothing to do.
func TestStandardise(t *testing.T) {
	op, r := on(t, &workflow.Correlation{Length: 2})
	p := &Plan{blocks: []block{{1, 4, op.correlation}}}
	d := []float64{3, 0.5, -1, math.NaN(), 2}
	residual := append([]float64(nil), d...)
	p.Standardise(d, []float64{4, 1, 4, 9, 16})(residual)
	present := []int{0, 1, 3}
	sub, v := mat.NewSymDense(3, nil), mat.NewVecDense(3, nil)
	for a, j := range present {
		v.SetVec(a, d[1+j])
		for b := a; b < 3; b++ {
			sub.SetSym(a, b, r.At(j, present[b]))
		}
	}
	var inverse mat.Dense
	if err := inverse.Inverse(sub); err != nil {
		t.Fatal(err)
	}
	want, got := 9./4+mat.Inner(v, &inverse, v), 0.0
	for _, z := range residual {
		if !math.IsNaN(z) {
			got += z * z
		}
	}
	if math.Abs(got-want) > 1e-13*want || !math.IsNaN(residual[3]) {
		t.Errorf("got %v with %v, want %v", got, residual, want)
	}
	if (&Plan{}).Standardise(d, nil) != nil {
		t.Error("errors without correlations are standardised")
	}
}
