package compare_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
)

// Means over blocks keep the mean of the series where blocks are of one length, and leave out
// values that are NaN.
func TestBlocks(t *testing.T) {
	s := &compare.Series{Values: map[string][]float64{}}
	for k := range 60 {
		v := float64(k)
		if k == 7 {
			v = math.NaN()
		}
		s.Cycle, s.Time, s.Values["rmse"] = append(s.Cycle, int32(k+1)), append(s.Time, 0.5*float64(k+1)), append(s.Values["rmse"], v)
	}
	out := s.Blocks(6)
	if len(out.Cycle) != 6 || out.Cycle[1] != 16 || out.Time[1] != 8 || out.Values["rmse"][1] != 14.5 || out.Values["rmse"][0] != (45-7)/9.0 {
		t.Errorf("got %+v", out)
	}
	if s.Blocks(60) != s {
		t.Error("a short series is changed")
	}
}

// Errors drawn with the spread of their cycle have, in every bin, a root mean square that is
// within four standard errors of the spread: of n squares of normal values that is
// 4 sqrt(1/(2 n)) relative to it. Cycles of burn-in, whose errors are wrong here, do not count.
func TestSkill(t *testing.T) {
	const n, burnIn = 4000, 50
	r := rand.New(rand.NewPCG(7, 8))
	x := trial(1, 1, "a", make([]float64, n+burnIn)...)
	for k, scores := range x.Scores[archive.Analysis] {
		spread := 0.5 + 2*r.Float64()
		scores["spread"], scores["rmse"] = spread, spread*math.Abs(r.NormFloat64())
		if k < burnIn {
			scores["rmse"] = 100
		}
	}
	run := read(t, compare.Setup{BurnIn: burnIn}, x)
	if err := run.ReadSeries(""); err != nil {
		t.Fatal(err)
	}
	spread, rmse := run.Skill(run.Trials[0], archive.Analysis)
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
	if spread, _ := run.Skill(read(t, compare.Setup{}, trial(1, 1, "a", 1, 2)).Trials[0], archive.Analysis); spread != nil {
		t.Error("two cycles fill ten bins")
	}
}
