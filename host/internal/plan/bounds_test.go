package plan

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

var inf = math.Inf(1)

func TestCoordinatesOfBoundedValues(t *testing.T) {
	for _, b := range []interval{{0, inf}, {-3, inf}, {-inf, 2}, {0, 1}, {-100, 400}} {
		inside := func(u float64) float64 { // from 0 to 1
			switch {
			case math.IsInf(b.upper, 1):
				return b.lower + u/(1-u)
			case math.IsInf(b.lower, -1):
				return b.upper - u/(1-u)
			}
			return b.lower + u*(b.upper-b.lower)
		}
		for _, u := range []float64{1e-9, 0.01, 0.3, 0.5, 0.9, 0.999} {
			x := inside(u)
			y := b.to(x)
			// A rounding of the distance from a bound, which may be a difference of larger numbers,
			// and one of the exponent.
			slack := 1e-14 * (1 + math.Abs(x) + math.Abs(y)*b.slope(x))
			if got := b.from(y); math.Abs(got-x) > slack {
				t.Errorf("%v: %v comes back as %v", b, x, got)
			}
			// Central differences with a step of 1e-5 have errors of 1e-10 from the third derivative
			// and of 1e-11 from rounding, relative to the value.
			const h = 1e-5
			if got, want := (b.from(y+h)-b.from(y-h))/(2*h), b.slope(x); math.Abs(got-want) > 1e-9*(1+math.Abs(x)) {
				t.Errorf("%v at %v: slope %v, want %v", b, x, want, got)
			}
		}
		for _, y := range []float64{-1e6, -800, -50, 0, 50, 800, 1e6} {
			if x := b.from(y); !b.contains(x) || math.IsNaN(x) {
				t.Errorf("%v: coordinate %v is the value %v", b, y, x)
			}
		}
	}
}

// shift moves the first two values by one, and keeps what it was asked.
type shift struct{ asked sdk.Problem }

func (f *shift) Needs() []sdk.Capability { return nil }

func (f *shift) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	f.asked = *p
	p.Into.Copy(p.Ensemble)
	for i := range p.Into.RawMatrix().Rows {
		row := p.Into.RawRowView(i)
		row[0]++
		row[1]++
	}
	return &sdk.Analysis{Carry: []byte("kept")}, nil
}

func TestFiltersWorkInCoordinates(t *testing.T) {
	inner := &shift{}
	f := withBounds(inner, []bounded{{"h", 1, 1, interval{0, inf}}})
	forecast := mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})
	p := &sdk.Problem{Ensemble: mat.DenseCopyOf(forecast), Into: mat.NewDense(2, 3, nil), Gradient: mat.NewDense(2, 3, []float64{1, 1, 1, 1, 1, 1})}
	a, err := f.Analyse(t.Context(), p)
	if err != nil || string(a.Carry) != "kept" {
		t.Fatalf("%v, %v", a, err)
	}
	if !mat.Equal(p.Ensemble, forecast) {
		t.Error("the forecast was changed")
	}
	if got, want := inner.asked.Ensemble, mat.NewDense(2, 3, []float64{1, math.Log(2), 3, 4, math.Log(5), 6}); !mat.Equal(got, want) {
		t.Errorf("the filter got %v, want %v", mat.Formatted(got), mat.Formatted(want))
	}
	if got, want := inner.asked.Gradient, mat.NewDense(2, 3, []float64{1, 2, 1, 1, 5, 1}); !mat.Equal(got, want) {
		t.Errorf("the gradient is %v, want %v", mat.Formatted(got), mat.Formatted(want))
	}
	if want := mat.NewDense(2, 3, []float64{2, 2 * math.E, 3, 5, 5 * math.E, 6}); !mat.EqualApprox(p.Into, want, 1e-14) { // roundings of numbers below 14
		t.Errorf("got %v, want %v", mat.Formatted(p.Into), mat.Formatted(want))
	}

	p.Ensemble.Set(1, 1, 0)
	if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(err.Error(), "member 1: h is 0, want a number above 0") {
		t.Errorf("got %v", err)
	}
	if plain := withBounds(inner, nil); plain != sdk.Filter(inner) {
		t.Error("a filter without bounds is wrapped")
	}
}

// A step of a bounded parameter has the stated length near the value, and never leaves the
// bounds.
func TestBoundedParametersStep(t *testing.T) {
	m := &estimating{bounded: []bounded{{"rate", 3, 1, interval{0, inf}}}}
	if got := stepped(m.bounded, 3, 0.5, 1e-6); math.Abs(got-0.500001) > 1e-11 { // the second order, 1e-12, and roundings
		t.Errorf("a small step leads to %v, want 0.500001", got)
	}
	if got := stepped(m.bounded, 3, 0.5, -10); got <= 0 || got > 0.01 {
		t.Errorf("a large step leads to %v", got)
	}
	if got := stepped(m.bounded, 2, 0.5, -10); got != -9.5 {
		t.Errorf("a parameter without bounds steps to %v", got)
	}
}

// Noise leaves no bounded value outside, and has its standard deviation where bounds are far
// away: within 5 standard errors of 10,000 draws.
func TestNoiseStaysWithinBounds(t *testing.T) {
	const n = 10_000
	for _, c := range []struct {
		interval
		inside bool
	}{{interval{-1, inf}, false}, {interval{-0.5, 0.5}, false}, {interval{-1e6, inf}, true}, {interval{-1e6, 1e6}, true}} {
		noise := &Noise{sd: []workflow.Numbers{{2}, {2}}, sizes: []int{1, 2}, bounded: []bounded{{"u", 1, 2, c.interval}}}
		e := noisyForecast(t, &noisy{still{}, noise}, 0, n, 2)
		for j := range 3 {
			squares := 0.0
			for i := range n {
				v := e.At(i, j)
				squares += v * v
				if j > 0 && !c.contains(v) {
					t.Fatalf("%v: value %d of member %d is %v", c.interval, j, i, v)
				}
			}
			if sd := math.Sqrt(squares / n); (j == 0 || c.inside) && math.Abs(sd-2) > 5*2/math.Sqrt(2*n) {
				t.Errorf("%v: the standard deviation of value %d is %v", c.interval, j, sd)
			}
		}
	}
}
