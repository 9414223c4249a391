package ode

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// growth has the solution x(t) = exp(sin t) from x(0) = 1.
func growth(dst []float64, t float64, x []float64) { dst[0] = math.Cos(t) * x[0] }

func integrate(s Stepper, steps int) float64 {
	x := []float64{1}
	for k := range steps {
		s.Step(growth, 2*float64(k)/float64(steps), 2/float64(steps), x)
	}
	return x[0]
}

// Halving the step divides the error of a method of order p by 2^p (1 + O(h)).
// With 200 steps over an interval of 2 the correction is at most a few percent,
// so the observed order is within 0.1.
func TestOrder(t *testing.T) {
	exact := math.Exp(math.Sin(2))
	for order, s := range map[float64]Stepper{1: NewEuler(1), 4: NewRK4(1)} {
		coarse, fine := integrate(s, 200)-exact, integrate(s, 400)-exact
		if got := math.Log2(coarse / fine); math.Abs(got-order) > 0.1 {
			t.Errorf("order %.3f, want %v", got, order)
		}
	}
}

// A method of order p integrates t^(p-1) exactly; 10 steps round a handful of
// times each.
func TestPolynomials(t *testing.T) {
	for degree, s := range map[float64]Stepper{0: NewEuler(1), 3: NewRK4(1)} {
		x := []float64{0}
		for k := range 10 {
			s.Step(func(dst []float64, t float64, _ []float64) { dst[0] = math.Pow(t, degree) }, float64(k)/10, 0.1, x)
		}
		if want := 1 / (degree + 1); math.Abs(x[0]-want) > 1e-15*20 {
			t.Errorf("degree %v: got %v, want %v", degree, x[0], want)
		}
	}
}

func TestSteps(t *testing.T) {
	for _, ok := range [][3]float64{{0.1, 0.01, 10}, {0.25, 0.01, 25}, {0, 0.01, 0}, {20, 0.01, 2000}, {5000.05 - 5000, 0.05, 1}} {
		if n, err := Steps(ok[0], ok[1]); err != nil || n != int(ok[2]) {
			t.Errorf("%v: got %d, %v", ok, n, err)
		}
	}
	if _, err := Steps(0.1, 0.03); err == nil || err.Error() != "step: the interval 0.1 is 3.33333 steps of 0.03, want a whole number; the nearest step that fits is 0.0333333" {
		t.Errorf("got %v", err)
	}
	for _, bad := range [][2]float64{{1, 0}, {1, -1}, {-1, 0.1}, {math.Inf(1), 0.1}, {math.NaN(), 0.1}, {1, math.NaN()}, {1e-12, 0.1}, {1e17, 0.1}} {
		if n, err := Steps(bad[0], bad[1]); err == nil {
			t.Errorf("%v: got %d", bad, n)
		}
	}
}

func simulator(noise Noise) *Simulator {
	return &Simulator{
		Tendency:   func(dst []float64, _ float64, x []float64) { copy(dst, x) },
		NewStepper: func(n int) Stepper { return NewRK4(n) }, Step: 0.1, Noise: noise,
	}
}

func request(rows, n int, interval float64) *sdk.ForecastRequest {
	r := &sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(1)}.From(3), From: 1, To: 1 + interval, Ensemble: mat.NewDense(rows, n, nil), Into: mat.NewDense(rows, n, nil)}
	for i := range r.Ensemble.RawMatrix().Data {
		r.Ensemble.RawMatrix().Data[i] = float64(i % 7)
	}
	return r
}

// The variance of the noise: over k values its relative standard error is
// sqrt(2/k); 4.5 of these.
func TestNoise(t *testing.T) {
	const rows, n = 400, 50
	for _, tt := range []struct {
		noise Noise
		want  float64
	}{{Noise{SD: 0.5}, 0.25}, {Noise{SD: 0.5, PerTime: true}, 0.25 * 0.3}} {
		quiet, noisy := request(rows, n, 0.3), request(rows, n, 0.3)
		for s, r := range map[*Simulator]*sdk.ForecastRequest{simulator(Noise{}): quiet, simulator(tt.noise): noisy} {
			if _, err := s.Forecast(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		noisy.Into.Sub(noisy.Into, quiet.Into)
		got := math.Pow(mat.Norm(noisy.Into, 2), 2) / (rows * n)
		if math.Abs(got/tt.want-1) > 4.5*math.Sqrt(2.0/(rows*n)) {
			t.Errorf("%+v: variance %.4f, want %.4f", tt.noise, got, tt.want)
		}
	}
}

// Calls use the memory of earlier ones. With the race detector a pool gives up a quarter of
// what it is given.
func TestSteppersAreReused(t *testing.T) {
	s, made := simulator(Noise{}), 0
	s.NewStepper = func(n int) Stepper { made++; return NewRK4(n) }
	for _, n := range []int{4, 9} {
		made = 0
		for range 100 {
			if _, err := s.Forecast(t.Context(), request(1, n, 0.1)); err != nil {
				t.Fatal(err)
			}
		}
		if made == 0 || made > 60 {
			t.Errorf("100 calls for %d values made %d steppers", n, made)
		}
	}
}

// Rows that are integrated together have the bits that each has alone, also with parameters and noise of
// its own, and where one fails.
func TestRowsTogether(t *testing.T) {
	for name, o := range map[string]Options{"rk4": {NoiseSD: 0.1}, "euler": {Integrator: "euler"}} {
		for _, n := range []int{1, 3, 12, 13, 30} {
			s := NewSimulator(func(dst []float64, _ float64, x []float64) {
				for j := range x {
					dst[j] = x[(j+1)%n]*x[(j+2)%n] - x[j]
				}
			}, 0.1, o)
			s.With = func(values []float64) Tendency {
				return func(dst []float64, t float64, x []float64) {
					s.Tendency(dst, t, x)
					for j := range dst {
						dst[j] += values[0]
					}
				}
			}
			for _, parameters := range []*mat.Dense{nil, mat.NewDense(29, 1, nil)} {
				whole := request(29, n, 0.3)
				whole.Ensemble.Set(11, 0, math.MaxFloat64)
				if whole.Parameters = parameters; parameters != nil {
					parameters.Apply(func(i, _ int, _ float64) float64 { return float64(i) }, parameters)
				}
				res, err := s.Forecast(t.Context(), whole)
				if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 11 {
					t.Fatalf("%s, n = %d: got %+v, %v", name, n, res, err)
				}
				for i := range 29 {
					one := *whole
					one.Call = whole.Rows(i, i+1)
					one.Ensemble, one.Into = whole.Ensemble.Slice(i, i+1, 0, n).(*mat.Dense), mat.NewDense(1, n, nil)
					if parameters != nil {
						one.Parameters = parameters.Slice(i, i+1, 0, 1).(*mat.Dense)
					}
					if _, err := s.Forecast(t.Context(), &one); err != nil {
						t.Fatal(err)
					}
					if want := one.Into.RawRowView(0); i != 11 && !slices.Equal(whole.Into.RawRowView(i), want) {
						t.Errorf("%s, n = %d: row %d: got %v, want %v", name, n, i, whole.Into.RawRowView(i), want)
					}
				}
			}
		}
	}
}

// 100 states of Lorenz-63's size, 25 steps.
func BenchmarkFewValues(b *testing.B) {
	s := NewSimulator(func(dst []float64, _ float64, x []float64) {
		dst[0], dst[1], dst[2] = 10*(x[1]-x[0]), x[0]*(28-x[2])-x[1], x[0]*x[1]-8./3*x[2]
	}, 0.01, Options{})
	r := request(100, 3, 0.25)
	for b.Loop() {
		if _, err := s.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNoTimeNoChange(t *testing.T) {
	r := request(5, 4, 0)
	if _, err := simulator(Noise{SD: 1}).Forecast(t.Context(), r); err != nil || !mat.Equal(r.Into, r.Ensemble) {
		t.Errorf("got %v", err)
	}
}

func TestOverflowIsAFailure(t *testing.T) {
	r := request(5, 2, 0.1)
	r.Ensemble.Set(3, 1, math.MaxFloat64)
	res, err := simulator(Noise{}).Forecast(t.Context(), r)
	if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 3 || !strings.Contains(res.Failures[0].Reason, "the time step of 0.1 is too long") {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestSimulatorRefusals(t *testing.T) {
	s := simulator(Noise{})
	if _, err := s.Forecast(t.Context(), request(5, 2, -0.1)); sdk.KindOf(err) != sdk.KindConfig {
		t.Errorf("backwards: %v", err)
	}
	if _, err := s.Forecast(t.Context(), request(5, 2, 0.25)); sdk.KindOf(err) != sdk.KindConfig {
		t.Errorf("fraction of a step: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Forecast(ctx, request(5, 2, 0.1)); err == nil {
		t.Error("a canceled call succeeds")
	}
}
