package compare

import (
	"math"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
)

// Comparisons of a large table, of which one score is in memory at a time, are those of a small one.
func TestLargeTable(t *testing.T) {
	run := archivetest.Run{BurnIn: 1}
	for number, filter := range []string{"a", "b"} {
		x := archivetest.Trial{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Trial: number + 1, Replicate: 1, Filter: filter}, Reference: -1, Plugin: "filter", Size: 10,
			Status: archive.OK, Cycles: 50, Values: map[string]any{}}, Scores: map[string][]map[string]float64{}}
		for k := range x.Cycles {
			for _, stage := range []string{archive.Forecast, archive.Analysis} {
				v := math.Sin(float64(k*(number+2))) + 2
				x.Scores[stage] = append(x.Scores[stage], map[string]float64{"rmse": v, "crps": v / 3, "spread": 1, "weights_ess": 10})
			}
		}
		run.Trials = append(run.Trials, x)
	}
	dir := run.Write(t, t.TempDir())
	read := func() *Run {
		reader, err := archive.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Read(reader, Setup{BurnIn: 1})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	difference := func(r *Run, name string) Difference {
		c, err := Compare([]*Run{r}, Metric{name, archive.Analysis}, "")
		if err != nil || c.Rows[1].Difference == nil {
			t.Fatalf("%s: %+v, %v", name, c, err)
		}
		d := *c.Rows[1].Difference
		d.Partner = nil
		return d
	}
	small, large := read(), read()
	want := map[string]Difference{"rmse": difference(small, "rmse"), "crps": difference(small, "crps")}
	defer func(cycles int) { atOnce = cycles }(atOnce)
	atOnce = 0
	for _, name := range []string{"rmse", "crps", "rmse"} {
		if got := difference(large, name); got != want[name] || got.Count != 49 {
			t.Errorf("%s: got %+v, want %+v", name, got, want[name])
		}
		if s := large.Trials[0].of(archive.Analysis); len(s.values) != 1 || s.values[name] == nil {
			t.Errorf("%s: %d scores are in memory", name, len(s.values))
		}
	}
	if s := small.Trials[0].of(archive.Analysis); len(s.values) != 4 {
		t.Errorf("%d scores of a small table are in memory", len(s.values))
	}
}
