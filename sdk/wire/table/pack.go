package table

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/pierrec/lz4/v4"
)

// chunk is a buffer of a record batch as it is stored.
type chunk struct {
	data []byte
	size int // unpacked size of data; asItIs: it is not packed
}

// asItIs precedes buffers of packed batches that are not packed, instead of their size.
const asItIs = -1

// sizePrefix is the length of the size that precedes the buffers of packed batches.
const sizePrefix = 8

// chunks appends the buffers of a record batch in their order; the packed ones are appended
// to frames.
func (e *encoding) chunks(out []chunk, frames []byte, columns []vector) ([]chunk, []byte) {
	add := func(b []byte, pack bool) {
		c := chunk{b, asItIs}
		if from := len(frames); pack && len(b) >= leastPacked {
			if frames = appendFrame(frames, b); padded(len(frames)-from) < padded(len(b)) {
				c = chunk{frames[from:], len(b)}
			}
		}
		out = append(out, c)
	}
	for i, f := range e.fields {
		if f.id == arrow.FIXED_SIZE_LIST {
			add(nil, false)
		}
		add(columns[i].validity, f.pack)
		add(columns[i].values, f.pack)
		if f.width == 0 {
			add(columns[i].text, f.pack)
		}
	}
	return out, frames
}

// leastPacked is the size from which packing is tried: a frame has 15 bytes in addition to
// its content.
const leastPacked = 64

// The parts of LZ4 frames: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
// These have independent blocks and no checksums, like Arrow's own in Go.
const (
	blockSize   = 1 << 16
	unpacked    = 1 << 31 // set in the size of a block that is not compressed
	mostPacking = 255     // a block can be this many times smaller than its content
)

// frameStart is the magic number, the flags, the largest size of a block and a checksum of
// the last two.
var frameStart = []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}

// appendFrame appends b as an LZ4 frame. The same bytes give the same frame.
func appendFrame(out, b []byte) []byte {
	out = append(out, frameStart...)
	for len(b) > 0 {
		block := b[:min(blockSize, len(b))]
		b = b[len(block):]
		out = slices.Grow(out, 4+len(block))
		into := out[len(out)+4 : len(out)+4+len(block)]
		n, err := lz4.CompressBlock(block, into, nil)
		size := uint32(n)
		if err != nil || n == 0 || n == len(block) {
			n = copy(into, block)
			size = uint32(n) | unpacked
		}
		out = binary.LittleEndian.AppendUint32(out, size)
		out = out[:len(out)+n]
	}
	return append(out, 0, 0, 0, 0)
}

// appendContent appends the content of a frame of appendFrame, of size bytes. It returns
// false if frame is not one.
func appendContent(out, frame []byte, size int) ([]byte, bool) {
	if !bytes.HasPrefix(frame, frameStart) || size < 0 || size/mostPacking > len(frame) {
		return out, false
	}
	frame = frame[len(frameStart):]
	from := len(out)
	out = slices.Grow(out, size)
	for {
		if len(frame) < 4 {
			return out, false
		}
		n := binary.LittleEndian.Uint32(frame)
		frame = frame[4:]
		if n == 0 {
			return out, len(frame) == 0 && len(out)-from == size
		}
		into := out[len(out):][:min(blockSize, size-(len(out)-from))]
		raw := n&unpacked != 0
		if n &^= unpacked; uint64(n) > uint64(len(frame)) || len(into) == 0 { // the library needs room for at least one byte
			return out, false
		}
		block := frame[:n]
		frame = frame[n:]
		var got int
		var err error
		if !raw {
			got, err = lz4.UncompressBlock(block, into)
		} else if got = copy(into, block); got < len(block) {
			return out, false
		}
		if err != nil {
			return out, false
		}
		out = out[:len(out)+got]
	}
}
