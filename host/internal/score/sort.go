package score

import "math"

// sorter sorts numbers without branches that depend on them: half of these branches would
// be mispredicted, which costs several times as much as the comparison. It compares
// integers with the same order as the numbers, sorts groups of eight by a network and
// merges them. The zero value is ready to use; it keeps its memory for the next call.
type sorter struct{ keys, other []uint64 }

// sort sorts values; NaNs come first or last. Cost: O(N log N).
func (s *sorter) sort(values []float64) {
	n := len(values)
	whole := (n + 7) &^ 7
	if len(s.keys) < whole {
		s.keys, s.other = make([]uint64, whole), make([]uint64, whole)
	}
	from, to := s.keys[:whole], s.other[:whole]
	for i, v := range values {
		from[i] = orderKey(v)
	}
	for i := n; i < whole; i++ {
		from[i] = math.MaxUint64 // after all numbers
	}
	for i := 0; i < whole; i += 8 {
		sortEight((*[8]uint64)(from[i:]))
	}
	for width := 8; width < n; width *= 2 {
		for i := 0; i < whole; i += 2 * width {
			middle, end := min(i+width, whole), min(i+2*width, whole)
			merge(to[i:end], from[i:middle], from[middle:end])
		}
		from, to = to, from
	}
	for i := range values {
		values[i] = ofOrderKey(from[i])
	}
}

// orderKey returns an integer that is larger for a larger number.
func orderKey(v float64) uint64 {
	u := math.Float64bits(v)
	return u ^ (uint64(int64(u)>>63) | 1<<63)
}

func ofOrderKey(k uint64) float64 {
	return math.Float64frombits(k ^ (uint64(int64(^k)>>63) | 1<<63))
}

// sortEight is the network of 19 comparisons in 6 steps (Knuth 1998, The Art of Computer
// Programming 3, section 5.3.4).
func sortEight(k *[8]uint64) {
	a, b, c, d, e, f, g, h := k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]
	a, c = min(a, c), max(a, c)
	b, d = min(b, d), max(b, d)
	e, g = min(e, g), max(e, g)
	f, h = min(f, h), max(f, h)
	a, e = min(a, e), max(a, e)
	b, f = min(b, f), max(b, f)
	c, g = min(c, g), max(c, g)
	d, h = min(d, h), max(d, h)
	a, b = min(a, b), max(a, b)
	c, d = min(c, d), max(c, d)
	e, f = min(e, f), max(e, f)
	g, h = min(g, h), max(g, h)
	c, e = min(c, e), max(c, e)
	d, f = min(d, f), max(d, f)
	b, e = min(b, e), max(b, e)
	d, g = min(d, g), max(d, g)
	b, c = min(b, c), max(b, c)
	d, e = min(d, e), max(d, e)
	f, g = min(f, g), max(f, g)
	k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7] = a, b, c, d, e, f, g, h
}

// merge merges the sorted a and b into dst, which is long enough for both.
func merge(dst, a, b []uint64) {
	i, j, k := 0, 0, 0
	for i < len(a) && j < len(b) {
		x, y := a[i], b[j]
		second := 0
		if y < x {
			second = 1
		}
		dst[k] = min(x, y)
		i, j, k = i+1-second, j+second, k+1
	}
	k += copy(dst[k:], a[i:])
	copy(dst[k:], b[j:])
}
