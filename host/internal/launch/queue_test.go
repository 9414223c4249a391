package launch

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
)

// What was lost is the next to be done; a queue ends with its last task, its first error,
// or its last worker.
func TestQueue(t *testing.T) {
	three := []task{{block: block{0, 1}}, {block: block{1, 2}}, {block: block{2, 3}}}
	q := newQueue(slices.Clone(three), 2)
	take := func() task {
		t.Helper()
		got, ok, _ := q.take()
		if !ok {
			t.Fatal("there is no task")
		}
		return got
	}
	first, second := take(), take()
	q.ended([]task{{first.block, 1}}, nil) // it was lost
	if again := take(); again.block != first.block || again.made != 1 {
		t.Errorf("got %v next, want what was lost", again)
	}
	take()
	_, ok, wait := q.take()
	if ok || wait == nil {
		t.Fatal("a task that is under way may come back")
	}
	for range []task{first, second} {
		q.ended(nil, nil)
	}
	select {
	case <-wait:
		t.Error("woken for nothing: thousands may wait")
	default:
	}
	q.ended(nil, nil)
	<-wait
	if _, ok, wait := q.take(); ok || wait != nil || !q.isOver() {
		t.Error("the queue has not ended")
	}

	q = newQueue(slices.Clone(three), 2)
	take()
	q.ended(nil, errors.New("member 0: unwell"))
	q.ended(nil, errors.New("another"))
	if !q.isOver() || q.err.Error() != "member 0: unwell" {
		t.Errorf("got %v", q.err)
	}

	q = newQueue(slices.Clone(three), 2)
	q.leave(errors.New("no place"))
	if q.isOver() {
		t.Error("there is still a worker")
	}
	if q.leave(errors.New("no place at all")); q.err == nil || q.err.Error() != "no place at all" {
		t.Errorf("got %v", q.err)
	}
}

// What a task costs the queue does not depend on how many there are.
func TestQueueOfMany(t *testing.T) {
	const many = 40_000
	q := newQueue(make([]task, many), 1)
	if n := testing.AllocsPerRun(1000, func() { _, _, _ = q.take(); q.ended(nil, nil) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	begun := ownCPU()
	for range many / 2 {
		_, _, _ = q.take()
		q.ended(nil, nil)
	}
	if took := ownCPU() - begun; took > 0.5 { // 5 s if it copied what is left
		t.Errorf("%d tasks took %.1f s", many/2, took)
	}
}

// All rows are in one task and one only; tasks are no larger than the plugin takes.
func TestTasks(t *testing.T) {
	for _, c := range []struct{ rows, replicas, most, size int }{{100, 4, 0, 12}, {3, 64, 0, 1}, {100, 1, 10, 10}, {1, 1, 0, 1}, {16000, 10, 0, 800}, {16000, 10, 50, 50}} {
		r := replicas{slots: make([]*slot, c.replicas), threading: sdk.Threading{IndependentMembers: true, MaxMembersPerCall: c.most}}
		next := 0
		for _, task := range r.tasksOf(c.rows) {
			if task.from != next || task.to <= task.from || task.to-task.from > c.size {
				t.Errorf("%+v: task %v after row %d", c, task, next)
			}
			next = task.to
		}
		if next != c.rows {
			t.Errorf("%+v: tasks of %d rows", c, next)
		}
	}
	together := replicas{slots: make([]*slot, 4)}
	if tasks := together.tasksOf(100); len(tasks) != 1 {
		t.Errorf("members that depend on each other are in %d tasks", len(tasks))
	}
	alone := replicas{slots: make([]*slot, 1), threading: sdk.Threading{IndependentMembers: true}}
	if tasks := alone.tasksOf(100); len(tasks) != 1 {
		t.Errorf("members of a single replica are in %d tasks", len(tasks))
	}
}

// Pauses between attempts become longer, up to five seconds, however many attempts there are.
func TestPausesBetweenAttempts(t *testing.T) {
	last := time.Duration(0)
	for n := range 200 {
		next := longer(n)
		if next < max(last, 100*time.Millisecond) || next > 5*time.Second || n > 10 && next != 5*time.Second {
			t.Fatalf("after attempt %d: %v, after the one before %v", n, next, last)
		}
		last = next
	}
}
