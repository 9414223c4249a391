package plan

import (
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Each member simulates and weighs with the error of its own prediction, and the error variance
// is the mean over the members.
func TestRelativeErrors(t *testing.T) {
	op := newRelative(identity{}, 0.5) // floors are 1, 2, 3 and 4
	x := mat.NewDense(2, 4, []float64{1, 10, -20, 0, 5, 2, 6, -100})
	want := []float64{(1*1 + 2.5*2.5) / 2, (5*5 + 2*2) / 2.0, (10*10 + 3*3) / 2.0, (4*4 + 50*50) / 2.0}
	y := []float64{2, 7, math.NaN(), -40}
	r := &sdk.ObserveRequest{Ensemble: x, Observation: y, LogLikelihood: mat.NewDense(2, 4, nil)}
	res, err := op.Observe(t.Context(), r)
	if err != nil || !slices.Equal(res.ErrorVariance, want) {
		t.Fatalf("error variances %v, %v, want %v", res, err, want)
	}
	for i := range 2 {
		for j := range 4 {
			h, density := x.At(i, j), 0.0
			if !math.IsNaN(y[j]) {
				density = distuv.Normal{Mu: h, Sigma: max(float64(j+1), math.Abs(h)/2)}.LogProb(y[j])
			}
			if got := r.LogLikelihood.At(i, j); math.Abs(got-density) > 1e-13*math.Abs(density) {
				t.Errorf("member %d, component %d: log-likelihood %v, want %v", i, j, got, density)
			}
		}
	}
	if offers := op.Space().Offers; slices.Contains(offers, sdk.Gradient) || !slices.Contains(offers, sdk.HasPositions) {
		t.Errorf("it offers %v", offers)
	}
}

// What filters believe of an observation is what observations are: its variance is that of the
// predictions and the error variance together, within five standard errors.
func TestRelativeVariance(t *testing.T) {
	const members = 20000
	op, draw := newRelative(identity{}, 0.3), rng.New(4).Rand()
	x := mat.NewDense(members, 4, nil)
	x.Apply(func(_, j int, _ float64) float64 { return 10*float64(j) + 3*draw.NormFloat64() }, x)
	r := &sdk.ObserveRequest{Call: sdk.Call{Seed: rng.New(5)}, Ensemble: x, Simulated: mat.NewDense(members, 4, nil)}
	res, err := op.Observe(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for j := range 4 {
		simulated := mat.Col(nil, j, r.Simulated)
		want := stat.Variance(mat.Col(nil, j, x), nil) + res.ErrorVariance[j]
		kurtosis := 3 + stat.ExKurtosis(simulated, nil)
		if got := stat.Variance(simulated, nil); math.Abs(got-want) > 5*want*math.Sqrt((kurtosis-1)/members) {
			t.Errorf("component %d: variance %v, want %v", j, got, want)
		}
	}
}
