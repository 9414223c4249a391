//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/plume-da/plume/host/internal/archive"
)

// hangs is how long a program may be silent or stay before it is said to hang.
const hangs = 30 * time.Second

// terminalRun takes some seconds, and its truth a tenth of that.
var terminalRun = strings.NewReplacer("100_000", "2000", "interval = 0.05", "interval = 0.05\nstep = 1e-5").Replace(longRun)

// terminal is the program on a pseudo-terminal of its own, which it controls as a shell
// would, and the person in front of it.
type terminal struct {
	*exec.Cmd
	person *os.File
	dir    string // the working directory; nobody else's
	tmp    string // where sockets go

	mu     sync.Mutex
	text   []byte
	left   chan struct{} // closed when nothing is read any more
	exited chan struct{}
}

// place makes a directory with a workflow, whose name leaves room for the paths of
// sockets and for lines of 80 columns.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pty")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "long.toml"), []byte(terminalRun), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open starts plume in dir on a terminal that is so many columns wide.
func open(t *testing.T, dir string, columns int, args ...string) *terminal {
	t.Helper()
	x := &terminal{Cmd: exec.Command(plumeBinary(t), args...), dir: dir, tmp: filepath.Join(dir, "tmp"), left: make(chan struct{}), exited: make(chan struct{})}
	if err := os.MkdirAll(x.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	x.Dir, x.Env = dir, append(os.Environ(), "TMPDIR="+x.tmp, "TERM=xterm-256color", "PATH="+filepath.Dir(plumeBinary(t))+":"+os.Getenv("PATH"))
	var err error
	if x.person, err = pty.StartWithSize(x.Cmd, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	go x.read()
	go func() {
		_ = x.Wait()
		close(x.exited)
	}()
	t.Cleanup(func() {
		_ = x.Process.Kill()
		_ = x.person.Close()
		<-x.exited
	})
	return x
}

func (x *terminal) read() {
	defer close(x.left)
	some := make([]byte, 4096)
	for {
		n, err := x.person.Read(some)
		x.mu.Lock()
		x.text = append(x.text, some[:n]...)
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// since returns what was written after the first n bytes.
func (x *terminal) since(n int) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return string(x.text[n:])
}

func (x *terminal) size() int { return len(x.since(0)) }

// end returns what was written last.
func (x *terminal) end() string { return x.since(max(0, x.size()-1500)) }

// await returns when, after the first n bytes, something matches.
func (x *terminal) await(t *testing.T, n int, pattern string) {
	t.Helper()
	for deadline := time.Now().Add(hangs); !regexp.MustCompile(pattern).MatchString(x.since(n)); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %q at the end of\n%q", pattern, x.end())
		}
	}
}

func (x *terminal) press(t *testing.T, key string) {
	t.Helper()
	if _, err := x.person.WriteString(key); err != nil {
		t.Fatal(err)
	}
}

const ctrlC, ctrlZ = "\x03", "\x1a"

// ends waits for the end of the program, wants an exit code, and nothing to be left of it.
func (x *terminal) ends(t *testing.T, code int, children map[string]int) {
	t.Helper()
	select {
	case <-x.exited:
	case <-time.After(hangs):
		t.Fatalf("plume hangs:\n%s", x.end())
	}
	<-x.left
	got := x.ProcessState.ExitCode()
	if status := x.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		got = 128 + int(status.Signal()) // as a shell has it: a signal came when all had been done
	}
	if got != code {
		t.Errorf("exit code %d, want %d (%v)\n%s", got, code, x.ProcessState, x.end())
	}
	(&underWay{tmp: x.tmp}).checkLeft(t, children)
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// fits wants no line to be wider than so many columns, neither for a moment.
func (x *terminal) fits(t *testing.T, columns int) {
	t.Helper()
	for line := range strings.FieldsFuncSeq(strings.ReplaceAll(escapes.ReplaceAllString(x.since(0), ""), "^C", ""), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("%d columns in a terminal of %d: %s", n, columns, line)
		}
	}
}

// drawing is a command that draws, long enough to do something to it.
type drawing struct {
	name string
	args func(t *testing.T, dir string) []string
	sign string // of being under way
	bar  bool   // it draws again and again
	runs bool   // it writes a run
}

var drawings = []drawing{
	{"run", func(*testing.T, string) []string {
		return []string{"run", "long.toml", "--workers", "2"}
	}, `trials.*/s`, true, true},
	{"run in process", func(*testing.T, string) []string {
		return []string{"run", "long.toml", "--workers", "2", "--in-process"}
	}, `trials.*/s`, true, true},
	{"resume", func(t *testing.T, dir string) []string {
		t.Helper()
		stopShort(t, dir)
		return []string{"resume", "@last"}
	}, `trials.*/s`, true, true},
	{"plan", func(*testing.T, string) []string {
		return []string{"plan", "long.toml", "--set", "time.step=1e-7"} // calls take long
	}, "", false, false},
	{"report", func(t *testing.T, dir string) []string {
		t.Helper()
		r := exec.Command(plumeBinary(t), "run", "long.toml", "-q")
		r.Dir = dir
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
		(&stopped{root: filepath.Join(dir, "runs")}).dir(t)
		return []string{"report", "@last", "--watch"}
	}, "report.html", false, false},
}

// stopShort leaves a run in dir that was interrupted.
func stopShort(t *testing.T, dir string, options ...string) {
	t.Helper()
	x := open(t, dir, 80, append([]string{"run", "long.toml", "--workers", "2"}, options...)...)
	x.await(t, 0, `trials.*/s`)
	x.press(t, ctrlC)
	x.ends(t, exitInterrupted, nil)
}

func TestTerminal(t *testing.T) {
	for _, columns := range []int{80, 120} {
		for _, d := range drawings {
			for name, do := range map[string]func(*testing.T, *drawing, *terminal){
				"interrupted once": interruptedOnce, "interrupted twice": interruptedTwice, "resized": resized,
				"suspended": suspended, "closed": closed, "stuck": stuck,
			} {
				t.Run(fmt.Sprintf("%d columns/%s/%s", columns, d.name, name), func(t *testing.T) {
					t.Parallel()
					dir := place(t)
					x := open(t, dir, columns, d.args(t, dir)...)
					if d.sign != "" {
						x.await(t, 0, d.sign)
					} else {
						x.awaitChildren(t)
					}
					do(t, &d, x)
					x.fits(t, columns)
				})
			}
		}
	}
}

// An export that is interrupted removes what it has begun, and says so; at the second time it ends at once and says
// what is left.
func TestInterruptedExport(t *testing.T) {
	t.Parallel()
	dir := place(t)
	r := exec.Command(plumeBinary(t), "run", "long.toml", "-q", "--in-process", "--set", "time.cycles=2", "--set", "time.burn_in=0", "--set", "output.ensemble=both", "--sweep", `replicate="1..200"`)
	r.Dir = dir
	if text, err := r.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, format := range []string{"parquet", "csv", "netcdf", "zarr"} {
		for _, by := range []struct {
			name string
			does func(*terminal)
			code int
		}{
			{"once", func(x *terminal) { x.press(t, ctrlC) }, exitInterrupted},
			{"twice", func(x *terminal) { x.press(t, ctrlC); x.press(t, ctrlC) }, exitInterrupted},
			{"SIGTERM", func(x *terminal) { _ = x.Process.Signal(syscall.SIGTERM) }, exitTerminated},
		} {
			to := filepath.Join(dir, format+"-"+by.name)
			x := open(t, dir, 80, "export", "@last", "--format", format, "--to", to)
			for deadline := time.Now().Add(hangs); ; time.Sleep(time.Millisecond) {
				if _, err := os.Lstat(to + ".part"); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: no export:\n%s", format, x.end())
				}
			}
			by.does(x)
			x.ends(t, by.code, nil)
			_, err := os.Lstat(to + ".part")
			left, text := err == nil, strings.Join(strings.Fields(x.since(0)), " ")
			if left && by.name != "twice" || left != strings.Contains(text, "is left behind; remove it: rm -r") || left == strings.Contains(text, "what was begun of it is removed") {
				t.Errorf("%s, %s: left behind: %t\n%s", format, by.name, left, text)
			}
			if _, err := os.Lstat(to); err == nil {
				t.Errorf("%s, %s: half an export", format, by.name)
			}
		}
	}
}

// awaitChildren waits until the plugins are there and have got something to do.
func (x *terminal) awaitChildren(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(hangs); len(childrenOf(x.Process.Pid)) < 4; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no plugins:\n%s", x.since(0))
		}
	}
	time.Sleep(300 * time.Millisecond)
}

// wants checks how the run of d stands, if it is one.
func (x *terminal) wants(t *testing.T, d *drawing, want archive.Status) {
	t.Helper()
	if !d.runs {
		return
	}
	info, err := archive.ReadInfo(archive.List(filepath.Join(x.dir, "runs"))[0])
	if err != nil || info.Status != want || info.Resumable != (want == archive.Interrupted) {
		t.Errorf("status %q, want %q; %v", info.Status, want, err)
	}
}

func interruptedOnce(t *testing.T, d *drawing, x *terminal) {
	children := childrenOf(x.Process.Pid)
	x.press(t, ctrlC)
	x.ends(t, exitInterrupted, children)
	x.wants(t, d, archive.Interrupted)
	if text := x.since(0); d.bar != strings.Contains(text, "finishing the current step") || d.bar && !strings.Contains(text, "2 interrupted") {
		t.Errorf("got\n%s", x.end())
	}
}

// The first interrupt waits for a plugin that does not move.
func interruptedTwice(t *testing.T, d *drawing, x *terminal) {
	children := childrenOf(x.Process.Pid)
	if d.name == "run in process" {
		interruptedOnce(t, d, x) // nothing can be stopped
		return
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	x.press(t, ctrlC)
	if d.bar {
		x.await(t, 0, "interrupt again to stop at once")
	}
	time.Sleep(200 * time.Millisecond)
	start := time.Now()
	_, _ = x.person.WriteString(ctrlC) // it may have ended
	x.ends(t, exitInterrupted, children)
	if text := x.end(); !strings.Contains(text, "stopped by interrupt") {
		t.Errorf("it says %q", text)
	}
	t.Logf("%v after the second one", time.Since(start))
}

func resized(t *testing.T, d *drawing, x *terminal) {
	for _, columns := range []int{60, 78, 20, 80} {
		if err := pty.Setsize(x.person, &pty.Winsize{Rows: 24, Cols: uint16(columns)}); err != nil {
			t.Fatal(err)
		}
		if !d.bar {
			continue
		}
		for deadline := time.Now().Add(hangs); ; time.Sleep(5 * time.Millisecond) {
			frames := strings.Split(escapes.ReplaceAllString(x.end(), ""), "\r")
			last := frames[len(frames)-2]
			if len(last) < columns && len(last) >= min(columns-1, 45) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d columns in a terminal of %d: %q", len(last), columns, last)
			}
		}
	}
	interruptedOnce(t, d, x)
}

// Time passes in which the program is not there.
func suspended(t *testing.T, d *drawing, x *terminal) {
	const pause = time.Second
	if err := x.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n := x.size()
	time.Sleep(pause)
	if err := x.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if d.bar {
		x.await(t, n, `(\r.*K){2}`)
	}
	interruptedOnce(t, d, x)
}

// A terminal that is closed asks a run to stop.
func closed(t *testing.T, d *drawing, x *terminal) {
	children := childrenOf(x.Process.Pid)
	if err := x.person.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // what shells and systems add
		time.Sleep(5 * time.Millisecond)
		_ = x.Process.Signal(syscall.SIGHUP)
	}
	x.ends(t, exitHungUp, children)
	x.wants(t, d, archive.Interrupted)
}

// Nobody reads what the program writes, as after Ctrl-S.
func stuck(t *testing.T, d *drawing, x *terminal) {
	children := childrenOf(x.Process.Pid)
	x.press(t, "\x13")
	time.Sleep(300 * time.Millisecond)
	if err := x.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if d.runs {
		for deadline := time.Now().Add(hangs); ; time.Sleep(5 * time.Millisecond) {
			info, err := archive.ReadInfo(archive.List(filepath.Join(x.dir, "runs"))[0])
			if err == nil && info.Status == archive.Interrupted && info.Finished != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the run waits for the terminal: %+v, %v", info, err)
			}
		}
		if err := x.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
	}
	x.ends(t, exitTerminated, children)
	_ = x.person.Close()
}

// A command that waits for somebody to read what it prints ends all the same.
func TestInterruptBlocked(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	var stderr bytes.Buffer
	r := &underWay{Cmd: exec.Command(plumeBinary(t), "schema")} // more than a pipe holds
	r.Stdout, r.Stderr = write, &stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := r.end(t, hangs); code != exitInterrupted || !strings.Contains(stderr.String(), "stopped by interrupt") {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
}

// What nohup protects goes on when the terminal is closed.
func TestNohup(t *testing.T) {
	dir := place(t)
	r := &stopped{Cmd: exec.Command("sh", "-c", `trap "" HUP; exec "$0" run long.toml --set time.cycles=400`, plumeBinary(t)), root: filepath.Join(dir, "runs")}
	r.Dir = dir
	r.start(t)
	r.dir(t)
	for range 2 {
		if err := r.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if code := r.wait(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, r.stderr.String())
	}
}

// A run does not need anybody to read what it says; the end of a list of runs does.
func TestNobodyReads(t *testing.T) {
	dir := place(t)
	for _, test := range []struct {
		command string
		code    int
	}{
		{`{ "$0" run long.toml --set time.cycles=200; echo $? > code; } 2>&1 >run | true`, exitOK},
		{`{ "$0" runs; echo $? > code; } 2>said | true`, exitBrokenPipe},
	} {
		c := exec.Command("sh", "-c", test.command, plumeBinary(t))
		c.Dir = dir
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
		var code int
		if text, err := os.ReadFile(filepath.Join(dir, "code")); err != nil {
			t.Fatal(err)
		} else if _, err := fmt.Sscan(string(text), &code); err != nil || code != test.code {
			t.Errorf("%s: exit code %d, want %d, %v", test.command, code, test.code, err)
		}
	}
	if said, err := os.ReadFile(filepath.Join(dir, "said")); err != nil || len(said) > 0 && !bytes.Contains(said, []byte("Next:")) {
		t.Errorf("it said %q, %v", said, err)
	}
}

// tableRun is a sweep whose table is 161 columns wide where it may be.
const tableRun = `include = ["long.toml"]
time = { cycles = 20, step = 0.01, burn_in = 2 }
[sweep]
replicate = "1..2"
[sweep.axes]
"ensemble.size" = [10, 20]
"filter.enkf.params.inflation" = [1.0, 1.05]
observations.error.sd = [1.0, 2.0]
`

// Every table fits the terminal that it is shown on, and every command that is said to be
// next can be typed as it is.
func TestTerminalTables(t *testing.T) {
	dir := place(t)
	nile, err := filepath.Abs("../../../workflows/nile.toml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sweep.toml": tableRun,
		"same.toml":  strings.Replace(tableRun, "observations.error.sd = [1.0, 2.0]\n", "", 1),
		"fails.toml": strings.Replace(tableRun, "[1.0, 1.05]", "[1.0, 1e200]", 1),
		"check.toml": `include = ["long.toml"]
time = { cycles = 20, step = 0.01 }
expect.score = [{ filter = "enkf", metric = "rmse", value = 1, tolerance = 100 }, { filter = "particle", metric = "rmse", value = 1, tolerance = 100 }]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	styled := map[string]*regexp.Regexp{ // the best score of the same truths is bold, and what failed red
		"run same.toml":  regexp.MustCompile(`\x1b\[1m[\d.]+ ± [\d.]+\x1b\[0m`),
		"run fails.toml": regexp.MustCompile(`\x1b\[1;31m[^\x1b]*failed\x1b\[0m`),
	}
	for _, columns := range []int{80, 120} {
		for _, test := range []struct {
			command, want string
			code          int
		}{
			{"run sweep.toml", `(?m)^enkf +10 +inflation=1.05 error.sd=1 .*ok\r$`, exitOK},
			{"run same.toml", `(?m)^enkf +10 +.*ok\r$`, exitOK},
			{"run fails.toml", `(?m)^enkf +10 +inflation=1e\+200 error.sd=1 .*failed\r$`, exitSomeFailed},
			{"verify check.toml", `1 ± 100`, exitOK},
			{"run " + nile, `(?m)^etkf +200 +109 ± 15 `, exitOK},
			{"compare @last", `held_out_rmse`, exitOK},
			{"plan sweep.toml", `observations.error.sd = \[1.0, 2.0\]`, exitOK},
			{"runs", `(?m)^run .* score`, exitOK},
			{"runs --name nothing", `none of \d+ runs below runs`, exitOK},
			{"runs --status ok --name lon", `rmse 0\.`, exitOK},
			{"plugins list", `filter-enkf`, exitOK},
			{"plugins describe filter-pf", `scheme = local`, exitOK},
			{"validate sweep.toml --set time.cycles=10", `sweep.toml --set time.cycles=10\r`, exitOK},
			{"report @last --watch", `report.html`, exitOK},
			{"--version", `protocol plume.v1`, exitOK},
		} {
			t.Run(fmt.Sprintf("%d columns/%s", columns, test.command), func(t *testing.T) {
				x := open(t, dir, columns, strings.Fields(test.command)...)
				x.ends(t, test.code, nil)
				<-x.left
				if test.code == exitOK { // messages of errors are paragraphs
					x.fits(t, columns)
				}
				text := escapes.ReplaceAllString(x.since(0), "")
				if !regexp.MustCompile(test.want).MatchString(text) {
					t.Errorf("no %q in\n%s", test.want, text)
				}
				for command, want := range styled {
					if command == test.command && !want.MatchString(x.since(0)) {
						t.Errorf("no %q in\n%q", want, x.since(0))
					}
				}
				_, next, _ := strings.Cut(text, "Next:")
				for command := range strings.Lines(next) {
					if command = strings.TrimSpace(command); command != "" && columns == 80 && !strings.Contains(command, " resume ") { // that fails again
						again := open(t, dir, columns, strings.Fields(strings.TrimPrefix(command, "plume "))...)
						again.ends(t, exitOK, nil)
					}
				}
			})
		}
	}
}

// The commands that come next name the program as it was called.
func TestProgramName(t *testing.T) {
	program := plumeBinary(t)
	dir := place(t)
	if err := os.Symlink(program, filepath.Join(dir, "plume")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ called, path, want string }{
		{"plume", filepath.Dir(program), "plume"},
		{program, filepath.Dir(program), "plume"},
		{program, "/nowhere", program},
		{"./plume", "/nowhere", "./plume"},
		{"../" + filepath.Base(dir) + "/plume", "/nowhere", "../" + filepath.Base(dir) + "/plume"},
	} {
		c := exec.Command(program, "runs")
		c.Args[0], c.Dir, c.Env = test.called, dir, append(os.Environ(), "PATH="+test.path)
		out, err := c.CombinedOutput()
		if want := "\n  " + test.want + " run WORKFLOW\n"; err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q with PATH %q: no %q in\n%s", test.called, test.path, want, out)
		}
	}
}

// Time in which a run was suspended is not time that it took.
func TestSuspendedTime(t *testing.T) {
	start := time.Now()
	x := open(t, place(t), 80, "run", "long.toml", "--in-process", "--set", "time.cycles=500")
	x.await(t, 0, `0/2 trials \[=*>`)
	if err := x.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const pause = 4 * time.Second
	time.Sleep(pause)
	if err := x.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	x.ends(t, exitOK, nil)
	last := regexp.MustCompile(`2/2 trials \[=*\] ([0-9.]+m?s)`).FindStringSubmatch(x.since(0))
	if last == nil {
		t.Fatalf("got\n%s", x.end())
	}
	took, err := time.ParseDuration(last[1])
	if most := time.Since(start) - pause + time.Second; err != nil || took > most {
		t.Errorf("it says that it took %v, but it was not there for %v of %v", took, pause, most)
	}
}

// A person presses Ctrl-Z in a shell, and goes on.
func TestTerminalJobControl(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT TESTED: there is no bash")
	}
	dir := place(t)
	x := &terminal{Cmd: exec.Command(shell, "--norc", "-i"), dir: dir, tmp: dir, left: make(chan struct{})}
	x.Dir, x.Env = dir, append(os.Environ(), "TERM=xterm-256color", "PS1=ready> ")
	if x.person, err = pty.StartWithSize(x.Cmd, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	go x.read()
	t.Cleanup(func() { _ = x.Process.Kill(); _ = x.person.Close(); _ = x.Wait() })
	x.await(t, 0, "ready> ")
	x.press(t, plumeBinary(t)+" run long.toml --set model.timeout=1s --set time.step=1e-6 --set time.cycles=300; echo code $?\n")
	x.await(t, 0, `trials.*/s`)
	n := x.size()
	x.press(t, ctrlZ)
	x.await(t, n, "Stopped[^>]*ready> ")
	time.Sleep(3 * time.Second) // longer than a call may take
	x.press(t, "bg\n")
	x.await(t, n, "bg(.|\n)*ready> ")
	time.Sleep(300 * time.Millisecond)
	n = x.size()
	time.Sleep(500 * time.Millisecond)
	if text := x.since(n); text != "" {
		t.Errorf("in the background it draws %q", text)
	}
	x.press(t, "fg\n")
	x.await(t, n, `(\r.*trials.*/s.*K){3}`)
	n = x.size()
	x.press(t, ctrlC)
	x.await(t, n, `2 interrupted(.|\n)*Next:(.|\n)*ready> `)
	if strings.Contains(x.since(0), "no answer within") {
		t.Errorf("got\n%s", x.end())
	}
}

// TestTerminalUnderLoad runs again and again on a terminal while every processor is busy.
// PLUME_TERMINAL_RUNS is how often.
func TestTerminalUnderLoad(t *testing.T) {
	runs := 10
	if n, err := strconv.Atoi(os.Getenv("PLUME_TERMINAL_RUNS")); err == nil {
		runs = n
	}
	for range runtime.NumCPU() {
		busy := exec.Command("sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	}
	quick, err := filepath.Abs("../../../workflows/lorenz63-quick.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := place(t)
	hung := 0
	for i := range runs {
		args := []string{"run", quick, "--set", "time.cycles=200", fmt.Sprintf("--in-process=%t", i%2 == 0)}
		x := open(t, dir, 80, args...)
		select {
		case <-x.exited:
			if code := x.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("exit code %d\n%s", code, x.end())
			}
		case <-time.After(hangs):
			hung++
			t.Errorf("%v hangs:\n%s", args, x.end())
			_ = x.Process.Kill()
		}
	}
	t.Logf("%d of %d runs hung", hung, runs)
}

// On a terminal the findings end with one line that says where to read more, and excerpts
// are as wide as it.
func TestFindingsOnATerminal(t *testing.T) {
	dir := t.TempDir()
	text := "format = 1\nexperiment = { name = \"" + strings.Repeat("long ", 40) + "\", sede = 1, another = 2 }\n"
	if err := os.WriteFile(filepath.Join(dir, "bad.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, dir, 80, "validate", "bad.toml")
	x.ends(t, exitWorkflow, nil)
	x.fits(t, 80)
	if shown := x.since(0); strings.Count(shown, "plume explain E") != 1 || !strings.Contains(shown, "nothing was run") {
		t.Errorf("got\n%s", shown)
	}
}

// Who looks at a run whose jobs wait in a queue is told so, and which, with a bar or without.
func TestQueueOnATerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits as long as people do")
	}
	for name, args := range map[string][]string{"workers": {"--workers", "2"}, "replicas": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := place(t)
			site := `[executor.full]
submit = ["sh", "-c", "echo 7"]
cancel = ["true"]
script = "{{.Shell}}"
shared = "` + dir + `"
`
			if err := os.WriteFile(filepath.Join(dir, "site.toml"), []byte(site), 0o600); err != nil {
				t.Fatal(err)
			}
			x := open(t, dir, 80, append([]string{"run", "long.toml", "--executor", "full", "--site", "site.toml"}, args...)...)
			x.await(t, 0, `(^|\r\n|\x1b\[K)executor full: jobs? 7( and 7)? waits? to be started\r\n`)
			x.press(t, ctrlC)
			x.ends(t, 130, nil)
			if args != nil { // on replicas nothing has begun that could go on
				x.await(t, 0, `plume resume \S+ --site site.toml --executor full\s+--workers 2\r\n`)
			}
			x.fits(t, 80)
		})
	}
}
