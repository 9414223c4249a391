package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Runs that earlier versions of plume wrote, testdata/runs/FORMAT/NAME/RUN, are read by
// every command that reads runs. A format that has been released keeps its folder.
func TestOldRuns(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("testdata/runs")); err != nil {
		t.Fatal(err)
	}
	const (
		complete, began      = "is complete", "but the run began with f7a2f49; resume with that version, or run the workflow again"
		few, noForecast      = "too few cycles with observations after burn_in", "has no free forecast"
		notSmoothed, notRows = "has no scores of the stage lag 0", "cannot be continued: its observations are not from files"
	)
	runs := map[string]struct{ metric, compared, resumed, why, forecast, lag, continued string }{ // as that version printed it
		"format-1/twin":    {"rmse", `"value": 0.28372002191614953`, complete, few, noForecast, notSmoothed, notRows},
		"format-1/real":    {"held_out_rmse", `"value": 162.63501132860415`, complete, few, noForecast, notSmoothed, "or it is of an older version"},
		"format-1/stopped": {"rmse", "there is nothing to compare: no trial has finished", began, few, noForecast, "no trial has finished", notRows},
		"format-1/dated":   {"spread_level", `"value": 0.05701714526860971`, complete, few, "2026-06-01 09:00     1  level     2.238", `"value": 0.05994131152781799`, "say where it is now: plume continue "},
		"format-1/record":  {"rmse", `"value": 0.2683549598202177`, complete, "nothing stands out", noForecast, notSmoothed, notRows},
	}
	if all, err := filepath.Glob(filepath.Join(root, "*", "*")); err != nil || len(all) != len(runs) {
		t.Errorf("%v, %v: want the %d that are tested", all, err, len(runs))
	}
	for name, want := range runs {
		t.Run(name, func(t *testing.T) {
			found, err := filepath.Glob(filepath.Join(root, name, "*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("runs: %v, %v", found, err)
			}
			dir, to := found[0], t.TempDir()
			check := func(code int, said string, args ...string) {
				t.Helper()
				var stdout, stderr strings.Builder
				got := Main(args, &stdout, &stderr)
				if all := stdout.String() + stderr.String(); got != code || !strings.Contains(all, said) {
					t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, got, code, said, all)
				}
			}
			check(exitOK, "report.html", "report", dir)
			check(exitOK, ".svg", "report", dir, "--figures", "svg")
			check(exitOK, filepath.Base(dir), "runs", "--run-dir", filepath.Dir(filepath.Dir(dir)))
			for format, file := range map[string]string{"parquet": "metrics.parquet", "csv": "metrics.csv", "netcdf": ".nc"} {
				check(exitOK, file, "export", dir, "--to", filepath.Join(to, format), "--format", format)
			}
			verified, compared, resumed := exitOK, exitOK, exitOK
			if want.resumed == began {
				verified, compared, resumed = exitFailed, exitFailed, exitPlugin
			}
			check(verified, "no file has changed", "verify", dir)
			check(compared, want.compared, "compare", dir, "--metric", want.metric, "--format", "json")
			check(resumed, want.resumed, "resume", dir, "--workflow", filepath.Join(dir, "workflow.toml"))

			check(compared, "", "compare", dir, "--stage", "forecast")
			forecast, lag, continued := exitFailed, exitFailed, exitUsage
			if name == "format-1/dated" {
				forecast, lag, continued = exitOK, exitOK, exitWorkflow
				check(exitOK, `"metric": "spread"`, "compare", dir, "--stage", "smoothed", "--format", "json")
			}
			check(exitOK, want.why, "why", dir)
			check(forecast, want.forecast, "forecast", dir)
			check(lag, want.lag, "compare", dir, "--lag", "0", "--format", "json")
			check(continued, want.continued, "continue", dir)
		})
	}
}
