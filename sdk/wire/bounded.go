package wire

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Limits on the unpacked size of a file: a multiple of its size, and a size that is always
// allowed. Columns with a single value pack a thousandfold, but then they are short.
const (
	unpacked = 64
	leastMax = 1 << 30
)

// Bounded returns an allocator for the reader of a file of size bytes. It panics if more is
// held than such a file can plausibly unpack to, which is 64 times its size or 1 GiB if
// that is more, but not more than packing times its size: the sizes in a damaged file may
// be anything. It is safe for concurrent use.
func Bounded(size, packing int64) memory.Allocator {
	times := func(n int64) int64 { return n * min(size, math.MaxInt64/n) }
	return &bounded{Allocator: memory.DefaultAllocator, most: min(max(leastMax, times(unpacked)), times(packing))}
}

// Damaged returns the error of a file, called name, over which one of Arrow's readers has
// panicked. What Go says of slices and indices is of no use to who has the file.
func Damaged(name string, panicked any) error {
	if _, ok := panicked.(runtime.Error); ok {
		return fmt.Errorf("%s is damaged", name)
	}
	return fmt.Errorf("%s is damaged: %v", name, panicked)
}

// AnyPacking is the packing of files for [Bounded] that may be packed in any way.
const AnyPacking = math.MaxInt64

type bounded struct {
	memory.Allocator
	most int64
	held atomic.Int64 // finalizers free buffers too
}

func (b *bounded) Allocate(size int) []byte {
	b.take(size)
	return b.Allocator.Allocate(size)
}

func (b *bounded) Reallocate(size int, old []byte) []byte {
	b.take(size - len(old))
	return b.Allocator.Reallocate(size, old)
}

func (b *bounded) Free(old []byte) {
	b.held.Add(-int64(len(old)))
	b.Allocator.Free(old)
}

func (b *bounded) take(size int) {
	if held := b.held.Load(); int64(size) > b.most-held {
		panic(fmt.Sprintf("it asks for %d bytes of memory in addition to %d; want at most %d for a file of its size", size, held, b.most))
	}
	b.held.Add(int64(size))
}

// Holds reports whether the buffers of a column that Arrow's reader returned are long enough
// for its values: the reader only checks their capacity.
func Holds(c arrow.Array) bool {
	data := c.Data()
	rows := data.Offset() + data.Len()
	if data.Len() == 0 || c.DataType().ID() == arrow.NULL {
		return true
	}
	bits := 0
	switch t := c.DataType().(type) {
	case *arrow.StringType, *arrow.BinaryType:
		bits = 32 * (rows + 1) // offsets
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		bits = 64 * (rows + 1)
	case *arrow.StringViewType, *arrow.BinaryViewType:
		bits = arrow.ViewHeaderSizeBytes * 8 * rows
	case *arrow.FixedSizeListType:
		values := c.(*array.FixedSizeList).ListValues()
		return t.Len() > 0 && values.Len()/int(t.Len()) >= rows && holds(data.Buffers()[0], rows*min(1, data.NullN())) && Holds(values)
	case arrow.FixedWidthDataType:
		bits = t.BitWidth() * rows
	}
	if d, ok := c.(*array.Dictionary); ok && !Holds(d.Dictionary()) {
		return false
	}
	return holds(data.Buffers()[0], rows*min(1, data.NullN())) && holds(data.Buffers()[1], bits)
}

// holds reports whether b has this many bits. Arrow omits buffers that would be empty.
func holds(b *memory.Buffer, bits int) bool { return b == nil || 8*b.Len() >= bits }
