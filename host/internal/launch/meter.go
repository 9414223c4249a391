package launch

import (
	"sync"
	"time"
)

// Meter measures how many of some replicas are busy over time. It is safe for concurrent use.
type Meter struct {
	mu    sync.Mutex
	start time.Time
	every time.Duration
	busy  []time.Duration // of all replicas, by interval
}

// mostIntervals is how many intervals a meter has at most. There are twice as few, twice as
// long, when it needs more.
const mostIntervals = 200

// NewMeter returns a meter that starts now.
func NewMeter() *Meter { return &Meter{start: time.Now(), every: 100 * time.Millisecond} }

// Add says that a replica was busy from a time until another.
func (m *Meter) Add(from, to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(from.Sub(m.start), to.Sub(m.start))
}

func (m *Meter) add(from, to time.Duration) {
	for from = max(from, 0); to > mostIntervals*m.every; m.every *= 2 {
		for i, busy := range m.busy {
			if i%2 == 0 {
				m.busy[i/2] = busy
			} else {
				m.busy[i/2] += busy
			}
		}
		m.busy = m.busy[:(len(m.busy)+1)/2]
	}
	for from < to {
		i := int(from / m.every)
		for len(m.busy) <= i {
			m.busy = append(m.busy, 0)
		}
		end := min(to, time.Duration(i+1)*m.every)
		m.busy[i] += end - from
		from = end
	}
}

// Busy returns how many replicas were busy on average in each interval of some length, until
// now. The last interval may not be over.
func (m *Meter) Busy() (every time.Duration, busy []float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, b := range m.busy {
		length := min(m.every, time.Since(m.start)-time.Duration(i)*m.every)
		busy = append(busy, float64(b)/float64(max(length, 1)))
	}
	return m.every, busy
}
