package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/archive/archivetest"
)

// sweep writes a run with the given numbers of replicates and sizes: the filters enkf, at
// three inflations, and joint. Their scores are 1, plus the number of the replicate, plus
// 10 for enkf, plus the distance of the inflation to 1.02. In replicate 2 the joint filter
// of the smallest size has diverged. Every trial has that many further metrics.
func sweep(t testing.TB, replicates, sizes, metrics int) string {
	t.Helper()
	const inflation = "filter.enkf.params.inflation"
	run := archivetest.Run{Axes: []string{"ensemble.size", inflation}, Workflow: archivetest.Workflow(0, []string{"joint", "enkf"}, "")}
	for r := 1; r <= replicates; r++ {
		for s := 1; s <= sizes; s++ {
			for k, f := range []string{"joint", "enkf", "enkf", "enkf"} {
				id := archive.TrialID{Trial: len(run.Trials) + 1, Replicate: r, Filter: f}
				x := archivetest.Trial{TrialRow: archive.TrialRow{TrialID: id, Reference: -1, Plugin: "filter", Size: 20 * s, Status: archive.OK, Cycles: 1, Values: map[string]any{"ensemble.size": int64(20 * s)}}}
				v := 1 + float64(r)
				switch {
				case k > 0:
					x.Values[inflation] = 1 + 0.02*float64(k-1)
					v += 10 + math.Abs(0.02*float64(k-2))
				case r == 2 && s == 1:
					x.Status, v = archive.Diverged, 1e6
				}
				scores := map[string]float64{"rmse": v, "spread": 1, "weights_ess": 20}
				for m := range metrics {
					scores[fmt.Sprint("metric", m)] = v
				}
				x.Scores = map[string][]map[string]float64{archive.Forecast: {scores}, archive.Analysis: {scores}}
				run.Trials = append(run.Trials, x)
			}
		}
		run.Baselines = append(run.Baselines, archive.Metric{TrialID: archive.TrialID{Replicate: r, Filter: "climatology"}, Metric: "rmse", Stage: archive.Analysis, Value: 7, Status: archive.OK})
	}
	return run.Write(t, t.TempDir())
}

// out runs a command and returns what it prints.
func out(t testing.TB, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var o, e strings.Builder
	if code := Main(args, &o, &e); code != want {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

func TestComparisonFormats(t *testing.T) {
	dir := sweep(t, 3, 1, 0)
	for format, wants := range map[string][]string{
		"text":     {"joint        20                       3.0 ± 1.0 (2/3)  -10 ± 0     2/2   2 ok, 1 diverged", "enkf         20       inflation=1.02  13.00 ± 0.58"},
		"markdown": {"| joint | 20 |  | 3.0 ± 1.0 (2/3) | -10 ± 0 | 2/2 | 2 ok, 1 diverged |"},
		"latex":    {`joint & 20 &  & 3.0 $\pm$ 1.0 (2/3) & $-$10 $\pm$ 0 & 2/2 & 2 ok, 1 diverged \\`},
		"csv": {",joint,20,,rmse,analysis,3,1,3,2,enkf,20,-10,0,2,2,,\"2 ok, 1 diverged\",\n", ",enkf,20,1.02,rmse,analysis,13,0.5773502691896", ",climatology,0,,rmse,analysis,7,0,3,3,,,,,,,,ok,\n",
			"run,filter,members,filter.enkf.params.inflation,metric,stage,value,se,trials,trials_ok,baseline,baseline_members,difference,difference_se,wins,pairs,divergences,status,published\n"},
	} {
		got, _ := out(t, exitOK, "compare", dir, "--against", "enkf", "--format", format)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", format, want, got)
			}
		}
	}
	if got, _ := out(t, exitOK, "compare", sweep(t, 2, 1, 0), "--against", "enkf", "--format", "csv"); !strings.Contains(got, ",joint,20,,rmse,analysis,2,,2,1,enkf,") || strings.Contains(got, "NaN") { // of the one that did not diverge
		t.Errorf("csv: got\n%s", got)
	}
	var lines []comparedJSON
	text, _ := out(t, exitOK, "compare", dir, "--against", "enkf", "--format", "json")
	if err := json.Unmarshal([]byte(text), &lines); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if text, _ := out(t, exitOK, "compare", dir, "--against", "enkf", "--json"); strings.Count(text, "\n") != len(lines) || !strings.HasPrefix(text, `{"filter":"joint",`) {
		t.Errorf("--json: %d lines\n%s", len(lines), text)
	}
	l := lines[0]
	if d := l.Difference; l.Filter != "joint" || *l.Value != 3 || l.OK != 2 || d.Baseline != "enkf" || d.BaselineSetting["filter.enkf.params.inflation"] != "1.02" || d.Of != "replicates" || *d.Wins != 2 {
		t.Errorf("got %+v, %+v", l, d)
	}
	if _, text := out(t, exitUsage, "compare", dir, "--metric", "crps"); !strings.Contains(text, "--metric: "+dir+" has no score crps of the analysis; it has rmse, spread") {
		t.Errorf("got %s", text)
	}
	if _, text := out(t, exitUsage, "compare", dir, "--against", "etkf"); !strings.Contains(text, "--against: "+dir+` has no filter "etkf"; it has joint, enkf`) {
		t.Errorf("got %s", text)
	}
}

// A table that is damaged, or that is no file, is named by every command that reads it,
// which ends with 1.
func TestDamagedTable(t *testing.T) {
	for _, tt := range []struct {
		table    string
		commands []string
	}{
		{"metrics.arrow", []string{"compare", "report", "export"}}, {"trials.arrow", []string{"compare", "report", "export"}},
		{"cycles.arrow", []string{"report", "export"}}, {"workflow.resolved.toml", []string{"compare", "report"}},
	} {
		for what, damage := range map[string]func(path string) error{
			"damaged: its sha256 is ": func(path string) error { return os.WriteFile(path, []byte("ARROW1"), 0o600) },
			"got a named pipe":        func(path string) error { return syscall.Mkfifo(path, 0o600) },
		} {
			dir := sweep(t, 1, 1, 0)
			path := filepath.Join(dir, tt.table)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			for _, command := range tt.commands {
				args := []string{command, dir}
				if command == "export" {
					args = append(args, "--to", filepath.Join(t.TempDir(), "out"))
				}
				if _, text := out(t, exitFailed, args...); !strings.Contains(text, path+": "+what) {
					t.Errorf("%s of a run with a %s that is %s: %s", command, tt.table, what, text)
				}
			}
		}
	}
}

// BenchmarkCompare is compare on a run of the size of a paper's sweep: 10 replicates of
// 4 filters or settings at 8 sizes with 17 metrics in two stages.
func BenchmarkCompare(b *testing.B) {
	dir := sweep(b, 10, 8, 15)
	for b.Loop() {
		if code := Main([]string{"compare", dir, "--against", "enkf"}, io.Discard, io.Discard); code != exitOK {
			b.Fatal(code)
		}
	}
}
