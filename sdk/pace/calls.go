package pace

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Calls gives a plugin as many processors as its calls can use: one while calls are short
// and the plugin is idle most of the time, all that are allowed otherwise. Go's scheduler
// wakes and parks threads for processors that a short call has no work for, which takes
// longer than the call. It is safe for concurrent use.
type Calls struct {
	most int         // processors, as the process was started with
	long *time.Timer // widens when a call has run for patience

	mu      sync.Mutex
	running int           // calls
	from    time.Time     // when counting of busy started
	busy    time.Duration // time in calls, summed over concurrent calls
}

// A call that has run for patience gets all processors at once. So do calls that are short
// and many: the load is the time in calls divided by the elapsed time. It is measured over
// a period, and must fall well below the level at which processors were added before they
// are removed.
const (
	patience   = 20 * time.Millisecond
	period     = 50 * time.Millisecond
	busyLoad   = 0.6
	idlingLoad = 0.3
)

var allowed atomic.Int64 // processors that NewCalls and Steps may give; 0 without them

// Processors returns the number of processors that a call may get while it runs, and thus
// into how many parts it pays to divide its work.
func Processors() int { return max(runtime.GOMAXPROCS(0), int(allowed.Load())) }

// NewCalls restricts the process to one processor until its calls can use more.
func NewCalls() *Calls {
	c := &Calls{most: runtime.GOMAXPROCS(1), from: time.Now()}
	allowed.Store(int64(c.most))
	c.long = time.AfterFunc(time.Hour, c.widen)
	c.long.Stop()
	return c
}

// Began counts a call that begins.
func (c *Calls) Began() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running++; c.running == 1 {
		c.long.Reset(patience)
	}
}

func (c *Calls) widen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running > 0 {
		runtime.GOMAXPROCS(c.most)
	}
}

// Ended counts a call that has just ended and lasted for took.
func (c *Calls) Ended(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.running == 0 {
		c.long.Stop()
	}
	c.busy += took
	span := time.Since(c.from)
	if span < period {
		return
	}
	switch load := float64(c.busy) / float64(span); { // a change stops the process for some microseconds
	case load > busyLoad:
		runtime.GOMAXPROCS(c.most)
	case load < idlingLoad && c.running == 0:
		runtime.GOMAXPROCS(1)
	}
	c.from, c.busy = time.Now(), 0
}
