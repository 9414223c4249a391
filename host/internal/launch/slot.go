package launch

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
)

// slot is the place of one replica of a program. It holds one process at a time, and
// another one when that is gone and a process is needed.
type slot struct {
	pool    *Pool
	program *Program
	options Options

	// A call is repeated alone, with the lock for writing: if the process dies then,
	// that call is the cause. So no other call loses more than one attempt. First
	// attempts share the process.
	calls sync.RWMutex

	now *start // nil: none yet; pool.mu holds

	turn chan struct{} // holds one token while a task of a queue uses the slot

	mu       sync.Mutex
	load     Load
	sessions []evictable // that have a configuration or are about to, least recently used first
}

// maxSessions is how many configurations a process keeps, unless more are in use. A
// sweep may have thousands, and each takes memory in the process; to configure one again
// takes one call.
const maxSessions = 256

// evictable is a session of any role.
type evictable interface{ evict() bool }

// used records that session, which is locked, is used. It evicts those that have not been
// used for longest if there are too many.
func (s *slot) used(session evictable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.sessions); n > 0 && s.sessions[n-1] == session {
		return
	}
	if i := slices.Index(s.sessions, session); i >= 0 {
		s.sessions = slices.Delete(s.sessions, i, i+1)
	}
	for i := 0; i < len(s.sessions) && len(s.sessions) >= maxSessions; {
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
	cancel  context.CancelFunc // gives it up; nil: it ends by itself
	done    chan struct{}      // closed when the fields below are set
	process *Process
	err     error
}

// newSlot returns one of n slots of program. A replica in Go uses its share of the
// processors of this machine; one process uses all that the host may.
func newSlot(pool *Pool, program *Program, n int) *slot {
	s := &slot{pool: pool, program: program, options: pool.options, turn: make(chan struct{}, 1)}
	if n > 1 && program.Executor == nil {
		share := max(1, pace.Processors()/n)
		s.options.Env = append(append([]string(nil), s.options.Env...), fmt.Sprintf("GOMAXPROCS=%d", share))
	}
	return s
}

// process returns the process in the slot. It starts the first one, and another one
// only if that is gone and again is true. Without again, a failed start is final.
func (s *slot) process(ctx context.Context, again bool) (*Process, error) {
	where := "plugin " + s.program.Name
	s.pool.mu.Lock()
	if s.pool.closed {
		s.pool.mu.Unlock()
		return nil, sdk.Errorf(sdk.KindBug, where, "the pool of plugins is closed")
	}
	last := s.now
	mine := last == nil || again && last.over()
	starting := ctx
	if mine {
		s.now = &start{done: make(chan struct{})}
		if s.program.away() { // it goes on when this call is over
			starting, s.now.cancel = context.WithCancel(context.WithoutCancel(ctx))
		}
	}
	now := s.now
	s.pool.mu.Unlock()
	begin := func() {
		now.process, now.err = s.begin(starting, last)
		if now.err == nil {
			s.started(now.process.Place())
		}
		close(now.done)
	}
	switch {
	case mine && s.program.away():
		go begin()
	case mine:
		begin()
	}
	select {
	case <-now.done:
		return now.process, now.err
	case <-ctx.Done():
		return nil, stopped(where+": start", ctx)
	}
}

// current returns the process in the slot, or nil when there is none now.
func (s *slot) current() *Process {
	s.pool.mu.Lock()
	now := s.now
	s.pool.mu.Unlock()
	if now == nil {
		return nil
	}
	select {
	case <-now.done:
		if now.err == nil && !now.process.gone() {
			return now.process
		}
	default:
	}
	return nil
}

// up reports whether the slot has a process now.
func (s *slot) up() bool { return s.current() != nil }

// over reports whether a start has failed, or its process is gone.
func (s *start) over() bool {
	select {
	case <-s.done:
		return s.err != nil || s.process.gone()
	default:
		return false
	}
}

// begin starts a process in place of last, which is nil or over. It makes the directory
// of the sockets, because the last plugin to end removes it, in case the host is gone.
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
	if err := s.pool.makeSockets(); err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "plugin sockets", "cannot make a directory: %v", err)
	}
	return startProcess(ctx, s.program, s.pool.sockets, &s.options)
}
