package launch

import (
	"math"
	"testing"
	"time"
)

// Whatever the length of the intervals, the sum of what a meter has is what was added.
func TestMeter(t *testing.T) {
	m := NewMeter()
	m.start = m.start.Add(-time.Hour)
	at := func(s float64) time.Time { return m.start.Add(time.Duration(s * float64(time.Second))) }
	total := 0.0
	for _, span := range [][2]float64{{0, 0.25}, {0.1, 0.15}, {3, 19}, {3, 19.05}, {18, 777}, {100, 3599}} {
		m.Add(at(span[0]), at(span[1]))
		total += span[1] - span[0]
		every, busy := m.Busy()
		sum := 0.0
		for _, b := range busy {
			sum += b * every.Seconds()
		}
		if len(busy) > mostIntervals || math.Abs(sum-total) > every.Seconds() {
			t.Errorf("after %v: got %v in %d intervals of %v, want %v", span, sum, len(busy), every, total)
		}
	}
	every, busy := m.Busy()
	if i := int(500 / every.Seconds()); busy[i] != 2 || every != 25600*time.Millisecond {
		t.Errorf("got %v after 500 s, intervals of %v", busy[i], every)
	}
}

// Each of the first two intervals counts once when they become one.
func TestMeterJoinsFirstIntervals(t *testing.T) {
	m := NewMeter()
	m.start = m.start.Add(-time.Hour)
	at := func(d time.Duration) time.Time { return m.start.Add(d) }
	m.Add(at(0), at(75*time.Millisecond))
	m.Add(at(100*time.Millisecond), at(125*time.Millisecond))
	m.Add(at(30*time.Second), at(30*time.Second))
	if every, busy := m.Busy(); every != 200*time.Millisecond || len(busy) != 1 || busy[0] != 0.5 {
		t.Errorf("got %v in intervals of %v, want [0.5] in intervals of 200ms", busy, every)
	}
}
