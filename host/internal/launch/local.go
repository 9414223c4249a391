package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plume-da/plume/sdk"
)

// Here is the [Executor] of this machine.
var Here Executor = local{}

type local struct{}

// Start implements Executor.
func (local) Start(ctx context.Context, program *Program, env []string) (Child, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	child, _, err := Piped(program, env)
	return child, err
}

// Piped starts program on this machine with the environment env, and returns in
// addition what writes to its standard input.
func Piped(program *Program, env []string) (Child, io.WriteCloser, error) {
	cmd := &exec.Cmd{Path: program.Command[0], Args: program.Command, Dir: program.Dir, Env: env}
	ownGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, cannotRun(program, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, cannotRun(program, err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, nil, cannotRun(program, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, cannotRun(program, err)
	}
	return &localChild{process: cmd.Process, stdin: stdin, stdout: &output{File: stdout.(*os.File)}, stderr: &output{File: stderr.(*os.File)}}, stdin, nil
}

// Grouped returns the command argv as the leader of a process group of its own: signals from
// the terminal do not reach it, and the whole group is killed when ctx ends. What it leaves
// behind when it has ended by itself may keep its output open, but is not waited for.
func Grouped(ctx context.Context, argv []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	ownGroup(cmd)
	cmd.Cancel = func() error { killGroup(cmd.Process.Pid); return nil }
	cmd.WaitDelay = drain
	return cmd
}

// cannotRun says why the system does not run program.
func cannotRun(program *Program, err error) *sdk.Error {
	cause := err
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		cause = inPath.Err // the path is said already
	}
	e := sdk.Errorf(sdk.KindPlugin, "", "cannot run %s: %v", program.Command[0], cause)
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "make it executable: chmod +x"
	case errors.Is(err, syscall.ENOEXEC):
		e.Hint = "it was built for another kind of machine, or is a script without a #! line"
	}
	return e
}

// localChild is a process of this machine and the process group it leads.
type localChild struct {
	process        *os.Process
	stdin          io.WriteCloser // held open; its end tells the plugin that the host is gone
	stdout, stderr *output

	mu    sync.Mutex
	ended bool // and reaped: its number may belong to another process by now
}

// ID implements Child.
func (c *localChild) ID() string { return fmt.Sprintf("process %d", c.process.Pid) }

// Stdout implements Child.
func (c *localChild) Stdout() io.ReadCloser { return c.stdout }

// Stderr implements Child.
func (c *localChild) Stderr() io.ReadCloser { return c.stderr }

// Terminate implements Child.
func (c *localChild) Terminate() { c.signal(terminateGroup) }

// Kill implements Child.
func (c *localChild) Kill() { c.signal(killGroup) }

func (c *localChild) signal(send func(leader int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		send(c.process.Pid)
	}
}

// When a process has ended its output is read until the end or until nothing has come for drain,
// and not for longer than longestDrain: descendants may keep the pipe open.
const (
	drain        = 500 * time.Millisecond
	longestDrain = 20 * drain
)

// output is the reading end of a pipe that a process writes to.
type output struct {
	*os.File
	until atomic.Pointer[time.Time] // when reading ends at the latest; nil while the process runs
}

// Read implements [io.Reader].
func (o *output) Read(b []byte) (int, error) {
	n, err := o.File.Read(b)
	if until := o.until.Load(); n > 0 && until != nil {
		o.allow(*until)
	}
	return n, err
}

// end says that the process has ended.
func (o *output) end() {
	until := time.Now().Add(longestDrain)
	o.until.Store(&until)
	o.allow(until)
}

// allow lets the next read wait.
func (o *output) allow(until time.Time) {
	next := time.Now().Add(drain)
	if next.After(until) {
		next = until
	}
	_ = o.SetReadDeadline(next)
}

// Wait implements Child. It ends what is left of the group; a descendant that left the
// group and keeps a pipe open is not waited for.
func (c *localChild) Wait() Exit {
	state, err := c.process.Wait()
	c.mu.Lock()
	killGroup(c.process.Pid)
	c.ended = true
	c.mu.Unlock()
	_ = c.stdin.Close()
	c.stdout.end()
	c.stderr.end()
	if err != nil {
		return Exit{What: fmt.Sprintf("ended, but cannot be waited for: %v", err)}
	}
	return exitOf(state)
}
