package filterpf

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// The local analysis is the same, to the bit, when it is written over the forecast, with values that nothing
// is near, which a rotation leaves alone.
func TestInPlace(t *testing.T) {
	const members, n = 15, 60
	for _, rotation := range []bool{false, true} {
		answer := func(over bool) (forecast, analysis *mat.Dense) {
			p, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: map[string]any{"scheme": "local", "cutoff": 5.0, "rotation": rotation, "jitter": 0.2},
				Members: members, State: ring(n, n), Observations: &sdk.ObservationSpace{Layout: ring(n, n)}})
			if err != nil {
				t.Fatal(err)
			}
			problem := localProblem(members, n, n)
			for j := range n / 2 {
				problem.Observation[j] = math.NaN()
			}
			forecast = mat.DenseCopyOf(problem.Ensemble)
			if problem.Into = mat.NewDense(members, n, nil); over {
				problem.Into = problem.Ensemble
			}
			if _, err := f.Analyse(t.Context(), problem); err != nil {
				t.Fatal(err)
			}
			return forecast, problem.Into
		}
		_, want := answer(false)
		forecast, got := answer(true)
		if !mat.Equal(got, want) {
			t.Errorf("rotation %v: the analysis in place differs", rotation)
		}
		if far := n / 4; !mat.Equal(got.ColView(far), forecast.ColView(far)) || mat.Equal(got.ColView(n-5), forecast.ColView(n-5)) {
			t.Errorf("rotation %v: want a value that nothing is near as it was, and another one moved", rotation)
		}
	}
}
