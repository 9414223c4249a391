package filterdiffusion

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// observing returns an observed space whose components all have the predicted variance s2 and the innovation d.
func observing(components int, s2, d float64) *observedSpace {
	return &observedSpace{variance: slices.Repeat([]float64{s2}, components), innovation: slices.Repeat([]float64{d}, components)}
}

// drawn returns one with normal innovations of variance 1 + truth² s2.
func drawn(components int, s2, truth float64, r *rand.Rand) *observedSpace {
	o := observing(components, s2, 0)
	for k := range o.innovation {
		o.innovation[k] = math.Sqrt(1+truth*truth*s2) * r.NormFloat64()
	}
	return o
}

// For cycles that are all alike the sums are geometric series, or multiples of the number of cycles.
func TestScaleOfEqualCycles(t *testing.T) {
	const components, d2, s2 = 5, 4.0, 2.0
	var seen innovations
	for k := 1; k <= 100; k++ {
		seen = seen.with(observing(components, s2, math.Sqrt(d2)))
		want := func(sum, squares, trust float64) float64 { // of the weights of cycles
			excess, share, variance := components*(d2/(1+s2)-1)*sum, components*s2/(1+s2)*sum, 2*components*squares
			believed := max(0, 1-certain*certain*variance/(excess*excess))
			return math.Sqrt(1 + believed*excess*share/(trust*variance+share*share))
		}
		n := float64(k)
		recent, all := want((1-math.Pow(0.9, n))/0.1, (1-math.Pow(0.81, n))/0.19, 0), want(n, n, trusted)
		if got := seen.scale(); math.Abs(got-max(recent, all)) > 1e-12 {
			t.Errorf("cycle %d: scale %.15g, want the larger one of %.15g and %.15g", k, got, recent, all)
		}
	}
}

// An ensemble that is right is seldom widened: innovations of variance 1 + s² exceed
// their mean by 2.5 standard errors with probability 0.006, were their mean square
// normal; with some 190 components it has a skewness of sqrt(8/190) = 0.2, which adds
// 0.2 (2.5² - 1) phi(2.5) / 6 = 0.003, and as much again for the record of all cycles. 0.04 is six standard errors
// more over 2000 ensembles. One whose spread is a third of what it should be is widened always.
func TestScaleIsBelievedWhenItMust(t *testing.T) {
	const ensembles, cycles = 2000, 60
	wider := func(truth float64) float64 {
		count := 0
		for e := range ensembles {
			stream := rng.New(int64(e)).Rand()
			var seen innovations
			for range cycles {
				seen = seen.with(drawn(10, 0.5, truth, stream))
			}
			if seen.scale() > 1 {
				count++
			}
		}
		return float64(count) / ensembles
	}
	if share := wider(1); share > 0.04 || share == 0 {
		t.Errorf("%.3f of the right ensembles are widened, want some and at most 0.04", share)
	}
	if share := wider(3); share < 1 {
		t.Errorf("only %.3f of the ensembles of a third of the spread are widened", share)
	}
}

// A spread that is a tenth too small, so that no few cycles show it, is found in time, whatever the last cycles were like. The excess of 2000 cycles of 10
// components is 0.21 * 20,000 / 3 with a standard error of sqrt(2 * 20,000), a seventh of it.
func TestSmallScaleIsBelievedInTime(t *testing.T) {
	for e := range 100 {
		stream := rng.New(int64(e)).Rand()
		var seen innovations
		for range 2000 {
			seen = seen.with(drawn(10, 0.5, 1.1, stream))
		}
		if got := seen.all.scale(trusted); !(got > 1.03 && got < 1.17) {
			t.Errorf("ensemble %d: scale %.3f, want 1.1 less what is not believed", e, got)
		}
	}
}

// Where the spread is a small part of an innovation, chance asks for any factor: here for 1.5 times the variance with a standard
// error of 15. The record of all cycles, which would be believed for as many cycles, leaves such a spread alone.
func TestScaleOfSmallSpreadIsNotLeftToChance(t *testing.T) {
	for e := range 1000 {
		stream := rng.New(int64(e)).Rand()
		var seen innovations
		for range 100 {
			seen = seen.with(drawn(1, 0.01, 1, stream))
		}
		if got := seen.all.scale(trusted); got > 1.01 {
			t.Errorf("ensemble %d: scale %.3f", e, got)
		}
	}
}

// One large innovation among innovations as large as they should be, s² = 1, does not widen, however large it is: its excess counts as
// 3 where the standard error is sqrt(2 / 0.19) = 3.2. That it comes again does.
func TestOneLargeInnovationIsNotBelieved(t *testing.T) {
	for _, innovation := range []float64{5, 1e6} {
		var seen innovations
		for range 200 {
			seen = seen.with(observing(1, 1, math.Sqrt2))
		}
		seen = seen.with(observing(1, 1, innovation))
		if got := seen.scale(); got != 1 {
			t.Errorf("one of %g: scale %.3f, want 1", innovation, got)
		}
		for range 19 {
			seen = seen.with(observing(1, 1, innovation))
		}
		if got := seen.scale(); got != largestScaleAtOnce {
			t.Errorf("20 of %g: scale %.3f, want %g", innovation, got, largestScaleAtOnce)
		}
	}
}

// The spread of an analysis becomes that of its error: with t cycles of k components, innovations
// of variance 1 + (1 + q) s² for predicted s² have on average the excess q t k s² / (1 + s²), which is q with the information I = t k/2 (s² /
// (1 + s²))², so that the factor is sqrt(1 + q I / (trusted + I)), of which sums over 2000 k draws of
// variance 2 are off by 1 / sqrt(I): four of these. Wider members are left alone, far narrower ones moved by
// tightestOfFew.
func TestCalibration(t *testing.T) {
	const cycles, components, s2 = 2000, 10, 0.5
	information := cycles * components / 2 * math.Pow(s2/(1+s2), 2)
	for _, tt := range []struct{ excess, want float64 }{
		{-0.05, math.Sqrt(1 - 0.05*information/(trusted+information))}, {-0.5, tightestOfFew}, {0.5, 1},
	} {
		stream := rng.New(17).Rand()
		var seen innovations
		for range cycles {
			seen = seen.with(drawn(components, s2, math.Sqrt(1+tt.excess), stream))
		}
		if got := seen.calibration(tightestOfFew); math.Abs(got-tt.want) > 4/math.Sqrt(information) {
			t.Errorf("excess %g: %.4f, want %.4f", tt.excess, got, tt.want)
		}
	}
	if got := (innovations{}).calibration(tightestOfFew); got != 1 {
		t.Errorf("before any innovation: %g", got)
	}
}

// With many members for each value of a covariance an analysis keeps its spread, although innovations are far smaller than expected.
func TestManyMembersAreNotTightened(t *testing.T) {
	for _, tt := range []struct {
		members   int
		low, high float64
	}{{100, tightestOfFew, tightestOfFew}, {1200, 0.999, 0.999}} { // 20 p is 120: bounds of 0.9, and of 1 - 0.1 / 100
		var carry []byte
		calibration := 1.0
		for range 30 {
			p := twinProblem(tt.members, 3, 2)
			copy(p.Observation, ensemble.Mean(nil, p.Predicted, nil))
			p.Carry = carry
			a := analyse(t, configure(t, joint(nil)), p)
			carry, calibration = a.Carry, a.Metrics["calibration"]
		}
		if !(calibration > tt.low-1e-12 && calibration < tt.high+1e-12) {
			t.Errorf("%d members: the spread of the analysis is multiplied by %g, want %g to %g", tt.members, calibration, tt.low, tt.high)
		}
	}
}

// With linear observations and b = 1 it makes no difference to what is kept: the analysis is the
// Kalman filter's with its spread times the calibration, and one that starts from members moved by
// that much is the one that starts from members as they were. Tolerance: rounding, 1e-9 of values of order 1.
func TestCalibrationIsUndone(t *testing.T) {
	params := map[string]any{"bandwidth": 1.0, "finite_size": false}
	p, plain := twinProblem(40, 3, 2), twinProblem(40, 3, 2)
	for k, y := range ensemble.Mean(nil, p.Predicted, nil) {
		p.Observation[k], plain.Observation[k] = y, y // as near as can be, in every cycle
	}
	f := configure(t, joint(params))
	kept := configure(t, joint(with(params, "adaptive_inflation", false)))
	a, b := analyse(t, f, p), analyse(t, kept, plain)
	c := a.Metrics["calibration"]
	if !(c >= tightestOfFew && c < 1) || b.Metrics["calibration"] != 1 {
		t.Fatalf("calibration %g, and %g without", c, b.Metrics["calibration"])
	}
	check := func(of string) {
		mean := ensemble.Mean(nil, p.Into, nil)
		if want := ensemble.Mean(nil, plain.Into, nil); !floats.EqualApprox(mean, want, 1e-9) {
			t.Errorf("%s: mean %v, want %v", of, mean, want)
		}
		var want mat.SymDense
		want.ScaleSym(c*c, covarianceOf(plain.Into))
		if diff := largestDifference(covarianceOf(p.Into), &want); diff > 1e-9 {
			t.Errorf("%s: covariance off by %g", of, diff)
		}
	}
	check("the first analysis")
	for _, q := range []*sdk.Problem{p, plain} { // a model that leaves states as they are
		q.Ensemble.Copy(q.Into)
		q.Predicted.Copy(q.Ensemble.Slice(0, 40, 0, 2))
	}
	p.Carry = a.Carry
	c = analyse(t, f, p).Metrics["calibration"]
	analyse(t, kept, plain)
	check("the second")
}

// What is carried reaches the next cycle, is kept when nothing is observed, and is
// refused when it is not what this filter wrote.
func TestInnovationsAreCarried(t *testing.T) {
	p := twinProblem(20, 4, 3)
	for k := range p.Observation {
		p.Observation[k] += 3 * math.Sqrt(p.ErrorVariance[k])
	}
	f := configure(t, joint(map[string]any{"finite_size": false}))
	first := analyse(t, f, p)
	p.Carry = first.Carry
	if second := analyse(t, f, p); !(second.Metrics["inflation"] > first.Metrics["inflation"]) {
		t.Errorf("the same innovation again: inflation %g, then %g", first.Metrics["inflation"], second.Metrics["inflation"])
	}
	p.Observation = slices.Repeat([]float64{math.NaN()}, len(p.Observation))
	if kept := analyse(t, f, p); !slices.Equal(kept.Carry, p.Carry) {
		t.Error("a cycle without observations changes what is carried")
	}
	p = twinProblem(20, 4, 3)
	for what, carry := range map[string][]byte{
		"length":  {carryVersion, 0},
		"version": append([]byte{carryVersion + 1}, make([]byte, 48)...),
		"value":   binary.BigEndian.AppendUint64(append([]byte{carryVersion}, make([]byte, 40)...), math.Float64bits(math.NaN())),
	} {
		p.Carry = carry
		if _, err := f.Analyse(t.Context(), p); sdk.KindOf(err) != sdk.KindContract {
			t.Errorf("%s: got %v, want a broken contract", what, err)
		}
	}
}
