package cycle

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// stepOf is a step with so many members.
func stepOf(members int) *Step {
	return &Step{Forecast: Ensemble{Members: mat.NewDense(members, 1, nil)}, Observation: []float64{0, 0, 0}}
}

// knownFirst is a plan with two streams: one value whose error variance is known, and two
// whose is not.
func knownFirst() *plan.Plan {
	return &plan.Plan{
		State: valuesOf(1), Space: &sdk.ObservationSpace{Layout: valuesOf(3)},
		Streams: []observations.Stream{{Operator: first{valuesOf(1)}}, {Operator: first{valuesOf(2)}, Draws: 2}},
	}
}

func valuesOf(n int) *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "y", Shape: []int{n}}}}
}

// What is known is not touched; what is estimated is the mean over cycles at first, and has
// no more than 200 degrees of freedom in the end.
func TestErrorVariancesArePooled(t *testing.T) {
	p := knownFirst()
	e := newErrors(p)
	inf := math.Inf(1)
	for i, step := range []struct{ now, want []float64 }{
		{[]float64{7, 4, inf}, []float64{7, 4, inf}},
		{[]float64{8, 2, 1}, []float64{8, (0.95*4 + 2) / 1.95, 1}}, // ten degrees of freedom a cycle, of 200
		{[]float64{9, inf, 1}, []float64{9, inf, 1}},
	} {
		got := e.pool(p, step.now, stepOf(10))
		for j, want := range step.want {
			if got[j] != want && !(math.Abs(got[j]-want) < 1e-15*want) {
				t.Errorf("cycle %d, component %d: got %v, want %v", i, j, got[j], want)
			}
		}
	}
	random := rng.New(1).Rand()
	for range 1000 {
		now := []float64{7, random.ExpFloat64(), 1}
		e.pool(p, now, stepOf(10))
	}
	if f := e.Freedom[1]; math.Abs(f-remembered) > 1e-6 {
		t.Errorf("%v degrees of freedom after many cycles, want %v", f, remembered)
	}
	if e.pool(p, []float64{7, 5, 1}, stepOf(400)); e.Variance[1] != 5 {
		t.Errorf("a cycle that knows more than 200 degrees of freedom gives %v, want 5", e.Variance[1])
	}
}

func TestOperatorThatDoesNotSimulateItsError(t *testing.T) {
	p := knownFirst()
	e := newErrors(p)
	s := stepOf(10)
	s.Observation[2] = math.NaN() // missing: nobody needs its error
	if err := e.judge(p, s, e.pool(p, []float64{0, 1, 0}, s)); err != nil {
		t.Error(err)
	}
	other := newErrors(p)
	err := other.judge(p, s, other.pool(p, []float64{7, 0, 1}, s))
	if err == nil || sdk.KindOf(err) != sdk.KindConfig || !strings.Contains(err.Error(), "component 1") {
		t.Errorf("got %v", err)
	}
}

// scattered is the operator first with an error variance that differs between cycles, as
// one that is estimated does.
type scattered struct{ first }

func (o scattered) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	res, err := o.first.Observe(ctx, r)
	res.ErrorVariance = []float64{r.Seed.Child("scatter", 0).Rand().ExpFloat64()}
	return res, err
}

// A trial that is continued has the error variances of one that was never stopped, and the
// filter gets them.
func TestEstimatedErrorsAreContinued(t *testing.T) {
	run := func(from *State) (variances []float64, states []State) {
		p := newPlan()
		p.Operator, p.Streams, p.Clock.Cycles = scattered{}, []observations.Stream{{Operator: first{valuesOf(1)}, In: observations.Every(first{}, 1, 1, 0, math.MaxInt), Draws: 2}}, 6
		f := &recorder{needs: []sdk.Capability{sdk.ErrorVariance}}
		err := Assimilate(t.Context(), p, &plan.Trial{Filter: f, Size: 10}, simulate(t, p), from, func(s *Step) error {
			state := s.State()
			state.Members = slices.Clone(state.Members)
			state.Errors = &Errors{slices.Clone(s.of.errors.Variance), slices.Clone(s.of.errors.Freedom), slices.Clone(s.of.errors.Readings), nil}
			states = append(states, state)
			want := math.Sqrt(2 * s.ErrorVariance[0])
			if got := s.Metrics["error_sd"]; math.Abs(got-want) > 1e-15*want {
				t.Errorf("cycle %d: error_sd is %v, want %v", s.Cycle, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.problems {
			variances = append(variances, p.ErrorVariance[0])
		}
		return variances, states
	}
	whole, states := run(nil)
	rest, _ := run(&states[2])
	if !slices.Equal(rest, whole[3:]) || slices.Equal(whole[3:], whole[:3]) {
		t.Errorf("got %v after cycle 3, want %v", rest, whole[3:])
	}
}
