//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk/wire/table"
)

// stopsWorkflow has everything that is carried from cycle to cycle: weights, windows, random
// streams, noise with a memory, a reference, axes, and trials that share truths.
const stopsWorkflow = `format = 1
[experiment]
name = "stops"
seed = 1
[time]
cycles = 100
interval = 0.1
burn_in = 10
[model]
plugin = "lorenz63"
params = { noise_sd = 0.1 }
noise = { sd = 0.1, memory = 0.5 }
[truth]
init = { dist = "normal", mean = 1.0, sd = 1.0 }
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
[ensemble]
size = 20
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label = "joint"
plugin = "filter-diffusion"
[[filter]]
label = "adaptive"
plugin = "filter-enkf"
params = { scheme = "etkf", adaptive_inflation = true, rotation = true }
window = "auto"
smooth = { lag = 4 }
[[filter]]
label = "particle"
plugin = "filter-pf"
params = { jitter = 0.2, threshold = 0.5 }
smooth = { lag = 3 }
[reference]
plugin = "filter-pf"
size = 300
store = 50
[output]
ensemble = "both"
[sweep]
replicate = "1..2"
[sweep.axes]
"filter.particle.size" = [20, 50]
`

// TestStops stops runs at random points by all means there are, and wants each of them,
// resumed, to have the tables of one that was never stopped. PLUME_STOPS is how many.
func TestStops(t *testing.T) {
	stops := 6
	if n, err := strconv.Atoi(os.Getenv("PLUME_STOPS")); err == nil {
		stops = n
	}
	root := t.TempDir()
	file := stopsFile(t, root)
	start := time.Now()
	whole := uninterrupted(t, file, root)
	length := time.Since(start)
	means := []string{"SIGINT to the host", "SIGTERM to the host", "SIGHUP to the host", "SIGKILL to the host", "SIGKILL to a plugin"}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range stops {
		how, after := means[i%len(means)], time.Duration(random.Float64()*0.8*float64(length))
		t.Run(fmt.Sprintf("%02d", i), func(t *testing.T) {
			checkStop(t, file, filepath.Join(root, fmt.Sprintf("stop-%02d", i)), whole.dir(t), how, after, random)
		})
	}
	stopsMade.log(t)
}

// A run whose plugins are part of plume goes on in the same way, to the tables of one whose
// plugins are processes.
func TestStopsInProcess(t *testing.T) {
	root := t.TempDir()
	file := stopsFile(t, root)
	whole := uninterrupted(t, file, root)
	random := rand.New(rand.NewPCG(5, 6))
	for i, how := range []string{"SIGINT to the host", "SIGKILL to the host"} {
		below := filepath.Join(root, fmt.Sprintf("stop-%d", i))
		checkStop(t, file, below, whole.dir(t), how, 200*time.Millisecond, random, "--in-process")
		if info := infoOf(t, (&stopped{root: below}).dir(t)); !info.InProcess {
			t.Error("the plugins were processes")
		}
	}
}

// TestStopsReal stops a run with real observations, some of which are held out and some
// rejected.
func TestStopsReal(t *testing.T) {
	root := t.TempDir()
	var data strings.Builder
	data.WriteString("t,x\n")
	for k := range 400 {
		fmt.Fprintf(&data, "%d,%d\n", k+1, k*k%23)
	}
	file := filepath.Join(root, "real.toml")
	for name, text := range map[string]string{"data.csv": data.String(), "real.toml": realWorkflow} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := uninterrupted(t, file, root)
	for _, name := range []string{"rejections.arrow", "held_out.arrow"} {
		if tab, err := table.Read(filepath.Join(whole.dir(t), name)); err != nil || tab.Rows < 10 {
			t.Fatalf("%s: %v", name, err)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for i, how := range []string{"SIGTERM to the host", "SIGKILL to the host"} {
		checkStop(t, file, filepath.Join(root, fmt.Sprintf("stop-%d", i)), whole.dir(t), how, 200*time.Millisecond, random)
	}
}

const realWorkflow = `format = 1
experiment = { name = "real", seed = 1 }
time = {}
model = { plugin = "linear", params = { variables = ["x"] }, noise = { sd = 2.0 } }
ensemble = { size = 20, init = { dist = "normal", mean = 10, sd = 5 } }
filter = [{ label = "etkf", plugin = "filter-enkf", params = { scheme = "etkf" } }, { label = "particle", plugin = "filter-pf", params = { jitter = 0.2 } }]
sweep.replicate = "1..2"
[observations]
plugin = "obs-nonlinear"
error = { sd = 3 }
file = "data.csv"
time.column = "t"
hold_out.fraction = 0.2
qc.background = 2
`

// stopsMade counts how runs were stopped, also those that were resumed.
var stopsMade = tally{}

// checkStop stops a run, and then half the times its continuation, and wants what
// comes out in the end to be the same as whole.
func checkStop(t *testing.T, file, root, whole, how string, after time.Duration, random *rand.Rand, options ...string) {
	r := stopsRun(t, file, root, options...)
	dir := r.dir(t)
	for attempt := range 10 {
		halted := false
		if attempt == 0 || random.IntN(2) == 0 && attempt < 3 {
			time.Sleep(after)
			children := childrenOf(r.Process.Pid)
			r.stop(how, random)
			halted = true
			defer (&underWay{tmp: t.TempDir()}).checkLeft(t, children)
		}
		code := r.wait(t)
		if halted && code != exitOK {
			stopsMade[how]++
		}
		if attempt == 0 && code == exitOK && after > time.Millisecond { // it was faster this time
			checkStop(t, file, root+"-", whole, how, after/2, random, options...)
			return
		}
		t.Logf("attempt %d, %s after %v: exit code %d, %s", attempt, how, after, code, stored(dir))
		checkOpens(t, dir)
		info, err := archive.ReadInfo(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Status == archive.OK && code == exitOK {
			break
		}
		r = &stopped{Cmd: exec.Command(plumeBinary(t), "resume", dir, "--checkpoint", "20ms", "--workers", "2"), root: root, tmp: r.tmp}
		r.start(t)
	}
	lines, err := archive.Compare(whole, dir)
	if err != nil || len(lines) > 0 {
		t.Fatalf("%v %s\n%s", err, strings.Join(lines, "\n"), r.stderr.String())
	}
	out(t, exitOK, "verify", dir)
	if strings.Contains(r.stderr.String(), "is complete") { // what was killed had just ended: the next one that starts plugins clears up
		next := exec.Command(plumeBinary(t), "validate", file)
		next.Env = append(os.Environ(), "TMPDIR="+r.tmp)
		if text, err := next.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	(&underWay{tmp: r.tmp}).checkLeft(t, nil) // also nothing of those that were killed
	if left, _ := filepath.Glob(filepath.Join(dir, "cycles", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// stored says how far a run has come.
func stored(dir string) string {
	ends, _ := filepath.Glob(filepath.Join(dir, "checkpoint", "*.end"))
	points, _ := filepath.Glob(filepath.Join(dir, "checkpoint", "trial=*[0-9]"))
	return fmt.Sprintf("%d trials ended, %d checkpoints", len(ends), len(points))
}

// checkOpens wants every table of a run to be readable.
func checkOpens(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(strings.TrimSuffix(path, table.Part), ".arrow") {
			return err
		}
		_, err = table.Read(strings.TrimSuffix(path, table.Part))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// stopped is a run that may be stopped.
type stopped struct {
	*exec.Cmd
	root   string
	tmp    string // for its temporary files; empty: one of its own
	stderr printed
}

// stopsFile writes the workflow of runs that are stopped.
func stopsFile(t *testing.T, root string) string {
	t.Helper()
	file := filepath.Join(root, "stops.toml")
	if err := os.WriteFile(file, []byte(stopsWorkflow), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// uninterrupted runs a workflow below root to its end.
func uninterrupted(t *testing.T, file, root string) *stopped {
	t.Helper()
	whole := stopsRun(t, file, filepath.Join(root, "whole"))
	if code := whole.wait(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, whole.stderr.String())
	}
	return whole
}

func stopsRun(t *testing.T, file, root string, options ...string) *stopped {
	t.Helper()
	args := append([]string{"run", file, "--run-dir", root, "--checkpoint", "20ms", "--workers", "2"}, options...)
	r := &stopped{Cmd: exec.Command(plumeBinary(t), args...), root: root}
	r.start(t)
	return r
}

func (s *stopped) start(t *testing.T) {
	t.Helper()
	if s.tmp == "" {
		s.tmp = shortTemp(t)
	}
	if s.Env == nil {
		s.Env = os.Environ()
	}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} { // children ignore what a test in the background ignores
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	s.Env, s.Stderr = append(s.Env, "TMPDIR="+s.tmp), &s.stderr
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
}

// shortTemp makes a folder for temporary files whose name leaves room for that of a socket.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// dir waits for the run directory.
func (s *stopped) dir(t *testing.T) string {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if runs := archive.List(s.root); len(runs) == 1 {
			return runs[0]
		}
	}
	t.Fatalf("no run directory:\n%s", s.stderr.String())
	return ""
}

func (s *stopped) stop(how string, random *rand.Rand) {
	switch how {
	case "SIGINT to the host":
		_ = s.Process.Signal(syscall.SIGINT)
	case "SIGTERM to the host":
		_ = s.Process.Signal(syscall.SIGTERM)
	case "SIGHUP to the host":
		_ = s.Process.Signal(syscall.SIGHUP)
	case "SIGKILL to the host":
		_ = s.Process.Kill()
	default:
		children := childrenOf(s.Process.Pid)
		if len(children) == 0 {
			return // it has ended
		}
		names := make([]string, 0, len(children))
		for name := range children {
			names = append(names, name)
		}
		slices.Sort(names)
		_ = syscall.Kill(children[names[random.IntN(len(names))]], syscall.SIGKILL)
	}
}

func (s *stopped) wait(t *testing.T) int {
	t.Helper()
	u := &underWay{Cmd: s.Cmd}
	return u.end(t, 120*time.Second)
}

// A run is resumed by one process at a time, and with what it began with.
func TestResumeRefuses(t *testing.T) {
	root := t.TempDir()
	plugins := filepath.Join(root, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	particle, err := goBuild(plugins, "../../../plugins/filter-pf/cmd/filter-pf")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"PLUME_PLUGINS=" + plugins}
	file := filepath.Join(root, "long.toml")
	if err := os.WriteFile(file, []byte(longRun), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &stopped{Cmd: exec.Command(plumeBinary(t), "run", file, "--run-dir", root, "--set", "time.cycles=15_000"), root: root}
	r.Env = append(os.Environ(), env...)
	r.start(t)
	dir := r.dir(t)
	refused := func(code int, want string) {
		t.Helper()
		got, _, text := plumeHere(t, env, "resume", dir)
		if got != code || !strings.Contains(text, want) {
			t.Errorf("exit code %d, want %d, and %q in\n%s", got, code, want, text)
		}
	}
	refused(exitFailed, "another plume is writing this run")
	r.stop("SIGINT to the host", nil)
	if code := r.wait(t); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s", code, r.stderr.String())
	}
	changed := strings.Replace(longRun, "inflation = 1.05", "inflation = 1.06", 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(exitWorkflow, `has changed since the run began: [filter.params] got "inflation = 1.06", want "inflation = 1.05"`)
	if err := os.WriteFile(file, []byte("# a remark\n"+longRun), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(particle, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("another build"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	refused(exitPlugin, "plugin filter-pf: has changed")
}

// A disk that is full stops the run; what is there can be read, and when there is
// room again the run is resumed to what it would have been.
func TestDiskIsFull(t *testing.T) {
	root := t.TempDir()
	file, disk := stopsFile(t, root), filepath.Join(root, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1500k"); err != nil {
		t.Skip("cannot make a small disk: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	if code, _, text := plumeHere(t, nil, "run", file, "--run-dir", disk); code != exitWorkflow || !strings.Contains(text, "error[E331]: the run stores about 7.") {
		t.Errorf("exit code %d, want %d and E331\n%s", code, exitWorkflow, text)
	}
	code, _, text := plumeHere(t, nil, "run", file, "--run-dir", disk, "--checkpoint", "20ms", "--accept-size")
	if code != exitFailed && code != exitSomeFailed || !strings.Contains(text, "no space left on device") {
		t.Fatalf("exit code %d\n%s", code, text)
	}
	if n := strings.Count(text, "filter \""); strings.Count(text, ": no space left on device") > n+1 {
		t.Errorf("more than a line for each of %d trials and one for the run:\n%s", n, text)
	}
	dir := archive.List(disk)[0]
	checkOpens(t, dir)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if code, _, text := plumeHere(t, nil, "resume", dir); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, text)
	}
	_, whole, _ := plumeHere(t, nil, "run", file, "--run-dir", root, "-q")
	if lines, err := archive.Compare(whole, dir); err != nil || len(lines) > 0 {
		t.Errorf("%v %s", err, strings.Join(lines, "\n"))
	}
}

// A loss of power may take what the host wrote last and had not waited for: ends of
// files, whole files, pages in the middle. What ended and is not whole is done again.
func TestPowerIsLost(t *testing.T) {
	damages := map[string]func(string) error{
		"cut":    func(path string) error { return os.Truncate(path, 700) },
		"empty":  func(path string) error { return os.Truncate(path, 0) },
		"gone":   os.Remove,
		"zeroed": zeroMiddle,
	}
	lost := []struct{ damage, file string }{ // the first trials to end; all share a truth and a reference
		{"cut", "cycles/trial=0001.arrow"}, {"zeroed", "ensemble/trial=0002/part-00000.arrow"},
		{"empty", "checkpoint/trial=0001.end"}, {"zeroed", "truth/replicate=001/part-00000.arrow"}, {"gone", "reference/replicate=001/part-00000.arrow"},
	}
	root := t.TempDir()
	file := stopsFile(t, root)
	whole := uninterrupted(t, file, root)
	for i, l := range lost {
		t.Run(l.damage+" "+l.file, func(t *testing.T) {
			dir := killedAfterTrials(t, file, filepath.Join(root, fmt.Sprint(i)))
			if err := damages[l.damage](filepath.Join(dir, l.file)); err != nil {
				t.Fatal(err)
			}
			if code, _, text := plumeHere(t, nil, "resume", dir); code != exitOK {
				t.Fatalf("exit code %d\n%s", code, text)
			}
			if lines, err := archive.Compare(whole.dir(t), dir); err != nil || len(lines) > 0 {
				t.Errorf("%v %s", err, strings.Join(lines, "\n"))
			}
		})
	}
}

// killedAfterTrials kills a run of one worker when two trials have ended.
func killedAfterTrials(t *testing.T, file, root string) (dir string) {
	t.Helper()
	r := &stopped{Cmd: exec.Command(plumeBinary(t), "run", file, "--run-dir", root, "--workers", "1"), root: root}
	r.start(t)
	dir = r.dir(t)
	second := filepath.Join(dir, "checkpoint", "trial=0002.end")
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(second); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no trial has ended:\n%s", r.stderr.String())
		}
	}
	r.stop("SIGKILL to the host", nil)
	if r.wait(t) == exitOK {
		t.Fatal("the run was faster")
	}
	return dir
}

// zeroMiddle overwrites 8 bytes in the middle of a file with zeros.
func zeroMiddle(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	middle := text[len(text)/2:][:8]
	if bytes.Equal(middle, make([]byte, 8)) {
		return errors.New("there are zeros already")
	}
	clear(middle)
	return os.WriteFile(path, text, 0o600)
}
