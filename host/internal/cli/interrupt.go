package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
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
	patient atomic.Bool   // there are cycles to finish
	asked   chan struct{} // closed at the first signal
	signal  os.Signal     // to be read after asked is closed
}

type requestKey struct{}

// withInterrupts returns a context that knows of signals. The first one after
// [finishCycles] asks running trials to stop after their cycle, see [stopping]; the next
// cancels the context, which ends calls under way, and one before does so at once.
// What does not end then is ended by one more.
func withInterrupts(parent context.Context, stderr io.Writer) (context.Context, func()) {
	r := &request{asked: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, requestKey{}, r))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stop := func() { signal.Stop(signals) }
	go func() {
		signal, ok := <-signals
		if ok && r.patient.Load() {
			fmt.Fprintf(stderr, "\n%v: finishing the cycle and closing files; once more to stop at once\n", signal)
			r.signal = signal
			close(r.asked)
			signal, ok = <-signals
		}
		if ok {
			cancel(interruptError{signal})
			stop()
		}
	}()
	return ctx, func() {
		stop()
		close(signals)
		cancel(nil)
	}
}

// finishCycles lets the next signal ask for a stop.
func finishCycles(ctx context.Context) {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		r.patient.Store(true)
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
