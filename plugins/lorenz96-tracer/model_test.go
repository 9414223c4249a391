package lorenz96tracer

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/plugins/internal/modeltest"
)

func configured(t testing.TB, step float64, params map[string]any) *model {
	t.Helper()
	return modeltest.New(t, Plugin, step, params).(*model)
}

func state(n int) []float64 {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float64, 2*n)
	for i := range x {
		x[i] = 2 + 3*r.NormFloat64()
		if i >= n {
			x[i] = math.Exp(r.NormFloat64())
		}
	}
	return x
}

// The tendency against the equations as they are printed, with a modulo.
func TestTendency(t *testing.T) {
	for _, n := range []int{4, 5, 40} {
		m := configured(t, 0.05, map[string]any{"n": n, "loss": 0.2, "emission": 3})
		s, got := state(n), make([]float64, 2*n)
		m.tendency(got, 0, s)
		x, c := s[:n], s[n:]
		flux := func(j int) float64 {
			if j %= n; x[j] < 0 {
				return x[j] * c[j]
			}
			return x[j%n] * c[(j+n-1)%n]
		}
		for j := range n {
			if want := (x[(j+1)%n]-x[(j+n-2)%n])*x[(j+n-1)%n] - x[j] + 8; got[j] != want {
				t.Errorf("n = %d, x[%d]: got %v, want %v", n, j, got[j], want)
			}
			if want := flux(j) - flux(j+1) - 0.2*c[j] + 3; got[n+j] != want {
				t.Errorf("n = %d, c[%d]: got %v, want %v", n, j, got[n+j], want)
			}
		}
	}
}

// The wind moves the tracer and does not make any: its mean M follows dM/dt = E - loss M, which
// RK4 solves with an error of (loss dt)^5/120 a step, and which rounding of 800 steps hides.
func TestBudget(t *testing.T) {
	const n = 40
	m := configured(t, 0.05, nil)
	s := state(n)
	mean := func(c []float64) (sum float64) {
		for _, v := range c {
			sum += v / n
		}
		return sum
	}
	got, want := mean(modeltest.Forecast(t, m, 40, s)[n:]), 10+(mean(s[n:])-10)*math.Exp(-0.1*40)
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("the mean concentration is %.12f, want %.12f", got, want)
	}
}

// Concentrations stay positive, though they pass places from which the wind blows away on
// both sides; without emission and loss what there is only moves.
func TestPositive(t *testing.T) {
	m := configured(t, 0.05, map[string]any{"emission": 0.0, "loss": 0.0})
	s := state(40)
	for range 200 {
		s = append([]float64(nil), modeltest.Forecast(t, m, 0.5, s)...)
		for j, c := range s[40:] {
			if c < 0 {
				t.Fatalf("c[%d] is %g", j, c)
			}
		}
	}
}

// The wind is that of Lorenz-96: the tracer does not act on it.
func TestWindIsIndependent(t *testing.T) {
	m := configured(t, 0.05, nil)
	a := state(40)
	b := append([]float64(nil), a...)
	for j := 40; j < 80; j++ {
		b[j] = 7
	}
	x, y := modeltest.Forecast(t, m, 5, a), modeltest.Forecast(t, m, 5, b)
	for j := range 40 {
		if x[j] != y[j] {
			t.Fatalf("x[%d]: %v and %v", j, x[j], y[j])
		}
	}
}

func TestCoordinates(t *testing.T) {
	l := configured(t, 0.05, map[string]any{"n": 7}).Layout()
	if err := l.Check(); err != nil || l.Size() != 14 || l.Coordinates.Period[0] != 7 || l.Coordinates.Points.At(3, 0) != 3 || l.Coordinates.Points.At(10, 0) != 3.5 {
		t.Errorf("got %+v, %v", l, err)
	}
}

func BenchmarkForecast100x80(b *testing.B) {
	modeltest.Benchmark(b, configured(b, 0.05, nil), 0.05, 100, state(40))
}
