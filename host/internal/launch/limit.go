package launch

import (
	"context"
	"errors"
	"time"
)

// bounded is the context of a call that must not take too long.
type bounded struct {
	context.Context
	deadline time.Time
}

// within returns ctx with a deadline, like [context.WithTimeout]. One that has passed
// while this process was suspended, as by Ctrl-Z, is set again: plugins go on meanwhile,
// and the answer may be there to be read.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancelCause(ctx)
	deadline := time.Now().Add(timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	timer := expire(cancel, timeout)
	return &bounded{inner, deadline}, func() {
		timer.Stop()
		cancel(nil)
	}
}

// suspension is how late a timer is when the whole process has been suspended.
const suspension = time.Second

func expire(cancel context.CancelCauseFunc, timeout time.Duration) *time.Timer {
	due := time.Now().Add(timeout)
	return time.AfterFunc(timeout, func() {
		if time.Since(due) < suspension {
			cancel(context.DeadlineExceeded)
		} else {
			expire(cancel, timeout)
		}
	})
}

func (b *bounded) Deadline() (time.Time, bool) { return b.deadline, true }

func (b *bounded) Err() error {
	if errors.Is(context.Cause(b.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return b.Context.Err()
}
