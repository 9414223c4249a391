package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/launch"
)

// interruptError is the error of a command that a signal ended.
type interruptError struct{ signal os.Signal }

func (e interruptError) Error() string { return fmt.Sprintf("stopped by %v", e.signal) }

func (e interruptError) code() int {
	switch e.signal {
	case syscall.SIGHUP:
		return exitHungUp
	case syscall.SIGTERM:
		return exitTerminated
	}
	return exitInterrupted
}

// endTime is how long a canceled command has to end by itself. The rest of a second is
// for the end of its plugins.
const endTime = 400 * time.Millisecond

// withInterrupts returns a context that knows of signals until the returned function is
// called. The first signal while a run heeds stop asks it to stop after the cycles under
// way; the next cancels the context, which ends calls under way, and one before does so at
// once. A command that does not end then, whatever it waits for, is ended here, with its
// plugins.
//
// SIGHUP, which may come several times from a terminal that is closed, asks for a stop and
// nothing more. A closed pipe is an error of the write and no signal. What the program was
// told to ignore when it was started, as by nohup, stays ignored.
func withInterrupts(parent context.Context, stop *experiment.Stop, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, pipes, ended := make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan struct{})
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	signal.Notify(pipes, syscall.SIGPIPE)
	go func() {
		s, ok := decisive(signals, stop, stderr)
		if !ok {
			return
		}
		cancel(interruptError{s})
		select {
		case <-ended:
		case <-time.After(endTime):
			said := tell(stderr, "\nerror: %v\n", interruptError{s})
			launch.KillAll()
			select {
			case <-said:
			case <-time.After(endTime / 4):
			}
			os.Exit(interruptError{s}.code())
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(pipes)
		close(signals)
		close(ended)
		cancel(nil)
	}
}

// decisive returns the signal that ends the command at once; false: signals was closed
// before there was one.
func decisive(signals <-chan os.Signal, stop *experiment.Stop, stderr io.Writer) (os.Signal, bool) {
	first, ok := <-signals
	if !ok || !stop.Heeded() {
		return first, ok
	}
	stop.Ask(interruptError{first})
	tell(stderr, "\n%v: finishing the cycle and closing files; once more to stop at once\n", first)
	for s := range signals {
		if s != syscall.SIGHUP {
			return s, true
		}
	}
	return nil, false
}

// tell writes to w, which may be a terminal that takes no text; nobody has to wait for it.
// What it returns is closed afterwards.
func tell(w io.Writer, format string, args ...any) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Fprintf(w, format, args...)
	}()
	return done
}
