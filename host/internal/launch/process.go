package launch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"google.golang.org/grpc"
)

// Process is a running plugin. It is safe for concurrent use.
type Process struct {
	program     *Program
	runner      *childRunner
	client      *plugin.Client
	plugin      *sdk.Plugin        // over the socket, unguarded
	mutex       chan struct{}      // holds one token when calls must not overlap; nil: they may
	lifeline    sync.WaitGroup     // a stream whose end tells the plugin that the host is gone
	cutLifeline context.CancelFunc // ends it; the connection of a linked plugin

	exitReason atomic.Pointer[string] // why the process is gone; nil: it is not, or the reason is not known yet
}

// Program returns what the process runs.
func (p *Process) Program() *Program { return p.program }

// Manifest returns what the plugin said of itself.
func (p *Process) Manifest() *sdk.Manifest { return p.plugin.Manifest }

// ManifestSHA256 returns the checksum of the manifest the plugin described itself
// with, in lower-case hexadecimal.
func (p *Process) ManifestSHA256() string {
	sum := sha256.Sum256([]byte(p.plugin.Manifest.Text))
	return hex.EncodeToString(sum[:])
}

// Place is where a process runs on another machine, and what it may use there.
type Place struct {
	Node   string `json:"node"`
	Job    string `json:"job,omitempty"` // as the engine calls it
	Cores  int    `json:"cores,omitempty"`
	Memory int64  `json:"memory,omitempty"` // bytes; 0: not limited, or not known
	GPUs   int    `json:"gpus,omitempty"`
}

// Place returns where the process runs; the zero Place for this machine.
func (p *Process) Place() Place { return p.runner.place() }

// startProcess starts program and returns when it has described itself. Its
// sockets are in the directory of that name.
func startProcess(ctx context.Context, program *Program, sockets string, o *Options) (*Process, error) {
	t := &tail{each: func(line string) { o.log(Record{Plugin: program.Name, Level: LevelStderr, Message: line}) }}
	p := &Process{program: program, runner: newChildRunner(program, t)}
	env, dial := environment(o.Env), rpc.DialOptions()
	var secure *tls.Config
	if program.TCP {
		var variables []string
		var err error
		if secure, variables, err = mutualTLS(); err != nil {
			return nil, sdk.Errorf(sdk.KindResource, "plugin "+program.Name, "cannot make a certificate: %v", err)
		}
		env, dial = append(env, variables...), rpc.TLSDialOptions(secure)
	}
	executor := cmp.Or(program.Executor, o.Executor)
	started, limit, cancel := limited(ctx, o.StartTimeout)
	defer cancel()
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  rpc.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{rpc.ProtocolVersion: {}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  dial,
		TLSConfig:        secure,
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, sockets string) (runner.Runner, error) {
			if program.Executor != nil { // it may wait for a place for days
				limit.Stop()
				defer limit.Reset(o.StartTimeout)
			}
			return p.runner, p.runner.start(started, executor, slices.Concat(env, cmd.Env), sockets)
		},
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: sockets},
		StartTimeout:     o.StartTimeout + time.Second, // ours comes first
		SyncStdout:       &lineWriter{to: t},
		SyncStderr:       &lineWriter{to: t},
		Logger:           hclog.NewNullLogger(),
	})
	if err := p.connect(started, o); err != nil {
		err = p.startError(ctx, started, err, o.StartTimeout)
		p.runner.end() // it has no work to finish
		if stuck := p.stop(); stuck != nil {
			err = errors.Join(err, stuck)
		}
		return nil, err
	}
	return p, nil
}

// limited returns ctx with a time limit that can be suspended: the timer ends it.
func limited(ctx context.Context, limit time.Duration) (context.Context, *time.Timer, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	return ctx, timer, func() { timer.Stop(); cancel(nil) }
}

// connect starts the process, dials, asks for the manifest and opens the
// lifeline. go-plugin knows no context: when ctx ends, the process is ended, and
// with it whatever go-plugin waits for.
func (p *Process) connect(ctx context.Context, o *Options) error {
	defer context.AfterFunc(ctx, p.runner.end)()
	client, err := p.client.Client()
	if err != nil {
		return err
	}
	conn := client.(*plugin.GRPCClient).Conn
	if p.plugin, err = rpc.Describe(ctx, conn); err != nil {
		return err
	}
	if m := p.plugin.Manifest; p.program.found && m.Name != p.program.Name {
		return sdk.Errorf(sdk.KindPlugin, "", "calls itself %q in its manifest", m.Name).WithHint("a plugin has the name of its executable")
	}
	if !p.plugin.Manifest.Threading.ConcurrentCalls {
		p.mutex = make(chan struct{}, 1)
	}
	p.openLifeline(conn, o)
	if p.program.TCP {
		go p.runner.hangUp(conn)
	}
	return nil
}

// openLifeline opens the stream whose end tells the plugin that the host is gone. A
// plugin that does not serve it is used all the same.
func (p *Process) openLifeline(conn grpc.ClientConnInterface, o *Options) {
	var ctx context.Context
	ctx, p.cutLifeline = context.WithCancel(context.Background())
	p.lifeline.Go(func() {
		_ = rpc.Session(ctx, conn, func(level, message string, fields map[string]string) {
			o.log(Record{Plugin: p.program.Name, Level: level, Message: message, Fields: fields})
		})
	})
}

// startError says why the process did not start, from what is known of it;
// err is what go-plugin or the first call made of that.
func (p *Process) startError(ctx, started context.Context, err error, timeout time.Duration) error {
	r, where := p.runner, "plugin "+p.program.Name
	first := r.firstLine()
	hello, spoke := parseHandshake(first)
	timedOut := started.Err() != nil // before waiting for the process
	p.awaitExit(err)
	var e *sdk.Error
	switch {
	case ctx.Err() != nil:
		return stopped(where+": start", ctx)
	case first != "" && !spoke:
		e = sdk.Errorf(sdk.KindPlugin, where, "wrote %q to standard output before the handshake", brief(first)).
			WithHint("standard output belongs to the handshake; print to standard error, or serve with plume's kit")
	case spoke && hello.unsafe(p.program.TCP) != nil:
		e = named(where, hello.unsafe(p.program.TCP))
	case r.died():
		e = p.crash(where, fmt.Sprintf("the process %s before it was ready", r.exit.What))
		switch lines := strings.Split(e.Stderr, "\n"); {
		case e.Stderr != "":
			last := lines[len(lines)-1]
			e.Hint = fmt.Sprintf("the last line of its standard error: %s", last)
			if what := missingPackage(last); p.program.script && what != "" {
				e.Hint += fmt.Sprintf("; install %s for %s, or choose another interpreter with $PLUME_PYTHON", what, p.program.Command[0])
			}
		case e.ExitCode != nil && *e.ExitCode == 0:
			e.Hint = "a plugin runs until it is asked to end: its program must end with the call that serves it"
		}
	case timedOut && p.program.away():
		e = sdk.Errorf(sdk.KindDeadline, where, "runs on %s, but was not ready after %v", p.Place().Node, timeout).
			WithHint("if this machine does not reach it there, say which interface and ports to use in the site file")
	case timedOut:
		e = sdk.Errorf(sdk.KindDeadline, where, "was not ready after %v", timeout).
			WithHint("move slow work into its configuration (setup in Python), which the workflow's timeout bounds")
	case spoke && hello.version != rpc.ProtocolVersion:
		e = sdk.Errorf(sdk.KindPlugin, where, "speaks version %d of the protocol, this plume speaks %d", hello.version, rpc.ProtocolVersion).
			WithHint("build the plugin against this version of plume")
	case errors.As(err, &e):
		e = named(where, e)
	default:
		e = sdk.Errorf(sdk.KindPlugin, where, "did not start: %v", err)
	}
	if p.program.TCP && p.program.Executor == nil && e.Hint == "" {
		e.Hint = "if it runs on another machine, compare the clocks of the two: a certificate of the future is refused"
	}
	e.Stderr = r.tail.String()
	return e
}

// missingPackage says what to install after Python has ended with line; "" when that is
// about something else. A package called plume that lacks a name is not this project's.
func missingPackage(line string) string {
	const kit = "plume-da (the package plume on PyPI is another project)"
	module, missing := strings.CutPrefix(line, "ModuleNotFoundError: No module named ")
	switch {
	case module == "'plume'", strings.HasPrefix(line, "ImportError: cannot import name") && strings.Contains(line, "from 'plume'"):
		return kit
	case missing:
		return "it"
	}
	return ""
}

// brief returns the beginning of text.
func brief(text string) string {
	const most = 80
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// awaitExit waits a moment for the process to end if err looks as if it had.
func (p *Process) awaitExit(err error) {
	if p.program.linked == nil && maybeDead(err) {
		p.runner.endsSoon()
	}
}

// maybeDead reports whether err may be due to the death of the plugin: it comes from
// the transport, not from the plugin.
func maybeDead(err error) bool {
	var e *sdk.Error
	return !errors.As(err, &e) || e.Kind == sdk.KindCrash || e.Cause != nil
}

// gone reports whether the process has ended or is about to.
func (p *Process) gone() bool { return p.runner.isDone() || p.exitReason.Load() != nil }

// cleanUp clears away what is left of a process that is gone.
func (p *Process) cleanUp() {
	if p.runner.died() {
		why := "it " + p.runner.exit.What
		p.exitReason.CompareAndSwap(nil, &why)
	}
	_ = p.stop() // it is gone: there is nothing to report
}

// crash returns the error of a process that is gone, with the text what.
func (p *Process) crash(where, what string) *sdk.Error {
	e := sdk.Errorf(sdk.KindCrash, where, "%s", what)
	e.Stderr = p.runner.tail.String()
	if !p.runner.died() {
		return e
	}
	exit := p.runner.exit
	e.ExitCode, e.Signal, e.Hint = exit.Code, exit.Signal, exit.Hint
	if outOfMemory(e.Stderr) {
		e.What += ": it is out of memory" // where it was then does not help
		e.Stderr, e.Hint = "", "plume plan says how much memory a run needs; fewer members or state values, or --workers 1, need less"
	}
	if exit.Code != nil && *exit.Code == 0 {
		e.Hint = "a plugin exits like this when it is asked to end, for example by SIGTERM: someone or something outside plume may have ended it"
	}
	return e
}

// outOfMemory reports whether a plugin, in Go or Python, says at its end that it was refused
// memory.
func outOfMemory(text string) bool {
	for line := range strings.Lines(text) {
		refused := slices.ContainsFunc([]string{"out of memory", "cannot allocate memory", "newosproc", "failed to reserve"}, func(what string) bool { return strings.Contains(line, what) })
		if strings.HasPrefix(line, "fatal error: ") && refused || strings.HasPrefix(line, "MemoryError") || strings.HasPrefix(line, "runtime/cgo: pthread_create failed") {
			return true
		}
	}
	return false
}

// kill ends the process at once and records why. It returns when the process has
// ended. A linked plugin does not end, but is no longer called.
func (p *Process) kill(why string) {
	p.exitReason.CompareAndSwap(nil, &why)
	if p.program.linked == nil {
		p.runner.end()
		_ = p.runner.Kill(context.Background())
	}
}

// stop ends the process: it is asked over the socket, then by signal, then
// forced. It returns within three times the grace period and the time of a death; an error
// says that the process may still be there.
func (p *Process) stop() error {
	var err error
	why := "plume stopped it"
	p.exitReason.CompareAndSwap(nil, &why)
	if p.program.linked != nil {
		p.cutLifeline()
		return nil
	}
	if p.program.attached {
		p.runner.end() // first: it runs on, and go-plugin would wait for its end
	}
	stopped := make(chan struct{})
	go func() {
		p.client.Kill() // may wait for an answer that never comes
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(grace):
		err = p.runner.Kill(context.Background())
	}
	select {
	case <-stopped:
		if p.cutLifeline != nil {
			p.cutLifeline()
		}
		p.lifeline.Wait()
	case <-time.After(grace):
		err = cmp.Or(err, errors.New("the process has ended, but its connection has not"))
	}
	if err != nil {
		err = fmt.Errorf("plugin %s: %w", p.program.Name, err)
	}
	return err
}
