package report

import (
	"math"
	"slices"
	"strings"
)

// series is values by time.
type series struct {
	Time   []float64
	Values map[string][]float64
}

// shares are k parts of n cycles, as even as they can be.
type shares struct{ n, k int }

func (s shares) start(b int) int { return b * s.n / s.k }

func (s shares) middle(b int) int { return (s.start(b) + s.start(b+1)) / 2 }

// thin returns a series of at most points values, points even, that shows the same
// extremes: for every bucket of cycles each score keeps its smallest and its largest
// value, in the order in which they occurred. The times are those of the first and the
// middle cycle of the bucket. NaN is kept if a bucket has nothing else. A series that is
// short enough is returned unchanged. Cost: O(n).
func thin(s *series, points int) *series {
	n := len(s.Time)
	if n <= points {
		return s
	}
	long := newSampled(n, points)
	for i, time := range s.Time {
		long.tick(i, time)
	}
	for name, values := range s.Values {
		c := long.column(name)
		for i, v := range values {
			c.add(i, v)
		}
	}
	return long.short()
}

// mostPoints is how many points of a series are kept in memory, even.
const mostPoints = 4000

// blocks is the number of means of a long series.
const blocks = 80

// sampled is the values of n cycles, which are given one after the other. If there are more than
// points, only their extremes, as in [thin], and their means over blocks are kept: the memory does
// not grow with n.
type sampled struct {
	n, points int
	gap       float64 // time between the first two cycles
	burnIn    float64 // time of the last cycle of burn-in, if there are others; NaN: there is none
	columns   map[string]*column

	times   []float64 // of the points
	middles []float64 // of the blocks
}

func newSampled(n, points int) *sampled {
	return &sampled{n: n, points: points, burnIn: math.NaN(), columns: map[string]*column{}}
}

// like returns a series of other values of the same cycles.
func (s *sampled) like() *sampled {
	return &sampled{n: s.n, points: s.points, columns: map[string]*column{}, times: s.times, middles: s.middles}
}

func (s *sampled) whole() bool { return s.n <= s.points }

// buckets are those of which extremes are kept.
func (s *sampled) buckets() shares { return shares{s.n, s.points / 2} }

// blocks are those of which means are kept.
func (s *sampled) blocks() shares { return shares{s.n, blocks} }

// tick gives the time of cycle i, in order from 0 to n - 1.
func (s *sampled) tick(i int, time float64) {
	switch i {
	case 0:
		s.gap = -time
	case 1:
		s.gap += time
	}
	next := i
	if b := len(s.times) / 2; !s.whole() {
		next = s.buckets().start(b)
		if len(s.times)%2 == 1 {
			next = s.buckets().middle(b)
		}
	}
	if i == next {
		s.times = append(s.times, time)
	}
	if s.n > blocks && len(s.middles) < blocks && i == s.blocks().middle(len(s.middles)) {
		s.middles = append(s.middles, time)
	}
}

// column returns the values of a score.
func (s *sampled) column(name string) *column {
	c := s.columns[name]
	if c == nil {
		c = &column{of: s, points: slices.Repeat([]float64{math.NaN()}, min(s.n, s.points))}
		if !s.whole() {
			c.sums, c.counts = make([]float64, blocks), make([]float64, blocks)
			c.end, c.blockEnd = s.buckets().start(1), s.blocks().start(1)
		}
		s.columns[strings.Clone(name)] = c // it may share the memory of a batch
	}
	return c
}

// short returns the series, with at most so many points as are kept, and without cycles at the end that
// were not given.
func (s *sampled) short() *series {
	out := &series{Time: s.times, Values: map[string][]float64{}}
	for name, c := range s.columns {
		out.Values[name] = c.points[:min(len(s.times), len(c.points))]
	}
	return out
}

// long reports whether charts open with means over blocks.
func (s *sampled) long() bool { return s.n > 2*blocks }

// means returns the means over blocks of consecutive cycles, at the middle cycle of each. Values
// that are NaN are in no mean.
func (s *sampled) means() *series {
	out := &series{Time: s.middles, Values: map[string][]float64{}}
	for name, c := range s.columns {
		out.Values[name] = c.means()[:len(s.middles)]
	}
	return out
}

// column is the values of one score of a [sampled]; NaN where none is given.
type column struct {
	of     *sampled
	points []float64

	added  int // number of values
	there  int // and of those that are not NaN
	first  float64
	differ bool // two of them are different

	bucket, end  int // the one of the last value, and where it ends
	low, high    int // cycles of its extremes
	some         bool
	block        int
	blockEnd     int
	sums, counts []float64 // by block
}

// add gives the value of cycle i, which is larger than that of the value before.
func (c *column) add(i int, v float64) {
	if i >= c.of.n {
		return // written after the cycles were counted
	}
	if c.added == 0 {
		c.first = v
	}
	c.added++
	c.differ = c.differ || v != c.first
	if c.sums == nil {
		c.points[i] = v
		if !math.IsNaN(v) {
			c.there++
		}
		return
	}
	if math.IsNaN(v) {
		return
	}
	c.there++
	for ; i >= c.blockEnd; c.blockEnd = c.of.blocks().start(c.block + 1) {
		c.block++
	}
	c.sums[c.block], c.counts[c.block] = c.sums[c.block]+v, c.counts[c.block]+1
	for ; i >= c.end; c.end = c.of.buckets().start(c.bucket + 1) {
		c.bucket, c.some = c.bucket+1, false
	}
	c.extreme(i, v)
}

// extreme keeps the smallest and the largest value of the bucket, in the order in which they occur.
func (c *column) extreme(i int, v float64) {
	pair := c.points[2*c.bucket : 2*c.bucket+2]
	low, high := pair[0], pair[1]
	if c.high < c.low {
		low, high = high, low
	}
	switch {
	case !c.some:
		c.some, c.low, c.high, low, high = true, i, i, v, v
	case v < low:
		c.low, low = i, v
	case v > high:
		c.high, high = i, v
	default:
		return
	}
	if pair[0], pair[1] = low, high; c.high < c.low {
		pair[0], pair[1] = high, low
	}
}

// varies reports whether two of the values are different, those that are missing too.
func (c *column) varies() bool { return c != nil && (c.differ || c.added < c.of.n) }

func (c *column) means() []float64 {
	list, of := make([]float64, blocks), c.of.blocks()
	for b := range list {
		if c.sums == nil {
			list[b] = meanOf(c.points[of.start(b):of.start(b+1)])
		} else {
			list[b] = c.sums[b] / c.counts[b]
		}
	}
	return list
}

// meanOf returns the mean of the values that are not NaN; NaN if there are none.
func meanOf(values []float64) float64 {
	sum, n := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}
