package kuramotosivashinsky

import (
	"context"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
	"gonum.org/v1/gonum/mat"
)

// model is the Kuramoto-Sivashinsky equation on a periodic line:
//
//	u_t = -u u_x - u_xx - u_xxxx
type model struct {
	N      int     `param:"n"`
	Length float64 `param:"length"`

	layout    *sdk.Layout
	simulator *ode.Simulator
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	if m.N%2 != 0 {
		return nil, sdk.Errorf(sdk.KindConfig, "n", "got %d, want an even number", m.N)
	}
	s := newScheme(m.N, m.Length, c.Step)
	m.simulator = &ode.Simulator{Step: c.Step, NewStepper: func(int) ode.Stepper { return s.stepper() }}
	points := mat.NewDense(m.N, 1, nil)
	for i := range m.N {
		points.Set(i, 0, float64(i)*m.Length/float64(m.N))
	}
	m.layout = &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "u", Shape: []int{m.N}, Dims: []string{"x"}, Unit: "1"}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{m.Length}, Points: points},
	}
	return m, nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}

// growth returns the rate at which a wave of wavenumber k grows while it is small.
func growth(k float64) float64 { return k*k - math.Pow(k, 4) }
