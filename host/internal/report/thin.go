package report

import "math"

// thin returns a series of at most points values, points even, that shows the same
// extremes: for every bucket of cycles each score keeps its smallest and its largest
// value, in the order in which they occurred. The times and cycles are those of the
// first and the middle one of the bucket. NaN is kept if a bucket has nothing else. A
// series that is short enough is returned unchanged. Cost: O(n).
func thin(s *series, points int) *series {
	n := len(s.Time)
	if n <= points {
		return s
	}
	buckets := points / 2
	out := &series{Values: map[string][]float64{}}
	for b := range buckets {
		from, to := b*n/buckets, (b+1)*n/buckets
		middle := (from + to) / 2
		out.Cycle = append(out.Cycle, s.Cycle[from], s.Cycle[middle])
		out.Time = append(out.Time, s.Time[from], s.Time[middle])
		for name, values := range s.Values {
			first, second := extremes(values[from:to])
			out.Values[name] = append(out.Values[name], first, second)
		}
	}
	return out
}

// extremes returns the smallest and the largest value, in the order in which they
// occur; NaN if there are none.
func extremes(values []float64) (first, second float64) {
	low, high := -1, -1
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		if low < 0 || v < values[low] {
			low = i
		}
		if high < 0 || v > values[high] {
			high = i
		}
	}
	switch {
	case low < 0:
		return math.NaN(), math.NaN()
	case low < high:
		return values[low], values[high]
	}
	return values[high], values[low]
}
