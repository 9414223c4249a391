package pace

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// The memory that may be allocated between two collections, and Go's default: collect when
// the live heap has doubled, but not below 4 MiB.
const (
	garbage      = 32 << 20
	usualPercent = 100
	usualLeast   = 4 << 20
)

// Heap allows 32 MiB to be allocated between two garbage collections if the live heap is
// smaller than that; a larger live heap may double, as usual. A process with one or two MiB
// would otherwise collect after every few dozen calls. If $GOGC is set, Heap does nothing;
// $GOMEMLIMIT has its usual effect.
var Heap = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	s := &sentinel{percentFor(0), []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	debug.SetGCPercent(s.percent)
	runtime.SetFinalizer(s, (*sentinel).collected)
})

// sentinel is an object whose finalizer runs after every collection.
type sentinel struct {
	percent int
	live    []metrics.Sample
}

func (s *sentinel) collected() {
	metrics.Read(s.live)
	if percent := percentFor(s.live[0].Value.Uint64()); percent != s.percent {
		s.percent = percent
		debug.SetGCPercent(percent) // stops the process for some microseconds
	}
	runtime.SetFinalizer(s, (*sentinel).collected)
}

// percentFor returns the memory that may be allocated until the next collection, as a
// percentage of the live heap.
func percentFor(live uint64) int {
	return int(max(usualPercent, usualPercent*garbage/max(live, usualLeast)))
}
