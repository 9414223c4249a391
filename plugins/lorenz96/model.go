package lorenz96

import (
	"context"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
)

// model is the system of Lorenz (1996, doi:10.1017/CBO9780511617652.004,
// equation 3.4): n sites on a ring.
type model struct {
	N       int     `param:"n"`
	Forcing float64 `param:"forcing"`
	ode.Options

	layout    *sdk.Layout
	simulator *ode.Simulator
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	m.simulator = ode.NewSimulator(m.tendency, c.Step, m.Options)
	m.simulator.With = func(values []float64) ode.Tendency {
		own := *m
		own.Forcing = values[0] // the only parameter by member
		return own.tendency
	}
	site := []string{"site"}
	x := []sdk.Variable{{Name: "x", Shape: []int{m.N}, Dims: site, Unit: "1"}}
	points, err := sdk.NewGrid(x, site, []float64{1})
	m.layout = &sdk.Layout{Variables: x, Coordinates: &sdk.Coordinates{Dims: site, Period: []float64{float64(m.N)}, Points: points}}
	return m, err
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}

// tendency is dx_j/dt = (x_{j+1} - x_{j-2}) x_{j-1} - x_j + F. The sites at the ends of
// the slice are written out, so that the loop needs no modulo.
func (m *model) tendency(dst []float64, _ float64, x []float64) {
	n, f := len(x), m.Forcing
	dst[0] = (x[1]-x[n-2])*x[n-1] - x[0] + f
	dst[1] = (x[2]-x[n-1])*x[0] - x[1] + f
	dst[n-1] = (x[0]-x[n-3])*x[n-2] - x[n-1] + f
	before, here := x[:n-3], dst[2:n-1]
	for j := range before {
		here[j] = (x[j+3]-before[j])*x[j+1] - x[j+2] + f
	}
}
