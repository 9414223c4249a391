package experiment

import (
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// clock is an observer that knows when the first and the last cycle have ended.
type clock struct {
	unobserved
	mu          sync.Mutex
	first, last time.Time
}

func (c *clock) Cycle(int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last = time.Now(); c.first.IsZero() {
		c.first = c.last
	}
}

// The parts of the cycles of a trial add up to the wall time that they took, to 5 percent: also with checkpoints,
// which are written after a cycle, and what a model sleeps is in its part.
func TestTimingsAddUp(t *testing.T) {
	const sleep = 3.0 // milliseconds for the interval of 1
	seen := &clock{}
	start := time.Now()
	r := ran(t, twin+"model = { plugin = \"fake-model\", params = { sleep = 3.0 } }\n"+filterOf("nudge"), Options{Workers: 1, Checkpoint: time.Millisecond, Observer: seen})
	all := time.Since(start).Seconds()
	reader, err := archive.Open(filepath.Clean(r.Dir))
	if err != nil {
		t.Fatal(err)
	}
	sum, cycles := 0.0, 0
	for b, err := range reader.Timings() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Trial {
			if b.Forecast[i] < sleep/1000 || b.Score[i] <= 0 || b.Archive[i] <= 0 || b.Wait[i] < 0 {
				t.Errorf("cycle %d: forecast %v, score %v, archive %v, wait %v", b.Cycle[i], b.Forecast[i], b.Score[i], b.Archive[i], b.Wait[i])
			}
			if cycles++; cycles > 1 {
				sum += b.Forecast[i] + b.Observe[i] + b.Analyse[i] + b.Score[i] + b.Archive[i] + b.Wait[i]
			}
		}
	}
	if wall := seen.last.Sub(seen.first).Seconds(); cycles != 40 || math.Abs(sum-wall) > 0.05*wall || sum > all {
		t.Errorf("%d cycles: the parts of all but the first are %.4f s, want %.4f", cycles, sum, wall)
	}
}
