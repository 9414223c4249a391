package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// bin is where TestMain builds the plugins of testdata.
var bin string

func TestMain(m *testing.M) {
	if os.Getenv("LAUNCH_TEST_HOST") != "" {
		hostToBeKilled()
		return
	}
	os.Exit(testMain(m))
}

// testMain builds the plugins and sees to it that no test leaves a socket.
func testMain(m *testing.M) int {
	tmp, err := os.MkdirTemp("", "launch")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)
	bin = filepath.Join(tmp, "bin")
	out, err := exec.Command("go", "build", "-o", bin+"/", "./testdata/faulty", "./testdata/raw").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the plugins of testdata: %v\n%s", err, out)
		return 1
	}
	os.Setenv("TMPDIR", tmp)
	code := m.Run()
	if left, _ := filepath.Glob(filepath.Join(tmp, "plume-*")); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "directories of sockets were left behind: %v\n", left)
		return 1
	}
	return code
}

// limit is how long any fault may take to become an error.
const limit = 5 * time.Second

// newPool returns a pool that is closed with the test, in time, leaving nothing.
func newPool(t *testing.T, o Options) *Pool {
	t.Helper()
	pool, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		start := time.Now()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > limit {
			t.Errorf("closing took %v", took)
		}
		if _, err := os.Stat(pool.sockets); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", pool.sockets, err)
		}
	})
	return pool
}

// begin starts program in a pool of its own; its process group must be gone
// when the test has ended.
func begin(t *testing.T, program *Program, o Options) *Process {
	t.Helper()
	var p *Process
	t.Cleanup(func() {
		if p != nil {
			waitGone(t, p.runner.cmd.Process.Pid)
		}
	})
	pool := newPool(t, o)
	p, err := pool.Start(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func faulty(t *testing.T) *Program {
	t.Helper()
	p, err := Path{bin}.Find("faulty")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func raw(t *testing.T, mode string) *Program {
	t.Helper()
	p, err := Command("raw", []string{"./raw", mode}, bin)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// configure returns a model of p that does fault in cycle 17.
func configure(t *testing.T, p *Process, fault string, timeout time.Duration) sdk.Model {
	t.Helper()
	params := sdk.Params{}
	if fault != "" {
		params["fault"] = fault
	}
	m, err := p.Plugin(timeout).NewModel(t.Context(), sdk.ModelConfig{Params: params})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// forecast makes one call for four members, and fails the test if it does not
// return in time.
func forecast(t *testing.T, ctx context.Context, m sdk.Model, cycle int) error {
	t.Helper()
	start := time.Now()
	_, err := m.Forecast(ctx, &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: cycle}, From: 0, To: 1,
		Ensemble: mat.NewDense(4, 3, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}), Into: mat.NewDense(4, 3, nil),
	})
	if took := time.Since(start); took > limit {
		t.Errorf("the call took %v", took)
	}
	return err
}

// waitGone waits until no process of the group is left; zombies are, whoever
// has to bury them.
func waitGone(t *testing.T, group int) {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if len(groupMembers(t, group)) == 0 {
			return
		}
	}
	t.Errorf("processes of group %d are left:\n%s", group, strings.Join(groupMembers(t, group), "\n"))
}

func groupMembers(t *testing.T, group int) []string {
	t.Helper()
	if syscall.Kill(-group, 0) == syscall.ESRCH {
		return nil
	}
	out, err := exec.Command("ps", "-A", "-o", "pgid=,stat=,pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		f := strings.Fields(line)
		return len(f) < 2 || f[0] != strconv.Itoa(group) || strings.HasPrefix(f[1], "Z")
	})
}

// What a plugin can do to a call, and what the call then says.
func TestFaultsInACall(t *testing.T) {
	for _, c := range []struct {
		fault   string
		timeout time.Duration
		kind    sdk.Kind
		text    []string
		code    int    // exit code; -1: none
		signal  string // that ended the process
		stderr  []string
		alive   bool // and well, for the next call
	}{
		{fault: "error", kind: sdk.KindDiverged, text: []string{"x: is beyond bounds"}, code: -1, alive: true},
		{fault: "panic", kind: sdk.KindBug, text: []string{"boom"}, code: -1, alive: true},
		{fault: "panic-elsewhere", kind: sdk.KindCrash, text: []string{"exited with code 2"}, code: 2,
			stderr: []string{"panic: boom in the background", "goroutine"}},
		{fault: "kill", kind: sdk.KindCrash, text: []string{"was ended by signal 9 (killed)"}, code: -1, signal: "killed"},
		{fault: "exit", kind: sdk.KindCrash, text: []string{"exited with code 0 during the call"}, code: 0},
		{fault: "exit-3", kind: sdk.KindCrash, text: []string{"exited with code 3 during the call"}, code: 3},
		{fault: "children", kind: sdk.KindCrash, text: []string{"exited with code 4 during the call"}, code: 4},
		{fault: "hang", timeout: time.Second, kind: sdk.KindDeadline, text: []string{"no answer within 1s"}, code: -1},
		{fault: "stop", timeout: time.Second, kind: sdk.KindDeadline, text: []string{"no answer within 1s"}, code: -1},
		{fault: "flood", code: -1, alive: true},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			if c.timeout == 0 {
				c.timeout = time.Minute
			}
			p := begin(t, faulty(t), Options{})
			m := configure(t, p, c.fault, c.timeout)
			if err := forecast(t, t.Context(), m, 16); err != nil {
				t.Fatalf("cycle 16: %v", err)
			}
			err := forecast(t, t.Context(), m, 17)
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
			} else {
				checkError(t, err, c.kind, append(c.text, "plugin faulty: cycle 17: forecast: ")...)
				if c.kind == sdk.KindCrash || c.kind == sdk.KindDeadline {
					c.stderr = append(c.stderr, "about to do it: "+c.fault)
				}
				checkExit(t, err, c.code, c.signal, c.stderr)
			}
			next := forecast(t, t.Context(), m, 18)
			if c.alive && next != nil {
				t.Errorf("the next call failed: %v", next)
			}
			if !c.alive {
				checkError(t, next, sdk.KindCrash, "plugin faulty: cycle 18: forecast: the process is gone: it ", "in cycle 17: forecast")
				waitGone(t, p.runner.cmd.Process.Pid)
				if _, err := os.Stat(p.runner.sockets); !os.IsNotExist(err) {
					t.Errorf("its socket is left behind: %v", err)
				}
			}
		})
	}
}

// checkExit checks what an error says about the end of the process.
func checkExit(t *testing.T, err error, code int, signal string, stderr []string) {
	t.Helper()
	var e *sdk.Error
	if !errors.As(err, &e) {
		t.Fatalf("got an error of type %T", err)
	}
	if got := e.ExitCode; code < 0 && got != nil || code >= 0 && (got == nil || *got != code) {
		t.Errorf("exit code: got %v, want %d", got, code)
	}
	if e.Signal != signal {
		t.Errorf("signal: got %q, want %q", e.Signal, signal)
	}
	for _, want := range stderr {
		if !strings.Contains(e.Stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, e.Stderr)
		}
	}
}

// A process killed from outside, in the middle of a call.
func TestKilledFromOutside(t *testing.T) {
	t.Parallel()
	p := begin(t, faulty(t), Options{})
	m := configure(t, p, "hang", time.Minute)
	pid := p.runner.cmd.Process.Pid
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	err := forecast(t, t.Context(), m, 17)
	checkError(t, err, sdk.KindCrash, "plugin faulty: cycle 17: forecast: the process was ended by signal 9 (killed) during the call")
}

// A call that the user stops says so, and the plugin can be used again.
func TestCanceledCall(t *testing.T) {
	t.Parallel()
	p := begin(t, faulty(t), Options{})
	m := configure(t, p, "hang", time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	checkError(t, forecast(t, ctx, m, 17), sdk.KindCanceled, "plugin faulty: cycle 17: forecast: stopped")
	if err := forecast(t, t.Context(), m, 18); err != nil {
		t.Error(err)
	}
}

// A configuration the plugin refuses keeps its place: the parameter.
func TestRefusedConfiguration(t *testing.T) {
	t.Parallel()
	p := begin(t, faulty(t), Options{})
	_, err := p.Plugin(time.Minute).NewModel(t.Context(), sdk.ModelConfig{Params: sdk.Params{"fault": "sloth"}})
	checkError(t, err, sdk.KindConfig, "sloth")
	if e := new(sdk.Error); !errors.As(err, &e) || e.Where != "fault" {
		t.Errorf("got %#v, want an error about fault", err)
	}
}

// What can go wrong before a plugin is ready.
func TestFaultsAtTheStart(t *testing.T) {
	notAProgram := install(t, map[string]string{"script!": "echo no first line\n", "sleeper!": "#!/bin/sh\nexec sleep 1000\n", "liar/liar!": ""})
	for name, c := range map[string]struct {
		argv    []string
		timeout time.Duration
		kind    sdk.Kind
		text    []string
		code    int
		stderr  []string
	}{
		"garbage": {argv: []string{"./raw", "garbage"}, kind: sdk.KindPlugin, code: -1,
			text: []string{`wrote "loading lake model 2.1 ...\n" to standard output before the handshake`, "print to standard error"}},
		"flood": {argv: []string{"./raw", "flood"}, kind: sdk.KindPlugin, code: -1,
			text: []string{`wrote "xxxxxxxx`, "before the handshake"}},
		"silent": {argv: []string{"./raw", "silent"}, timeout: time.Second, kind: sdk.KindDeadline, code: -1,
			text: []string{"was not ready after 1s"}},
		"exit": {argv: []string{"./raw", "exit"}, kind: sdk.KindCrash, code: 3,
			text: []string{"the process exited with code 3 before it was ready"}, stderr: []string{"cannot load liblake.so"}},
		"version": {argv: []string{"./raw", "version"}, kind: sdk.KindPlugin, code: -1,
			text: []string{"speaks version 2 of the protocol, this plume speaks 1", "build the plugin against this version"}},
		"dead": {argv: []string{"./raw", "dead"}, kind: sdk.KindCrash, code: -1, text: []string{"the connection is gone"}},
		"mute": {argv: []string{"./raw", "mute"}, timeout: time.Second, kind: sdk.KindDeadline, code: -1,
			text: []string{"was not ready after 1s"}},
		"not a plugin": {argv: []string{"true"}, kind: sdk.KindCrash, code: 0, text: []string{"exited with code 0 before it was ready"}},
		"no #!": {argv: []string{filepath.Join(notAProgram, "script")}, kind: sdk.KindPlugin, code: -1,
			text: []string{"cannot run ", "#! line"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := Command("raw", c.argv, bin)
			if err != nil {
				t.Fatal(err)
			}
			pool := newPool(t, Options{StartTimeout: c.timeout})
			start := time.Now()
			p, err := pool.Start(t.Context(), program)
			if p != nil {
				t.Fatal("it started")
			}
			if took := time.Since(start); took > limit {
				t.Errorf("starting took %v", took)
			}
			checkError(t, err, c.kind, append(c.text, "plugin raw: ")...)
			checkExit(t, err, c.code, "", c.stderr)
		})
	}
}

// The kit keeps what is printed before the handshake out of it.
func TestKitProtectsStandardOutput(t *testing.T) {
	t.Parallel()
	program, err := Command("faulty", []string{"./faulty", "flood"}, bin)
	if err != nil {
		t.Fatal(err)
	}
	p := begin(t, program, Options{})
	if err := forecast(t, t.Context(), configure(t, p, "none", time.Minute), 1); err != nil {
		t.Error(err)
	}
}

// A found plugin bears the name it was found by.
func TestNameMustAgree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(bin, "faulty"), filepath.Join(dir, "liar")); err != nil {
		t.Fatal(err)
	}
	program, err := Path{dir}.Find("liar")
	if err != nil {
		t.Fatal(err)
	}
	_, err = newPool(t, Options{}).Start(t.Context(), program)
	checkError(t, err, sdk.KindPlugin, `plugin liar: calls itself "faulty"`)
}

// Plugins that answer what nobody asked for. They are made without the kit and
// stay alive.
func TestWrongAnswers(t *testing.T) {
	for mode, text := range map[string]string{
		"fine":    "",
		"chatty":  "", // prints without end
		"shape":   "ensemble",
		"count":   "3 members and 0 failures for 4 members",
		"nan":     "member 2, x[1] is NaN",
		"corrupt": "ensemble",
		"cut":     "ensemble",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := begin(t, raw(t, mode), Options{})
			m := configure(t, p, "", 2*time.Second)
			err := forecast(t, t.Context(), m, 17)
			if text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkError(t, err, sdk.KindContract, "plugin raw: cycle 17: forecast: ", text)
			if p.died() {
				t.Error("the plugin died of it")
			}
		})
	}
}

// A plugin that hears neither the request to shut down nor SIGTERM is killed.
func TestStubbornPluginEnds(t *testing.T) {
	t.Parallel()
	p := begin(t, raw(t, "stubborn"), Options{})
	if err := forecast(t, t.Context(), configure(t, p, "", time.Minute), 1); err != nil {
		t.Error(err)
	}
}

// A stopped plugin ends with the pool.
func TestStoppedPluginEnds(t *testing.T) {
	t.Parallel()
	p := begin(t, faulty(t), Options{})
	if err := syscall.Kill(p.runner.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// Calls of a plugin that says so come one after the other.
func TestCallsTakeTurns(t *testing.T) {
	t.Parallel()
	p := begin(t, raw(t, "fine"), Options{})
	if cap(p.turn) != 1 {
		t.Fatal("a plugin with concurrent_calls = false has no turns")
	}
	m := configure(t, p, "", time.Minute)
	p.turn <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	checkError(t, forecast(t, ctx, m, 1), sdk.KindDeadline, "plugin raw: cycle 1: forecast")
	<-p.turn
	if err := forecast(t, t.Context(), m, 1); err != nil {
		t.Error(err)
	}
}

// One program is one process, whoever asks for it and however many at once.
func TestPoolShares(t *testing.T) {
	t.Parallel()
	pool := newPool(t, Options{})
	var all [8]*Process
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			p, err := pool.Start(t.Context(), faulty(t))
			if err != nil {
				t.Error(err)
			}
			all[i] = p
		})
	}
	wg.Wait()
	for _, p := range all {
		if p != all[0] {
			t.Fatal("a program was started twice")
		}
	}
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			if err := forecast(t, t.Context(), configure(t, all[i%8], "none", time.Minute), 17); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

func TestStartStopsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := newPool(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	_, err := pool.Start(ctx, raw(t, "silent"))
	checkError(t, err, sdk.KindCanceled, "plugin raw: start: stopped")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Plugins see the environment they are given, not the host's.
func TestEnvironment(t *testing.T) {
	t.Setenv("PLUME_TEST_SECRET", "x")
	t.Setenv("OMP_NUM_THREADS", "3")
	env := environment([]string{"LAKE=deep"})
	if !slices.Contains(env, "OMP_NUM_THREADS=3") || !slices.Contains(env, "LAKE=deep") {
		t.Errorf("something is missing in %v", env)
	}
	if slices.Contains(env, "PLUME_TEST_SECRET=x") {
		t.Error("a variable nobody mentions is passed on")
	}
}

func TestLogReceivesStandardError(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var lines []Record
	p := begin(t, faulty(t), Options{Log: func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, r)
	}})
	_ = forecast(t, t.Context(), configure(t, p, "exit-3", time.Minute), 17)
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(lines, func(r Record) bool {
		return r.Plugin == "faulty" && r.Level == LevelStderr && r.Message == "about to do it: exit-3"
	}) {
		t.Errorf("got %v", lines)
	}
}

// No test before this one runs beside it: parallel ones wait for the others.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, fault := range []string{"none", "exit", "hang"} {
		pool, err := NewPool(Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := pool.Start(t.Context(), faulty(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = forecast(t, t.Context(), configure(t, p, fault, 200*time.Millisecond), 17)
		if _, err := pool.Start(t.Context(), raw(t, "garbage")); err == nil {
			t.Error("garbage is not a handshake")
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
	for deadline := time.Now().Add(limit); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// hostToBeKilled is a host of its own: it starts two plugins, says where they are,
// keeps one busy, and waits for the worst.
func hostToBeKilled() {
	fault := os.Getenv("LAUNCH_TEST_HOST")
	pool, err := NewPool(Options{})
	if err != nil {
		panic(err)
	}
	program, err := Path{os.Getenv("LAUNCH_TEST_BIN")}.Find("faulty")
	if err != nil {
		panic(err)
	}
	p, err := pool.Start(context.Background(), program)
	if err != nil {
		panic(err)
	}
	m, err := p.Plugin(time.Hour).NewModel(context.Background(), sdk.ModelConfig{Params: sdk.Params{"fault": fault}})
	if err != nil {
		panic(err)
	}
	program.Command = append(program.Command, "another process")
	idle, err := pool.Start(context.Background(), program)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.runner.cmd.Process.Pid, idle.runner.cmd.Process.Pid, pool.sockets)
	_, err = m.Forecast(context.Background(), &sdk.ForecastRequest{
		Call: sdk.Call{Cycle: 17}, Ensemble: mat.NewDense(4, 3, nil), Into: mat.NewDense(4, 3, nil),
	})
	if err != nil {
		panic(err)
	}
	select {}
}

// When the host is killed, nothing of its plugins stays behind, whatever they
// were doing.
func TestHostIsKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{"none", "hang", "stop", "flood"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			host := exec.Command(self)
			host.Env = append(os.Environ(), "LAUNCH_TEST_HOST="+fault, "LAUNCH_TEST_BIN="+bin)
			host.Stderr = os.Stderr
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			var busy, idle int
			var sockets string
			if _, err := fmt.Fscan(out, &busy, &idle, &sockets); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond) // until it is in the call
			if len(groupMembers(t, busy)) == 0 || len(groupMembers(t, idle)) == 0 {
				t.Error("the plugins are not running")
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait()
			waitGone(t, busy)
			waitGone(t, idle)
			for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
				if _, err := os.Stat(sockets); os.IsNotExist(err) {
					return
				}
				if time.Now().After(deadline) {
					files, _ := filepath.Glob(sockets + "/*")
					t.Fatalf("%s is still there, with %v", sockets, files)
				}
			}
		})
	}
}

// BenchmarkStart is the time from nothing to a described plugin and back.
func BenchmarkStart(b *testing.B) {
	program, err := Path{bin}.Find("faulty")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		pool, err := NewPool(Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pool.Start(b.Context(), program); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := pool.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
