package plan

import (
	"context"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// byRow is a model whose forecast of a member is what a function makes of its state.
type byRow struct {
	sdk.Model
	of func(float64) float64
}

func (m byRow) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	for i := range r.Ensemble.RawMatrix().Rows {
		r.Into.Set(i, 0, m.of(r.Ensemble.At(i, 0)))
	}
	return &sdk.ForecastResult{}, nil
}

func TestForecastsThatAreTheSame(t *testing.T) {
	for name, tt := range map[string]struct {
		states []float64
		of     func(float64) float64
		warns  bool
	}{
		"uses the state":  {[]float64{1, 2, 3}, func(x float64) float64 { return 2 * x }, false},
		"ignores it":      {[]float64{1, 2, 3}, func(float64) float64 { return 7 }, true},
		"two of three":    {[]float64{1, 2, 3}, func(x float64) float64 { return max(2, x) }, false},
		"members are one": {[]float64{1, 1, 1}, func(x float64) float64 { return x }, false},
		"a single member": {[]float64{1}, func(float64) float64 { return 7 }, false},
	} {
		p := &Plan{watched: &watched{Model: byRow{of: tt.of}}}
		n := len(tt.states)
		_, err := p.watched.Forecast(t.Context(), &sdk.ForecastRequest{Call: sdk.Call{Cycle: 4}, Ensemble: mat.NewDense(n, 1, tt.states), Into: mat.NewDense(n, 1, nil)})
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if tt.warns {
			want = "cycle 4: the model gave the same forecast for all of 3 different members; "
		}
		if got := strings.Join(p.Warnings(), "\n"); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
