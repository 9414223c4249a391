//go:build unix

package pace

import (
	"runtime"
	"testing"
	"time"
)

// A host has one processor while its steps are brief and follow one another, and all while they
// overlap or take the processor for long.
func TestSteps(t *testing.T) {
	most := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(most)
	h := &host{most: 4, long: time.AfterFunc(time.Hour, func() {})}
	defer h.long.Stop()
	for i, step := range []struct {
		steps int           // in two periods
		took  time.Duration // by each
		burns int           // of how many milliseconds of the processor
		want  int
	}{{100, period / 50, 0, 1}, {100, period / 25, 0, 4}, {100, period / 50, 0, 1}, {100, period / 50, 150, 4}, {100, period / 100, 0, 1}, {2, period, 0, 4}} {
		begun := time.Now()
		h.from, h.spent, h.steps, h.took = begun, processorTime(), 0, 0
		for range step.steps - 1 {
			h.count(begun, step.took)
		}
		for spent := h.spent + time.Duration(step.burns)*time.Millisecond; processorTime() < spent; {
		}
		h.count(begun.Add(2*period), step.took)
		if got := runtime.GOMAXPROCS(0); got != step.want {
			t.Errorf("%d: %d processors, want %d", i, got, step.want)
		}
	}
}

// All processors are there again when steps end, or one is long.
func TestStepsEnd(t *testing.T) {
	most := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(most)
	defer allowed.Store(0)
	s := StartSteps()
	s.Ended()
	h := theHost()
	h.mu.Lock()
	h.most = 4 // an earlier test may have had another number
	h.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); runtime.GOMAXPROCS(0) != 1; s.Ended() {
		if time.Now().After(deadline) {
			t.Fatal("brief steps never have one processor")
		}
		time.Sleep(time.Millisecond)
	}
	if got := Processors(); got < 2 {
		t.Errorf("a step may get %d processors", got)
	}
	for x := 1.0; runtime.GOMAXPROCS(0) != 4; x += 1 / x { // computes: the test's time limit ends it otherwise
	}
}

// What counting costs a step.
func BenchmarkSteps(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer allowed.Store(0)
	s := StartSteps()
	for b.Loop() {
		s.Ended()
	}
}
