package lorenz63

import (
	"context"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
)

// model is the system of Lorenz (1963,
// doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2, equations 25 to 27).
type model struct {
	Sigma float64 `param:"sigma"`
	Rho   float64 `param:"rho"`
	Beta  float64 `param:"beta"`
	ode.Options

	simulator *ode.Simulator
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	m.simulator = ode.NewSimulator(m.tendency, c.Step, m.Options)
	m.simulator.With = func(values []float64) ode.Tendency {
		own := *m
		for i, name := range c.PerMember {
			*own.parameter(name) = values[i]
		}
		return own.tendency
	}
	return m, nil
}

// parameter returns the address of a parameter that may differ by member.
func (m *model) parameter(name string) *float64 {
	return map[string]*float64{"sigma": &m.Sigma, "rho": &m.Rho, "beta": &m.Beta}[name]
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Unit: "1"}, {Name: "y", Unit: "1"}, {Name: "z", Unit: "1"}}}
}

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}

func (m *model) tendency(dst []float64, _ float64, s []float64) {
	x, y, z := s[0], s[1], s[2]
	dst[0] = m.Sigma * (y - x)
	dst[1] = x*(m.Rho-z) - y
	dst[2] = x*y - m.Beta*z
}
