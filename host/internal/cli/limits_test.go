//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// largeRun is a twin experiment on n values with N members; filters replace FILTERS.
func largeRun(t *testing.T, n, members int, filters string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "large.toml")
	text := fmt.Sprintf(`format = 1
[experiment]
name = "large"
seed = 1
[time]
cycles = 3
interval = 0.05
[model]
plugin = "lorenz96"
params = { n = %d }
[truth]
init = { dist = "normal", mean = 2.0, sd = 1.0 }
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
[ensemble]
size = %d
init = { dist = "normal", around = "truth", sd = 1.0 }
`, n, members) + filters
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const etkf = "[[filter]]\nlabel = \"etkf\"\nplugin = \"filter-enkf\"\n"

// What a run says that it needs is within 30 % of what each process then takes at most.
func TestMemoryIsForeseen(t *testing.T) {
	filters := map[string]string{
		"etkf":     "plugin = \"filter-enkf\"\n",
		"letkf":    "plugin = \"filter-enkf\"\nparams = { scheme = \"letkf\", cutoff = 4.0 }\n",
		"particle": "plugin = \"filter-pf\"\n",
		"local":    "plugin = \"filter-pf\"\nparams = { scheme = \"local\", cutoff = 4.0 }\n",
		"joint":    "plugin = \"filter-diffusion\"\n",
		"kde":      "plugin = \"filter-diffusion\"\nparams = { scheme = \"kde\" }\n",
	}
	for label, filter := range filters {
		for _, size := range []struct {
			n, members int
			set        string
		}{{10_000, 20, "time.cycles=12"}, {100_000, 20, ""}, {100_000, 20, "observations.repeats=3"}, {200_000, 20, "time.cycles=8"}, {400, 1500, ""}} { // long enough to be looked at after the peak
			n := size.n
			if label != "etkf" && (n == 400 || n > 10_000 && size.set != "") || label == "local" && n > 10_000 { // it takes a minute
				continue
			}
			file := largeRun(t, n, size.members, fmt.Sprintf("[[filter]]\nlabel = %q\n%s", label, filter))
			c := exec.Command(plumeBinary(t), "run", file, "--run-dir", t.TempDir(), "--workers", "1")
			if size.set != "" {
				c.Args = append(c.Args, "--set", size.set)
			}
			var stderr bytes.Buffer
			c.Stderr = &stderr
			peaks, err := peaksOf(started(t, c))
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			_, list, _ := strings.Cut(stderr.String(), "disk: about ")
			said := regexp.MustCompile(`([a-z0-9-]*[a-z0-9]) ([0-9.]+) MB`).FindAllStringSubmatch(list, -1)
			if len(said) != 4 || len(peaks) != 4 {
				t.Fatalf("got estimates %v and peaks %v, want 4\n%s", said, peaks, stderr.String())
			}
			for _, s := range said {
				estimate, err := strconv.ParseFloat(s[2], 64)
				if ratio := estimate / peaks[s[1]]; err != nil || ratio < 0.7 || ratio > 1.3 {
					t.Errorf("%s, n = %d: %s: estimated %s MB, took %.1f MB", label, n, s[1], s[2], peaks[s[1]])
				}
			}
		}
	}
}

// What validate needs does not grow with the state, and plan refuses in a moment what cannot
// fit, however large it is.
func TestLargeStatesAreChecked(t *testing.T) {
	line := largeRun(t, 10_000_000, 20, etkf+"[[filter]]\nlabel = \"letkf\"\nplugin = \"filter-enkf\"\nparams = { scheme = \"letkf\", cutoff = 4.0 }\n")
	for file, sets := range map[string][][]string{
		line: {{}, {"observations.params.stride=3"}},
		"../../../workflows/large-shallow-water.toml": {{"model.params.rows=1824", "model.params.columns=1824"}}, // velocities between grid points
	} {
		for _, set := range sets {
			args := []string{"validate", file}
			for _, s := range set {
				args = append(args, "--set", s)
			}
			var peaks map[string]float64
			for range 10 { // on a busy machine it may end before it is looked at
				var out bytes.Buffer
				var err error
				c := exec.Command(plumeBinary(t), args...)
				c.Stderr = &out
				if peaks, err = peaksOf(started(t, c)); err != nil {
					t.Fatalf("%v\n%s", err, out.String())
				}
				if len(peaks) > 0 {
					break
				}
			}
			if len(peaks) == 0 {
				t.Fatal("nothing was measured")
			}
			for name, peak := range peaks {
				if peak > 80 {
					t.Errorf("%s %v: validate of 10 million values: %s took %.0f MB", file, set, name, peak)
				}
			}
		}
	}
	start := time.Now()
	c := exec.Command(plumeBinary(t), "plan", largeRun(t, 100_000_000, 10_000, etkf))
	out, err := c.CombinedOutput()
	if took := time.Since(start); c.ProcessState.ExitCode() != exitWorkflow || !strings.Contains(string(out), "error[E330]") || took > 5*time.Second { // a second, and the load of a machine that runs tests
		t.Errorf("after %v: %v\n%s", took, err, out)
	}
}

// started starts a command. It returns the number of its process, and how that ends.
func started(t *testing.T, c *exec.Cmd) (pid int, ended <-chan error) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- c.Wait() }()
	return c.Process.Pid, end
}

// peaksOf returns the largest memory of a process and of its children, in MB by name, when
// it has ended.
func peaksOf(pid int, ended <-chan error) (map[string]float64, error) {
	peaks := map[string]float64{}
	status := regexp.MustCompile(`(?s)^Name:\s*(\S+).*\nPid:\s*(\d+)\nPPid:\s*(\d+)\n.*VmHWM:\s*(\d+) kB`)
	for {
		select {
		case err := <-ended:
			return peaks, err
		case <-time.After(10 * time.Millisecond):
		}
		files, _ := filepath.Glob("/proc/[0-9]*/status")
		for _, file := range files {
			text, _ := os.ReadFile(file) // it may be gone
			s := status.FindSubmatch(text)
			if s == nil {
				continue
			}
			name, own := string(s[1]), string(s[2]) == strconv.Itoa(pid)
			if !own && (string(s[3]) != strconv.Itoa(pid) || name == "plume") { // plume: it has not started the plugin yet
				continue
			}
			if peak, err := strconv.ParseFloat(string(s[4]), 64); err == nil {
				if name = fullName(name); own {
					name = "plume"
				}
				peaks[name] = max(peaks[name], peak*1.024e-3)
			}
		}
	}
}

// fullName completes a name of which the kernel keeps 15 bytes.
func fullName(name string) string {
	if strings.HasPrefix("filter-diffusion", name) {
		return "filter-diffusion"
	}
	return name
}

// What cannot fit is refused at once, before memory is asked for.
func TestTooLarge(t *testing.T) {
	for _, c := range []struct{ n, members int }{{1_000_000, 1_000_000}, {1000, 10_000_000}} {
		file := largeRun(t, c.n, c.members, etkf)
		for _, args := range [][]string{{"plan", file}, {"run", file, "--run-dir", t.TempDir()}} {
			code, stdout, stderr := plumeHere(t, nil, args...)
			if code != exitWorkflow || stdout != "" || !regexp.MustCompile(`error\[E330\]: the run needs about [0-9.]+ [GTP]B of memory, but [a-z (),]+ leaves [0-9.]+ GB`).MatchString(stderr) {
				t.Errorf("%s with n = %d, N = %d: exit code %d\n%s%s", args[0], c.n, c.members, code, stdout, stderr)
			}
		}
	}
}

// Trials that will run on other machines do not need the memory of this one: plan says what truths need here, and
// what each worker needs, with a warning where that is more than its executor asks for.
func TestPlanForWorkersElsewhere(t *testing.T) {
	site := filepath.Join(t.TempDir(), "site.toml")
	if err := os.WriteFile(site, []byte("[executor.slurm]\nengine = \"slurm\"\nmemory = \"1GB\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := func(n, members int, more ...string) (int, string, string) {
		return plumeHere(t, nil, append([]string{"plan", largeRun(t, n, members, etkf), "--site", site}, more...)...)
	}
	if code, _, said := plan(1_000_000, 1_000_000, "--executor", "slurm"); code != exitWorkflow || !strings.Contains(said, "error[E330]") {
		t.Errorf("trials here: exit code %d\n%s", code, said)
	}
	code, text, said := plan(1_000_000, 1_000_000, "--executor", "slurm", "--workers", "4")
	if code != exitOK || !strings.Contains(said, "no trial was tried, so times are not known: one needs about ") || !strings.Contains(said, "executor slurm asks for 1.0 GB: raise memory") {
		t.Errorf("too large to be tried: exit code %d\n%s", code, said)
	}
	for _, want := range []string{`total: of unknown time`, `here, with 1 truth at a time: memory: about [0-9.]+ MB, disk`, `each of 1 worker there: memory: about [0-9.]+ TB\n  plume [0-9.]+ TB, lorenz96`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("want %s\n%s", want, text)
		}
	}
	code, text, said = plan(10_000, 20, "--executor", "slurm", "--workers", "4", "--sweep", "replicate=1..3")
	if code != exitOK || strings.Contains(said, "not tried") || strings.Contains(said, "raise memory") || !strings.Contains(text, "each of 3 workers there: memory: about ") || !strings.Contains(text, " with 3; ") {
		t.Errorf("small: exit code %d\n%s%s", code, text, said)
	}
}

// Whatever the limit of address space is, a command ends with a line and a code that are
// documented, and never with the stacks of goroutines. Go's own start wants up to 1.4 GB,
// depending on where it puts its heap.
func TestLimitedAddresses(t *testing.T) {
	file := largeRun(t, 100_000, 40, etkf)
	codes := map[int]int{}
	for megabytes := 1500; megabytes <= 3000; megabytes += 300 {
		c := exec.Command("sh", "-c", `ulimit -v $0 && exec "$@"`, strconv.Itoa(1000*megabytes), plumeBinary(t), "run", file, "--run-dir", t.TempDir(), "--accept-size")
		text, _ := c.CombinedOutput()
		code := c.ProcessState.ExitCode()
		codes[code]++
		if bytes.Contains(text, []byte("goroutine ")) || code != exitOK && code != exitFailed && code != exitPlugin {
			t.Errorf("%d MB: exit code %d\n%s", megabytes, code, text)
		}
	}
	if codes[exitOK] == 0 || codes[exitFailed]+codes[exitPlugin] == 0 {
		t.Errorf("exit codes %v: want a limit that is too low, and one that is not", codes)
	}
}

// Between what Go needs to start and what a run needs, the process that watches gets by: it does not reserve the
// addresses that others do for their heap.
func TestWatchingIsSmall(t *testing.T) {
	file, said := largeRun(t, 40, 20, etkf), 0
	for megabytes := 800; megabytes <= 1400; megabytes += 50 {
		text, _ := exec.Command("sh", "-c", `ulimit -v $0 && exec "$@"`, strconv.Itoa(1000*megabytes), plumeBinary(t), "validate", file).CombinedOutput()
		if bytes.Contains(text, []byte("cannot allocate 134217728-byte block")) {
			t.Errorf("%d MB: %.200s", megabytes, text)
		}
		if bytes.HasPrefix(text, []byte("error: out of memory: the limit of address space")) {
			said++
		}
	}
	if said == 0 {
		t.Error("no limit was too low for what is watched alone")
	}
}

// What Go writes when it is refused memory becomes one line.
func TestPassOn(t *testing.T) {
	for text, want := range map[string]struct {
		passed string
		short  bool
	}{
		"results: x\nerror: y\n": {"results: x\nerror: y\n", false},
		"results: x\nruntime: out of memory: cannot allocate 4194304-byte block\nfatal error: out of memory\n\ngoroutine 1\n": {"results: x\n", true},
		"fatal error: all goroutines are asleep\n\ngoroutine 1\n":                                                             {"fatal error: all goroutines are asleep\n\ngoroutine 1\n", false},
		"no end": {"no end", false},
	} {
		var passed bytes.Buffer
		if short := passOn(&passed, strings.NewReader(text)); short != want.short || passed.String() != want.passed {
			t.Errorf("%q: got %q, %v", text, passed.String(), short)
		}
	}
}
