package experiment

import (
	"testing"
	"time"
)

// However many trials run at a time, the longest one comes after what it needs.
func TestTimeWithSeveralWorkers(t *testing.T) {
	cost := func(seconds float64) Cost { return Cost{Seconds: seconds} }
	e := &Estimate{Cost: cost(40), Rows: []EstimatedRow{
		{Filter: "truth", Cost: cost(4)}, {Filter: "reference", Cost: cost(6)},
		{Trial: 1, Filter: "a", Cost: cost(20)}, {Trial: 2, Filter: "b", Cost: cost(10)},
	}}
	for workers, want := range map[int]time.Duration{1: 40 * time.Second, 2: 30 * time.Second, 8: 30 * time.Second} {
		if got := e.TimeWith(workers); got != want {
			t.Errorf("with %d workers: got %v, want %v", workers, got, want)
		}
	}
}
