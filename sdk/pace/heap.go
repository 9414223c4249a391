package pace

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// What may be allocated from one collection to the next, and what Go does when told
// nothing: collect when what was alive has doubled, but not below 4 MiB.
const (
	garbage      = 32 << 20
	usualPercent = 100
	usualLeast   = 4 << 20
)

// Heap lets 32 MiB be allocated between two collections of garbage where less is alive,
// and as much as is alive, as ever, where more is. A process that keeps one or two MiB
// would otherwise collect after every few dozen calls. With $GOGC it does nothing;
// $GOMEMLIMIT holds as ever.
var Heap = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	s := &sentinel{percentFor(0), []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	debug.SetGCPercent(s.percent)
	runtime.SetFinalizer(s, (*sentinel).collected)
})

// sentinel is garbage that comes back: its finalizer runs after every collection.
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

// percentFor returns how much may be allocated until the next collection, as a
// percentage of what is alive.
func percentFor(live uint64) int {
	return int(max(usualPercent, usualPercent*garbage/max(live, usualLeast)))
}
