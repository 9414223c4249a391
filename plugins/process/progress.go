package process

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
)

// progress counts the runs of a call, so that a call that takes too long can say what it
// would have needed.
type progress struct {
	m    *model
	runs int

	mu      sync.Mutex
	started int
	ended   int
	took    time.Duration // by the runs that ended
}

func (m *model) newProgress(runs int) *progress { return &progress{m: m, runs: runs} }

// begin counts a run; the function that it returns counts its end.
func (p *progress) begin() (ended func()) {
	start := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended++
		p.took += time.Since(start)
	}
}

// limit returns a context that ends shortly before ctx has to, with an error that says how
// far the runs have come. The caller of the plugin would only know that there is no answer.
func (p *progress) limit(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	limited, cancel := context.WithCancelCause(ctx)
	deadline, ok := ctx.Deadline()
	if !ok {
		return limited, cancel
	}
	allowed := time.Until(deadline)
	stop := time.AfterFunc(allowed-min(allowed/4, time.Second), func() { cancel(p.late(allowed)) })
	return limited, func(cause error) {
		stop.Stop()
		cancel(cause)
	}
}

// late returns the error of a call that was allowed to take so long.
func (p *progress) late(allowed time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	parallel := min(p.m.Parallel, p.runs)
	e := sdk.Errorf(sdk.KindDeadline, "", "%d of %d runs of %q ended within %v, the timeout of the call, %d at a time", p.ended, p.runs, brief(p.m.Command[0]), allowed.Round(time.Second/10), parallel)
	e.Cause = context.DeadlineExceeded
	if p.ended == 0 {
		return e.WithHint("raise the timeout of [model], which is for all runs of a call; timeout in [model.params] limits a single run")
	}
	each := p.took / time.Duration(p.ended)
	rounds := (p.runs + parallel - 1) / parallel
	return e.WithHint("a run takes about %s: set the timeout of [model], which is for all of them, to at least %q", short(each), short(time.Duration(rounds)*each*3/2))
}

// short returns a duration with two digits or so.
func short(d time.Duration) string {
	unit := time.Second / 100
	for _, larger := range []time.Duration{time.Second / 10, time.Second, 10 * time.Second, time.Minute} {
		if d >= 10*larger {
			unit = larger
		}
	}
	return fmt.Sprint(max(d.Round(unit), unit))
}
