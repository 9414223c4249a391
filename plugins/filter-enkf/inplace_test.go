package filterenkf

import (
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// The analysis is the same, to the bit, when it is written over the forecast, with everything that looks
// at both, and more values than a block has.
func TestInPlace(t *testing.T) {
	const members, n = 12, 1500
	widened := map[string]any{"inflation": 1.2, "rtps": 0.3, "rtpp": 0.2, "rotation": true}
	for _, params := range append(everyScheme(true), map[string]any{"scheme": "stochastic", "observations": "simulated"}) {
		answer := func(params map[string]any, missing, over bool) *mat.Dense {
			p, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: members, State: ring(n), Observations: &sdk.ObservationSpace{Layout: ring(n)}})
			if err != nil {
				t.Fatal(err)
			}
			problem := ringProblem(members, n, 1)
			problem.Simulated = problem.Predicted
			if problem.Into = mat.NewDense(members, n, nil); over {
				problem.Into = problem.Ensemble
			}
			if missing {
				for j := range problem.Observation {
					problem.Observation[j] = math.NaN()
				}
			}
			if _, err := f.Analyse(t.Context(), problem); err != nil {
				t.Fatal(err)
			}
			return problem.Into
		}
		for _, missing := range []bool{false, true} {
			for _, params := range []map[string]any{params, with(params, widened)} {
				if !mat.Equal(answer(params, missing, true), answer(params, missing, false)) {
					t.Errorf("%v: the analysis in place differs", params)
				}
			}
		}
	}
}
