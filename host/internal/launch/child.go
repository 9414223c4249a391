package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

const (
	grace          = 2 * time.Second        // between asking and forcing a child to end
	deathTime      = 15 * time.Second       // for a child that is forced: the kernel gives back its memory, gigabytes in seconds
	exitDelay      = 500 * time.Millisecond // between the end of its output and its own
	handshakeBytes = 4096                   // longest handshake line
)

// childRunner starts one child and watches it. It is go-plugin's way to the child;
// what go-plugin sees of its output is the first line.
type childRunner struct {
	program *Program
	tail    *tail
	sockets string // the directory of the child's socket

	mu    sync.Mutex
	child Child // nil: not started
	asked bool  // the host wants it to end

	firstOut *io.PipeReader // the first line of standard output, for go-plugin
	firstIn  *io.PipeWriter
	first    atomic.Pointer[string] // the same, or its beginning

	startErr error         // of starting the child
	ended    chan struct{} // closed when the child has ended; exit may then be read
	done     chan struct{} // closed when its output has been read as well, or it was not started
	exit     Exit
}

var _ runner.Runner = (*childRunner)(nil)

func newChildRunner(program *Program, t *tail) *childRunner {
	r := &childRunner{program: program, tail: t, ended: make(chan struct{}), done: make(chan struct{})}
	r.firstOut, r.firstIn = io.Pipe()
	return r
}

// start has e start the child, whose socket is in the directory sockets.
func (r *childRunner) start(ctx context.Context, e Executor, env []string, sockets string) error {
	child, err := e.Start(ctx, r.program, env)
	if err != nil {
		r.startErr = err
		close(r.ended)
		close(r.done)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.child, r.sockets = child, sockets
	if r.asked { // while it was being started
		child.Kill()
	}
	go r.watch(child)
	return nil
}

// watch reads the output of the child until it has ended.
func (r *childRunner) watch(child Child) {
	var readers sync.WaitGroup
	readers.Go(func() { r.readStdout(child.Stdout()) })
	readers.Go(func() { r.copyLines(child.Stderr()) })
	r.exit = child.Wait()
	close(r.ended)
	readers.Wait()
	_ = child.Stdout().Close()
	_ = child.Stderr().Close()
	_ = os.RemoveAll(r.sockets) // a plugin that crashed could not
	close(r.done)
}

// readStdout passes the first line on to go-plugin and the rest to the log. A
// first line that does not end is given up, so that it cannot block the plugin.
// If the output ends without a line it waits for the child, so that the exit code is
// known when go-plugin reports the end.
func (r *childRunner) readStdout(stdout io.Reader) {
	in := bufio.NewReaderSize(stdout, handshakeBytes)
	line, err := in.ReadSlice('\n')
	first := string(line)
	r.first.Store(&first)
	if err == nil {
		if h, ok := parseHandshake(first); !ok || h.unsafe(r.program.TCP) == nil {
			_, _ = r.firstIn.Write(line)
		}
	} else if !errors.Is(err, bufio.ErrBufferFull) {
		select {
		case <-r.ended:
		case <-time.After(exitDelay):
		}
	}
	_ = r.firstIn.Close()
	r.copyLines(in)
}

func (r *childRunner) copyLines(from io.Reader) {
	w := &lineWriter{to: r.tail}
	_, _ = io.Copy(w, from)
	w.flush(false)
}

// firstLine returns the first line of standard output, or its beginning, with its
// newline; empty: nothing has been written yet.
func (r *childRunner) firstLine() string {
	if first := r.first.Load(); first != nil {
		return *first
	}
	return ""
}

// isDone reports whether the child has ended and its output has been read.
func (r *childRunner) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// endsSoon waits a moment for the child to end, and reports whether it has: its connection
// closes a little before the exit code is known.
func (r *childRunner) endsSoon() bool {
	select {
	case <-r.done:
		return true
	case <-time.After(time.Second):
		return false
	}
}

// hangUp closes the connection to a child when that has ended, so that calls under way fail. A
// machine that is gone does not close it.
func (r *childRunner) hangUp(conn io.Closer) {
	<-r.done
	_ = conn.Close() // it may be closed already
}

// placed is a [Child] on another machine.
type placed interface{ Place() Place }

// place returns where the child runs; the zero Place for this machine.
func (r *childRunner) place() Place {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.child.(placed); ok {
		return c.Place()
	}
	return Place{}
}

// died reports whether the child has ended without the host having asked for it.
func (r *childRunner) died() bool {
	if !r.isDone() || r.startErr != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.asked
}

// end ends the child at once.
func (r *childRunner) end() { r.signal(Child.Kill) }

func (r *childRunner) signal(send func(Child)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.ended:
		return
	default:
	}
	r.asked = true
	if r.child != nil {
		send(r.child)
	}
}

// Kill asks the child to end, and after a grace period forces it. It returns when the
// child has ended, or an error if it does not.
func (r *childRunner) Kill(context.Context) error {
	for _, step := range []struct {
		send func(Child)
		wait time.Duration
	}{{Child.Terminate, grace}, {Child.Kill, deathTime}} {
		r.signal(step.send)
		select {
		case <-r.done:
			return nil
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("%s has not ended, %v after it was killed", r.ID(), deathTime)
}

// Start does nothing: the child has been started.
func (r *childRunner) Start(context.Context) error { return nil }

// Wait returns when the child has ended and its output has been read.
func (r *childRunner) Wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ID returns the ID of the child, or "" when it was not started.
func (r *childRunner) ID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.child == nil {
		return ""
	}
	return r.child.ID()
}

// Stdout returns the first line of standard output.
func (r *childRunner) Stdout() io.ReadCloser { return r.firstOut }

// Stderr returns nothing: the runner reads standard error itself.
func (r *childRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name returns the program's path.
func (r *childRunner) Name() string { return r.program.Command[0] }

// Diagnose returns nothing: Pool.Start says what went wrong.
func (r *childRunner) Diagnose(context.Context) string { return "" }

// PluginToHost returns its arguments: a handshake holds what the host can dial.
func (r *childRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin returns its arguments.
func (r *childRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
