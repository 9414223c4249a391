package experiment

import (
	"sync"
	"sync/atomic"
)

// Stop asks a run to stop after the current cycles. The run then closes its files and can
// be resumed. The zero value is not ready to use; a nil Stop never asks. It is safe for
// concurrent use.
type Stop struct {
	heeded atomic.Bool
	once   sync.Once
	asked  chan struct{} // closed when the stop is asked for
	cause  error         // may be read after asked is closed
}

// NewStop returns a Stop that has not been asked for.
func NewStop() *Stop { return &Stop{asked: make(chan struct{})} }

// StoppedError is the error of a run that was asked to stop.
type StoppedError struct{ Cause error }

func (e *StoppedError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *StoppedError) Unwrap() error { return e.Cause }

// Heeded reports whether there is a run that stops when it is asked to. Before that, or if
// the run has no cycles to finish, its context must be cancelled.
func (s *Stop) Heeded() bool { return s.heeded.Load() }

// Ask asks for the stop because of cause. Only the first call does.
func (s *Stop) Ask(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.asked)
	})
}

// Err returns a [*StoppedError] if the stop has been asked for, and nil otherwise.
func (s *Stop) Err() error {
	if s == nil {
		return nil
	}
	select {
	case <-s.asked:
		return &StoppedError{s.cause}
	default:
		return nil
	}
}

// Asked returns a channel that is closed when the stop is asked for.
func (s *Stop) Asked() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.asked
}

// heed records that a run is in progress.
func (s *Stop) heed() {
	if s != nil {
		s.heeded.Store(true)
	}
}
