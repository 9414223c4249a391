package filterpf

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// A member takes the past of its ancestor, without jitter; with the local scheme the past is moved by the weights of its place.
func TestPastFollows(t *testing.T) {
	const members, n = 15, 8
	for _, params := range []map[string]any{{"jitter": 0.5}, {"jitter": 0.5, "threshold": 0.01}, {"scheme": "local", "cutoff": 5.0, "jitter": 0.0, "rotation": true}} {
		now := localProblem(members, n, n)
		before := mat.NewDense(members, n, nil)
		before.Apply(func(i, j int, _ float64) float64 { return float64((i*i + 3*j) % 11) }, before)
		answer := func(past int, e *mat.Dense) (*mat.Dense, *sdk.Analysis) {
			p, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			f, err := p.NewFilter(t.Context(), sdk.FilterConfig{Params: params, Members: members, State: ring(n, n), Observations: &sdk.ObservationSpace{Layout: ring(n, n)}, Past: past})
			if err != nil {
				t.Fatal(err)
			}
			problem := *now
			_, columns := e.Dims()
			problem.Ensemble, problem.Into = e, mat.NewDense(members, columns, nil)
			a, err := f.Analyse(t.Context(), &problem)
			if err != nil {
				t.Fatal(err)
			}
			return problem.Into, a
		}
		var all mat.Dense
		all.Augment(now.Ensemble, before)
		got, a := answer(1, &all)
		if want, _ := answer(0, now.Ensemble); !mat.Equal(got.Slice(0, members, 0, n), want) {
			t.Errorf("%v: the analysis differs", params)
		}
		want := before
		if a.Ancestors != nil {
			want = mat.NewDense(members, n, nil)
			for i, from := range a.Ancestors {
				want.SetRow(i, before.RawRowView(from))
			}
		}
		if params["scheme"] == "local" {
			want, _ = answer(0, before)
		}
		if !mat.EqualApprox(got.Slice(0, members, n, 2*n), want, 1e-12) {
			t.Errorf("%v: the past does not follow", params)
		}
	}
}
