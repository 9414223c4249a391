package pace

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct{ live, want uint64 }{ // MiB, percent
		{0, 800}, {4, 800}, {8, 400}, {32, 100}, {1000, 100},
	} {
		if got := percentFor(c.live << 20); got != int(c.want) {
			t.Errorf("%d MiB: %d percent, want %d", c.live, got, c.want)
		}
	}
}

// The percentage follows what is alive, up and down, and small heaps are left alone.
func TestHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	Heap()
	settle := func(name string, want uint64) {
		t.Helper()
		percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		for range 1000 { // the finalizer has a goroutine of its own
			runtime.GC()
			if metrics.Read(percent); percent[0].Value.Uint64() == want {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Fatalf("%s: %d percent, want %d", name, percent[0].Value.Uint64(), want)
	}
	settle("small", 800)
	alive := make([]byte, 2*garbage)
	settle("large", 100)
	runtime.KeepAlive(alive)
	settle("small again", 800)

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
