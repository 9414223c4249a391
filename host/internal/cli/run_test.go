package cli

import (
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
	"github.com/plume-da/plume/host/internal/experiment"
)

// A run that failed before its first cycle is run again: there is nothing to resume, and
// what has to be fixed is mostly a file that resume would find changed.
func TestNextAfterFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		cycles int
		want   string
	}{"at once": {0, "run twin.toml --set time.cycles=9"}, "later": {2, "resume "}} {
		var out strings.Builder
		a := &app{stdout: &out, stderr: &out, quiet: true}
		row := archive.TrialRow{TrialID: archive.TrialID{Trial: 1, Replicate: 1, Filter: "enkf"}, Reference: -1, Plugin: "filter", Size: 2, Status: archive.Failed, Cycles: tt.cycles}
		run := archivetest.Run{Workflow: archivetest.Workflow(0, []string{"enkf"}, ""), Trials: []archivetest.Trial{{TrialRow: row}}}
		r := &experiment.Result{Dir: run.Write(t, t.TempDir()), Status: archive.Failed, Retryable: true, Trials: []archive.TrialRow{row}}
		if err := a.conclude(&source{path: "twin.toml", set: []string{"time.cycles=9"}}, r, nil); err != nil {
			t.Fatal(err)
		}
		if len(a.following) != 1 || !strings.HasPrefix(a.following[0], tt.want) {
			t.Errorf("%s: got %q, want %s", name, a.following, tt.want)
		}
	}
}

// A plugin that has not ended is a word about the machine: the results are whole, and so
// is the exit code.
func TestWarningsAreNoFailure(t *testing.T) {
	var stdout, stderr strings.Builder
	a := &app{stdout: &stdout, stderr: &stderr, quiet: true}
	row := archive.TrialRow{TrialID: archive.TrialID{Trial: 1, Replicate: 1, Filter: "enkf"}, Reference: -1, Plugin: "filter", Size: 2, Status: archive.OK}
	run := archivetest.Run{Workflow: archivetest.Workflow(0, []string{"enkf"}, ""), Trials: []archivetest.Trial{{TrialRow: row}}}
	r := &experiment.Result{Dir: run.Write(t, t.TempDir()), Status: archive.OK, Trials: []archive.TrialRow{row},
		Warnings: []string{"plugin lake: process 7 has not ended, 15s after it was killed"}}
	err := a.conclude(&source{}, r, nil)
	if code := exitCode(err); code != exitOK {
		t.Errorf("exit code %d, %v", code, err)
	}
	if want := "warning: plugin lake: process 7 has not ended, 15s after it was killed\n"; !strings.Contains(stderr.String(), want) {
		t.Errorf("got %q, want %q", stderr.String(), want)
	}
	if stdout.String() != r.Dir+"\n" {
		t.Errorf("got %q", stdout.String())
	}
}
