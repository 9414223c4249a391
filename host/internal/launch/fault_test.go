package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

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
		{fault: "canceled", kind: sdk.KindCanceled, text: []string{"the inner solver: context canceled"}, code: -1, alive: true},
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
				waitGone(t, pidOf(p))
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
	pid := pidOf(p)
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	err := forecast(t, t.Context(), m, 17)
	checkError(t, err, sdk.KindCrash, "plugin faulty: cycle 17: forecast: the process was ended by signal 9 (killed) during the call")
}

// A call that the user stops has an error that says so, and the plugin can be used again.
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
			text: []string{"was not ready after 1s; move slow work into its configuration"}},
		"exit": {argv: []string{"./raw", "exit"}, kind: sdk.KindCrash, code: 3,
			text: []string{"the process exited with code 3 before it was ready"}, stderr: []string{"cannot load liblake.so"}},
		"version": {argv: []string{"./raw", "version"}, kind: sdk.KindPlugin, code: -1,
			text: []string{"speaks version 2 of the protocol, this plume speaks 1", "build the plugin against this version"}},
		"dead": {argv: []string{"./raw", "dead"}, kind: sdk.KindCrash, code: -1, text: []string{"the connection is gone"}},
		"mute": {argv: []string{"./raw", "mute"}, timeout: time.Second, kind: sdk.KindDeadline, code: -1,
			text: []string{"was not ready after 1s"}},
		"not a plugin": {argv: []string{"true"}, kind: sdk.KindCrash, code: 0,
			text: []string{"exited with code 0 before it was ready; a plugin runs until it is asked to end"}},
		"no #!": {argv: []string{filepath.Join(notAProgram, "script")}, kind: sdk.KindPlugin, code: -1,
			text: []string{"cannot run ", "#! line"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := Command("raw", c.argv, bin(t))
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
	program, err := Command("faulty", []string{"./faulty", "flood"}, bin(t))
	if err != nil {
		t.Fatal(err)
	}
	p := begin(t, program, Options{})
	if err := forecast(t, t.Context(), configure(t, p, "none", time.Minute), 1); err != nil {
		t.Error(err)
	}
}

// A plugin that was found by its name has that name in its manifest.
func TestNameMustAgree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(bin(t), "faulty"), filepath.Join(dir, "liar")); err != nil {
		t.Fatal(err)
	}
	program, err := Path{dir}.Find("liar")
	if err != nil {
		t.Fatal(err)
	}
	_, err = newPool(t, Options{}).Start(t.Context(), program)
	checkError(t, err, sdk.KindPlugin, `plugin liar: calls itself "faulty"`)
}

// Plugins whose answers are wrong. They are made without the kit and stay alive.
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
			if p.runner.died() {
				t.Error("the plugin died of it")
			}
		})
	}
}

// Calls get more time for more values and more time steps, unless the workflow says how long they may take.
func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		stated time.Duration
		size   size
		want   time.Duration
	}{
		{0, size{}, time.Minute}, {0, size{1_000_000, 100}, time.Minute}, {0, size{20_000_000, 0}, 20 * time.Minute}, {0, size{20_000_000, 10}, 20 * time.Minute},
		{0, size{800_000, 2000}, 16 * time.Minute}, {0, size{3, 1e6}, time.Minute}, {0, size{1 << 31, 1e12}, 1000 * time.Hour},
		{time.Second, size{20_000_000, 1e6}, time.Second},
	} {
		if got := (&guard{timeout: tt.stated}).limit(tt.size); got != tt.want {
			t.Errorf("stated %v, %+v: got %v, want %v", tt.stated, tt.size, got, tt.want)
		}
	}
	for _, tt := range []struct{ step, interval, want float64 }{{0.5, 1000, 2000}, {0.5, -1000, 2000}, {0, 1000, 0}} {
		if got := (&model{step: tt.step}).steps(tt.interval); got != tt.want {
			t.Errorf("%+v: got %v steps", tt, got)
		}
	}
}

// stepper is a model that notes until when its calls may take.
type stepper struct{ until time.Time }

func (*stepper) Layout() *sdk.Layout { return nil }

func (s *stepper) Forecast(ctx context.Context, _ *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	s.until, _ = ctx.Deadline()
	return &sdk.ForecastResult{}, nil
}

// A forecast over many time steps has the time for them.
func TestLimitOfSpinUp(t *testing.T) {
	s := &stepper{}
	p := &Process{program: &Program{Name: "stepper"}, plugin: &sdk.Plugin{Manifest: &sdk.Manifest{Role: sdk.RoleModel}, NewModel: func(context.Context, sdk.ModelConfig) (sdk.Model, error) { return s, nil }}}
	m, err := p.Plugin(0).NewModel(t.Context(), sdk.ModelConfig{Step: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[float64]time.Duration{1000: 20 * time.Minute, 2: time.Minute} {
		if _, err := m.Forecast(t.Context(), &sdk.ForecastRequest{To: to, Ensemble: mat.NewDense(10, 100_000, nil)}); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(s.until); left > want || left < want-30*time.Second {
			t.Errorf("to %g: %v, want %v", to, left, want)
		}
	}
}
