package filterdiffusion

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// waves returns members of a normal field on a ring of n values whose correlation at a distance d, in values, is
// exp(-d²/(2 length²)), to what the ends of a ring change: independent numbers, smoothed.
func waves(members, n int, length float64, random rng.Seed) *mat.Dense {
	e := mat.NewDense(members, n, nil)
	kernel := make([]float64, n)
	for d := range kernel {
		x := float64(min(d, n-d))
		kernel[d] = math.Exp(-x * x / (length * length))
	}
	for i := range members {
		stream, row := random.Member(i), e.RawRowView(i)
		for j := range n {
			z := stream.NormFloat64()
			for d, k := range kernel {
				row[(j+d)%n] += k * z
			}
		}
	}
	return e
}

// The range of correlations is where their squares, less the noise, are as large as the noise. A sample
// correlation r of a normal pair with the correlation c has
//
//	E r² = c² + (1 - c²)² / (N - 1) + O(1/N²)
//
// so that the rings of an infinite sample, and what is interpolated between them, are known. Tolerance: five standard errors
// of the means over ensembles and over at least four stretches of the ring that are independent of each other, each of which has
// sqrt(2) / (N - 1), over the slope there; and 3 % for O(1/N²). The range grows with the number of members and with the length.
func TestRangeOfCorrelations(t *testing.T) {
	const n, times = 150, 30
	last := map[float64]float64{}
	for _, members := range []int{10, 20, 40, 80} {
		shorter := 0.0
		for _, length := range []float64{2, 4, 8} {
			f := mustLocal(t, map[string]any{"cutoff": "auto"}, &sdk.Problem{Ensemble: mat.NewDense(members, n, nil), Observation: make([]float64, 2)}, n)
			found := &reach{members: float64(members), distances: f.rings.Distances()}
			chance := 1 / float64(members-1)
			before, at, want, slope := 1.0, 0.0, 0.0, 0.0 // signals of the ring before and so on
			for _, d := range found.distances {
				c := math.Exp(-d * d / (length * length))
				signal := (c + (1-c)*(1-c)*chance - chance) / (1 - chance)
				if slope = (before - signal) / (d - at); signal < chance {
					want = at + (before-chance)/slope
					break
				}
				before, at = signal, d
			}
			found.squares = make([]float64, len(found.distances))
			for k := range times {
				found.weight++
				floats.Add(found.squares, f.rings.Correlations(waves(members, n, length, rng.New(int64(k)))))
			}
			got := found.correlated()
			tolerance := 5*math.Sqrt2*chance/math.Sqrt(4*times)/slope + 0.03*want
			if math.Abs(got-want) > tolerance {
				t.Errorf("N = %d, length %g: range %.3g, want %.3g ± %.2g", members, length, got, want, tolerance)
			}
			if got <= shorter || got <= last[length] {
				t.Errorf("N = %d, length %g: range %.3g, want more than %.3g with a shorter length and %.3g with fewer members", members, length, got, shorter, last[length])
			}
			shorter, last[length] = got, got
		}
	}
}

// The less sampling error costs the longer the cutoff, within bounds.
func TestCutoffFollowsCost(t *testing.T) {
	for _, tt := range []struct{ cost, want float64 }{{0.6, 2.5}, {0.8, 1.875}, {0.4, 3.75}, {0.01, 5}, {30, 1.875}} {
		r := &reach{members: 2, distances: []float64{1}, squares: []float64{0}, weight: 1, cost: 3 * tt.cost, priced: 3}
		if got := r.cutoff(); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("cost %g: cutoff %g, want %g", tt.cost, got, tt.want)
		}
	}
}

// autoProblem has a forecast that is correlated over some six values, seen at every third.
func autoProblem(members, n int) *sdk.Problem {
	p := twinProblem(members, n, n/3)
	p.Ensemble = waves(members, n, 6, rng.New(5))
	for k := range n / 3 {
		p.Predicted.SetCol(k, mat.Col(nil, 3*k, p.Ensemble))
	}
	return p
}

// An analysis with the cutoff that was chosen is the same analysis, whatever the processors, and a cycle later again.
func TestChosenCutoffIsTheCutoffUsed(t *testing.T) {
	p := autoProblem(12, 90)
	auto := mustLocal(t, map[string]any{"cutoff": "auto", "adaptive_inflation": false}, p, 90)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	chosen := 0.0
	for cycle := range 3 {
		a := analyse(t, auto, p)
		into := mat.DenseCopyOf(p.Into)
		if a.Metrics["cutoff"] == chosen || !(a.Metrics["cutoff"] > 0) {
			t.Errorf("cycle %d: cutoff %g after %g", cycle, a.Metrics["cutoff"], chosen)
		}
		chosen = a.Metrics["cutoff"]
		given := *p
		given.Carry = nil
		if analyse(t, mustLocal(t, map[string]any{"cutoff": chosen, "adaptive_inflation": false}, p, 90), &given); !mat.Equal(into, p.Into) {
			t.Errorf("cycle %d: the analysis with cutoff %g is another", cycle, chosen)
		}
		for _, processors := range []int{1, 4} {
			runtime.GOMAXPROCS(processors)
			if again := analyse(t, auto, p); !mat.Equal(into, p.Into) || !slices.Equal(again.Carry, a.Carry) {
				t.Errorf("cycle %d: the analysis depends on processors", cycle)
			}
		}
		p.Carry = a.Carry
		p.Ensemble, p.Into = into, mat.NewDense(12, 90, nil)
	}
}

// Other units of the values change nothing and another one of the coordinates the cutoff alone; both are powers of 2, so
// that nothing is rounded. The order of members changes it by rounding, with room for what a grid search of the scale makes of it.
func TestChosenCutoffDoesNotDependOnUnitsAndOrder(t *testing.T) {
	const members, n, unit = 12, 90, 64
	p := autoProblem(members, n)
	want := analyse(t, mustLocal(t, map[string]any{"cutoff": "auto"}, p, n), p).Metrics["cutoff"]
	if got := analyse(t, mustLocal(t, map[string]any{"cutoff": "auto"}, p, unit*n), p).Metrics["cutoff"]; got != unit*want {
		t.Errorf("coordinates times %d: cutoff %g, want %g", unit, got, unit*want)
	}
	p.Ensemble.Scale(unit, p.Ensemble)
	if got := analyse(t, mustLocal(t, map[string]any{"cutoff": "auto"}, p, n), p).Metrics["cutoff"]; got != want {
		t.Errorf("values times %d: cutoff %g, want %g", unit, got, want)
	}
	for i := range members / 2 {
		for _, e := range []*mat.Dense{p.Ensemble, p.Predicted} {
			a, b := slices.Clone(e.RawRowView(i)), slices.Clone(e.RawRowView(members-1-i))
			e.SetRow(i, b)
			e.SetRow(members-1-i, a)
		}
	}
	if got := analyse(t, mustLocal(t, map[string]any{"cutoff": "auto"}, p, n), p).Metrics["cutoff"]; math.Abs(got-want) > 1e-12*want {
		t.Errorf("members in another order: cutoff %g, want %g", got, want)
	}
}

// Without observations what was known of the cutoff stays as it was.
func TestChosenCutoffWithoutObservations(t *testing.T) {
	p := autoProblem(12, 90)
	f := mustLocal(t, map[string]any{"cutoff": "auto"}, p, 90)
	p.Carry = analyse(t, f, p).Carry
	p.Observation = slices.Repeat([]float64{math.NaN()}, 30)
	if a := analyse(t, f, p); !slices.Equal(a.Carry, p.Carry) || !mat.Equal(p.Into, p.Ensemble) {
		t.Errorf("without observations: carry %v, want %v", a.Carry, p.Carry)
	}
}

// A later call of the cycle with the same observations uses the same cutoff, and learns nothing.
func TestChosenCutoffLearnsOnce(t *testing.T) {
	p := autoProblem(12, 90)
	f := mustLocal(t, map[string]any{"cutoff": "auto"}, p, 90)
	p.Carry = analyse(t, f, p).Carry
	record, err := f.remember(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Seen, p.Carry = len(p.Observation), record.carry(f)
	if a, want := analyse(t, f, p), record.reach.cutoff(); !slices.Equal(a.Carry, p.Carry) || a.Metrics["cutoff"] != want {
		t.Errorf("cutoff %g, want %g, and carry the same", a.Metrics["cutoff"], want)
	}
}

func TestChosenCutoffRefusals(t *testing.T) {
	placeless := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{4}}}}
	for _, tt := range []struct {
		params map[string]any
		state  *sdk.Layout
		want   string
	}{
		{map[string]any{"finite_size": false}, ring(4, 4), `finite_size: is false, but cutoff = "auto" is chosen by the finite-size scale; leave finite_size out`},
		{map[string]any{"second_order": false}, ring(4, 4), `second_order: is false, but with a cutoff`},
		{map[string]any{"scheme": "kde"}, ring(4, 4), `cutoff: applies only with scheme = "joint"`},
		{nil, placeless, `cutoff: is set, but the state or the observations have no coordinates`},
		{nil, ring(1, 4), `cutoff: is "auto", but no variable of the state has values in two places`},
	} {
		_, err := configureLocal(with(tt.params, "cutoff", "auto"), 5, tt.state, ring(4, 4))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.params, err, tt.want)
		}
	}
	p := autoProblem(12, 90)
	f := mustLocal(t, map[string]any{"cutoff": "auto"}, p, 90)
	good := analyse(t, f, p).Carry
	for want, carry := range map[string][]byte{
		"carry: got 3 bytes":                     good[:3],
		"carry: the cost of sampling error is 0": append(append(slices.Clone(good[:57]), make([]byte, 8)...), good[65:]...),
	} {
		p.Carry = carry
		if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	p.Carry = nil
	p.Ensemble.Set(3, 7, math.NaN())
	if _, err := f.Analyse(t.Context(), p); err == nil || !strings.Contains(fmt.Sprint(err), "member 3, value 7") {
		t.Errorf("a member that is not finite: %v", err)
	}
}

// Two members are always correlated. Then nothing is known of how far, and the nearest values are taken.
func TestChosenCutoffOfTwoMembers(t *testing.T) {
	p := autoProblem(2, 90)
	a := analyse(t, mustLocal(t, map[string]any{"cutoff": "auto"}, p, 90), p)
	if got := a.Metrics["cutoff"]; got != 2.5 {
		t.Errorf("cutoff %g, want 2.5 spacings", got)
	}
}
