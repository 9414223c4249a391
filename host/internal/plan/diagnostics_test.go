package plan

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// gauged is a state of two values, an outflow, which is a diagnostic, and an estimated parameter.
var gauged = &sdk.Layout{Variables: []sdk.Variable{{Name: "level", Shape: []int{2}}, {Name: "outflow", Diagnostic: true}, {Name: "rate"}}}

// doubling is a filter that doubles what it gets, and a model that adds its last column to the others.
type doubling struct {
	sdk.Filter
	seen *mat.Dense
}

func (d *doubling) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	d.seen = mat.DenseCopyOf(p.Ensemble)
	p.Into.Scale(2, p.Ensemble)
	return &sdk.Analysis{}, nil
}

func (d *doubling) Layout() *sdk.Layout { return gauged }

func (d *doubling) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	d.seen = mat.DenseCopyOf(r.Ensemble)
	return &sdk.ForecastResult{}, nil
}

// equal reports whether two matrices have the same values, or NaN in the same places.
func equal(a, b *mat.Dense) bool {
	return slices.EqualFunc(a.RawMatrix().Data, b.RawMatrix().Data, func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) })
}

// A filter gets states of all times without diagnostics, which are NaN in its answer.
func TestFiltersDoNotGetDiagnostics(t *testing.T) {
	nan, inner := math.NaN(), &doubling{}
	f := withoutDiagnostics(inner, gauged)
	for range 2 { // memory is used again
		p := &sdk.Problem{Ensemble: mat.NewDense(2, 8, []float64{1, 2, 3, 4, 5, 6, nan, 8, 11, 12, 13, 14, 15, 16, nan, 18}), Into: mat.NewDense(2, 8, nil)}
		if _, err := f.Analyse(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if want := mat.NewDense(2, 6, []float64{1, 2, 4, 5, 6, 8, 11, 12, 14, 15, 16, 18}); !equal(inner.seen, want) {
			t.Errorf("the filter got %v", mat.Formatted(inner.seen))
		}
		if want := mat.NewDense(2, 8, []float64{2, 4, nan, 8, 10, 12, nan, 16, 22, 24, nan, 28, 30, 32, nan, 36}); !equal(p.Into, want) {
			t.Errorf("got %v", mat.Formatted(p.Into))
		}
	}
	if l := gauged.Prognostic(); withoutDiagnostics(inner, l) != sdk.Filter(inner) || l.Size() != 3 {
		t.Error("a filter of states without diagnostics is another one")
	}
}

// meeting is a filter that doubles what it gets when two calls have got theirs.
type meeting struct {
	sdk.Filter
	here sync.WaitGroup
}

func (m *meeting) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	m.here.Done()
	m.here.Wait()
	p.Into.Scale(2, p.Ensemble)
	return &sdk.Analysis{}, nil
}

// The trials of two replicates, which share the filters of a plan and call them at the same time, get
// analyses of their own members.
func TestFiltersAreCalledAtTheSameTime(t *testing.T) {
	for name, with := range map[string]func(sdk.Filter) sdk.Filter{
		"diagnostics": func(f sdk.Filter) sdk.Filter { return withoutDiagnostics(f, gauged) },
		"bounds": func(f sdk.Filter) sdk.Filter {
			return withBounds(f, []bounded{{"rate", 3, 1, interval{0, math.Inf(1)}}})
		},
	} {
		inner := &meeting{}
		f := with(inner)
		for range 2 { // memory is used again
			inner.here.Add(2)
			var calls sync.WaitGroup
			for level := range 2 {
				calls.Go(func() {
					x := float64(1 + level)
					p := &sdk.Problem{Ensemble: mat.NewDense(1, 4, []float64{x, x, x, x}), Into: mat.NewDense(1, 4, nil)}
					if _, err := f.Analyse(t.Context(), p); err != nil || p.Into.At(0, 0) != 2*x {
						t.Errorf("%s: the analysis of %v is %v, want %v (%v)", name, x, p.Into.At(0, 0), 2*x, err)
					}
				})
			}
			calls.Wait()
		}
	}
}

// A model gets 0 in place of diagnostics, and the request stays as it is.
func TestModelsGetNoDiagnostics(t *testing.T) {
	inner := &doubling{}
	r := &sdk.ForecastRequest{Ensemble: mat.NewDense(1, 4, []float64{1, 2, math.NaN(), 4})}
	if _, err := withDiagnostics(inner).Forecast(t.Context(), r); err != nil || !equal(inner.seen, mat.NewDense(1, 4, []float64{1, 2, 0, 4})) || !math.IsNaN(r.Ensemble.At(0, 2)) {
		t.Errorf("got %v of %v, %v", mat.Formatted(inner.seen), mat.Formatted(r.Ensemble), err)
	}
}

// Members that differ in the diagnostics that they lack alone are not taken for different ones.
func TestEqualMembersWithDiagnostics(t *testing.T) {
	w := &watched{Model: &doubling{}}
	r := &sdk.ForecastRequest{Ensemble: mat.NewDense(2, 4, []float64{1, 2, math.NaN(), 4, 1, 2, math.NaN(), 4}), Into: mat.NewDense(2, 4, nil)}
	if _, err := withDiagnostics(w).Forecast(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := (&Plan{watched: w}).Warnings(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// Diagnostics are neither what scores are of nor in coordinates of filters, and members that were not forecast lack them.
func TestColumnsOfDiagnostics(t *testing.T) {
	p := &Plan{State: gauged, Parameters: 1, bounded: []bounded{{"rate", 3, 1, interval{0, math.Inf(1)}}}}
	if v, n := p.Modelled(); len(v) != 1 || n != 2 {
		t.Errorf("the model goes on from %v, %d values", v, n)
	}
	members := spread(mat.NewDense(2, 3, []float64{1, 2, math.E, 3, 4, 1}), gauged)
	if want := mat.NewDense(2, 4, []float64{1, 2, math.NaN(), math.E, 3, 4, math.NaN(), 1}); !equal(members, want) || p.Diagnosed(members) {
		t.Errorf("got %v", mat.Formatted(members))
	}
	there := mat.DenseCopyOf(members)
	if p.Coordinates(there); !equal(there, mat.NewDense(2, 4, []float64{1, 2, 0, 1, 3, 4, 0, 0})) {
		t.Errorf("coordinates are %v", mat.Formatted(there))
	}
	if p.Values(there); !equal(there, members) {
		t.Errorf("and back %v", mat.Formatted(there))
	}
}
