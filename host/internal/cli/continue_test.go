//go:build linux

package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// growingWorkflow has everything that depends on the whole record, or is carried from cycle to
// cycle: variables with different units, held-out and rejected values, windows and weights.
const growingWorkflow = `format = 1
experiment = { name = "growing", seed = 1 }
time = { burn_in = 3, TIME }
model = { plugin = "linear", params = { variables = ["level", "flow"], units = ["m", "m3 s-1"] }, noise = { sd = 1.0, memory = 0.5 } }
ensemble = { size = 20, init = { dist = "normal", mean = 10, sd = 5 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" }, window = { length = 3 } }, { label = "record", plugin = "filter-enkf", window = { length = "all", passes = 2 } }, { label = "particle", plugin = "filter-pf", params = { jitter = 0.2 } }]
sweep.replicate = "1..2"
[observations]
plugin = "obs-nonlinear"
error = { sd = 3 }
file = "data.csv"
time.column = "t"
hold_out.fraction = 0.2
late = "LATE"
qc = { background = 2, duplicates = "mean" }
[forecast]
horizon = 7.5
step = 2.5
every = 3
exceed = [{ variable = "flow", above = [9] }]
[output]
ensemble = "both"
`

// grown is a record that arrives in parts.
type grown struct {
	dir    string
	random *rand.Rand
	rows   []string
}

func newGrown(t *testing.T, seed uint64, timing, late string) *grown {
	t.Helper()
	g := &grown{dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 1))}
	at := 0.0
	for range 60 {
		at += 0.1 + 1.4*g.random.Float64()
		level, flow := fmt.Sprintf("%.3f", 10+4*g.random.NormFloat64()), fmt.Sprintf("%.3f", 9+7*g.random.NormFloat64())
		if g.random.IntN(5) == 0 {
			flow = ""
		}
		g.rows = append(g.rows, fmt.Sprintf("%.3f,%s,%s\n", at, level, flow))
	}
	if late == "rerun" { // some rows are late
		for range 4 {
			i, j := g.random.IntN(len(g.rows)), g.random.IntN(len(g.rows))
			g.rows[i], g.rows[j] = g.rows[j], g.rows[i]
		}
	}
	text := strings.NewReplacer("TIME", timing, "LATE", late).Replace(growingWorkflow)
	g.write(t, "growing.toml", text)
	return g
}

func (g *grown) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// arrive writes the first n rows.
func (g *grown) arrive(t *testing.T, n int) {
	t.Helper()
	g.write(t, "data.csv", "t,level,flow\n"+strings.Join(g.rows[:n], ""))
}

// days returns a random split of the rows.
func (g *grown) days() []int {
	days := []int{len(g.rows)}
	for range 1 + g.random.IntN(5) {
		days = append(days, 12+g.random.IntN(len(g.rows)-12))
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// plume runs a command, which is killed if that is not 0 and it takes as long. It returns the
// run directory; empty if the command was killed.
func (g *grown) plume(t *testing.T, kill time.Duration, args ...string) string {
	t.Helper()
	c := exec.Command(plumeBinary(t), append(args, "--quiet", "--checkpoint", "1ms")...)
	c.Dir = g.dir
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if kill > 0 {
		defer time.AfterFunc(kill, func() { _ = c.Process.Kill() }).Stop()
	}
	if err := c.Wait(); err != nil {
		if kill > 0 && c.ProcessState.ExitCode() < 0 {
			return ""
		}
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return filepath.Join(g.dir, strings.TrimSpace(stdout.String()))
}

// refused runs a command that fails with a code, and returns what it says.
func (g *grown) refused(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := exec.Command(plumeBinary(t), args...)
	c.Dir = g.dir
	text, _ := c.CombinedOutput()
	if got := c.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s", args, got, code, text)
	}
	return strings.ReplaceAll(string(text), g.dir+"/", "")
}

// What docs/troubleshooting.md shows.
const (
	belated = `error[E411]: column "t" is too late: the run has assimilated later observations
  --> data.csv:22:1
   |
22 | 0.05,3,4
   | ^^^^ model time 0.05; the run is past 13.716
   |
   = help: late = "ignore" leaves such rows out, late = "rerun" goes back to their cycle; so does --late for once
`
	changed = `error[E410]: data.csv: rows up to 41, which the run has read, have changed
  --> growing.toml:11:8
   |
11 | file = "data.csv"
   |        ^^^^^^^^^^ has changed
   |
   = help: restore the rows, or run the workflow again; late = "rerun" goes back to before them
`
)

// sameTables wants the tables of two runs to be the same.
func sameTables(t *testing.T, whole, dir string) {
	t.Helper()
	if lines, err := archive.Compare(whole, dir); err != nil || len(lines) > 0 {
		t.Fatalf("%v %s", err, strings.Join(lines, "\n"))
	}
	out(t, exitOK, "verify", dir)
}

// TestContinueDays splits a record at random, continues a run over each part, with kills in
// between, and wants the tables to be those of one run over the whole record. PLUME_STOPS is how many.
func TestContinueDays(t *testing.T) {
	splits := 4
	if n, err := strconv.Atoi(os.Getenv("PLUME_STOPS")); err == nil {
		splits = n
	}
	timings := []string{"window = 0", "window = 0.6", "interval = 2.5", "interval = 2.5, window = 2, cycles = 40"}
	kills := 0
	for i := range splits {
		late := []string{"refuse", "rerun"}[i%2]
		g := newGrown(t, uint64(i), timings[(i+i/4)%len(timings)], late)
		days := g.days()
		var dir string
		for day, n := range days {
			g.arrive(t, n)
			if day == 0 {
				dir = g.plume(t, 0, "run", "growing.toml", "--in-process")
				continue
			}
			for range g.random.IntN(3) {
				if g.plume(t, time.Duration(30+g.random.IntN(120))*time.Millisecond, "continue", dir) == "" {
					kills++
				}
			}
			if g.random.IntN(4) == 0 {
				g.plume(t, 0, "continue", dir, "--workers", "1")
			}
			g.plume(t, 0, "continue", dir)
		}
		whole := g.plume(t, 0, "run", "growing.toml", "--in-process", "--run-dir", "whole")
		t.Logf("split %d at %v, %s, late rows: %s", i, days, timings[(i+i/4)%len(timings)], late)
		sameTables(t, whole, dir)
	}
	if t.Logf("%d kills", kills); kills == 0 {
		t.Error("no process was killed")
	}
}

// TestContinueLate wants late and changed rows to be refused, left out, or assimilated.
func TestContinueLate(t *testing.T) {
	g := newGrown(t, 1, "window = 0", "refuse")
	g.arrive(t, 20)
	dir := g.plume(t, 0, "run", "growing.toml", "--in-process")
	before := infoOf(t, dir)

	late := "0.05,3,4\n"
	g.rows = slices.Insert(g.rows, 20, late)
	g.arrive(t, 25)
	if text := g.refused(t, exitDiffers, "verify", dir); !strings.Contains(text, "has grown by ") || !strings.Contains(text, "plume continue "+strings.TrimPrefix(dir, g.dir+"/")) {
		t.Errorf("verify of a run whose record has grown: %s", text)
	}
	if text := g.refused(t, exitWorkflow, "continue", dir); !strings.Contains(text, belated) {
		t.Errorf("a late row: %s", text)
	}
	if after := infoOf(t, dir); len(after.Arrivals) != 1 || after.Seal != before.Seal {
		t.Error("a refused row has changed the run")
	}
	g.plume(t, 0, "continue", dir, "--late", "ignore")
	rejected := read(t, dir, "rejections.arrow")
	if reasons := rejected.Column("reason").([]string); !slices.Contains(reasons, "belated") {
		t.Errorf("reasons of rejections: %v", reasons)
	}
	g.arrive(t, 40) // the row stays left out
	g.plume(t, 0, "continue", dir)
	withLate := g.rows
	g.rows = slices.Delete(slices.Clone(g.rows), 20, 21)
	g.arrive(t, 39)
	without := g.plume(t, 0, "run", "growing.toml", "--in-process", "--run-dir", "without")
	lines, err := archive.Compare(without, dir)
	if err != nil || len(lines) != 1 || !strings.HasPrefix(lines[0], "rejections.arrow") {
		t.Errorf("without the late row: %v %v", err, lines)
	}

	g.rows = slices.Clone(withLate)
	g.rows[7] = "9.9,1,1\n"
	g.arrive(t, 45)
	if text := g.refused(t, exitDiffers, "verify", dir); !strings.Contains(text, "says whether rows that the run has read have changed") {
		t.Errorf("verify of a run whose record has changed: %s", text)
	}
	if text := g.refused(t, exitWorkflow, "continue", dir); !strings.Contains(text, changed) {
		t.Errorf("a changed row: %s", text)
	}
	if text := g.refused(t, exitWorkflow, "continue", dir, "--late", "ignore"); !strings.Contains(text, "E410") {
		t.Errorf("a changed row that is to be ignored: %s", text)
	}
	g.rows[7] = withLate[7]
	g.arrive(t, 30)
	if text := g.refused(t, exitWorkflow, "continue", dir); !strings.Contains(text, "E410") || !strings.Contains(text, "has read 41") {
		t.Errorf("missing rows: %s", text)
	}

	g.arrive(t, 45)
	file := filepath.Join(g.dir, "growing.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g.write(t, "growing.toml", strings.Replace(string(text), "sd = 3", "sd = 2", 1))
	if text := g.refused(t, exitWorkflow, "continue", dir); !strings.Contains(text, "has changed since the run began") {
		t.Errorf("a changed workflow: %s", text)
	}
}

// TestPlanOfGrowing compares the disk that plan expects with what a run that can be continued takes.
func TestPlanOfGrowing(t *testing.T) {
	g := newGrown(t, 3, "window = 0", "refuse")
	g.arrive(t, 60)
	plan := exec.Command(plumeBinary(t), "plan", "growing.toml", "--json", "--quiet")
	plan.Dir = g.dir
	text, err := plan.Output()
	if err != nil {
		t.Fatal(err)
	}
	var expected struct{ Bytes float64 }
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	taken := 0.0
	err = filepath.WalkDir(g.plume(t, 0, "run", "growing.toml", "--in-process"), func(_ string, d fs.DirEntry, err error) error {
		if info, failed := d.Info(); err == nil && failed == nil && info.Mode().IsRegular() {
			taken += float64(info.Size())
		}
		return err
	})
	if err != nil || taken > 2*expected.Bytes || taken < expected.Bytes/2 {
		t.Errorf("the run takes %.0f bytes, plan expects %.0f, %v", taken, expected.Bytes, err)
	}
}

// TestContinueChanged goes back to before a row that has changed, from the checkpoint before it.
func TestContinueChanged(t *testing.T) {
	g := newGrown(t, 2, "window = 0", "rerun")
	var dir string
	for _, n := range []int{20, 30, 40, 50} {
		g.arrive(t, n)
		if dir == "" {
			dir = g.plume(t, 0, "run", "growing.toml", "--in-process")
			continue
		}
		g.plume(t, 0, "continue", dir)
	}
	g.rows[35] = strings.Replace(g.rows[35], ",", ",1", 1)
	g.arrive(t, 60)
	g.plume(t, 0, "continue", dir)
	sameTables(t, g.plume(t, 0, "run", "growing.toml", "--in-process", "--run-dir", "whole"), dir)
}
