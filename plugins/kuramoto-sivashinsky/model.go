package kuramotosivashinsky

import (
	"context"
	"math"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
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
	scheme := sync.OnceValue(func() *scheme { return newScheme(m.N, m.Length, c.Step) }) // which takes long for many points
	m.simulator = &ode.Simulator{Step: c.Step, NewStepper: func(int) ode.Stepper { return scheme().stepper() }}
	x := []string{"x"}
	u := []sdk.Variable{{Name: "u", Shape: []int{m.N}, Dims: x, Unit: "1"}}
	points, err := sdk.NewGrid(u, x, []float64{m.Length / float64(m.N)})
	m.layout = &sdk.Layout{Variables: u, Coordinates: &sdk.Coordinates{Dims: x, Period: []float64{m.Length}, Points: points}}
	return m, err
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}

// growth returns the rate at which a wave of wavenumber k grows while it is small.
func growth(k float64) float64 { return k*k - math.Pow(k, 4) }
