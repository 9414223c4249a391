package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// interruptError is the error of a command that a signal ended.
type interruptError struct{ signal os.Signal }

func (e interruptError) Error() string { return fmt.Sprintf("stopped by %v", e.signal) }

func (e interruptError) code() int {
	switch e.signal {
	case syscall.SIGHUP:
		return exitHungUp
	case os.Interrupt:
		return exitInterrupted
	}
	return exitTerminated
}

// stops are the signals that stop a command. The last ones are those by which engines of
// clusters say that the time of a job is almost up.
var stops = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGXCPU}

// notifyStops has signals that stop a command sent to c. Those that were ignored when the
// program was started, as by nohup, stay ignored.
func notifyStops(c chan<- os.Signal) {
	for _, s := range stops {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// endTime is how long a canceled command may take to end by itself. The rest of a second
// is for its plugins to end.
const endTime = 400 * time.Millisecond

// withInterrupts returns a context that handles signals until the returned function is
// called. The first signal while a run heeds stop asks it to stop after the current cycles.
// The next one cancels the context, which ends calls in progress; without a run that heeds
// stop the first one does so. If the command does not end then, whatever it waits for, the
// process is ended here, with its plugins; a command that removes what it has begun ends when it has
// done so, or at the next signal.
//
// SIGHUP, which a closed terminal may send several times, and the signals of engines, which end
// the job when its time is up, only ask for a stop. A closed pipe is an error of the write and
// not a signal.
func (a *app) withInterrupts(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, pipes, ended := make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan struct{})
	notifyStops(signals)
	signal.Notify(pipes, syscall.SIGPIPE)
	go func() {
		s, ok := a.decisive(signals)
		if !ok {
			return
		}
		cancel(interruptError{s})
		if !a.ends(ended, signals) {
			said := a.tell("%s", a.lastWords(interruptError{s}))
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

// ends waits for the end of a canceled command and reports whether it has ended.
func (a *app) ends(ended <-chan struct{}, signals <-chan os.Signal) bool {
	select {
	case <-ended:
		return true
	case <-time.After(endTime):
	}
	part := a.part.Load()
	if part == nil {
		return false
	}
	a.tell("\nremoving %s; interrupt again to leave it\n", *part)
	for s := range signals {
		if s == os.Interrupt || s == syscall.SIGTERM {
			return false
		}
	}
	return true
}

// decisive returns the signal that ends the command at once; false if signals was closed
// before there was one.
func (a *app) decisive(signals <-chan os.Signal) (os.Signal, bool) {
	first, ok := <-signals
	if !ok || !a.stop.Heeded() {
		return first, ok
	}
	a.stop.Ask(interruptError{first})
	a.tell("\n%v: finishing the current step; interrupt again to stop at once\n", first)
	for s := range signals {
		if s == os.Interrupt || s == syscall.SIGTERM {
			return s, true
		}
	}
	return nil, false
}

// tell writes to standard error, which may be a terminal that accepts no more text, without
// waiting. The returned channel is closed after the write.
func (a *app) tell(format string, args ...any) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Fprint(raw(a.stderr), printable(fmt.Sprintf(format, args...)))
	}()
	return done
}
