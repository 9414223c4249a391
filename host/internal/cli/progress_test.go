package cli

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

func TestTrialsThatAreInterruptedHaveNotEnded(t *testing.T) {
	p := &progress{now: counters{trials: 5, cycles: 500}}
	p.Recalled(100, 1)
	p.Ended(archive.OK, 0)
	p.Ended(archive.Diverged, 0)
	p.Ended(archive.Failed, 60)
	p.Ended(archive.Interrupted, 90)
	if got, want := p.counters().trialsText(), "4/5 trials, 1 failed, 1 interrupted"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := p.counters().missing; got != 150 {
		t.Errorf("%d cycles are missing, want 150", got)
	}
}

// The time before the first cycle, and cycles that were run before a run was resumed, say
// nothing about how fast it is.
func TestTimeLeft(t *testing.T) {
	var p pacer
	if got := p.text(counters{cycles: 9, trials: 1, simulated: 7}, 12*time.Second); got != "truth: 7 cycles, 12s" {
		t.Errorf("got %q", got)
	}
	for after, want := range map[time.Duration]string{200 * time.Millisecond: "200ms", 12 * time.Second: "no cycle yet, 12s"} {
		if got := p.text(counters{cycles: 9, trials: 1}, after); got != want { // while the truth is made
			t.Errorf("after %v: got %q, want %q", after, got, want)
		}
	}
	c := counters{cycles: 1000, done: 400} // recalled
	for _, step := range []struct {
		after   time.Duration
		counted int
		want    string
	}{
		{30 * time.Second, 0, "30s"}, {31 * time.Second, 1, "31s"}, {31500 * time.Millisecond, 51, "31.5s"},
		{33 * time.Second, 101, "50 cycles/s, 10s left"}, {43 * time.Second, 107, "8.8 cycles/s, 56s left"},
		{63 * time.Second, 600, "1m3s"},
	} {
		now := c
		now.counted, now.done = step.counted, c.done+step.counted
		if got := p.text(now, step.after); got != step.want {
			t.Errorf("after %v: got %q, want %q", step.after, got, step.want)
		}
	}
}

// A program that reads the progress gets the counters, a line at least every second, and
// the time left once it is known. Nothing is said twice.
func TestProgressAsJSON(t *testing.T) {
	var out strings.Builder
	f := &feed{name: "twin", dir: "runs/twin/1", gone: func() { t.Error("the reader is there") }}
	pace := &pacer{}
	c := counters{trials: 2, cycles: 100, simulated: 7}
	for _, step := range []struct {
		done    int
		elapsed time.Duration
	}{{0, 100 * time.Millisecond}, {0, 200 * time.Millisecond}, {10, 300 * time.Millisecond}, {50, 2300 * time.Millisecond}, {50, 2400 * time.Millisecond}, {50, 3300 * time.Millisecond}} {
		c.done, c.counted, c.runs = step.done, step.done, 4*step.done
		f.write(&out, c, pace, step.elapsed, false)
	}
	c.ended, c.failed = 2, 1
	f.write(&out, c, pace, 3400*time.Millisecond, true)
	want := `{"progress":{"run":"runs/twin/1","name":"twin","trials":2,"ended":0,"failed":0,"interrupted":0,"cycles":100,"done":0,"simulated":7,"model_runs":0,"seconds":0.1,"left":null}}
{"progress":{"run":"runs/twin/1","name":"twin","trials":2,"ended":0,"failed":0,"interrupted":0,"cycles":100,"done":10,"simulated":7,"model_runs":40,"seconds":0.3,"left":null}}
{"progress":{"run":"runs/twin/1","name":"twin","trials":2,"ended":0,"failed":0,"interrupted":0,"cycles":100,"done":50,"simulated":7,"model_runs":200,"seconds":2.3,"left":3}}
{"progress":{"run":"runs/twin/1","name":"twin","trials":2,"ended":0,"failed":0,"interrupted":0,"cycles":100,"done":50,"simulated":7,"model_runs":200,"seconds":3.3,"left":4}}
{"progress":{"run":"runs/twin/1","name":"twin","trials":2,"ended":2,"failed":1,"interrupted":0,"cycles":100,"done":50,"simulated":7,"model_runs":200,"seconds":3.4,"left":4}}
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Runs of the model are told where there are more of them than cycles, also within 80 columns.
func TestModelRuns(t *testing.T) {
	p := &progress{now: counters{trials: 12, cycles: 1200}}
	for range 300 {
		p.Cycle(1)
	}
	if text := p.counters().line("85 cycles/s, 10s left", 80); strings.Contains(text, "runs") || len(text) >= 80 {
		t.Errorf("%q", text)
	}
	for range 300 {
		p.Cycle(4)
	}
	want := "0/12 trials, 1500 model runs [=============>--------------] 85 cycles/s, 10s left"
	if text := p.counters().line("85 cycles/s, 10s left", 80); !strings.HasPrefix(text, want[:29]) || !strings.HasSuffix(text, "] 85 cycles/s, 10s left") || len(text) >= 80 {
		t.Errorf("got  %q\nwant about %q", text, want)
	}
}

// A run whose progress is read by a program stops when that program is gone: nobody waits
// for it.
func TestReaderOfProgressIsGone(t *testing.T) {
	gone := 0
	f := &feed{gone: func() { gone++ }}
	for range 3 {
		f.write(brokenPipe{}, counters{trials: 1, cycles: 1}, &pacer{}, 0, true)
	}
	if gone != 1 {
		t.Errorf("it was said %d times, want once", gone)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }
