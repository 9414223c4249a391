package experiment

import "sync/atomic"

// Stop asks a run to stop after the cycles under way, which then closes its files and
// can be resumed. The zero value is not ready; a nil Stop never asks. It is safe for
// concurrent use.
type Stop struct {
	heeded atomic.Bool
	asked  chan struct{} // closed when it is asked
	cause  error         // to be read after asked is closed
}

// NewStop returns a Stop that has not been asked.
func NewStop() *Stop { return &Stop{asked: make(chan struct{})} }

// StoppedError is the error of a run that was asked to stop.
type StoppedError struct{ Cause error }

func (e *StoppedError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *StoppedError) Unwrap() error { return e.Cause }

// Heeded says whether a run is under way that stops when it is asked. Before, and where
// no run has cycles to finish, its context has to be cancelled.
func (s *Stop) Heeded() bool { return s.heeded.Load() }

// Ask asks for the stop because of cause. It must be called once at most.
func (s *Stop) Ask(cause error) {
	s.cause = cause
	close(s.asked)
}

// Err returns a [*StoppedError] when the stop has been asked for, and nil before.
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

// heed says that a run is under way.
func (s *Stop) heed() {
	if s != nil {
		s.heeded.Store(true)
	}
}
