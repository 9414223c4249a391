package pace

import (
	"runtime"
	"testing"
	"time"
)

// A process has one processor while its calls are short and few, all while they are
// long or many, and one again when it has become idle.
func TestCalls(t *testing.T) {
	most := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(most)
	p := NewCalls()
	for i, step := range []struct {
		load float64
		want int
	}{{0.1, 1}, {0.5, 1}, {0.9, 4}, {0.5, 4}, {3, 4}, {0.1, 1}, {5, 4}} {
		p.from, p.busy = time.Now(), 0
		for range 9 { // within the period: nothing changes
			p.Began()
			p.Ended(time.Duration(step.load * float64(2*period) / 10))
		}
		p.from = time.Now().Add(-2 * period)
		p.Began()
		p.Ended(time.Duration(step.load * float64(2*period) / 10))
		if got := runtime.GOMAXPROCS(0); got != step.want {
			t.Errorf("step %d: %d processors at load %g, want %d", i, got, step.load, step.want)
		}
	}
}

// A call that is long gets all processors while it runs, whatever the load has been, and
// the process has one again when short calls follow.
func TestLongCall(t *testing.T) {
	most := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(most)
	defer allowed.Store(0)
	p := NewCalls()
	if got := Processors(); got != 4 {
		t.Errorf("a call may get %d processors, want 4", got)
	}
	for range 2 {
		p.from = time.Now().Add(-time.Hour) // idle
		p.Began()
		if got := runtime.GOMAXPROCS(0); got != 1 {
			t.Fatalf("%d processors as a call begins, want 1", got)
		}
		for x := 1.0; runtime.GOMAXPROCS(0) != 4; x += 1 / x { // computes: the test's time limit ends it otherwise
		}
		p.Ended(patience)
	}
}

// What counting costs a call.
func BenchmarkCalls(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer allowed.Store(0)
	p := NewCalls()
	for b.Loop() {
		p.Began()
		p.Ended(time.Nanosecond)
	}
}
