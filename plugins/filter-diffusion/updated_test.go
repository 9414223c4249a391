package filterdiffusion

import (
	"fmt"
	"testing"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Where few components are near by, the covariance of the analysis has the root that it has as a matrix, here in
// the form of [quartet.mix]: with predictions spread less than errors and a thousand times as far, with components that predict
// the same, with weights of some members alone, and with the widest kernels. Tolerance: rounding, times the condition of the root.
func TestRootOfFewComponents(t *testing.T) {
	const members, n = 16, 12
	for _, tt := range []struct {
		spread, far, bandwidth float64
		same                   bool
	}{
		{0.3, 0, 0.8, false}, {1, 0, 0.8, false}, {1, 3, 0.3, false}, {1000, 0, 0.6, false}, {1, 0, 0.6, true}, {1000, 0, 0.6, true}, {1, 1, 1, false},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			p := twinProblem(members, n, n)
			for k := range n {
				p.ErrorVariance[k] = 1 / (tt.spread * tt.spread)
				p.Observation[k] += tt.far / tt.spread
				if tt.same && k%2 == 1 {
					p.Predicted.SetCol(k, mat.Col(nil, k-1, p.Predicted))
					p.Observation[k] = p.Observation[k-1]
				}
			}
			f := mustLocal(t, map[string]any{"cutoff": 1.8, "bandwidth": tt.bandwidth, "finite_size": false}, p, n/2)
			s, err := f.surround(p, allOf(n), &history{})
			if err != nil {
				t.Fatal(err)
			}
			few, matrix := newQuartet(s), newQuartet(s)
			r := rng.New(5).Rand()
			for _, q := range []*quartet{few, matrix} {
				for j := range lanes {
					q.places[j].near = q.nearValue(nil, 3*j)[:2]
					q.places[j].values = []int{3 * j}
					q.setRules(&q.places[j])
				}
				q.count = lanes
				q.gather()
				q.decompose()
				q.solve()
				q.weigh()
				q.average()
			}
			if !few.few {
				t.Fatal("two components are not few")
			}
			few.updated.prepare(&few.bandwidth, &few.scale, &few.factor, few.x, &few.least)
			matrix.few = false
			matrix.mix()
			for i := range few.x {
				for l := range few.x[i] {
					few.x[i][l] = r.NormFloat64()
				}
			}
			copy(matrix.x, few.x)
			few.root(few.x)
			matrix.root(matrix.x)
			got, want := make([]float64, members), make([]float64, members)
			for l := range lanes {
				for i := range members {
					got[i], want[i] = few.x[i][l], matrix.x[i][l]
				}
				if d := floats.Distance(got, want, 2) / floats.Norm(want, 2); !(d <= 1e-14+1e-15*tt.spread) {
					t.Errorf("lane %d: differs by %.2g of its length", l, d)
				}
			}
		})
	}
}
