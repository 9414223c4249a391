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
			p.Ended(time.Duration(step.load * float64(2*period) / 10))
		}
		p.from = time.Now().Add(-2 * period)
		p.Ended(time.Duration(step.load * float64(2*period) / 10))
		if got := runtime.GOMAXPROCS(0); got != step.want {
			t.Errorf("step %d: %d processors at load %g, want %d", i, got, step.load, step.want)
		}
	}
}
