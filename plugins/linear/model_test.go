package linear

import (
	"errors"
	"math"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

func configured(t *testing.T, params sdk.Params) (sdk.Model, error) {
	t.Helper()
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	return p.NewModel(t.Context(), sdk.ModelConfig{Params: params})
}

func forecast(t *testing.T, m sdk.Model, span float64, x ...float64) []float64 {
	t.Helper()
	into := mat.NewDense(1, len(x), nil)
	if _, err := m.Forecast(t.Context(), &sdk.ForecastRequest{From: 2, To: 2 + span, Ensemble: mat.NewDense(1, len(x), x), Into: into}); err != nil {
		t.Fatal(err)
	}
	return into.RawRowView(0)
}

// A rotation and a trend have solutions in closed form. The exponential is exact to
// some units in the last place of its norm; 1e-13 is a hundred of them.
func TestClosedForms(t *testing.T) {
	m, err := configured(t, sdk.Params{"variables": []any{"level", "slope", "c", "s"},
		"matrix": []any{0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 2.0, 0.0}})
	if err != nil {
		t.Fatal(err)
	}
	got := forecast(t, m, 0.7, 3, 0.5, 1, 0)
	for j, want := range []float64{3 + 0.7*0.5, 0.5, math.Cos(1.4), math.Sin(1.4)} {
		if math.Abs(got[j]-want) > 1e-13 {
			t.Errorf("value %d: got %v, want %v", j, got[j], want)
		}
	}
}

func TestWithoutMatrixNothingMoves(t *testing.T) {
	m, err := configured(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := forecast(t, m, 5, 1.25); got[0] != 1.25 {
		t.Errorf("got %v", got)
	}
}

func TestRefusals(t *testing.T) {
	for name, params := range map[string]sdk.Params{
		"units":        {"variables": []any{"a", "b"}, "units": []any{"m"}},
		"matrix":       {"variables": []any{"a", "b"}, "matrix": []any{1.0, 2.0, 3.0}},
		"not a number": {"matrix": []any{math.NaN()}},
		"twice":        {"variables": []any{"a", "a"}},
	} {
		if _, err := configured(t, params); sdk.KindOf(err) != sdk.KindConfig {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOverflowIsAFailure(t *testing.T) {
	m, err := configured(t, sdk.Params{"matrix": []any{1000.0}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.Forecast(t.Context(), &sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(1, 1, []float64{1}), Into: mat.NewDense(1, 1, nil)})
	if err != nil || len(res.Failures) != 1 {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A fault is where its name is: a name that diagnostics repeat is one of theirs.
func TestRepeatedNames(t *testing.T) {
	for where, p := range map[string]sdk.Params{
		"variables":   {"variables": []any{"x", "x"}, "diagnostics": []any{"z"}, "diagnostic_matrix": []any{1.0, 1.0}},
		"diagnostics": {"variables": []any{"x"}, "diagnostics": []any{"x"}, "diagnostic_matrix": []any{1.0}},
	} {
		_, err := configured(t, p)
		var found *sdk.Error
		if !errors.As(err, &found) || found.Where != where {
			t.Errorf("got %v, want a fault of %s", err, where)
		}
	}
}
