package launch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
)

// away reports whether the processes of p are on other machines: they come late, and are
// lost with their machines.
func (p *Program) away() bool { return p.Executor != nil && !p.attached }

// task is rows that one replica computes in one call, and how often that has failed.
type task struct {
	block
	made int
}

// queue holds the tasks of one call that are distributed over replicas which come late and
// are lost. What was lost comes first: at the end of the queue it would be the last to end.
type queue struct {
	mu      sync.Mutex
	tasks   []task
	left    int           // tasks that have not ended
	workers int           // that may still take one
	err     error         // that ended the queue
	changed chan struct{} // closed when there is something for those who wait
}

// newQueue returns a queue of tasks for a number of workers.
func newQueue(tasks []task, workers int) *queue {
	return &queue{tasks: tasks, left: len(tasks), workers: workers, changed: make(chan struct{})}
}

// change does something to the queue and wakes those who wait if there is something for them:
// thousands may wait for the last ones, each of which ends.
func (q *queue) change(do func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	do()
	if len(q.tasks) > 0 || q.left == 0 || q.err != nil {
		close(q.changed)
		q.changed = make(chan struct{})
	}
}

// take returns the next task; without one, what is closed when there may be one, or nil when
// there will be none.
func (q *queue) take() (t task, ok bool, wait <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.err != nil || q.left == 0:
		return task{}, false, nil
	case len(q.tasks) == 0:
		return task{}, false, q.changed
	}
	t = q.tasks[0]
	q.tasks = q.tasks[1:]
	return t, true, nil
}

// isOver reports whether there will be no more tasks.
func (q *queue) isOver() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err != nil || q.left == 0
}

// ended records that a task has ended: with an error, which ends the queue, or with tasks
// that take its place.
func (q *queue) ended(again []task, err error) {
	q.change(func() {
		if err != nil && q.err == nil {
			q.err = err
		}
		q.tasks = slices.Insert(q.tasks, 0, again...) // most often none
		q.left += len(again) - 1
	})
}

// leave records that a worker gives up because of err. When none is left, that ends the
// queue.
func (q *queue) leave(err error) {
	q.change(func() {
		if q.workers--; q.workers == 0 && q.left > 0 && q.err == nil {
			q.err = err
		}
	})
}

// queued reports whether rows are distributed by a queue.
func (r replicas) queued() bool { return r.slots[0].program.away() }

// The first task is half of what a replica does if all are as fast, the next ones are smaller
// and smaller, so that those that are faster or come earlier do more, and all end together; but
// no smaller than a sixteenth.
const (
	firstTasks = 2
	lastTasks  = 16
)

// tasksOf returns tasks of all rows; one if members depend on each other, or nobody else could
// do another.
func (r replicas) tasksOf(rows int) []task {
	replicas, most := len(r.slots), r.threading.MaxMembersPerCall
	if most == 0 {
		most = rows
	}
	var tasks []task
	for from := 0; from < rows; {
		size := min(most, max(1, (rows-from)/(firstTasks*replicas), rows/(lastTasks*replicas)))
		switch {
		case !r.threading.IndependentMembers:
			size = rows
		case replicas == 1:
			size = most
		}
		to := min(rows, from+size)
		tasks = append(tasks, task{block: block{from, to}})
		from = to
	}
	return tasks
}

// distribute has the replicas do tasks of all rows, each of which takes the next one when it
// is free. do returns the tasks that take the place of one that has failed.
func (r replicas) distribute(ctx context.Context, rows int, do func(ctx context.Context, replica int, t task) ([]task, error)) error {
	q := newQueue(r.tasksOf(rows), len(r.slots))
	inside, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for i, s := range r.slots {
		workers.Go(func() {
			s.work(inside, q, func(t task) ([]task, error) { return do(inside, i, t) })
			if q.isOver() {
				stop() // those that wait for a place, or compute what is not needed any more
			}
		})
	}
	workers.Wait()
	if q.err == nil && q.left > 0 {
		return stopped("plugin "+r.slots[0].program.Name, ctx)
	}
	return q.err
}

// startTries is how often a replica is started again before it is given up for a call.
const startTries = 3

// work does tasks of q in the slot, one at a time, until there are no more.
func (s *slot) work(ctx context.Context, q *queue, do func(task) ([]task, error)) {
	for failed := 0; ctx.Err() == nil; {
		if _, err := s.process(ctx, true); err != nil {
			if failed++; failed == startTries || ctx.Err() != nil {
				q.leave(err)
				return
			}
			_ = pause(ctx, failed) // ctx is looked at above
			continue
		}
		failed = 0
		if !s.next(ctx, q, do) {
			return
		}
	}
}

// next does one task, unless there are no more.
func (s *slot) next(ctx context.Context, q *queue, do func(task) ([]task, error)) bool {
	select {
	case s.turn <- struct{}{}: // other calls have tasks for it too
	case <-ctx.Done():
		return false
	}
	if !s.up() { // it was lost in another call
		<-s.turn
		return true
	}
	t, ok, wait := q.take()
	if !ok {
		<-s.turn
		if wait == nil {
			return false
		}
		select {
		case <-wait:
			return true
		case <-ctx.Done():
			return false
		}
	}
	begun := time.Now()
	again, err := do(t)
	s.count(begun, len(again) > 0)
	<-s.turn
	q.ended(again, err)
	return true
}

// again returns the tasks that take the place of one that has failed with err: the same, for
// another replica, as often as it may be repeated; then its halves, to find the member that
// ends the process; and of a single member the error.
func (r replicas) again(ctx context.Context, t task, event Repeat, err error) ([]task, error) {
	switch {
	case !isTransient(err) || ctx.Err() != nil || !r.threading.IndependentMembers && t.made >= r.policy.Retries:
		return nil, concerning(event, err)
	case t.made < r.policy.Retries:
		event.Reason = what(err)
		r.slots[0].reportRepeat(ctx, event)
		if sdk.KindOf(err) == sdk.KindTransient {
			_ = pause(ctx, t.made) // ctx is looked at by who takes the task
		}
		return []task{{t.block, t.made + 1}}, nil
	case t.to-t.from == 1:
		return nil, concerning(event, err)
	}
	middle := (t.from + t.to) / 2
	return []task{{block{t.from, middle}, t.made}, {block{middle, t.to}, t.made}}, nil
}
