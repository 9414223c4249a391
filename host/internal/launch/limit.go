package launch

import (
	"context"
	"errors"
	"time"

	"github.com/plume-da/plume/sdk/pace"
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
	timer := pace.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	return &bounded{inner, deadline}, func() {
		timer.Stop()
		cancel(nil)
	}
}

func (b *bounded) Deadline() (time.Time, bool) { return b.deadline, true }

func (b *bounded) Err() error {
	if errors.Is(context.Cause(b.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return b.Context.Err()
}
