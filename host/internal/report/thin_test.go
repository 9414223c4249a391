package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A series that is shortened while it is read is that of all its cycles, shortened: times, extremes
// and means over blocks, to the last bit, with values that are missing and those that are NaN.
func TestSampled(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for _, n := range []int{1, 2, 79, 80, 81, 160, 161, 399, 400, 401, 5003} {
		const points = 400
		s, values, times := newSampled(n, points), slices.Repeat([]float64{math.NaN()}, n), make([]float64, n)
		for i := range n {
			times[i] = 3 + 0.5*float64(i)
			s.tick(i, times[i])
			v := math.Trunc(20 * r.NormFloat64()) // with ties
			switch {
			case i%7 == 3 || i > n/3 && i < n/2:
				continue // not reported
			case i%11 == 5:
				v = math.NaN()
			}
			values[i] = v
			s.column("a").add(i, v)
		}
		s.column("a").add(n, 1e6) // written after the cycles were counted
		short := s.short()
		if want, at := bucketed(values, times, points); !slices.Equal(short.Time, at) || !slices.EqualFunc(short.Values["a"], want, same) {
			t.Errorf("%d cycles: got %v, want %v", n, short.Values["a"], want)
		}
		if n <= blocks {
			continue
		}
		means := s.means()
		for b := range blocks {
			from, to := b*n/blocks, (b+1)*n/blocks
			if !same(means.Values["a"][b], meanOf(values[from:to])) || means.Time[b] != times[(from+to)/2] {
				t.Errorf("%d cycles, block %d: got %v at %v", n, b, means.Values["a"][b], means.Time[b])
			}
		}
		if other := s.like(); len(other.short().Time) != len(short.Time) || other.column("b").varies() != (n > 0) {
			t.Errorf("%d cycles: other values have other times", n)
		}
	}
}

// bucketed returns the first smallest and largest value of every bucket in their order, and the times.
func bucketed(values, times []float64, points int) (out, at []float64) {
	n, buckets := len(values), points/2
	if n <= points {
		return values, times
	}
	for b := range buckets {
		from, to := b*n/buckets, (b+1)*n/buckets
		at = append(at, times[from], times[(from+to)/2])
		there := slices.DeleteFunc(slices.Clone(values[from:to]), math.IsNaN)
		if len(there) == 0 {
			out = append(out, math.NaN(), math.NaN())
			continue
		}
		low, high := slices.Min(there), slices.Max(there)
		if slices.Index(there, low) > slices.Index(there, high) {
			low, high = high, low
		}
		out = append(out, low, high)
	}
	return out, at
}

// Values vary if two are different or some are missing.
func TestVaries(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   bool
	}{{[]float64{2, 2, 2}, false}, {[]float64{2, 2, 3}, true}, {[]float64{2, 2}, true}, {[]float64{math.NaN(), math.NaN(), math.NaN()}, true}} {
		s := newSampled(3, 2)
		for i, v := range c.values {
			s.column("a").add(i, v)
		}
		if got := s.column("a").varies(); got != c.want {
			t.Errorf("%v: %v", c.values, got)
		}
	}
}
