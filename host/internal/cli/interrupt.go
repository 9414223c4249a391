package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
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

// request is a context value that says whether a signal has asked for a stop.
type request struct {
	asked  chan struct{} // closed at the first signal
	signal os.Signal     // to be read after asked is closed
}

type requestKey struct{}

// withInterrupts returns a context that knows of signals. The first one asks
// running trials to stop after their cycle, see [stopping]; the second cancels
// the context, which ends calls under way.
func withInterrupts(parent context.Context, stderr io.Writer) (context.Context, func()) {
	r := &request{asked: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, requestKey{}, r))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first, ok := <-signals
		if !ok {
			return
		}
		fmt.Fprintf(stderr, "\n%v: finishing the cycle and closing files; once more to stop at once\n", first)
		r.signal = first
		close(r.asked)
		if second, ok := <-signals; ok {
			cancel(interruptError{second})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// stopping returns an interruptError when a signal has asked for a stop.
func stopping(ctx context.Context) error {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return nil
	}
	select {
	case <-r.asked:
		return interruptError{r.signal}
	default:
		return nil
	}
}
