package shallowwater

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ode"
)

// model is the shallow-water equations for the depth h and the velocities u to the east and v to the
// north, in units of the grid length and with a gravity of 1:
//
//	h_t = -(h u)_x - (h v)_y
//	u_t = +q h v - (h + (u² + v²)/2)_x + viscosity (u_xx + u_yy) + (U(y) - u) / relaxation
//	v_t = -q h u - (h + (u² + v²)/2)_y + viscosity (v_xx + v_yy) - v / relaxation
//	q = (f + v_x - u_y) / h        U(y) = jet sin(2 pi jets y / rows)
type model struct {
	Rows       int     `param:"rows"`
	Columns    int     `param:"columns"`
	Coriolis   float64 `param:"coriolis"`
	Jet        float64 `param:"jet"`
	Jets       int     `param:"jets"`
	Relaxation float64 `param:"relaxation"`
	Viscosity  float64 `param:"viscosity"`

	profile    []float64  // U(y) / jet, by row
	west, east []int      // columns next to each column
	scratch    *sync.Pool // of *scratch
	layout     *sdk.Layout
	simulator  *ode.Simulator
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	m.profile = make([]float64, m.Rows)
	for j := range m.profile {
		m.profile[j] = math.Sin(2 * math.Pi * float64(m.Jets*j) / float64(m.Rows))
	}
	m.west, m.east = make([]int, m.Columns), make([]int, m.Columns)
	for i := range m.Columns {
		m.west[i], m.east[i] = (i+m.Columns-1)%m.Columns, (i+1)%m.Columns
	}
	size := m.Rows * m.Columns
	m.scratch = &sync.Pool{New: func() any { return newScratch(size) }}
	m.simulator = ode.NewSimulator(m.tendency, c.Step, ode.Options{})
	m.simulator.With = func(values []float64) ode.Tendency {
		own := *m
		for i, name := range c.PerMember {
			*own.parameter(name) = values[i]
		}
		return own.tendency
	}
	m.layout = layout(m.Rows, m.Columns)
	return m, nil
}

// layout returns that of the state: h at the centres of cells, u half a cell to their west, v half a
// cell to their south (Arakawa's grid C).
func layout(rows, columns int) *sdk.Layout {
	cells := sdk.Grid{{Count: rows * columns, Stride: 1, Axes: []sdk.GridAxis{
		{Spacing: 1, Every: columns, Length: rows}, {Spacing: 1, Every: 1, Length: columns},
	}}}
	l := &sdk.Layout{Coordinates: &sdk.Coordinates{
		Dims: []string{"y", "x"}, Period: []float64{float64(rows), float64(columns)},
		Points: slices.Concat(cells, cells.From(0, -0.5), cells.From(-0.5, 0)),
	}}
	for _, name := range []string{"h", "u", "v"} {
		l.Variables = append(l.Variables, sdk.Variable{Name: name, Shape: []int{rows, columns}, Dims: []string{"y", "x"}, Unit: "1"})
	}
	return l
}

// parameter returns the address of a parameter that may differ by member.
func (m *model) parameter(name string) *float64 {
	return map[string]*float64{"coriolis": &m.Coriolis, "jet": &m.Jet}[name]
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	return m.simulator.Forecast(ctx, r)
}
