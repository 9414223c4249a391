package lorenz05

import (
	"context"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
)

// model is model III of Lorenz (2005, doi:10.1175/JAS3430.1), of which models I and II are
// special cases. See tendency.go.
type model struct {
	N          int     `param:"n"`
	Smoothing  int     `param:"smoothing"`
	Separation int     `param:"separation"`
	Short      float64 `param:"short"`
	Coupling   float64 `param:"coupling"`
	Forcing    float64 `param:"forcing"`

	scratch   *sync.Pool // of *scratch
	layout    *sdk.Layout
	simulator *ode.Simulator
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	switch {
	case m.N < 4*m.Smoothing:
		return nil, sdk.Errorf(sdk.KindConfig, "smoothing", "got %d for %d sites, want at most %d, a quarter", m.Smoothing, m.N, m.N/4)
	case m.N <= 2*m.Separation:
		return nil, sdk.Errorf(sdk.KindConfig, "separation", "got %d for %d sites, want less than half", m.Separation, m.N)
	}
	m.scratch = &sync.Pool{New: func() any { return newScratch(m.N, m.Smoothing, m.Separation) }}
	m.simulator = ode.NewSimulator(m.tendency, c.Step, ode.Options{})
	m.simulator.With = func(values []float64) ode.Tendency {
		own := *m
		for i, name := range c.PerMember {
			*own.parameter(name) = values[i]
		}
		return own.tendency
	}
	site := []string{"site"}
	z := []sdk.Variable{{Name: "z", Shape: []int{m.N}, Dims: site, Unit: "1"}}
	points, err := sdk.NewGrid(z, site, []float64{1})
	m.layout = &sdk.Layout{Variables: z, Coordinates: &sdk.Coordinates{Dims: site, Period: []float64{float64(m.N)}, Points: points}}
	return m, err
}

// parameter returns the address of a parameter that may differ by member.
func (m *model) parameter(name string) *float64 {
	return map[string]*float64{"short": &m.Short, "coupling": &m.Coupling, "forcing": &m.Forcing}[name]
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}
