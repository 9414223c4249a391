package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/compare"
)

// joined returns the report of two runs, of which the second has the errors of the first and
// change more.
func joined(t *testing.T, change float64, alter func(*archivetest.Run)) *Report {
	t.Helper()
	a, b := sweep(), sweep()
	for _, trial := range b.Trials {
		for _, scores := range trial.Scores[archive.Analysis] {
			scores["rmse"] += change
		}
	}
	alter(&b)
	setup := &Setup{Setup: compare.Setup{BurnIn: 1}}
	r, err := Join([]*Report{mustOpen(t, a.Write(t, t.TempDir()), setup), mustOpen(t, b.Write(t, t.TempDir()), setup)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The report of two runs has the scores of both, under labels that say of which run they are, and
// differences from the same filter and setting of the first.
func TestJoin(t *testing.T) {
	r := joined(t, 0.25, func(*archivetest.Run) {})
	if want := []string{"A: a", "A: b", "B: a", "B: b"}; !slices.Equal(r.filters, want) {
		t.Errorf("filters %q", r.filters)
	}
	if len(r.trials) != 24 || len(r.axes) != 1 || len(r.notes) != 0 || len(r.omitted) != 0 {
		t.Errorf("%d trials, axes %v, notes %q %q", len(r.trials), r.axes, r.notes, r.omitted)
	}
	v := r.view()
	var scores []string
	for _, line := range lines(v.Scores[0]) {
		scores = append(scores, strings.Join(strings.Split(line, " | ")[:3], " | "))
	}
	want := []string{"A: a | 10 | 1.50 ± 0.50 (2/3)", "A: b | 10 | 2.00 ± 0.50 (2/3)", "A: a | 20 | 2.00 ± 0.58", "A: b | 20 | 2.50 ± 0.58",
		"B: a | 10 | 1.75 ± 0.50 (2/3)", "B: b | 10 | 2.25 ± 0.50 (2/3)", "B: a | 20 | 2.25 ± 0.58", "B: b | 20 | 2.75 ± 0.58", "A: climatology |  | 7", "B: climatology |  | 7"}
	if !slices.Equal(scores, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(scores, "\n"), strings.Join(want, "\n"))
	}
	if got, want := lines(v.Differences), []string{"B: a | 10 | +0.25 ± 0 | 0/2 | A: a, N 10", "B: b | 10 | +0.25 ± 0 | 0/2 | A: b, N 10", "B: a | 20 | +0.25 ± 0 | 0/3 | A: a, N 20", "B: b | 20 | +0.25 ± 0 | 0/3 | A: b, N 20"}; !slices.Equal(got, want) {
		t.Errorf("differences %q", got)
	}
	if got := lines(v.Failures); len(got) != 4 || !strings.Contains(got[3], "B: b") {
		t.Errorf("failures %q", got)
	}
	var d struct {
		Trials []struct {
			Number, Filter int
			Truth          string
			Curves         map[string][]any
		}
	}
	text, err := json.Marshal(r.data())
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, trial := range d.Trials {
		if trial.Number != i+1 || strings.HasPrefix(trial.Truth, "1/") != (i >= 12) || len(trial.Curves) == 0 || (trial.Filter >= 2) != (i >= 12) {
			t.Errorf("trial %d: %+v", i, trial)
		}
	}
	if paths, err := r.Figures(t.TempDir(), "svg"); err != nil || len(paths) < 5 {
		t.Errorf("figures %q, %v", paths, err)
	}
}

// Runs with different truths are shown next to one another, without differences.
func TestJoinOfOtherTruths(t *testing.T) {
	r := joined(t, 0, func(run *archivetest.Run) {
		run.Trials = slices.DeleteFunc(run.Trials, func(t archivetest.Trial) bool { return t.Replicate == 3 })
	})
	if len(r.comparisons) > 0 || len(r.notes) != 1 || !strings.Contains(r.notes[0], "different truths") {
		t.Errorf("%d comparisons, notes %q", len(r.comparisons), r.notes)
	}
	if v := r.view(); v.Differences != nil || len(v.Sources) != 2 || v.Name != "Comparison of 2 runs" {
		t.Errorf("view %+v", v)
	}
}
