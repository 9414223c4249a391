package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/plume-da/plume/host/internal/experiment"
)

// interruptError is the error of a command that a signal ended.
type interruptError struct{ signal os.Signal }

func (e interruptError) Error() string { return fmt.Sprintf("stopped by %v", e.signal) }

func (e interruptError) code() int {
	if e.signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// withInterrupts returns a context that knows of signals. The first one while a run heeds
// stop asks it to stop after the cycles under way; the next cancels the context, which ends
// calls under way, and one before does so at once. What does not end then is ended by one
// more.
func withInterrupts(parent context.Context, stop *experiment.Stop, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ignore := func() { signal.Stop(signals) }
	go func() {
		signal, ok := <-signals
		if ok && stop.Heeded() {
			fmt.Fprintf(stderr, "\n%v: finishing the cycle and closing files; once more to stop at once\n", signal)
			stop.Ask(interruptError{signal})
			signal, ok = <-signals
		}
		if ok {
			cancel(interruptError{signal})
			ignore()
		}
	}()
	return ctx, func() {
		ignore()
		close(signals)
		cancel(nil)
	}
}
