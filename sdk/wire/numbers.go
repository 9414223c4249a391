package wire

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"gonum.org/v1/gonum/mat"
)

// Numbers says how the values of a matrix, which are float64 on both sides, travel.
type Numbers uint8

// The ways in which values travel. What is rounded becomes the nearest float32, ties to even; what is
// beyond the range of float32 becomes infinite.
const (
	Double  Numbers = iota // as they are
	Rounded                // rounded, in columns of float64
	Single                 // in columns of float32
)

// Size returns how many bytes a value takes.
func (n Numbers) Size() int { return n.kind().Bytes() }

// kind returns the type of the values of a column.
func (n Numbers) kind() arrow.FixedWidthDataType {
	if n == Single {
		return arrow.PrimitiveTypes.Float32.(arrow.FixedWidthDataType)
	}
	return arrow.PrimitiveTypes.Float64.(arrow.FixedWidthDataType)
}

// precision returns the number of the type of the values in Arrow's Schema.fbs.
func (n Numbers) precision() uint64 {
	if n == Single {
		return singlePrecision
	}
	return doublePrecision
}

// beyond is the smallest number that float32 has not: halfway between its largest one and the next
// one that it would have, so that it is rounded to infinity.
const beyond = 0x1.ffffffp127

// Beyond returns the first value of m that is finite and beyond the range of float32. Cost: O(rows
// columns).
func Beyond(m *mat.Dense) (row, column int, found bool) {
	raw := m.RawMatrix()
	for i := range raw.Rows {
		for j, v := range raw.Data[i*raw.Stride:][:raw.Cols] {
			if math.Abs(v) >= beyond && !math.IsInf(v, 0) {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// narrow writes src into dst, and returns the largest magnitude in it, see [magnitude].
func narrow(dst []float32, src []float64) (largest uint64) {
	for i, v := range src[:len(dst)] {
		dst[i] = float32(v)
		largest = max(largest, magnitude(v))
	}
	return largest
}

// round is [narrow] into float64.
func round(dst, src []float64) (largest uint64) {
	for i, v := range src[:len(dst)] {
		dst[i] = float64(float32(v))
		largest = max(largest, magnitude(v))
	}
	return largest
}

// magnitude returns the bits of v without its sign, which are ordered as numbers are, with those that
// are infinite and then those that are not numbers at the end.
func magnitude(v float64) uint64 { return math.Float64bits(v) << 1 }

// widen writes src into dst.
func widen(dst []float64, src []float32) {
	for i, v := range src {
		dst[i] = float64(v)
	}
}

// exponents returns a number whose highest bit says whether a value is not finite.
func exponents(values []float64) (bits uint64) {
	const exponent, lowest = 0x7ff << 52, 1 << 52
	for _, v := range values {
		bits |= math.Float64bits(v)&exponent + lowest // an exponent of ones carries
	}
	return bits
}

// singles returns memory as numbers of half the size.
func singles(memory []float64) []float32 {
	return arrow.Float32Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(memory))
}
