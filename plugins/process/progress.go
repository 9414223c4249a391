package process

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
)

// progress counts the runs of a call, so that a call that takes too long can say what it
// would have needed.
type progress struct {
	m    *model
	runs int

	mu    sync.Mutex
	ended int
	took  time.Duration // by the runs that ended
}

func (m *model) newProgress(runs int) *progress { return &progress{m: m, runs: runs} }

// begin begins a run; the function that it returns counts it.
func (p *progress) begin() (ended func()) {
	start := time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended++
		p.took += time.Since(start)
	}
}

// firstWord is how long a call takes before a word is said about it.
const firstWord = 10 * time.Second

// announce says in w how far the runs of a cycle have come: after first, twice as long, and
// so on, until stop is called. Plume logs what a plugin writes to standard error, and shows
// the last of it when the plugin does not answer in time.
func (p *progress) announce(w io.Writer, cycle int, first time.Duration) (stop func()) {
	start, done := time.Now(), make(chan struct{})
	go func() {
		for at := first; ; at *= 2 {
			select {
			case <-time.After(time.Until(start.Add(at))):
				state, remedy := p.text()
				fmt.Fprintf(w, "cycle %d, after %v: %s; %s\n", cycle, at, state, remedy)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
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
	stop := pace.AfterFunc(allowed-min(allowed/4, time.Second), func() { cancel(p.late(allowed)) })
	return limited, func(cause error) {
		stop.Stop()
		cancel(cause)
	}
}

// late returns the error of a call that was allowed to take so long.
func (p *progress) late(allowed time.Duration) error {
	state, remedy := p.text()
	e := sdk.Errorf(sdk.KindDeadline, "", "no answer within %v: %s", allowed.Round(time.Second/10), state).WithHint("%s", remedy)
	e.Cause = context.DeadlineExceeded
	return e
}

// text says how far the runs have come, and how much time a call needs.
func (p *progress) text() (state, remedy string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	parallel := min(p.m.Parallel, p.runs)
	state = fmt.Sprintf("%d of %d runs of %q have ended, %d at a time", p.ended, p.runs, brief(p.m.Command[0]), parallel)
	switch {
	case p.ended == 0 && p.m.Mode == "server":
		return state, promptness
	case p.ended == 0:
		return state, "timeout in [model] is for all of them, timeout in [model.params] for one"
	}
	each := p.took / time.Duration(p.ended)
	rounds := (p.runs + parallel - 1) / parallel
	return state, fmt.Sprintf("a run takes about %s: timeout in [model], which is for all of them, should be at least %q", short(each), short(time.Duration(rounds)*each*3/2))
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
