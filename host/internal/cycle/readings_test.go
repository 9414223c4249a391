package cycle

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// The latest readings are kept, and at least those of a whole ensemble.
func TestReadingsAreRemembered(t *testing.T) {
	var r Readings
	for k := range 5 {
		r.add(mat.NewDense(150, 1, slices.Repeat([]float64{float64(k)}, 150)), mat.NewDense(150, 1, nil))
	}
	if r.Rows != plan.Readings || r.States[0] != 2 || r.States[plan.Readings-1] != 4 || len(r.Values) != plan.Readings {
		t.Errorf("%d rows from cycle %v to %v", r.Rows, r.States[0], r.States[len(r.States)-1])
	}
	r.add(mat.NewDense(1000, 1, nil), mat.NewDense(1000, 1, nil))
	if r.Rows != 1000 || len(r.States) != 1000 {
		t.Errorf("%d rows of an ensemble of 1000", r.Rows)
	}
}

// reading is a black box, asked once or several times as package plan asks it.
type reading struct {
	draws int
	sd    float64
}

func (o reading) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: valuesOf(1), Offers: []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}}
}

func (o reading) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	rows, _ := r.Ensemble.Dims()
	for i := range rows {
		r.Predicted.Set(i, 0, math.Abs(r.Ensemble.At(i, 0))+o.sd/math.Sqrt(float64(o.draws))*r.Seed.Member(r.Member(i)).NormFloat64())
	}
	return &sdk.ObserveResult{ErrorVariance: []float64{o.sd * o.sd * (1 - 1/float64(o.draws))}}, nil
}

func boxed(draws int, sd float64) *plan.Plan {
	p, op := newPlan(), reading{draws: draws, sd: sd}
	p.Operator, p.Space, p.Clock.Cycles = op, op.Space(), 6
	p.Streams = []observations.Stream{{Operator: op, In: observations.Every(op, 1, 1, 0, math.MaxInt), Draws: draws}}
	return p
}

// A trial that is continued predicts what one that was never stopped predicts, to the last bit,
// and reports the standard deviation of the error.
func TestLearntReadingsAreContinued(t *testing.T) {
	for _, draws := range []int{1, 4} {
		t.Run(fmt.Sprint(draws), func(t *testing.T) {
			run := func(from *State) (predicted [][]float64, sd float64, states []State) {
				p, f := boxed(draws, 0.5), &recorder{needs: []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}}
				err := Assimilate(t.Context(), p, &plan.Trial{Filter: f, Size: 50}, simulate(t, p), from, func(s *Step) error {
					state := s.State()
					state.Members = slices.Clone(state.Members)
					e := s.of.errors
					state.Errors = &Errors{slices.Clone(e.Variance), slices.Clone(e.Freedom), slices.Clone(e.Readings), nil}
					states = append(states, state)
					predicted = append(predicted, append(slices.Clone(s.Predicted.RawMatrix().Data), s.ErrorVariance...))
					sd = s.Metrics["error_sd"]
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return predicted, sd, states
			}
			whole, sd, states := run(nil)
			rest, _, _ := run(&states[2])
			for i := range rest {
				if !slices.Equal(rest[i], whole[3+i]) {
					t.Errorf("cycle %d: predictions or error variances differ from those of a trial that was not stopped", 4+i)
				}
			}
			if math.Abs(sd/0.5-1) > 0.25 { // four standard errors of a standard deviation from 150 readings or more
				t.Errorf("error_sd is %v, want 0.5", sd)
			}
		})
	}
}

// An operator without an error cannot be weighed against the ensemble.
func TestReadingsWithoutErrors(t *testing.T) {
	p := boxed(2, 0)
	err := Assimilate(t.Context(), p, &plan.Trial{Filter: &recorder{needs: []sdk.Capability{sdk.Predicted}}, Size: 10}, simulate(t, p), nil, func(*Step) error { return nil })
	if err == nil || sdk.KindOf(err) != sdk.KindConfig || !strings.Contains(err.Error(), "same answer for component 0") {
		t.Errorf("got %v", err)
	}
}
