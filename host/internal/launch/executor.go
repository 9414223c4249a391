package launch

import (
	"context"
	"errors"
	"io"
)

// ErrPermanent is the cause of an error of [Executor.Start] that another try would give again,
// such as that there is no such queue.
var ErrPermanent = errors.New("it will not go away")

// Executor starts plugins somewhere: as processes of this machine, through a batch
// system, in containers. All that a host and a plugin say to each other, and all that
// is done about failures, is the same for every executor. It is safe for concurrent use.
type Executor interface {
	// Start runs the command of program with the environment env, and with a
	// standard input that ends when the host is gone, even if it was killed. The
	// directory $PLUGIN_UNIX_SOCKET_DIR is where the plugin listens unless program.TCP
	// says otherwise; it is removed when the child has ended. Start may wait until there
	// is a place to run the plugin, for as long as ctx lasts, which is for the start alone.
	// Of an error of type *sdk.Error the text and the hint are shown as they are. Its cause is
	// [ErrPermanent] where that is known.
	Start(ctx context.Context, program *Program, env []string) (Child, error)
}

// Child is a plugin that an [Executor] has started. Its methods may be called from
// several goroutines.
type Child interface {
	// ID identifies the child in messages, such as "process 4711".
	ID() string
	// Stdout and Stderr return what the child writes. The caller reads both to their
	// ends, which come soon after the end of the child, and closes them.
	Stdout() io.ReadCloser
	Stderr() io.ReadCloser
	// Terminate asks the child to end, and Kill ends it at once; both mean everything
	// that the child has started as well, do not wait, and do nothing to a child that
	// has ended.
	Terminate()
	Kill()
	// Wait returns when the child has ended, and says how. It is called once.
	Wait() Exit
}

// Exit says how a child ended.
type Exit struct {
	What   string // what is said of the child, such as "exited with code 3"
	Code   *int   // its exit code; nil: it had none
	Signal string // that ended it, such as "killed"; empty: none
	Hint   string // what may be the cause or what to do; empty: nothing is known
}
