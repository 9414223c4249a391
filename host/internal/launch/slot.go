package launch

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
)

// slot is where one replica of a program runs: one process after another, each
// started when it is needed and the last one is gone.
type slot struct {
	pool    *Pool
	program *Program
	options Options

	// A call that is made again is made alone, so that it answers for itself: what
	// ends the process then is its own doing, and never costs another call more than
	// one attempt. Other calls share the process.
	calls sync.RWMutex

	now *start // nil: none yet; pool.mu holds

	mu       sync.Mutex
	sessions []evictable // that have a configuration or are about to; the one used last is the last
}

// configured is how many configurations a process keeps, unless more are in use. A sweep may
// have thousands, and each takes memory in the process; to make one again takes a
// call.
const configured = 256

// evictable is a session of any role.
type evictable interface{ evict() bool }

// used notes that session, which is locked, is used, and makes room for its configuration:
// those that have not been used for longest are given up.
func (s *slot) used(session evictable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.sessions); n > 0 && s.sessions[n-1] == session {
		return
	}
	if i := slices.Index(s.sessions, session); i >= 0 {
		s.sessions = slices.Delete(s.sessions, i, i+1)
	}
	for i := 0; i < len(s.sessions) && len(s.sessions) >= configured; {
		if s.sessions[i].evict() {
			s.sessions = slices.Delete(s.sessions, i, i+1)
		} else {
			i++
		}
	}
	s.sessions = append(s.sessions, session)
}

// start is one start of a program and what became of it.
type start struct {
	done    chan struct{} // closed when the fields below are set
	process *Process
	err     error
}

// newSlot returns one of n slots of program. A replica in Go uses its share of the
// processors; one process uses all that the host may.
func newSlot(pool *Pool, program *Program, n int) *slot {
	s := &slot{pool: pool, program: program, options: pool.options}
	if n > 1 {
		share := max(1, runtime.GOMAXPROCS(0)/n)
		s.options.Env = append(append([]string(nil), s.options.Env...), fmt.Sprintf("GOMAXPROCS=%d", share))
	}
	return s
}

// process returns the process in the slot. It starts the first one; another one
// only when that is gone and again is true. A start that fails is final for those
// who do not say again.
func (s *slot) process(ctx context.Context, again bool) (*Process, error) {
	where := "plugin " + s.program.Name
	s.pool.mu.Lock()
	if s.pool.closed {
		s.pool.mu.Unlock()
		return nil, sdk.Errorf(sdk.KindBug, where, "the pool of plugins is closed")
	}
	last := s.now
	mine := last == nil || again && last.over()
	if mine {
		s.now = &start{done: make(chan struct{})}
	}
	now := s.now
	s.pool.mu.Unlock()
	if mine {
		now.process, now.err = s.begin(ctx, last)
		close(now.done)
	}
	select {
	case <-now.done:
		return now.process, now.err
	case <-ctx.Done():
		return nil, stopped(where+": start", ctx)
	}
}

// over says whether a start has led to nothing that still runs.
func (s *start) over() bool {
	select {
	case <-s.done:
		return s.err != nil || s.process.gone()
	default:
		return false
	}
}

// begin starts a process in place of last, which is nil or over. The last plugin to
// leave takes the directory of the sockets with it, in case the host is gone; here
// it is not.
func (s *slot) begin(ctx context.Context, last *start) (*Process, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.pool.killed, cancel)()
	if s.program.linked != nil {
		return startLinked(ctx, s.program)
	}
	if last != nil {
		if err := s.program.unchanged(); err != nil {
			return nil, err
		}
		if last.process != nil {
			s.pool.cleanups.Go(last.process.cleanUp)
		}
	}
	if err := os.MkdirAll(s.pool.sockets, 0o700); err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "plugin sockets", "cannot make a directory: %v", err)
	}
	return startProcess(ctx, s.program, s.pool.sockets, &s.options)
}
