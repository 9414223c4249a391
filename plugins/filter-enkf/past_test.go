package filterenkf

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// States of an earlier time move by the weights of the analysis: as those of a forecast with the same
// predictions would, without inflation and relaxation. The analysis is what it is without them.
func TestPastFollows(t *testing.T) {
	const members, n, past = 12, 20, 2
	for _, params := range append(everyScheme(true), map[string]any{"scheme": "stochastic", "observations": "simulated"}) {
		widened := with(params, map[string]any{"inflation": 1.2, "rtps": 0.3, "rtpp": 0.2, "rotation": true})
		now := ringProblem(members, n, 1)
		now.Simulated = now.Predicted
		all, before := mat.NewDense(members, (1+past)*n, nil), []*mat.Dense{ringProblem(members, n, 1).Ensemble, mat.NewDense(members, n, nil)}
		before[0].Apply(func(i, j int, v float64) float64 { return 3 - v*v + float64(i*j%7) }, before[0])
		before[1].Apply(func(i, j int, _ float64) float64 { return float64((i*i + 3*j) % 11) }, before[1])
		all.Slice(0, members, 0, n).(*mat.Dense).Copy(now.Ensemble)
		for k, e := range before {
			all.Slice(0, members, (1+k)*n, (2+k)*n).(*mat.Dense).Copy(e)
		}
		answer := func(params map[string]any, past int, e *mat.Dense) *mat.Dense {
			p, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: members, State: ring(n), Observations: &sdk.ObservationSpace{Layout: ring(n)}, Past: past})
			if err != nil {
				t.Fatal(err)
			}
			problem := *now
			problem.Predicted = mat.DenseCopyOf(now.Predicted)
			_, columns := e.Dims()
			problem.Ensemble, problem.Into = e, mat.NewDense(members, columns, nil)
			if _, err := f.Analyse(t.Context(), &problem); err != nil {
				t.Fatal(err)
			}
			return problem.Into
		}
		got := answer(widened, past, all)
		if want := answer(widened, 0, now.Ensemble); !mat.Equal(got.Slice(0, members, 0, n), want) {
			t.Errorf("%v: the analysis differs", params)
		}
		if params["scheme"] == "enkf-n" { // whose weights are those of an inflated forecast
			continue
		}
		for k, e := range before {
			want := answer(with(params, map[string]any{"rotation": true}), 0, e)
			if moved := got.Slice(0, members, (1+k)*n, (2+k)*n); !mat.EqualApprox(moved, want, 1e-12) {
				t.Errorf("%v: time %d before does not follow", params, k+1)
			}
		}
	}
}
