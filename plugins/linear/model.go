package linear

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// model is dx/dt = A x, with the diagnostics z = D x.
type model struct {
	Variables        []string  `param:"variables"`
	Units            []string  `param:"units"`
	Matrix           []float64 `param:"matrix"`
	Diagnostics      []string  `param:"diagnostics"`
	DiagnosticMatrix []float64 `param:"diagnostic_matrix"`

	layout *sdk.Layout
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	n, d := len(m.Variables), len(m.Diagnostics)
	if len(m.Units) != 0 && len(m.Units) != n+d {
		return nil, sdk.Errorf(sdk.KindConfig, "units", "got %d, want %d, one per variable and diagnostic, or none", len(m.Units), n+d)
	}
	if len(m.Matrix) != 0 {
		if err := checkMatrix("matrix", m.Matrix, n, n, ", or none"); err != nil {
			return nil, err
		}
	}
	if err := checkMatrix("diagnostic_matrix", m.DiagnosticMatrix, d, n, ""); err != nil {
		return nil, err
	}
	m.layout = &sdk.Layout{}
	for i, name := range slices.Concat(m.Variables, m.Diagnostics) {
		unit := "1"
		if len(m.Units) > 0 {
			unit = m.Units[i]
		}
		m.layout.Variables = append(m.layout.Variables, sdk.Variable{Name: name, Unit: unit, Diagnostic: i >= n})
	}
	if err := m.layout.CheckState(); err != nil {
		where := "variables"
		if m.layout.Prognostic().Check() == nil {
			where = "diagnostics"
		}
		return nil, sdk.Errorf(sdk.KindConfig, where, "%v", err)
	}
	return m, nil
}

// checkMatrix returns an error if values are not those of a matrix, row by row; or says what else is allowed.
func checkMatrix(name string, values []float64, rows, columns int, or string) error {
	if len(values) != rows*columns {
		return sdk.Errorf(sdk.KindConfig, name, "got %d values, want %d, %d rows of %d%s", len(values), rows*columns, rows, columns, or)
	}
	if i := slices.IndexFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }); i >= 0 {
		return sdk.Errorf(sdk.KindConfig, name, "value %d is %g, want a finite number", i+1, values[i])
	}
	return nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model: x(To) = exp(A (To - From)) x(From). Cost: n³ for the
// exponential and n² per member.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	n, d := len(m.Variables), len(m.Diagnostics)
	rows, _ := r.Ensemble.Dims()
	before, now := r.Ensemble.Slice(0, rows, 0, n), r.Into.Slice(0, rows, 0, n).(*mat.Dense)
	if len(m.Matrix) == 0 {
		now.Copy(before)
	} else {
		var a, propagator mat.Dense
		a.Scale(r.To-r.From, mat.NewDense(n, n, m.Matrix))
		propagator.Exp(&a)
		now.Mul(before, propagator.T())
	}
	if d > 0 {
		r.Into.Slice(0, rows, n, n+d).(*mat.Dense).Mul(now, mat.NewDense(d, n, m.DiagnosticMatrix).T())
	}
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
