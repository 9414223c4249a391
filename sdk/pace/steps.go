//go:build unix

package pace

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Steps are the steps of one series in the host, one after the other, such as the cycles of a trial. While there is
// one series and its steps are brief, the process has one processor: a second one could only be woken
// whenever a goroutine hands its work to another, and look for work in vain. It has all that it was started
// with when steps of several series overlap, when they are longer, and when there are none.
type Steps struct{ last time.Time }

// StartSteps begins a series.
func StartSteps() *Steps { return &Steps{time.Now()} }

// Ended counts a step, which began when the one before ended.
func (s *Steps) Ended() {
	now := time.Now()
	theHost().count(now, now.Sub(s.last))
	s.last = now
}

// brief is the processor time of a step of the host with nothing in it that is worth dividing.
const brief = time.Millisecond

// host counts the steps of all series of the process.
type host struct {
	most int         // processors, as the process was started with
	long *time.Timer // widens when no step has ended for patience

	mu    sync.Mutex
	from  time.Time // when counting of the following started
	spent time.Duration
	steps int
	took  time.Duration // by steps, summed over concurrent ones
}

var theHost = sync.OnceValue(func() *host {
	h := &host{most: runtime.GOMAXPROCS(0), from: time.Now(), spent: processorTime()}
	h.long = time.AfterFunc(time.Hour, func() { runtime.GOMAXPROCS(h.most) })
	return h
})

// count counts a step that has just ended and took so long.
func (h *host) count(now time.Time, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.long.Reset(patience)
	h.steps, h.took = h.steps+1, h.took+took
	span := now.Sub(h.from)
	if span < period {
		return
	}
	spent, steps := processorTime(), time.Duration(h.steps)
	processors := h.most
	if h.took < 3*span/2 && h.took < steps*patience && spent-h.spent < steps*brief {
		processors = 1
	}
	allowed.Store(int64(h.most))
	runtime.GOMAXPROCS(processors)
	h.from, h.spent, h.steps, h.took = now, spent, 0, 0
}

// processorTime returns the processor time of this process so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
