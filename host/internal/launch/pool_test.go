package launch

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
)

// A plugin that ignores both the request to shut down and SIGTERM is killed.
func TestStubbornPluginEnds(t *testing.T) {
	t.Parallel()
	p := begin(t, raw(t, "stubborn"), Options{})
	if err := forecast(t, t.Context(), configure(t, p, "", time.Minute), 1); err != nil {
		t.Error(err)
	}
}

// A stopped plugin ends with the pool.
func TestStoppedPluginEnds(t *testing.T) {
	t.Parallel()
	p := begin(t, faulty(t), Options{})
	if err := syscall.Kill(pidOf(p), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// Calls of a plugin that does not allow concurrent calls are made one after the other.
func TestCallsDoNotOverlap(t *testing.T) {
	t.Parallel()
	p := begin(t, raw(t, "fine"), Options{})
	if cap(p.mutex) != 1 {
		t.Fatal("a plugin with concurrent_calls = false has no mutex")
	}
	m := configure(t, p, "", time.Minute)
	p.mutex <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	checkError(t, forecast(t, ctx, m, 1), sdk.KindDeadline, "plugin raw: cycle 1: forecast")
	<-p.mutex
	if err := forecast(t, t.Context(), m, 1); err != nil {
		t.Error(err)
	}
}

// One program is one process, however many ask for it at once.
func TestPoolShares(t *testing.T) {
	t.Parallel()
	pool := newPool(t, Options{})
	var all [8]*Process
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			p, err := pool.Start(t.Context(), faulty(t))
			if err != nil {
				t.Error(err)
			}
			all[i] = p
		})
	}
	wg.Wait()
	for _, p := range all {
		if p != all[0] {
			t.Fatal("a program was started twice")
		}
	}
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			if err := forecast(t, t.Context(), configure(t, all[i%8], "none", time.Minute), 17); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

func TestStartStopsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := newPool(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	_, err := pool.Start(ctx, raw(t, "silent"))
	checkError(t, err, sdk.KindCanceled, "plugin raw: start: stopped")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A pool that is killed ends calls, starts and a Close under way at once, and leaves
// nothing, whatever its plugins are doing.
func TestKill(t *testing.T) {
	t.Parallel()
	pool, err := NewPool(Options{})
	if err != nil {
		t.Fatal(err)
	}
	processes := map[string]*Process{}
	for _, argument := range []string{"hang", "stop", "idle"} {
		program := faulty(t)
		program.Command = append(program.Command, argument) // one process each
		if processes[argument], err = pool.Start(t.Context(), program); err != nil {
			t.Fatal(err)
		}
	}
	failed := make(chan error, 3)
	for _, fault := range []string{"hang", "stop"} {
		m := configure(t, processes[fault], fault, time.Minute)
		go func() { failed <- forecast(t, t.Context(), m, 17) }()
	}
	go func() {
		_, err := pool.Start(t.Context(), raw(t, "silent"))
		failed <- err
	}()
	time.Sleep(300 * time.Millisecond) // until they are in it
	closed := make(chan error)
	go func() { closed <- pool.Close() }() // waits for all of them
	time.Sleep(50 * time.Millisecond)

	start := time.Now()
	pool.Kill()
	if took := time.Since(start); took > 2*killTime {
		t.Errorf("killing took %v", took)
	}
	for argument, p := range processes {
		if left := groupMembers(t, pidOf(p)); len(left) > 0 {
			t.Errorf("%s is still there: %v", argument, left)
		}
	}
	if _, err := os.Stat(pool.sockets); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", pool.sockets, err)
	}
	for range cap(failed) {
		if err := <-failed; err == nil {
			t.Error("a call or a start succeeded")
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > limit {
		t.Errorf("closing took %v", took)
	}
	_, err = pool.Start(t.Context(), faulty(t))
	checkError(t, err, sdk.KindBug, "plugin faulty: the pool of plugins is closed")
}

// Plugins see the environment they are given, not the host's.
func TestEnvironment(t *testing.T) {
	t.Setenv("PLUME_TEST_SECRET", "x")
	t.Setenv("OMP_NUM_THREADS", "3")
	t.Setenv("OPENBLAS_CORETYPE", "Haswell")
	env := environment([]string{"LAKE=deep"})
	for _, want := range []string{"OMP_NUM_THREADS=3", "OPENBLAS_CORETYPE=Haswell", "LAKE=deep"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %v", want, env)
		}
	}
	if slices.Contains(env, "PLUME_TEST_SECRET=x") {
		t.Error("a variable that is not listed is passed on")
	}
}

func TestLogReceivesStandardError(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var lines []Record
	p := begin(t, faulty(t), Options{Log: func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, r)
	}})
	_ = forecast(t, t.Context(), configure(t, p, "exit-3", time.Minute), 17)
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(lines, func(r Record) bool {
		return r.Plugin == "faulty" && r.Level == LevelStderr && r.Message == "about to do it: exit-3"
	}) {
		t.Errorf("got %v", lines)
	}
}

// No other test runs at the same time: parallel ones wait for the others.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, fault := range []string{"none", "exit", "hang"} {
		pool, err := NewPool(Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := pool.Start(t.Context(), faulty(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = forecast(t, t.Context(), configure(t, p, fault, 200*time.Millisecond), 17)
		if _, err := pool.Start(t.Context(), raw(t, "garbage")); err == nil {
			t.Error("garbage is not a handshake")
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
	for deadline := time.Now().Add(limit); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// BenchmarkStart is the time from nothing to a described plugin and back.
func BenchmarkStart(b *testing.B) {
	program, err := Path{bin(b)}.Find("faulty")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		pool, err := NewPool(Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pool.Start(b.Context(), program); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := pool.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func TestManifestChecksum(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/faulty/plugin.toml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := begin(t, faulty(t), Options{}).ManifestSHA256(), sumOf(string(text)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
