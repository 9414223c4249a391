//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk/wire/table"
)

const longRun = `format = 1
[experiment]
name = "long"
seed = 1
[time]
cycles = 100_000
interval = 0.05
[model]
plugin = "lorenz63"
[truth]
init = [1.5, -1.5, 25.5]
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
[ensemble]
size = 10
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label = "enkf"
plugin = "filter-enkf"
params = { inflation = 1.05 }
[[filter]]
label = "particle"
plugin = "filter-pf"
params = { jitter = 1.0 }
`

// underWay is a run of the real program with real plugins.
type underWay struct {
	*exec.Cmd
	dir    string // of the run
	stderr printed
	tmp    string // where sockets go
}

// printed is what a program has written, to be read while it still writes.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(text)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// begin starts a long run and waits until it has stored some cycles of every
// trial. cycles bounds its length.
func begin(t *testing.T, cycles int) *underWay {
	t.Helper()
	root := t.TempDir()
	file := filepath.Join(root, "long.toml")
	if err := os.WriteFile(file, []byte(longRun), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &underWay{tmp: filepath.Join(root, "tmp")}
	if err := os.Mkdir(r.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	r.Cmd = exec.Command(plumeBinary(t), "run", file, "--run-dir", root, "--workers", "2", "--set", fmt.Sprintf("time.cycles=%d", cycles))
	r.Env = append(os.Environ(), "TMPDIR="+r.tmp)
	r.Stderr = &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		parts, _ := filepath.Glob(filepath.Join(root, "long", "*", "ensemble", "*", "*.part"))
		if len(parts) == 2 && sizeOf(parts[0]) > 50_000 && sizeOf(parts[1]) > 50_000 {
			r.dir = filepath.Dir(filepath.Dir(filepath.Dir(parts[0])))
			return r
		}
	}
	t.Fatalf("the run does not get going:\n%s", r.stderr.String())
	return nil
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// children returns the processes r has started, by name.
func (r *underWay) children(t *testing.T) map[string]int {
	t.Helper()
	return childrenOf(r.Process.Pid)
}

func childrenOf(host int) map[string]int {
	found := map[string]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		var pid, parent int
		var name, state string
		if _, err := fmt.Sscanf(string(text), "%d %s %s %d", &pid, &name, &state, &parent); err == nil && parent == host {
			found[strings.Trim(name, "()")] = pid
		}
	}
	return found
}

// end waits for the program and returns its exit code.
func (r *underWay) end(t *testing.T, within time.Duration) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- r.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return r.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("plume still runs after %v", within)
		return 0
	}
}

// checkLeft wants no process and no socket to be left, within 5 s.
func (r *underWay) checkLeft(t *testing.T, children map[string]int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var left []string
		for name, pid := range children {
			if syscall.Kill(pid, 0) == nil && !isZombie(pid) {
				left = append(left, name)
			}
		}
		entries, _ := os.ReadDir(r.tmp)
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left behind: %v", left)
			return
		}
	}
}

func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(text, []byte(") Z "))
}

// checkCycles wants the cycles a table holds to be 1, 2, ... without a gap and
// returns how many there are.
func checkCycles(t *testing.T, path string, rowsPerCycle int) int {
	t.Helper()
	tab, err := table.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	cycles := tab.Column("cycle").([]int32)
	for i, c := range cycles {
		if int(c) != i/rowsPerCycle+1 {
			t.Fatalf("%s: row %d is of cycle %d", path, i, c)
		}
	}
	return tab.Rows / rowsPerCycle
}

func TestHostIsKilled(t *testing.T) {
	r := begin(t, 15_000)
	children := r.children(t)
	if len(children) != 4 {
		t.Fatalf("children: %v", children)
	}
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.end(t, 5*time.Second)
	r.checkLeft(t, children)
	for trial := 1; trial <= 2; trial++ {
		members := checkCycles(t, filepath.Join(r.dir, "ensemble", fmt.Sprintf("trial=%04d", trial), "part-00000.arrow"), 10)
		scores := checkCycles(t, filepath.Join(r.dir, "cycles", fmt.Sprintf("trial=%04d.arrow", trial)), 2)
		if members < 20 || scores < members {
			t.Errorf("trial %d: %d cycles of members, %d of scores", trial, members, scores)
		}
	}
	info, err := archive.ReadInfo(r.dir)
	if err != nil || info.Status != archive.Running || len(info.Plugins) != 4 {
		t.Errorf("manifest: %+v, %v", info, err)
	}
	var stderr strings.Builder // there is nothing to find the two the same by
	if code := Main([]string{"verify", r.dir, r.dir}, io.Discard, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "plume resume") {
		t.Errorf("verify: exit code %d, %s", code, stderr.String())
	}
}

func TestFilterIsKilled(t *testing.T) {
	r := begin(t, 2000)
	children := r.children(t)
	if err := syscall.Kill(children["filter-enkf"], syscall.SIGKILL); err != nil {
		t.Fatal(children, err)
	}
	code := r.end(t, 60*time.Second)
	r.checkLeft(t, children)
	text := r.stderr.String()
	for _, want := range []string{`filter "enkf": plugin filter-enkf: cycle `, "ended by signal 9 (killed)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if code != exitSomeFailed {
		t.Errorf("exit code %d, want %d", code, exitSomeFailed)
	}
	trials, err := table.Read(filepath.Join(r.dir, "trials.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	if status := trials.Column("status").([]string); status[0] != "failed" || status[1] == "failed" {
		t.Errorf("status %v", status)
	}
	if n := checkCycles(t, filepath.Join(r.dir, "ensemble", "trial=0001", "part-00000.arrow"), 10); n < 20 {
		t.Errorf("%d cycles", n)
	}
	out(t, exitOK, "verify", r.dir)
}

func TestModelIsKilled(t *testing.T) {
	r := begin(t, 15_000)
	children := r.children(t)
	if err := syscall.Kill(children["lorenz63"], syscall.SIGKILL); err != nil {
		t.Fatal(children, err)
	}
	if code := r.end(t, 10*time.Second); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	r.checkLeft(t, children)
	if text := r.stderr.String(); !strings.Contains(text, "plugin lorenz63: cycle ") || !strings.Contains(text, "signal 9 (killed)") {
		t.Errorf("got\n%s", text)
	}
}

func TestInterrupt(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: exitInterrupted, syscall.SIGTERM: exitTerminated, syscall.SIGUSR1: exitTerminated} {
		r := begin(t, 15_000)
		children := r.children(t)
		if err := r.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := r.end(t, 10*time.Second); code != want {
			t.Errorf("%v: exit code %d, want %d\n%s", signal, code, want, r.stderr.String())
		}
		r.checkLeft(t, children)
		if text := r.stderr.String(); !strings.Contains(text, "2 interrupted, ") || strings.Contains(text, "30000/30000") {
			t.Errorf("%v: cycles that were not run are counted:\n%s", signal, text)
		}
		if n := checkCycles(t, filepath.Join(r.dir, "ensemble", "trial=0001", "part-00000.arrow"), 10); n < 20 {
			t.Errorf("%v: %d cycles", signal, n)
		}
		info, err := archive.ReadInfo(r.dir)
		if err != nil || info.Status != archive.Interrupted {
			t.Errorf("%v: manifest %+v, %v", signal, info, err)
		}
		if parts, _ := filepath.Glob(filepath.Join(r.dir, "*", "*", "*"+table.Part)); len(parts) > 0 {
			t.Errorf("%v: not closed: %v", signal, parts)
		}
	}
}

// A signal ends at once what has no cycles to finish, and the truth of a run like any
// other of its parts.
func TestInterruptBeforeCycles(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "long.toml")
	hanging := filepath.Join(root, "hanging.toml")
	for name, text := range map[string]string{file: longRun, hanging: longRun + "[plugins.lorenz63]\ncommand = [\"sleep\", \"1000\"]\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		args    []string
		patient bool
	}{
		"a plugin that does not start": {[]string{"validate", hanging}, false},
		"a long truth":                 {[]string{"run", file, "--run-dir", root, "--set", "time.cycles=1_000_000", "--set", `output.ensemble="none"`, "--accept-size"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &underWay{Cmd: exec.Command(plumeBinary(t), test.args...)}
			r.Stderr = &r.stderr
			if err := r.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
			time.Sleep(2 * time.Second)
			children := r.children(t)
			if len(children) == 0 {
				t.Fatalf("it is not under way:\n%s", r.stderr.String())
			}
			if err := r.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if code := r.end(t, 10*time.Second); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			if text := r.stderr.String(); !strings.Contains(text, "stopped by interrupt") || strings.Contains(text, "finishing") != test.patient {
				t.Errorf("got\n%s", text)
			}
			for name, pid := range children {
				if err := syscall.Kill(pid, 0); err == nil && !isZombie(pid) {
					t.Errorf("%s is still there", name)
				}
			}
		})
	}
}

// The example of a plugin without a kit, which others are written after, ends with its
// host, and leaves nothing behind.
func TestRawPluginEndsWithItsHost(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with grpc and pyarrow; make test sets it")
	}
	script, err1 := filepath.Abs("../../../examples/python/raw.py")
	modules, err2 := filepath.Abs("../../../sdk/python/src/plume/_proto")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		root := t.TempDir()
		file := filepath.Join(root, "raw.toml")
		if err := os.WriteFile(file, fmt.Appendf(nil, rawWorkflow, python, script), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &underWay{Cmd: exec.Command(plumeBinary(t), "run", file, "--run-dir", root), tmp: filepath.Join(root, "tmp")}
		if err := os.Mkdir(r.tmp, 0o700); err != nil {
			t.Fatal(err)
		}
		r.Env, r.Stderr = append(os.Environ(), "TMPDIR="+r.tmp, "PYTHONPATH="+modules), &r.stderr
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if parts, _ := filepath.Glob(filepath.Join(root, "raw", "*", "ensemble", "*", "*.part")); len(parts) == 1 && sizeOf(parts[0]) > 20_000 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the run does not get going:\n%s", r.stderr.String())
			}
		}
		children := r.children(t)
		if len(children) != 3 {
			t.Fatalf("children: %v", children)
		}
		time.Sleep(time.Duration(i) * 3 * time.Millisecond) // another moment of a call
		if err := r.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		r.end(t, 5*time.Second)
		r.checkLeft(t, children)
	}
}

const rawWorkflow = `format = 1
experiment = { name = "raw", seed = 1 }
time = { cycles = 1000, interval = 0.01 }
model = { plugin = "raw-python" }
truth = { init = [1.0, 2.0] }
ensemble = { size = 10, init = { dist = "normal", around = "truth", sd = 1.0 } }
filter = [{ label = "enkf", plugin = "filter-enkf" }]
output = { ensemble = "analysis" }
plugins.raw-python.command = [%q, %q]
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
`

// A plugin that says that a call was canceled, when nobody has stopped the run, has failed:
// with the kit or without it, and with what it said.
func TestPluginSaysCanceled(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with grpc and pyarrow; make test sets it")
	}
	raw, err := os.ReadFile("../../../examples/python/raw.py")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs("../../../sdk/python/src")
	if err != nil {
		t.Fatal(err)
	}
	const header = "    header = next(frames).header\n"
	for name, script := range map[string]string{
		"raw": strings.Replace(string(raw), header, header+`    if header.cycle == 5:
        context.abort(grpc.StatusCode.CANCELLED, "the licence is gone")
`, 1),
		"kit": `from asyncio import CancelledError
from plume import Model, serve

class RawPython(Model):
    """Decay."""

    name = "raw-python"
    variables = {"u": "1", "v": "1"}

    def forecast(self, x, t0, t1, rng):
        if t1 > 0.045:
            raise CancelledError("the licence is gone")
        return x

serve(RawPython)
`,
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			plugin, file := filepath.Join(root, "plugin.py"), filepath.Join(root, "raw.toml")
			workflow := fmt.Sprintf(rawWorkflow, python, plugin)
			for path, text := range map[string]string{plugin: script, file: workflow} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := []string{"PYTHONPATH=" + modules + ":" + filepath.Join(modules, "plume", "_proto")}
			code, dir, text := plumeHere(t, env, "run", file, "--run-dir", root, "--set", "time.cycles=10")
			if code != exitFailed || !strings.Contains(text, "the licence is gone") {
				t.Errorf("exit code %d, want %d\n%s", code, exitFailed, text)
			}
			if info, err := archive.ReadInfo(dir); err != nil || info.Status != archive.Failed {
				t.Errorf("got %+v, %v", info, err)
			}
		})
	}
}
