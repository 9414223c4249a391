package pace

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct{ live, scanned, want uint64 }{ // MiB, MiB, percent
		{0, 0, 800}, {4, 4, 800}, {8, 8, 400}, {32, 32, 100}, {1000, 1000, 100}, // pointers
		{64, 1, 50}, {1000, 1, 3}, {100000, 1, 2}, {1000, 500, 50}, {0, 9, 800}, // matrices
	} {
		if got := percentFor(c.live<<20, c.scanned<<20); got != int(c.want) {
			t.Errorf("%d MiB, of which %d are scanned: %d percent, want %d", c.live, c.scanned, got, c.want)
		}
	}
}

// The percentage follows what is alive, up and down, and small heaps are left alone.
func TestHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	Heap()
	settle := func(name string, least, most uint64) {
		t.Helper()
		percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		for range 1000 { // the finalizer has a goroutine of its own
			runtime.GC()
			if metrics.Read(percent); least <= percent[0].Value.Uint64() && percent[0].Value.Uint64() <= most {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Fatalf("%s: %d percent, want %d to %d", name, percent[0].Value.Uint64(), least, most)
	}
	settle("small", 800, 800)
	alive := make([]byte, 2*garbage)
	settle("large", 40, 50) // 32 MiB of 64 and what the test holds
	runtime.KeepAlive(alive)
	settle("small again", 800, 800)

	before := collections()
	for range garbage / 2 >> 10 {
		sink = make([]byte, 1<<10)
	}
	if n := collections() - before; n > 0 {
		t.Errorf("%d collections in %d MiB", n, garbage/2>>20)
	}
}

var sink []byte

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}
