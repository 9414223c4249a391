//go:build linux

package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// following starts plume follow; lines is called with every line that it prints.
func (g *grown) following(t *testing.T, in io.Reader, lines func(followedLine), args ...string) (c *exec.Cmd, ended chan error) {
	t.Helper()
	c = exec.Command(plumeBinary(t), append([]string{"follow", "growing.toml", "--in-process"}, args...)...)
	c.Dir, c.Stdin = g.dir, in
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	ended = make(chan error, 1)
	go func() {
		var err error
		for scan := bufio.NewScanner(out); scan.Scan(); {
			var line followedLine
			if err = json.Unmarshal(scan.Bytes(), &line); err != nil {
				break // it was cut by a kill
			}
			lines(line)
		}
		if err := c.Wait(); err != nil {
			ended <- fmt.Errorf("%w\n%s", err, stderr.String())
			return
		}
		ended <- nil
	}()
	return c, ended
}

// followed holds the last line of every cycle and trial.
type followedLast map[[2]int]followedLine

func (f followedLast) add(l followedLine) { f[[2]int{l.Cycle, l.Trial}] = l }

// check wants the last lines to be what a run over the whole record has.
func (f followedLast) check(t *testing.T, whole string) {
	t.Helper()
	states := read(t, whole, "variables.arrow")
	cycles, last := states.Column("cycle").([]int32), 0
	for _, k := range cycles {
		last = max(last, int(k))
	}
	for i, k := range cycles {
		if states.Column("stage").([]string)[i] != archive.Analysis {
			continue
		}
		line, ok := f[[2]int{int(k), int(states.Column("trial").([]int32)[i])}]
		name := states.Column("variable").([]string)[i]
		if want := states.Column("mean").([]float64)[i]; !ok || line.Analysis[name].Mean == nil || math.Float64bits(*line.Analysis[name].Mean) != math.Float64bits(want) || line.Final != (int(k) < last) {
			t.Fatalf("cycle %d of %d, trial %d, %s: got %+v, want %g", k, last, line.Trial, name, line.Analysis[name], want)
		}
	}
}

// TestFollow lets rows arrive in pieces, kills the process, and wants all lines to be there and right in the end.
func TestFollow(t *testing.T) {
	g := newGrown(t, 5, "window = 0", "refuse")
	g.rows = g.rows[:40]
	file := filepath.Join(g.dir, "data.csv")
	g.arrive(t, 8)
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	rest := strings.Join(g.rows[8:], "")
	got := followedLast{}
	kills := 4
	if testing.Short() {
		kills = 1
	}
	for kill := range kills {
		c, ended := g.following(t, nil, got.add)
		for range 3 { // pieces of any length, which need not be lines
			n := min(len(rest), 1+g.random.IntN(len(rest)/(7-kill)+2))
			if _, err := io.WriteString(out, rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			time.Sleep(time.Duration(50+g.random.IntN(150)) * time.Millisecond)
		}
		_ = c.Process.Kill()
		if err := <-ended; err == nil {
			t.Error("it ended before it was killed")
		}
	}
	if _, err := io.WriteString(out, rest); err != nil {
		t.Fatal(err)
	}
	whole := g.plume(t, 0, "run", "growing.toml", "--in-process", "--run-dir", "whole")
	all, trials := make(chan bool), read(t, whole, "trials.arrow").Rows
	complete := sync.OnceFunc(func() { close(all) })
	c, ended := g.following(t, nil, func(l followedLine) {
		if got.add(l); l.Cycle == 40 && l.Trial == trials {
			complete()
		}
	})
	select {
	case <-all:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(60 * time.Second):
		t.Fatal("the last cycle was not printed")
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err == nil {
		t.Error("it was stopped by a signal, and has exit code 0")
	}
	got.check(t, whole)
	sameTables(t, whole, lastRunOf(filepath.Join(g.dir, "runs"), filepath.Join(g.dir, "growing.toml")))
}

// TestFollowOpen follows a run of one trial, which stays open while rows arrive, with kills, a pause and
// a line that is completed later, and wants the tables to be those of one run over the whole record.
func TestFollowOpen(t *testing.T) {
	for i, filter := range []string{`{ label = "particle", plugin = "filter-pf", params = { jitter = 0.2 } }`, `{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }`} {
		g := newGrown(t, uint64(7+i), []string{"window = 0.6", "interval = 2.5"}[i], "refuse")
		g.single(t, filter)
		g.arrive(t, 12)
		out, err := os.OpenFile(filepath.Join(g.dir, "data.csv"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, rest := followedLast{}, strings.Join(g.rows[12:], "")
		in, rows := io.Pipe()
		c, ended := g.following(t, nil, got.add, "--checkpoint", "1ms")
		for n := 0; len(rest) > 0; n++ {
			size := min(len(rest), 1+g.random.IntN(60))
			if _, err := io.WriteString(out, rest[:size]); err != nil {
				t.Fatal(err)
			}
			rest = rest[size:]
			time.Sleep(time.Duration(g.random.IntN(40)) * time.Millisecond)
			switch n {
			case 20:
				_ = c.Process.Kill()
				t.Logf("stopped: %v", <-ended)
				c, ended = g.following(t, nil, got.add, "--checkpoint", "1ms")
			case 12:
				time.Sleep(time.Second) // the run is completed
			}
		}
		_ = c.Process.Signal(syscall.SIGTERM)
		t.Logf("stopped: %v", <-ended)
		_ = rows.Close() // what is left is in the file
		if _, ended := g.following(t, in, got.add, "--stdin"); <-ended != nil {
			t.Fatal("the last part was not followed")
		}
		whole := g.plume(t, 0, "run", "growing.toml", "--in-process", "--run-dir", "whole")
		got.check(t, whole)
		sameTables(t, whole, lastRunOf(filepath.Join(g.dir, "runs"), filepath.Join(g.dir, "growing.toml")))
	}
}

// keepsUp is a filter of 100 members that sees all of Lorenz-63.
const keepsUp = `format = 1
experiment = { name = "growing", seed = 11 }
time = { burn_in = 20, step = 0.01 }
model = { plugin = "lorenz63" }
ensemble = { size = 100, init = { dist = "normal", mean = 0, sd = 8 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf", inflation = 1.02 } }]
observations = { plugin = "obs-nonlinear", error = { sd = 1 }, file = "data.csv", time.column = "t" }
`

// TestFollowKeepsUp writes 1,000 rows a second and wants memory not to grow with the record. PLUME_ROWS is
// how many; if it is set, all but five seconds of them must have been assimilated when the last one is written.
func TestFollowKeepsUp(t *testing.T) {
	total, long := 4000, false
	if n, err := strconv.Atoi(os.Getenv("PLUME_ROWS")); err == nil {
		total, long = n, true
	}
	g := &grown{dir: t.TempDir(), random: rand.New(rand.NewPCG(11, 1))}
	g.write(t, "growing.toml", keepsUp)
	state := [3]float64{1.5, -1.5, 25}
	row := func(k int) string {
		for range 20 { // Euler's method is good enough for a truth
			x, y, z := state[0], state[1], state[2]
			state = [3]float64{x + 0.005*10*(y-x), y + 0.005*(x*(28-z)-y), z + 0.005*(x*y-8./3*z)}
		}
		return fmt.Sprintf("%d.%d,%.3f,%.3f,%.3f\n", k/10, k%10, state[0]+g.random.NormFloat64(), state[1]+g.random.NormFloat64(), state[2]+g.random.NormFloat64())
	}
	text := "t,x,y,z\n"
	for k := 1; k <= 25; k++ {
		text += row(k)
	}
	g.write(t, "data.csv", text)
	out, err := os.OpenFile(filepath.Join(g.dir, "data.csv"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var seen atomic.Int64
	c, ended := g.following(t, nil, func(l followedLine) { seen.Store(int64(l.Cycle)) })
	rss := func() (mb float64) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		if _, err := fmt.Sscan(rest, &mb); err != nil {
			t.Fatal(err)
		}
		return mb / 1024
	}
	for end := time.Now().Add(time.Minute); seen.Load() == 0; time.Sleep(20 * time.Millisecond) { // it has started
		if time.Now().After(end) {
			t.Fatal("the first rows were not followed")
		}
	}
	var first float64 // largest in the first half
	var last float64  // and in the second
	start := time.Now()
	for k := 26; k <= total; {
		rows := ""
		for due := min(total, 25+int(time.Since(start)/time.Millisecond)); k <= due; k++ {
			rows += row(k)
		}
		if _, err := io.WriteString(out, rows); err != nil {
			t.Fatal(err)
		}
		switch now := rss(); {
		case k < total/2:
			first = max(first, now)
		default:
			last = max(last, now)
		}
		time.Sleep(20 * time.Millisecond)
	}
	behind := total - int(seen.Load())
	t.Logf("%d rows in %v, %d of them not assimilated, memory %.0f MB in the first half and %.0f MB in the second", total, time.Since(start), behind, first, last)
	if long && behind > 5000 {
		t.Error("it has fallen behind")
	}
	if last > 1.3*first {
		t.Error("memory grows with the record")
	}
	for end := time.Now().Add(2 * time.Minute); int(seen.Load()) < total && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	t.Logf("stopped: %v", <-ended)
	if n := int(seen.Load()); n != total {
		t.Errorf("the last cycle is %d of %d", n, total)
	}
}

// TestFollowRewritten writes rows again with as many bytes, and wants their cycles again.
func TestFollowRewritten(t *testing.T) {
	g := newGrown(t, 9, "window = 0", "rerun")
	g.single(t, `{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }`)
	g.arrive(t, 20)
	var mu sync.Mutex
	got := followedLast{}
	c, ended := g.following(t, nil, func(l followedLine) {
		mu.Lock()
		defer mu.Unlock()
		got.add(l)
	})
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			ok := is()
			mu.Unlock()
			if ok {
				return
			}
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	until("the last cycle was not printed", func() bool { return got[[2]int{20, 1}].Cycle == 20 })
	mu.Lock()
	before := *got[[2]int{20, 1}].Analysis["level"].Mean
	mu.Unlock()
	for i := 14; i < 20; i++ {
		at, rest, _ := strings.Cut(g.rows[i], ",")
		g.rows[i] = at + ",7" + rest[1:]
	}
	g.arrive(t, 20)
	until("the rows that were written again were not read", func() bool { return *got[[2]int{20, 1}].Analysis["level"].Mean != before })
	_ = c.Process.Signal(syscall.SIGTERM)
	t.Logf("stopped: %v", <-ended)
}

// single leaves one trial in the workflow.
func (g *grown) single(t *testing.T, filter string) {
	t.Helper()
	file := filepath.Join(g.dir, "growing.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "sweep."):
			continue
		case strings.HasPrefix(line, "filter"):
			line = "filter = [" + filter + "]\n"
		}
		lines = append(lines, line)
	}
	g.write(t, "growing.toml", strings.Join(lines, ""))
}

// TestFollowInput appends rows from standard input to the file, whose header has not been ended.
func TestFollowInput(t *testing.T) {
	g := newGrown(t, 6, "interval = 2.5", "refuse")
	g.write(t, "data.csv", "t,level,flow")
	in, rows := io.Pipe()
	got := followedLast{}
	_, ended := g.following(t, in, got.add, "--stdin")
	go func() {
		for _, row := range g.rows {
			_, _ = io.WriteString(rows, row)
			time.Sleep(10 * time.Millisecond)
		}
		_ = rows.Close()
	}()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	g.arrive(t, len(g.rows)) // what the file must be
	got.check(t, g.plume(t, 0, "run", "growing.toml", "--in-process", "--run-dir", "whole"))
	if _, text := out(t, exitUsage, "follow", filepath.Join(g.dir, "growing.toml"), "--late", "never"); !strings.Contains(text, "--late must be") {
		t.Errorf("got %s", text)
	}
	if _, text := out(t, exitWorkflow, "follow", filepath.Join(g.dir, "growing.toml"), "--set", "model.executor=nowhere", "--run-dir", t.TempDir()); !strings.Contains(text, "there is no executor `nowhere`") {
		t.Errorf("got %s", text)
	}
}

// A line without an end is not taken into memory: the rows before it are kept, and nothing of it.
func TestInputThatDoesNotEnd(t *testing.T) {
	was := mostLine
	mostLine = 100_000
	t.Cleanup(func() { mostLine = was })
	file := filepath.Join(t.TempDir(), "data.csv")
	if err := os.WriteFile(file, []byte("t,level\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := io.MultiReader(strings.NewReader(strings.Repeat("1,2\n", 50_000)), strings.NewReader(strings.Repeat("3", 1_000_000)))
	if err := appendRows(file, in); err == nil || !strings.Contains(err.Error(), "got a line of more than 100000 bytes") {
		t.Errorf("got %v", err)
	}
	text, err := os.ReadFile(file)
	if want := "t,level\n" + strings.Repeat("1,2\n", 50_000); err != nil || string(text) != want {
		t.Errorf("the file has %d bytes, %v, want the %d before the line", len(text), err, len(want))
	}
}
