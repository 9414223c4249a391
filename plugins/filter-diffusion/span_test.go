package filterdiffusion

import (
	"runtime"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// In the span of the ensemble the ODE gives the samples that it gives in all n
// values, and takes as many steps. Both round: with sums over n and over N, some
// 1e-16 sqrt(n) relative to the latent, which is 50 spreads wide, and the flow
// carries such differences on with a factor of at most 1. The root of small
// differences in the basis, 1e-16 over the smallest singular value's share, adds
// to that; 1e-9 of the spread has room for all.
func TestSpanGivesTheSamplesOfTheDirectFlow(t *testing.T) {
	for _, params := range []map[string]any{
		{"sampler": "ode"}, {"sampler": "heun"}, {"sampler": "ode", "schedule": "vp"}, {"sampler": "ode", "centre": false}, {"sampler": "ode", "units": "raw"},
	} {
		f := configure(t, params)
		p := twinProblem(20, 300, 4)
		inSpan := analyse(t, f, p)
		got := mat.DenseCopyOf(p.Into)
		direct := denoiseDirectly(t, f, p)
		if diff := largestDifference(got, p.Into); diff > 1e-9 {
			t.Errorf("%v: samples differ by %g", params, diff)
		}
		if inSpan.Metrics["steps_mean"] != direct["steps_mean"] {
			t.Errorf("%v: %g steps in the span, %g directly", params, inSpan.Metrics["steps_mean"], direct["steps_mean"])
		}
	}
}

// denoiseDirectly writes into p.Into what f draws without the span.
func denoiseDirectly(t testing.TB, f *filter, p *sdk.Problem) map[string]float64 {
	t.Helper()
	observed, err := f.check(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.estimate(p, observed)
	if err != nil {
		t.Fatal(err)
	}
	s := f.schedule(d)
	_, n := p.Into.Dims()
	streams := latents(p, s.latentSD())
	metrics, err := f.denoise(t.Context(), p.Into, newMixture(d.centres, d.logWeights, d.bandwidth), s, streams, n)
	if err != nil {
		t.Fatal(err)
	}
	d.toState(p.Into)
	return metrics
}

func TestSpanDoesNotDependOnProcessors(t *testing.T) {
	f, p := configure(t, nil), twinProblem(20, 1000, 4)
	analyse(t, f, p)
	want := mat.DenseCopyOf(p.Into)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	analyse(t, f, p)
	if !mat.Equal(p.Into, want) {
		t.Error("another number of processors gives other samples")
	}
}

// Members that agree in all but one direction span just that.
func TestSpanOfOneDirection(t *testing.T) {
	p := twinProblem(6, 20, 1)
	for i := range 6 {
		for j := range 20 {
			p.Ensemble.Set(i, j, float64(i)*float64(j+1))
		}
	}
	f := configure(t, nil)
	analyse(t, f, p)
	got := mat.DenseCopyOf(p.Into)
	denoiseDirectly(t, f, p)
	if diff := largestDifference(got, p.Into); diff > 1e-8 { // of values up to 100
		t.Errorf("samples differ by %g", diff)
	}
}
