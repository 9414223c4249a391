package ode

import (
	"context"
	"math"
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
