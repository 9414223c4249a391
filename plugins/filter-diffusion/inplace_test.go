package filterdiffusion

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// The analysis of the joint scheme is the same, to the bit, when it is written over the forecast: with and without
// a cutoff, with fewer and with more members than values.
func TestInPlace(t *testing.T) {
	for _, size := range []struct{ members, n int }{{9, 3000}, {9, 20}, {40, 6}} {
		for _, params := range []map[string]any{nil, {"draws": "independent"}, {"sampler": "ode"}, {"observations": "simulated"}, {"cutoff": 4.0}, {"cutoff": "auto"}} {
			answer := func(over bool) *mat.Dense {
				f, err := configureLocal(params, size.members, ring(size.n, float64(size.n)), ring(size.n/2, float64(size.n)))
				if err != nil {
					t.Fatal(err)
				}
				p := twinProblem(size.members, size.n, size.n/2)
				p.Simulated = p.Predicted
				if over {
					p.Into = p.Ensemble
				}
				if _, err := f.Analyse(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				return p.Into
			}
			if !mat.Equal(answer(true), answer(false)) {
				t.Errorf("%d members of %d values, %v: the analysis in place differs", size.members, size.n, params)
			}
		}
	}
	m, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	for scheme, want := range map[string]bool{"joint": true, "kde": false} { // whose draws need all of the forecast
		if got := m.Manifest.MemoryWith(sdk.Params{"scheme": scheme}).InPlace; got != want {
			t.Errorf("%s: in place %v, want %v", scheme, got, want)
		}
	}
}
