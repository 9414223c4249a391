package pace

import (
	"runtime"
	"sync"
	"time"
)

// Calls gives a plugin as many processors as its calls can use: one while the plugin is
// idle most of the time, all that are allowed otherwise. Go's scheduler wakes and parks
// threads for processors that a short call has no work for, which takes longer than the
// call. It is safe for concurrent use.
type Calls struct {
	most int // processors, as the process was started with

	mu   sync.Mutex
	from time.Time     // when counting of busy started
	busy time.Duration // time in calls, summed over concurrent calls
}

// The load is the time in calls divided by the elapsed time. It is measured over a period,
// and must fall well below the level at which processors were added before they are
// removed.
const (
	period     = 50 * time.Millisecond
	busyLoad   = 0.6
	idlingLoad = 0.3
)

// NewCalls restricts the process to one processor until its calls can use more.
func NewCalls() *Calls {
	return &Calls{most: runtime.GOMAXPROCS(1), from: time.Now()}
}

// Ended counts a call that has just ended and lasted for took.
func (c *Calls) Ended(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy += took
	span := time.Since(c.from)
	if span < period {
		return
	}
	switch load := float64(c.busy) / float64(span); { // a change stops the process for some microseconds
	case load > busyLoad:
		runtime.GOMAXPROCS(c.most)
	case load < idlingLoad:
		runtime.GOMAXPROCS(1)
	}
	c.from, c.busy = time.Now(), 0
}
