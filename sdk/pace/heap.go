package pace

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// A collection costs what it has to scan: the part of the live heap that may hold pointers,
// which matrices do not. As much may be allocated between two collections, but at least
// garbage, and at least leastPercent of the live heap. Go's default is all of the live heap,
// and at least 4 MiB.
const (
	garbage      = 32 << 20
	leastPercent = 2
)

// ballastBytes are part of the live heap, but never written, so that they take no memory. Go knows
// percentages of the live heap alone, and one that lets a small heap allocate garbage would let
// it allocate several times what it holds when it has grown, until the finalizer below has run:
// on a busy machine too late. With the ballast that is a quarter at most.
const ballastBytes = 128 << 20

// Heap allows 32 MiB to be allocated between two garbage collections, or as much as a
// collection has to scan if that is more, or a fiftieth of the live heap if that is more still.
// A process with one or two MiB would otherwise collect after every few dozen calls, and one
// that holds large matrices would take twice their memory. If $GOGC is set, Heap does
// nothing; $GOMEMLIMIT has its usual effect.
var Heap = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64-ballastBytes {
		debug.SetMemoryLimit(limit + ballastBytes) // which counts the ballast
	}
	s := &sentinel{make([]byte, ballastBytes), percentFor(ballastBytes, 0), []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}}}
	debug.SetGCPercent(s.percent)
	runtime.SetFinalizer(s, (*sentinel).collected)
})

// sentinel is an object whose finalizer runs after every collection.
type sentinel struct {
	ballast []byte
	percent int
	heap    []metrics.Sample
}

func (s *sentinel) collected() {
	metrics.Read(s.heap)
	if percent := percentFor(s.heap[0].Value.Uint64(), s.heap[1].Value.Uint64()); percent != s.percent {
		s.percent = percent
		debug.SetGCPercent(percent) // stops the process for some microseconds
	}
	runtime.SetFinalizer(s, (*sentinel).collected)
}

// percentFor returns the memory that may be allocated until the next collection, as a
// percentage of the live heap with its ballast, part of which has to be scanned.
func percentFor(live, scanned uint64) int {
	live = max(live, ballastBytes)
	return int(max(leastPercent, 100*max(garbage, min(scanned, live-ballastBytes))/live))
}
