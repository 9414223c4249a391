package compare_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/host/internal/compare"
)

// Errors drawn with the spread of their cycle have, in every bin, a root mean square that is
// within four standard errors of the spread: of n squares of normal values that is
// 4 sqrt(1/(2 n)) relative to it.
func TestSkill(t *testing.T) {
	const n = 4000
	r := rand.New(rand.NewPCG(7, 8))
	spreads, errors := make([]float64, n), make([]float64, n)
	for k := range spreads {
		spreads[k] = 0.5 + 2*r.Float64()
		errors[k] = spreads[k] * math.Abs(r.NormFloat64())
	}
	x := read(t, compare.Setup{}, trial(1, 1, "a", 1, 2)).Trials[0]
	spread, rmse := x.Skill(spreads, errors)
	if len(spread) != 10 || len(rmse) != 10 {
		t.Fatalf("%d and %d bins", len(spread), len(rmse))
	}
	for i := range spread {
		if i > 0 && spread[i] <= spread[i-1] {
			t.Errorf("bins are not in the order of spread: %v", spread)
		}
		if tolerance := 4 * math.Sqrt(10.0/(2*n)); math.Abs(rmse[i]/spread[i]-1) > tolerance {
			t.Errorf("bin %d: rmse %.3f, spread %.3f", i, rmse[i], spread[i])
		}
	}
	if spread, _ := x.Skill(spreads[:2], errors[:2]); spread != nil {
		t.Error("two cycles fill ten bins")
	}
}
