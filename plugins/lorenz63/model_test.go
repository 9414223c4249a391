package lorenz63

import (
	"math"
	"testing"

	"github.com/plume-da/plume/plugins/internal/modeltest"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

func configured(t testing.TB, step float64, params map[string]any) sdk.Model {
	t.Helper()
	return modeltest.New(t, Plugin, step, params)
}

// The origin and (+-q, +-q, rho - 1) with q = sqrt(beta (rho - 1)) are fixed
// points. The tendency there is zero to rounding of products near 230; over one
// unit of time the instability amplifies that little.
func TestFixedPoints(t *testing.T) {
	m := configured(t, 0, nil)
	q := math.Sqrt(8.0 / 3 * 27)
	for _, p := range [][]float64{{0, 0, 0}, {q, q, 27}, {-q, -q, 27}} {
		got := modeltest.Forecasts(t, m, 1, p)
		for j, want := range p {
			if math.Abs(got.At(0, j)-want) > 1e-11 {
				t.Errorf("%v moves to %v", p, mat.Formatted(got))
			}
		}
	}
}

// The mirror (x, y) -> (-x, -y) maps solutions to solutions, exactly: every
// operation only changes sign.
func TestSymmetry(t *testing.T) {
	got := modeltest.Forecasts(t, configured(t, 0, nil), 10, []float64{1, 2, 20}, []float64{-1, -2, 20})
	if got.At(0, 0) != -got.At(1, 0) || got.At(0, 1) != -got.At(1, 1) || got.At(0, 2) != got.At(1, 2) {
		t.Errorf("got %v", mat.Formatted(got))
	}
}

// On the z axis the system is linear: z decays with rate beta. The error of RK4
// is (beta h)^5/120 a step, 1.1e-10 of z for each of 100 steps.
func TestZAxis(t *testing.T) {
	got := modeltest.Forecasts(t, configured(t, 0, nil), 1, []float64{0, 0, 5})
	if want := 5 * math.Exp(-8.0/3); math.Abs(got.At(0, 2)-want) > 2e-8*want || got.At(0, 0) != 0 {
		t.Errorf("got %v, want z = %v", mat.Formatted(got), want)
	}
}

// RK4 has order 4 and Euler order 1 on the model itself. The next term of the
// error is a few percent of the leading one at these steps.
func TestOrder(t *testing.T) {
	start := []float64{1.509, -1.531, 25.461}
	exact := modeltest.Forecasts(t, configured(t, 0.0001, nil), 0.4, start)
	for _, tt := range []struct {
		integrator string
		step, want float64
	}{{"rk4", 0.005, 4}, {"euler", 0.0005, 1}} {
		params := map[string]any{"integrator": tt.integrator}
		var coarse, fine mat.Dense
		coarse.Sub(modeltest.Forecasts(t, configured(t, tt.step, params), 0.4, start), exact)
		fine.Sub(modeltest.Forecasts(t, configured(t, tt.step/2, params), 0.4, start), exact)
		if got := math.Log2(mat.Norm(&coarse, 2) / mat.Norm(&fine, 2)); math.Abs(got-tt.want) > 0.2 {
			t.Errorf("%s: order %.2f, want %v", tt.integrator, got, tt.want)
		}
	}
}

// Euler steps of 0.1 blow up; members that do are listed, the others are not
// touched by it.
func TestOverflow(t *testing.T) {
	m := configured(t, 0.1, map[string]any{"integrator": "euler"})
	r := &sdk.ForecastRequest{To: 5, Ensemble: mat.NewDense(2, 3, []float64{0, 0, 1, 30, -40, 60}), Into: mat.NewDense(2, 3, nil)}
	res, err := m.Forecast(t.Context(), r)
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 1 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func BenchmarkForecast100x3(b *testing.B) {
	m := configured(b, 0, nil)
	r := &sdk.ForecastRequest{To: 0.1, Ensemble: mat.NewDense(100, 3, nil), Into: mat.NewDense(100, 3, nil)}
	for i := range 100 {
		r.Ensemble.SetRow(i, []float64{1.5 + 0.01*float64(i), -1.5, 25})
	}
	for b.Loop() {
		if _, err := m.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
