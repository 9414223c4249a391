package main

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// For cycles that are all alike the sums are geometric series.
func TestScaleBelievedOfEqualCycles(t *testing.T) {
	const components, d2, s2 = 5, 4.0, 2.0
	o := &observedSpace{variance: slices.Repeat([]float64{s2}, components), innovation: slices.Repeat([]float64{math.Sqrt(d2)}, components)}
	var seen innovations
	for k := 1; k <= 100; k++ {
		seen = seen.with(o, components)
		n := components * (1 - math.Pow(0.9, float64(k))) / 0.1 * 1.9 / (1 + math.Pow(0.9, float64(k)))
		want := math.Sqrt(math.Max(0, (d2/(1+2*math.Sqrt(2/n))-1)/s2))
		if got := seen.scale(); math.Abs(got-want) > 1e-12 {
			t.Errorf("cycle %d: scale %.15g, want %.15g", k, got, want)
		}
	}
}

// An ensemble that is right is seldom widened: innovations of variance 1 + s² exceed
// their mean by two standard errors with probability 0.023, were their mean square
// normal; with some 190 components it has a skewness of sqrt(8/190) = 0.2, which adds
// 0.2 (2² - 1) phi(2) / 6 = 0.006. 0.05 is six standard errors more over 2000 ensembles.
// One whose spread is a third of what it should be is widened always.
func TestScaleIsBelievedWhenItMust(t *testing.T) {
	const ensembles, cycles, components, s2 = 2000, 60, 10, 0.5
	wider := func(truth float64) float64 {
		count := 0
		for e := range ensembles {
			stream := rng.New(int64(e)).Rand()
			var seen innovations
			for range cycles {
				o := &observedSpace{variance: slices.Repeat([]float64{s2}, components), innovation: make([]float64, components)}
				for k := range o.innovation {
					o.innovation[k] = math.Sqrt(1+truth*truth*s2) * stream.NormFloat64()
				}
				seen = seen.with(o, components)
			}
			if seen.scale() > 1 {
				count++
			}
		}
		return float64(count) / ensembles
	}
	if share := wider(1); share > 0.05 || share == 0 {
		t.Errorf("%.3f of the right ensembles are widened, want some and at most 0.05", share)
	}
	if share := wider(3); share < 1 {
		t.Errorf("only %.3f of the ensembles of a third of the spread are widened", share)
	}
}

// What is carried reaches the next cycle, is kept when nothing is observed, and is
// refused when it is not what this filter wrote.
func TestInnovationsAreCarried(t *testing.T) {
	p := twinProblem(20, 4, 3)
	for k := range p.Observation {
		p.Observation[k] += 2.5 * math.Sqrt(p.ErrorVariance[k])
	}
	f := configure(t, joint(map[string]any{"finite_size": false}))
	first := analyse(t, f, p)
	p.Carry = first.Carry
	if second := analyse(t, f, p); !(second.Metrics["inflation"] > first.Metrics["inflation"]) {
		t.Errorf("the same surprise again: inflation %g, then %g", first.Metrics["inflation"], second.Metrics["inflation"])
	}
	p.Observation = slices.Repeat([]float64{math.NaN()}, len(p.Observation))
	if kept := analyse(t, f, p); !slices.Equal(kept.Carry, p.Carry) {
		t.Error("a cycle without observations changes what is carried")
	}
	p = twinProblem(20, 4, 3)
	for what, carry := range map[string][]byte{
		"length":  {carryVersion, 0},
		"version": append([]byte{carryVersion + 1}, make([]byte, 32)...),
		"value":   binary.BigEndian.AppendUint64(append([]byte{carryVersion}, make([]byte, 24)...), math.Float64bits(math.NaN())),
	} {
		p.Carry = carry
		if _, err := f.Analyse(t.Context(), p); sdk.KindOf(err) != sdk.KindContract {
			t.Errorf("%s: got %v, want a broken contract", what, err)
		}
	}
}
