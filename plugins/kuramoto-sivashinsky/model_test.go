package kuramotosivashinsky

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/plugins/internal/modeltest"
	"github.com/plume-da/plume/sdk"
)

func configured(t testing.TB, step float64, params map[string]any) sdk.Model {
	t.Helper()
	return modeltest.New(t, Plugin, step, params)
}

// kassam returns the initial state of Kassam and Trefethen (2005, section 3).
func kassam(n int) []float64 {
	u := make([]float64, n)
	for i := range u {
		x := 32 * math.Pi * float64(i) / float64(n)
		u[i] = math.Cos(x/16) * (1 + math.Sin(x/16))
	}
	return u
}

func distance(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum / float64(len(a)))
}

// A small wave grows or decays at its rate, which the scheme integrates exactly: what is left
// is the nonlinear term, some 1e-16 of the state here, and rounding.
func TestLinearWaves(t *testing.T) {
	const n, size = 64, 1e-8
	m := configured(t, 0.5, map[string]any{"n": n})
	for _, j := range []float64{1, 11, 20, 30} {
		k := j / 16
		u, want := make([]float64, n), make([]float64, n)
		for i := range u {
			u[i] = size * math.Cos(2*math.Pi*j*float64(i)/n)
			want[i] = u[i] * math.Exp(growth(k)*2)
		}
		if d := distance(modeltest.Forecast(t, m, 2, u), want); d > 1e-14 {
			t.Errorf("wave %v: off by %g", j, d)
		}
	}
}

// Halving the step h of a method of order 4 shows an order of 4 + O(h). Short waves make
// the second term large (2 at h = 1/4, 0.2 at 1/64), so the limit is taken of two observed orders.
func TestOrder(t *testing.T) {
	u := modeltest.Forecast(t, configured(t, 0.25, nil), 50, kassam(128))
	at := func(step float64) []float64 { return modeltest.Forecast(t, configured(t, step, nil), 2, u) }
	exact := at(1.0 / 2048)
	var errors [3]float64
	for i := range errors {
		errors[i] = distance(at(math.Ldexp(1, -6-i)), exact)
	}
	coarse, fine := math.Log2(errors[0]/errors[1]), math.Log2(errors[1]/errors[2])
	if order := 2*fine - coarse; math.Abs(order-4) > 0.1 {
		t.Errorf("order %.3f, from %.3f and %.3f", order, coarse, fine)
	}
}

// Advection conserves the sum of u, and so do the other terms.
func TestSumIsConserved(t *testing.T) {
	u := kassam(128)
	sum := func(x []float64) (s float64) {
		for _, v := range x {
			s += v
		}
		return s
	}
	if drift := sum(modeltest.Forecast(t, configured(t, 0.5, nil), 100, u)) - sum(u); math.Abs(drift) > 1e-10 {
		t.Errorf("the sum changes by %g", drift)
	}
}

// Shifting the state shifts the solution, up to rounding that 20 units of time of chaos
// let grow by exp(0.1 x 20).
func TestShift(t *testing.T) {
	const n, by = 64, 10
	m := configured(t, 0.25, map[string]any{"n": n})
	u := kassam(n)
	a, b := modeltest.Forecast(t, m, 20, u), modeltest.Forecast(t, m, 20, append(append([]float64(nil), u[by:]...), u[:by]...))
	if d := distance(b, append(append([]float64(nil), a[by:]...), a[:by]...)); d > 1e-12 {
		t.Errorf("off by %g", d)
	}
}

// The climate of the domain of length 32 pi, as in DAPPER 1.7: mods/KS/bocquet2019.py has a
// standard deviation of 1.3, mods/explore_props.py a leading Lyapunov exponent of 0.08 over
// 1,000 units of time. The exponent is measured here from two states that are kept close, over 4,000.
// Parts of a run of 20,000, which gives 0.092, scatter so that the standard errors over 1,000 and
// 4,000 are 0.006 and 0.003. The bands are half of the last digit, and four standard errors of the difference.
func TestClimate(t *testing.T) {
	const parts, length, apart = 400, 10.0, 1e-6
	m := configured(t, 0.25, nil)
	u := modeltest.Forecast(t, m, 200, kassam(128))
	near := append([]float64(nil), u...)
	near[3] += apart
	var squares, rate float64
	for part := range parts + 10 {
		both := modeltest.Forecasts(t, m, length, u, near)
		d := distance(both.RawRowView(0), both.RawRowView(1))
		u = both.RawRowView(0)
		for i := range near {
			near[i] = u[i] + (both.RawRowView(1)[i]-u[i])*apart/d
		}
		if part < 10 {
			continue // the difference turns into the direction of growth
		}
		rate += math.Log(d/apart) / length / parts
		squares += math.Pow(distance(u, make([]float64, len(u))), 2) / parts
	}
	if math.Abs(math.Sqrt(squares)-1.3) > 0.05 {
		t.Errorf("standard deviation %.3f, want 1.3", math.Sqrt(squares))
	}
	if math.Abs(rate-0.08) > 0.005+4*0.0067 {
		t.Errorf("leading Lyapunov exponent %.4f, want 0.08", rate)
	}
}

func TestCoordinates(t *testing.T) {
	l := configured(t, 0.5, map[string]any{"n": 8, "length": 20}).Layout()
	if err := l.Check(); err != nil || l.Size() != 8 || l.Coordinates.Period[0] != 20 || l.Coordinates.Points.At(3, 0) != 7.5 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestOddGrid(t *testing.T) {
	p, err := Plugin()
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.NewModel(t.Context(), sdk.ModelConfig{Params: map[string]any{"n": 9}})
	if err == nil || !strings.Contains(err.Error(), "n: got 9, want an even number") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkForecast20x128(b *testing.B) {
	modeltest.Benchmark(b, configured(b, 0.5, nil), 1, 20, kassam(128))
}

// What the steps need is computed when the first one is made, so that a model of many grid points is configured in
// no time: the coefficients of these would take minutes.
func TestManyPointsAreConfiguredAtOnce(t *testing.T) {
	start := time.Now()
	modeltest.New(t, Plugin, 0.25, map[string]any{"n": 100_000_000})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
