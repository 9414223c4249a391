package report

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
)

// openRun writes a run that goes on, with one trial of so many cycles.
func openRun(t *testing.T, cycles int) string {
	t.Helper()
	x := archivetest.Trial{TrialRow: archive.TrialRow{TrialID: archive.TrialID{Trial: 1, Replicate: 1, Filter: "f"}, Reference: -1, Plugin: "filter", Size: 10, Cycles: cycles},
		Scores: map[string][]map[string]float64{}}
	for k := range cycles {
		for _, stage := range []string{archive.Forecast, archive.Analysis} {
			x.Scores[stage] = append(x.Scores[stage], map[string]float64{"rmse": float64(k), "spread": 1, "weights_ess": 10})
		}
	}
	run := archivetest.Run{Trials: []archivetest.Trial{x}, Open: true}
	return run.Write(t, t.TempDir())
}

// A run that was killed between the tables of a cycle has it in the first one alone. That is no reason to count
// the others, and lines end where their values do. If more is missing they are counted.
func TestKilledBetweenTables(t *testing.T) {
	const cycles = 20
	for missing, want := range []int{cycles, cycles, cycles - 2} {
		dir, shorter := openRun(t, cycles), openRun(t, cycles-missing)
		for _, table := range []string{"innovations", "variables"} {
			name := filepath.Join(table, "trial=0001.arrow")
			if err := os.Rename(filepath.Join(shorter, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		reader, err := archive.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if reader.Info.Status != archive.Stopped {
			t.Fatalf("the run is %q", reader.Info.Status)
		}
		r, err := Read(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := r.trials[0]
		if x.scores[archive.Analysis].n != cycles || x.innovations.n != want {
			t.Errorf("%d missing: series of %d and %d cycles, want %d and %d", missing, x.scores[archive.Analysis].n, x.innovations.n, cycles, want)
		}
		lines := append([]*series{x.innovations.short()}, x.curves[archive.Analysis]...)
		if len(lines) < 2 {
			t.Fatalf("%d missing: there are no trajectories", missing)
		}
		for _, s := range lines {
			for name, values := range s.Values {
				if len(values) != len(s.Time) || len(s.Time) != cycles-missing {
					t.Errorf("%d missing: %s has %d values at %d times", missing, name, len(values), len(s.Time))
				}
			}
		}
		if mean := r.rows[0].cells[r.metric("rmse")]; mean.Value != float64(cycles-1)/2 || mean.Count != cycles {
			t.Errorf("%d missing: %+v is the mean of the scores", missing, mean)
		}
	}
}
