package observations

import (
	"context"
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// scaled observes the first value of a state times a factor, with normal errors of
// variance 1.
type scaled struct {
	factor float64
	space  *sdk.ObservationSpace
}

func newScaled(factor float64, offers ...sdk.Capability) scaled {
	l := &sdk.Layout{Variables: []sdk.Variable{{Name: "h", Unit: "1"}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{0}, Points: mat.NewDense(1, 1, []float64{factor})}}
	return scaled{factor, &sdk.ObservationSpace{Layout: l, Offers: offers}}
}

func (s scaled) Space() *sdk.ObservationSpace { return s.space }

func (s scaled) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	members, _ := r.Ensemble.Dims()
	for i := range members {
		h := s.factor * r.Ensemble.At(i, 0)
		if r.Predicted != nil {
			r.Predicted.Set(i, 0, h)
		}
		if r.Simulated != nil {
			r.Simulated.Set(i, 0, h+r.Seed.Member(i).NormFloat64())
		}
		if r.Gradient != nil {
			r.Gradient.Set(i, 0, s.factor*(r.Observation[0]-h))
		}
	}
	return &sdk.ObserveResult{ErrorVariance: []float64{1}}, nil
}

var offers = []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.Gradient, sdk.ErrorVariance, sdk.HasPositions}

func request() *sdk.ObserveRequest {
	return &sdk.ObserveRequest{Call: sdk.Call{Cycle: 2, Seed: rng.New(1)}, Ensemble: mat.NewDense(2, 1, []float64{1, 2}), Observation: []float64{3, 5},
		Predicted: mat.NewDense(2, 2, nil), Simulated: mat.NewDense(2, 2, nil), Gradient: mat.NewDense(2, 1, nil)}
}

func TestJoin(t *testing.T) {
	a, b := newScaled(1, offers...), newScaled(10, offers[:4]...)
	op := Join([]Stream{{Label: "a", Operator: a, In: Every(a, 2, 1, 0, math.MaxInt)}, {Label: "b", Operator: b, In: Every(b, 2, 2, 0, math.MaxInt)}})
	l := op.Space().Layout
	if l.Size() != 2 || l.Variables[1].Name != "b.h" || l.Coordinates != nil || len(op.Space().Offers) != 4 {
		t.Errorf("space %+v, offers %v", l, op.Space().Offers)
	}
	r := request()
	res, err := op.Observe(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(r.Predicted, mat.NewDense(2, 2, []float64{1, 10, 2, 20})) {
		t.Errorf("predicted %v", mat.Formatted(r.Predicted))
	}
	// 1 (3 - 1) + 10 (5 - 10), and 1 (3 - 2) + 10 (5 - 20)
	if !mat.Equal(r.Gradient, mat.NewDense(2, 1, []float64{-48, -149})) {
		t.Errorf("gradient %v", mat.Formatted(r.Gradient))
	}
	if ea, eb := r.Simulated.At(0, 0)-1, r.Simulated.At(0, 1)-10; ea == eb {
		t.Error("two streams have the same errors")
	}
	if res.ErrorVariance[1] != 1 {
		t.Errorf("variance %v", res.ErrorVariance)
	}
}

// The errors of a stream do not depend on which others there are.
func TestJoinKeepsErrors(t *testing.T) {
	a, b := newScaled(1, offers...), newScaled(10, offers...)
	both, alone := request(), request()
	alone.Predicted, alone.Simulated, alone.Observation = mat.NewDense(2, 1, nil), mat.NewDense(2, 1, nil), []float64{5}
	if _, err := Join([]Stream{{Label: "a", Operator: a, In: Every(a, 1, 1, 0, math.MaxInt)}, {Label: "b", Operator: b, In: Every(b, 1, 1, 0, math.MaxInt)}}).Observe(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if _, err := Join([]Stream{{Label: "b", Operator: b, In: Every(b, 1, 1, 0, math.MaxInt)}}).Observe(t.Context(), alone); err != nil {
		t.Fatal(err)
	}
	if both.Simulated.At(1, 1) != alone.Simulated.At(1, 0) {
		t.Errorf("%v with another stream, %v without", both.Simulated.At(1, 1), alone.Simulated.At(1, 0))
	}
}

func TestJoinAbsent(t *testing.T) {
	a, b := newScaled(1, offers...), newScaled(10, offers...)
	streams := []Stream{{Label: "a", Operator: a, In: Every(a, 1, 1, 0, math.MaxInt)}, {Label: "b", Operator: b, In: Every(b, 3, 3, 0, math.MaxInt)}}
	op, r := Join(streams), request()
	if c := op.Space().Layout.Coordinates; c == nil || c.Points.At(1, 0) != 10 {
		t.Errorf("coordinates %+v", c)
	}
	r.Predicted.Set(0, 1, 7) // left from a cycle before
	res, err := op.Observe(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Predicted.At(0, 1) != 0 || r.Gradient.At(0, 0) != 2 || !math.IsInf(res.ErrorVariance[1], 1) {
		t.Errorf("predicted %v, gradient %v, variance %v", r.Predicted.At(0, 1), r.Gradient.At(0, 0), res.ErrorVariance)
	}
	y := []float64{1, 2}
	if NewFallible(streams).Next(rng.New(1), 2, y); y[0] != 1 || !math.IsNaN(y[1]) {
		t.Errorf("marked %v", y)
	}
}

func TestEvery(t *testing.T) {
	in := Every(newScaled(1), 2, 5, 0, math.MaxInt)
	for cycle, want := range map[int]bool{1: false, 2: true, 3: false, 6: false, 7: true, 12: true} {
		if got := in(cycle) != nil; got != want {
			t.Errorf("cycle %d: %v", cycle, got)
		}
	}
}
