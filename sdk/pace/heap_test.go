package pace

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct{ live, scanned, want uint64 }{ // MiB, MiB, percent
		{0, 0, 25}, {4, 4, 24}, {32, 32, 20}, {128, 128, 50}, {1000, 1000, 88}, // pointers
		{64, 1, 16}, {1000, 1, 2}, {100000, 1, 2}, {1000, 500, 44}, {0, 9, 25}, // matrices
	} {
		if got := percentFor(c.live<<20+ballastBytes, c.scanned<<20); got != int(c.want) {
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
	settle("small", 24, 25)
	alive := make([]byte, 2*garbage)
	settle("large", 15, 16) // 32 MiB of 192 and what the test holds
	runtime.KeepAlive(alive)
	settle("small again", 24, 25)

	before := collections()
	for range garbage / 2 >> 10 {
		sink = make([]byte, 1<<10)
	}
	if n := collections() - before; n > 0 {
		t.Errorf("%d collections in %d MiB", n, garbage/2>>20)
	}
}

// A heap that grows does not take several times what it holds, however late the finalizer runs.
func TestHeapGrows(t *testing.T) {
	t.Setenv("GOGC", "")
	Heap()
	runtime.GC()
	busy, others := make(chan bool), make(chan bool)
	runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(others); <-busy }) // finalizers have one goroutine
	for done := false; !done; {
		select {
		case <-others:
			done = true
		default:
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
	defer close(busy)
	alive, most := make([]byte, garbage/2), uint64(0)
	for range 300 {
		sink = make([]byte, 1<<20)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	runtime.KeepAlive(alive)
	if want := uint64(ballastBytes + 2*garbage); most > want {
		t.Errorf("the heap came to %d MiB with its ballast; want at most %d", most>>20, want>>20)
	}
}

// $GOMEMLIMIT limits what is there without the ballast: a process that needs less does not collect all the time.
func TestHeapWithLimit(t *testing.T) {
	const limited = "64MiB"
	if os.Getenv("GOMEMLIMIT") != limited {
		again := exec.Command(os.Args[0], "-test.run", "TestHeapWithLimit$")
		again.Env = append(os.Environ(), "GOMEMLIMIT="+limited)
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	t.Setenv("GOGC", "")
	Heap()
	runtime.GC()
	read := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/goal:bytes"}}
	metrics.Read(read)
	if live, goal := read[0].Value.Uint64(), read[1].Value.Uint64(); goal < live+garbage/2 {
		t.Errorf("the heap has %d MiB and may have %d", live>>20, goal>>20)
	}
}

var sink []byte

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}
