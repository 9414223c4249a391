package lorenz96tracer

import (
	"context"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
)

// model is Lorenz-96 as the wind x of an upwind scheme for the concentrations c between its sites
// (after Bocquet and Sakov 2013, doi:10.5194/npg-20-803-2013):
//
//	dx_j/dt = (x_{j+1} - x_{j-2}) x_{j-1} - x_j + F
//	dc_{j+1/2}/dt = flux_j - flux_{j+1} - loss c_{j+1/2} + E
//	flux_j = x_j c_{j-1/2} for x_j >= 0, and x_j c_{j+1/2} for x_j < 0
type model struct {
	N        int     `param:"n"`
	Forcing  float64 `param:"forcing"`
	Emission float64 `param:"emission"`
	Loss     float64 `param:"loss"`

	layout    *sdk.Layout
	simulator *ode.Simulator
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	m.simulator = ode.NewSimulator(m.tendency, c.Step, ode.Options{})
	m.simulator.With = func(values []float64) ode.Tendency {
		own := *m
		for i, name := range c.PerMember {
			*own.parameter(name) = values[i]
		}
		return own.tendency
	}
	axis := []sdk.GridAxis{{Spacing: 1, Every: 1, Length: m.N}}
	sites := sdk.Grid{{Count: m.N, Stride: 1, Axes: axis}}
	points := append(sites, sites.From(0.5)...) // c lies half way to the next site
	m.layout = &sdk.Layout{
		Variables: []sdk.Variable{
			{Name: "x", Shape: []int{m.N}, Dims: []string{"site"}, Unit: "1"},
			{Name: "c", Shape: []int{m.N}, Dims: []string{"site"}, Unit: "1"},
		},
		Coordinates: &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{float64(m.N)}, Points: points},
	}
	return m, nil
}

// parameter returns the address of a parameter that may differ by member.
func (m *model) parameter(name string) *float64 {
	return map[string]*float64{"forcing": &m.Forcing, "emission": &m.Emission, "loss": &m.Loss}[name]
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}

// tendency writes the derivatives of the wind, then those of the concentrations; c_j is the one
// between the sites j and j + 1.
func (m *model) tendency(dst []float64, _ float64, state []float64) {
	n := m.N
	x, c, dx, dc := state[:n], state[n:], dst[:n], dst[n:]
	before, after := n-1, 1 // of j, around the ring
	flux := func(j, before int) float64 {
		if x[j] >= 0 {
			return x[j] * c[before]
		}
		return x[j] * c[j]
	}
	into := flux(0, n-1)
	first := into
	for j := range n {
		dx[j] = (x[after]-x[(before+n-1)%n])*x[before] - x[j] + m.Forcing
		out := first
		if j+1 < n {
			out = flux(j+1, j)
		}
		dc[j] = into - out - m.Loss*c[j] + m.Emission
		into, before, after = out, j, (j+2)%n
	}
}
