package lorenz96

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/plugins/internal/modeltest"
	"github.com/plume-da/plume/sdk"
)

func configured(t testing.TB, params map[string]any) sdk.Model {
	t.Helper()
	return modeltest.New(t, Plugin, 0, params)
}

func state(n int) []float64 {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float64, n)
	for i := range x {
		x[i] = 3 + 2*r.NormFloat64()
	}
	return x
}

// The tendency against the equation as it is printed, with a modulo.
func TestTendency(t *testing.T) {
	for _, n := range []int{4, 5, 40} {
		m := &model{N: n, Forcing: 8}
		x, got := state(n), make([]float64, n)
		m.tendency(got, 0, x)
		for j := range n {
			want := (x[(j+1)%n]-x[(j+n-2)%n])*x[(j+n-1)%n] - x[j] + 8
			if got[j] != want {
				t.Errorf("n = %d, site %d: got %v, want %v", n, j, got[j], want)
			}
		}
	}
}

// The uniform state x = F is a fixed point: the tendency is zero without
// rounding.
func TestFixedPoint(t *testing.T) {
	x := make([]float64, 40)
	for i := range x {
		x[i] = 8
	}
	for j, v := range modeltest.Forecast(t, configured(t, nil), 5, x) {
		if v != 8 {
			t.Errorf("site %d moves to %v", j, v)
		}
	}
}

// Turning the ring turns the solution, bit by bit: every site does the same
// arithmetic.
func TestRotation(t *testing.T) {
	const n, shift = 12, 5
	m := configured(t, map[string]any{"n": n})
	x := state(n)
	turned := append(append([]float64(nil), x[shift:]...), x[:shift]...)
	a, b := modeltest.Forecast(t, m, 1, x), modeltest.Forecast(t, m, 1, turned)
	for j := range n {
		if b[j] != a[(j+shift)%n] {
			t.Errorf("site %d: %v and %v", j, b[j], a[(j+shift)%n])
		}
	}
}

// Advection conserves energy: sum x_j dx_j/dt = sum (F x_j - x_j²), to the
// rounding of 40 terms near 100.
func TestEnergy(t *testing.T) {
	m := &model{N: 40, Forcing: 8}
	x, dx := state(40), make([]float64, 40)
	m.tendency(dx, 0, x)
	var change, want float64
	for j := range x {
		change += x[j] * dx[j]
		want += 8*x[j] - x[j]*x[j]
	}
	if math.Abs(change-want) > 40*100*2.3e-16*10 {
		t.Errorf("energy changes by %v, want %v", change, want)
	}
}

func TestCoordinates(t *testing.T) {
	l := configured(t, map[string]any{"n": 7}).Layout()
	if err := l.Check(); err != nil || l.Size() != 7 || l.Coordinates.Period[0] != 7 || l.Coordinates.Points.At(3, 0) != 3 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func BenchmarkForecast100x40(b *testing.B) { benchmark(b, 100, 40) }
func BenchmarkForecast40x1e5(b *testing.B) { benchmark(b, 40, 100_000) }

func benchmark(b *testing.B, members, n int) {
	modeltest.Benchmark(b, configured(b, map[string]any{"n": n}), 0.05, members, state(n))
}
