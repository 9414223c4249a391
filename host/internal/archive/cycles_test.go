package archive

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
)

// Every score that is written of a cycle is read back under its name: all numbers differ,
// so that two columns that were exchanged would show.
func TestScoresOfCycles(t *testing.T) {
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "level"}, {Name: "total"}}}
	scored := []string{"level", "total"}
	trial, err := r.Trial(TrialID{7, 3, "f"}, layout, layout, Keep{Scored: scored}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]float64{Forecast: {}, Analysis: {}} // by stage
	for i, s := range score.OfCycles(scored) {
		want[Forecast][s.Name] = float64(i + 1)
		if s.Needs == 0 || i%2 == 0 { // what does not apply is null
			want[Analysis][s.Name] = float64(-i - 1)
		}
	}
	if want[Forecast]["rmse_level"] == 0 || want[Forecast]["rmse_total_"] == 0 || want[Forecast]["rmse"] == 0 {
		t.Fatalf("got the scores %v", want[Forecast])
	}
	if err := trial.Append(&cycle.Step{Cycle: 4, Time: 0.5}, []CycleRow{{Stage: Forecast, Scores: want[Forecast]}, {Stage: Analysis, Scores: want[Analysis]}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	without := maps.Clone(want[Analysis])
	delete(without, "spread")
	if err := trial.Append(&cycle.Step{Cycle: 5}, []CycleRow{{Stage: Analysis, Scores: without}}, nil, nil); err == nil || err.Error() != "cycles.arrow: cycle 5: spread is missing, which every ensemble has" {
		t.Errorf("got %v", err)
	}
	if err := trial.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := table.Read(filepath.Join(r.Dir, "cycles", "trial=0007.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	head := []string{"trial", "replicate", "filter", "cycle", "time", "stage"}
	if n := len(head) + len(want[Forecast]); got.Rows != 2 || len(got.Names) != n || !slices.Equal(got.Names[:len(head)], head) {
		t.Fatalf("%d rows of the columns %v, want 2 of %d", got.Rows, got.Names, n)
	}
	for row, stage := range []string{Forecast, Analysis} {
		for c, name := range got.Names[len(head):] {
			v, there := want[stage][name]
			c += len(head)
			if got.Valid[c][row] != there || there && cell(got, c, row) != v {
				t.Errorf("%s of the %s: got %v, valid %v, want %v, %v", name, stage, cell(got, c, row), got.Valid[c][row], v, there)
			}
		}
		if where := strings.TrimSpace(fmt.Sprintln(cell(got, 0, row), cell(got, 1, row), cell(got, 2, row), cell(got, 3, row), cell(got, 4, row), cell(got, 5, row))); where != "7 3 f 4 0.5 "+stage {
			t.Errorf("got %s", where)
		}
	}
}

// What is written of values held out and of innovations stands under its name too.
func TestPredictionsAndInnovations(t *testing.T) {
	r, err := Create(t.TempDir(), Info{Name: "test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "a"}, {Name: "b", Shape: []int{2}}}}
	trial, err := r.Trial(TrialID{7, 3, "f"}, layout, layout, Keep{HeldOut: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	step, fair := &cycle.Step{Cycle: 4, Time: 0.5}, 14.0
	in := &score.Innovation{Values: []float64{1, 2, 3}, NIS: 21, Expected: 22}
	err = errors.Join(trial.Append(step, nil, in, nil),
		trial.AppendHeldOut(step, []HeldOutRow{{Analysis, 2, score.Prediction{Value: 11, Mean: 12, Spread: 13, CRPSFair: &fair}}}), trial.Close())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]map[string]any{
		"held_out": {"trial": int32(7), "replicate": int32(3), "filter": "f", "cycle": int32(4), "time": 0.5, "stage": Analysis, "variable": "b", "index": int32(1),
			"value": 11.0, "mean": 12.0, "spread": 13.0, "crps_fair": 14.0},
		"innovations": {"trial": int32(7), "replicate": int32(3), "filter": "f", "cycle": int32(4), "time": 0.5, "nis": 21.0, "rms_expected": 22.0, "a": 1.0},
	} {
		got, err := table.Read(filepath.Join(r.Dir, name, "trial=0007.arrow"))
		if err != nil {
			t.Fatal(err)
		}
		for column, v := range want {
			if c := slices.Index(got.Names, column); c < 0 || cell(got, c, 0) != v {
				t.Errorf("%s.arrow: %s is not %v in %v", name, column, v, got.Names)
			}
		}
	}
}
