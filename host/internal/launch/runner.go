package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
)

const (
	grace      = 2 * time.Second        // between asking and forcing a process to end
	drain      = 500 * time.Millisecond // for output still in a pipe when its process has ended
	helloBytes = 4096                   // longest handshake line
)

// localRunner runs one plugin process on this machine. It is go-plugin's way to
// the process; what go-plugin sees of its output is the first line.
type localRunner struct {
	program *Program
	env     []string
	sockets string // the directory of the plugin's socket
	tail    *tail

	mu    sync.Mutex
	cmd   *exec.Cmd // nil: not started
	ended bool      // and reaped: its number may belong to another process by now
	asked bool      // the host wants it to end

	stdin *os.File // held open; its end tells the plugin that the host is gone

	helloOut *io.PipeReader // the handshake line, for go-plugin
	helloIn  *io.PipeWriter
	first    atomic.Pointer[string] // the first line of standard output, or its beginning

	startErr error         // of starting the process
	reaped   chan struct{} // closed when the process has ended
	done     chan struct{} // closed when its output has been read as well; exit may then be read
	exit     exit
}

var _ runner.Runner = (*localRunner)(nil)

func newRunner(p *Program, env []string, t *tail) *localRunner {
	r := &localRunner{program: p, env: env, tail: t,
		reaped: make(chan struct{}), done: make(chan struct{})}
	r.helloOut, r.helloIn = io.Pipe()
	return r
}

// adopt takes over the variables go-plugin wants the plugin to see, and the
// directory it made for the plugin's socket.
func (r *localRunner) adopt(env []string, sockets string) {
	r.env = slices.Concat(r.env, env)
	r.sockets = sockets
}

// exit says how a process ended: by a signal, or by itself with an exit code.
type exit struct {
	code   int
	signal syscall.Signal // 0: by itself
}

func (e exit) String() string {
	if e.signal != 0 {
		return fmt.Sprintf("was ended by signal %d (%v)", e.signal, e.signal)
	}
	return fmt.Sprintf("exited with code %d", e.code)
}

// Start starts the process.
func (r *localRunner) Start(ctx context.Context) error {
	r.startErr = r.start(ctx)
	if r.startErr != nil {
		close(r.reaped)
		close(r.done)
	}
	return r.startErr
}

func (r *localRunner) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cmd := &exec.Cmd{Path: r.program.Command[0], Args: r.program.Command, Dir: r.program.Dir, Env: r.env}
	ownGroup(cmd)
	var theirs, ours []*os.File
	for _, input := range []bool{true, false, false} {
		read, write, err := os.Pipe()
		if err != nil {
			closeAll(theirs, ours)
			return err
		}
		if input {
			read, write = write, read
		}
		theirs, ours = append(theirs, write), append(ours, read)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	err := cmd.Start()
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return err
	}
	r.stdin = ours[0]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cmd = cmd
	if r.asked { // while it was being started
		killGroup(cmd.Process.Pid)
	}
	go r.watch(ours[1], ours[2])
	return nil
}

func closeAll(lists ...[]*os.File) {
	for _, f := range slices.Concat(lists...) {
		_ = f.Close()
	}
}

// watch reads the output of the process until it has ended, and ends what is
// left of its group. A grandchild that left the group and keeps a pipe open is
// not waited for.
func (r *localRunner) watch(stdout, stderr *os.File) {
	var readers sync.WaitGroup
	readers.Go(func() { r.readStdout(stdout) })
	readers.Go(func() { r.copyLines(stderr) })
	_ = r.cmd.Wait() // the state says more than the error
	r.mu.Lock()
	killGroup(r.cmd.Process.Pid)
	r.ended = true
	r.mu.Unlock()
	close(r.reaped)
	soon := time.Now().Add(drain)
	_ = stdout.SetReadDeadline(soon)
	_ = stderr.SetReadDeadline(soon)
	readers.Wait()
	closeAll([]*os.File{stdout, stderr, r.stdin})
	r.exit = exitOf(r.cmd.ProcessState)
	_ = os.RemoveAll(r.sockets) // a plugin that died could not
	close(r.done)
}

// readStdout passes the first line on to go-plugin and the rest to the log. A
// first line without an end is given up, so that it cannot block the plugin.
// At the end of a silent output it waits for the process, so that whoever
// learns of the end finds the exit code.
func (r *localRunner) readStdout(stdout io.Reader) {
	in := bufio.NewReaderSize(stdout, helloBytes)
	line, err := in.ReadSlice('\n')
	first := string(line)
	r.first.Store(&first)
	if err == nil {
		if unsafeStart(first, r.program.TCP) == nil {
			_, _ = r.helloIn.Write(line)
		}
	} else if !errors.Is(err, bufio.ErrBufferFull) {
		select {
		case <-r.reaped:
		case <-time.After(drain):
		}
	}
	_ = r.helloIn.Close()
	r.copyLines(in)
}

func (r *localRunner) copyLines(from io.Reader) {
	w := &lineWriter{to: r.tail}
	_, _ = io.Copy(w, from)
	w.flush(false)
}

// hello returns the protocol version in the handshake line, or false if the
// first line is something else.
func (r *localRunner) hello() (version int, ok bool) {
	first := r.first.Load()
	if first == nil {
		return 0, false
	}
	parts := strings.Split(strings.TrimSpace(*first), "|")
	if len(parts) < 5 || parts[0] != strconv.Itoa(plugin.CoreProtocolVersion) {
		return 0, false
	}
	version, err := strconv.Atoi(parts[1])
	return version, err == nil
}

// end ends the process and its group at once.
func (r *localRunner) end() { r.signal(killGroup) }

// askedToEnd says whether the host has wanted the process to end.
func (r *localRunner) askedToEnd() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *localRunner) signal(send func(leader int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.asked = true
	if r.cmd != nil {
		send(r.cmd.Process.Pid)
	}
}

// Kill asks the process to end, and after a grace forces it. It returns when the
// process has ended, or an error when it withstands.
func (r *localRunner) Kill(context.Context) error {
	for _, send := range []func(int){terminateGroup, killGroup} {
		r.signal(send)
		select {
		case <-r.done:
			return nil
		case <-time.After(grace):
		}
	}
	return fmt.Errorf("process %s does not end", r.ID())
}

// Wait returns when the process has ended and its output has been read.
func (r *localRunner) Wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ID returns the process number, or "" when no process was started.
func (r *localRunner) ID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return ""
	}
	return strconv.Itoa(r.cmd.Process.Pid)
}

// Stdout returns the first line of standard output.
func (r *localRunner) Stdout() io.ReadCloser { return r.helloOut }

// Stderr returns nothing: the runner reads standard error itself.
func (r *localRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name returns the program's path.
func (r *localRunner) Name() string { return r.program.Command[0] }

// Diagnose returns nothing: Pool.Start says what went wrong.
func (r *localRunner) Diagnose(context.Context) string { return "" }

// PluginToHost returns its arguments: host and plugin share a file system.
func (r *localRunner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin returns its arguments.
func (r *localRunner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
