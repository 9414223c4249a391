package launch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
)

// RetryPolicy says how the calls of a plugin are made and what is done about failures. A
// call is a pure function of its request, so it can be repeated. It is repeated only for
// a transient reason: the process died, or the plugin said, of the call or of a member,
// that the same call may succeed when repeated.
type RetryPolicy struct {
	Timeout  time.Duration // of one call; 0: as values and time steps, see [guard.limit]
	Replicas int           // processes over which members are distributed; 0: 1
	Retries  int           // how often a call is repeated; 0: never, and a process that died is not replaced
	// MaxFailed is how many members of a forecast may be given up if the process dies
	// of them each time: they are found by forecasting smaller and smaller parts of
	// the ensemble, and listed as failed. 0: none; the call fails.
	MaxFailed int
}

// Repeat is a call, or the part of one for some members, that is repeated.
type Repeat struct {
	Plugin  string
	Call    string // forecast, observe or analyse
	Cycle   int
	First   int    // number of the first member
	Last    int    // of the last one; members between them may have been dropped
	Members int    // how many there are
	Reason  string // why
}

func repeatOf(c sdk.Call, call string, b block) Repeat {
	return Repeat{Call: call, Cycle: c.Cycle, First: c.Member(b.from), Last: c.Member(b.to - 1), Members: b.to - b.from}
}

type repeatKey struct{}

// OnRepeat returns a context whose calls are reported to do when they are repeated,
// from several goroutines at once.
func OnRepeat(ctx context.Context, do func(Repeat)) context.Context {
	return context.WithValue(ctx, repeatKey{}, do)
}

// session is one configuration of a plugin in one slot, whichever process runs there.
type session[S any] struct {
	slot      *slot
	policy    RetryPolicy
	configure func(context.Context, *sdk.Plugin) (S, error)
	queued    bool // a queue gives it tasks, and waits for another process if there is none

	mu      sync.Mutex
	process *Process // that role is configured in; nil: none
	role    S
	calls   int // that use it
}

// take returns the role in the process of the slot, which it configures if that has not
// been done. Unless there is an error, leave must follow.
func (s *session[S]) take(ctx context.Context) (S, *Process, error) {
	var none S
	p, err := s.slot.current(), error(nil)
	if !s.queued {
		p, err = s.slot.process(ctx, s.policy.Retries > 0)
	} else if p == nil {
		err = sdk.Errorf(sdk.KindCrash, "plugin "+s.slot.program.Name, "its process has been lost")
	}
	if err != nil {
		return none, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slot.used(s)
	if s.process != p {
		role, err := s.configure(ctx, p.Plugin(s.policy.Timeout))
		if err != nil {
			return none, p, err
		}
		s.process, s.role = p, role
	}
	s.calls++
	return s.role, p, nil
}

func (s *session[S]) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls--
}

// evict gives up the role, unless a call uses it; the next call configures it again.
func (s *session[S]) evict() bool {
	if !s.mu.TryLock() { // a call is taking it
		return false
	}
	defer s.mu.Unlock()
	if s.calls > 0 {
		return false
	}
	if r, ok := any(s.role).(interface{ release() }); ok {
		r.release()
	}
	var none S
	s.process, s.role = nil, none
	return true
}

// once makes a call, alone or at the same time as others. It ends a process that no
// longer answers.
func once[S, T any](ctx context.Context, s *session[S], alone bool, do func(context.Context, S) (T, error)) (T, error) {
	if alone {
		s.slot.calls.Lock()
		defer s.slot.calls.Unlock()
	} else {
		s.slot.calls.RLock()
		defer s.slot.calls.RUnlock()
	}
	var result T
	role, p, err := s.take(ctx)
	if err == nil {
		result, err = do(ctx, role)
		s.leave()
	}
	if p != nil && sdk.KindOf(err) == sdk.KindCrash && err != nil && !p.gone() {
		p.kill("its connection was gone")
	}
	return result, err
}

// attempts says how often a call may be made, and how a repetition is reported.
type attempts struct {
	made, most int    // made: before, by the caller, not alone
	event      Repeat // of no members: a configuration
}

// retry makes a call of session s until it succeeds, fails for a reason that is not
// transient, or has been made as often as it may be.
func retry[S, T any](ctx context.Context, s *session[S], a attempts, do func(context.Context, S) (T, error)) (T, error) {
	for n := a.made; ; n++ {
		result, err := once(ctx, s, n > 0, do)
		if err == nil || n+1 >= a.most || !isTransient(err) || ctx.Err() != nil {
			return result, err
		}
		a.event.Reason = what(err)
		s.slot.reportRepeat(ctx, a.event)
		if err := pause(ctx, n); err != nil {
			return result, stopped("plugin "+s.slot.program.Name, ctx)
		}
	}
}

// isTransient reports whether a call that failed with err may succeed when repeated.
func isTransient(err error) bool {
	kind := sdk.KindOf(err)
	return kind == sdk.KindCrash || kind == sdk.KindTransient
}

// what returns the text of err without its place.
func what(err error) string {
	var e *sdk.Error
	if errors.As(err, &e) {
		return e.What
	}
	return err.Error()
}

// reportRepeat logs that something is repeated; a call is also reported to the function
// of [OnRepeat].
func (s *slot) reportRepeat(ctx context.Context, r Repeat) {
	r.Plugin = s.program.Name
	again := Record{Plugin: r.Plugin, Level: "warn", Message: "configured again: " + r.Reason}
	if r.Members == 0 {
		s.options.log(again)
		return
	}
	again.Message = fmt.Sprintf("cycle %d: %s: members %d to %d again: %s", r.Cycle, r.Call, r.First, r.Last, r.Reason)
	s.options.log(again)
	if do, ok := ctx.Value(repeatKey{}).(func(Repeat)); ok {
		do(r)
	}
}

// longer returns how long to wait before the attempt that follows attempt n.
func longer(n int) time.Duration {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	return min(first<<min(n, 10), most)
}

// pause waits before the attempt that follows attempt n, which counts from 0: longer
// each time, since a transient fault takes time to pass.
func pause(ctx context.Context, n int) error {
	select {
	case <-time.After(longer(n)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
