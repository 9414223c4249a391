package linear

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// model is dx/dt = A x.
type model struct {
	Variables []string  `param:"variables"`
	Units     []string  `param:"units"`
	Matrix    []float64 `param:"matrix"`

	layout *sdk.Layout
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	n := len(m.Variables)
	if len(m.Units) != 0 && len(m.Units) != n {
		return nil, sdk.Errorf(sdk.KindConfig, "units", "got %d, want %d, one per variable, or none", len(m.Units), n)
	}
	if len(m.Matrix) != 0 && len(m.Matrix) != n*n {
		return nil, sdk.Errorf(sdk.KindConfig, "matrix", "got %d values, want %d, %d rows of %d, or none", len(m.Matrix), n*n, n, n)
	}
	if i := slices.IndexFunc(m.Matrix, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }); i >= 0 {
		return nil, sdk.Errorf(sdk.KindConfig, "matrix", "value %d is %g, want a finite number", i+1, m.Matrix[i])
	}
	m.layout = &sdk.Layout{}
	for i, name := range m.Variables {
		unit := "1"
		if len(m.Units) > 0 {
			unit = m.Units[i]
		}
		m.layout.Variables = append(m.layout.Variables, sdk.Variable{Name: name, Unit: unit})
	}
	if err := m.layout.Check(); err != nil {
		return nil, sdk.Errorf(sdk.KindConfig, "variables", "%v", err)
	}
	return m, nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model: x(To) = exp(A (To - From)) x(From). Cost: n³ for the
// exponential and n² per member.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if len(m.Matrix) == 0 {
		r.Into.Copy(r.Ensemble)
		return &sdk.ForecastResult{}, ctx.Err()
	}
	n := len(m.Variables)
	var a, propagator mat.Dense
	a.Scale(r.To-r.From, mat.NewDense(n, n, m.Matrix))
	propagator.Exp(&a)
	r.Into.Mul(r.Ensemble, propagator.T())
	return &sdk.ForecastResult{Failures: failures(r.Into, r.To)}, ctx.Err()
}

// failures lists the members that left the range of numbers.
func failures(e *mat.Dense, at float64) []sdk.MemberFailure {
	var list []sdk.MemberFailure
	rows, _ := e.Dims()
	for i := range rows {
		if j := slices.IndexFunc(e.RawRowView(i), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }); j >= 0 {
			list = append(list, sdk.MemberFailure{Member: i, Kind: sdk.KindDiverged, Reason: fmt.Sprintf("value %d is %g at time %g", j, e.At(i, j), at)})
		}
	}
	return list
}
