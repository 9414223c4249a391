package sdk

import (
	"math"
	"slices"
	"testing"
)

func TestFresh(t *testing.T) {
	nan := math.NaN()
	p := &Problem{Observation: []float64{1, 2, 3}, ErrorVariance: []float64{4, 4, 8}}
	if p.Fresh() != p {
		t.Error("a problem with the whole likelihood is not its own fresh part")
	}
	p.Fraction, p.Seen = []float64{0.5, 0.25, 0.5}, 1
	fresh := p.Fresh()
	if got := fresh.Observation; !math.IsNaN(got[0]) || !slices.Equal(got[1:], []float64{2, 3}) {
		t.Errorf("got the observation %v, want the first component missing", got)
	}
	if want := []float64{2, 1, 4}; !slices.Equal(fresh.ErrorVariance, want) || fresh.Fraction != nil {
		t.Errorf("got the error variance %v, want %v, in full", fresh.ErrorVariance, want)
	}
	if p.Observation[0] != 1 || p.ErrorVariance[1] != 4 || fresh.Fresh() != fresh {
		t.Error("the problem has changed")
	}
	p.Observation = []float64{1, nan, nan}
	if p.Fresh() != nil {
		t.Error("nothing is fresh where all fresh components are missing")
	}
}
