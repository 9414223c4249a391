package cli

import (
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
		{33 * time.Second, 101, "50/s, 10s left"}, {43 * time.Second, 107, "8.8/s, 56s left"},
		{63 * time.Second, 600, "1m3s"},
	} {
		now := c
		now.counted, now.done = step.counted, c.done+step.counted
		if got := p.text(now, step.after); got != step.want {
			t.Errorf("after %v: got %q, want %q", step.after, got, step.want)
		}
	}
}
