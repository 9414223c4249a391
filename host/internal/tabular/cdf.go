package tabular

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/plume-da/plume/sdk/wire/rows"
)

// cdf is the header of a netCDF file in the classic format, with 32-bit offsets (CDF-1), 64-bit offsets
// (CDF-2) or 64-bit data (CDF-5).
// Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
type cdf struct {
	dims      []cdfDim
	variables []*cdfVariable
	records   int // length of the record dimension
	record    int64
}

// cdfDim is a named length.
type cdfDim struct {
	name   string
	length int
	grows  bool // the record dimension
}

// cdfVariable is one array of a file.
type cdfVariable struct {
	name       string
	kind       cdfType
	dims       []int // among those of the file
	attributes map[string]any
	begin      int64
	record     bool // its first dimension is the record dimension
}

// cdfType is the type of values.
type cdfType int32

// The types of values, and the tags of lists.
const (
	cdfByte cdfType = iota + 1
	cdfChar
	cdfShort
	cdfInt
	cdfFloat
	cdfDouble
	cdfUByte
	cdfUShort
	cdfUInt
	cdfInt64
	cdfUInt64

	tagDimension, tagVariable, tagAttribute = 0x0A, 0x0B, 0x0C
)

var cdfSizes = [...]int64{0, 1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8}

// size returns the bytes of a value.
func (k cdfType) size() int64 { return cdfSizes[k] }

var errDamaged = errors.New("the file is damaged: its header makes no sense")

// readCDF reads the header of f.
func readCDF(f *os.File) (*cdf, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h := &cdfHeader{in: bufio.NewReader(f), left: info.Size()}
	magic := h.take(4)
	switch {
	case h.err != nil || string(magic[:3]) != "CDF":
		if string(magic) == "\x89HDF" {
			return nil, &rows.UnsupportedError{What: "is a netCDF-4 file, whose format is that of HDF5, which plume does not read",
				Hint: "convert it: nccopy -k cdf5 OLD NEW, or in Python ds.to_netcdf(NEW, format=\"NETCDF3_64BIT\")"}
		}
		return nil, errors.New("is not a netCDF file")
	case !slices.Contains([]byte{1, 2, 5}, magic[3]):
		return nil, fmt.Errorf("is a netCDF file of an unknown version, %d", magic[3])
	}
	h.version = magic[3]
	c := h.read()
	if h.err != nil {
		return nil, h.err
	}
	return c, c.check(info.Size())
}

// check reports values that are not in a file of so many bytes.
func (c *cdf) check(size int64) error {
	var records []*cdfVariable
	for _, v := range c.variables {
		if v.record {
			records = append(records, v)
		}
	}
	incomplete := func(v *cdfVariable) error {
		return fmt.Errorf("the file is not complete: it has %d bytes, which %s goes beyond", size, v.name)
	}
	for _, v := range records {
		n := v.kind.size() * c.values(v.dims[1:])
		if n > size {
			return incomplete(v)
		}
		if len(records) > 1 { // a single one is not padded
			n += -n & 3
		}
		c.record += n
	}
	for _, v := range c.variables {
		each, before := v.kind.size()*c.values(v.dims), int64(0) // bytes, and those of the other records
		if v.record {
			each = v.kind.size() * c.values(v.dims[1:])
			if c.records == 0 {
				continue
			}
			if before = int64(c.records - 1); before > 0 && c.record > size/before {
				return incomplete(v)
			}
			before *= c.record
		}
		if v.begin < 0 || v.begin > size || each > size || v.begin+before+each > size {
			return incomplete(v)
		}
	}
	return nil
}

// values returns the number of values of an array.
func (c *cdf) values(dims []int) int64 {
	n := int64(1)
	for _, d := range dims {
		length := int64(c.dims[d].length)
		if length > 0 && n > math.MaxInt32*1024/length {
			return math.MaxInt64 / 1024 // more than any file has
		}
		n *= length
	}
	return n
}

// raw returns the bytes of all values of v, row by row.
func (c *cdf) raw(f io.ReaderAt, v *cdfVariable) ([]byte, error) {
	all := make([]byte, v.kind.size()*c.values(v.dims)) // which the file has, see check
	if !v.record || len(all) == 0 {
		_, err := f.ReadAt(all, v.begin)
		return all, err
	}
	each := v.kind.size() * c.values(v.dims[1:])
	for r := range c.records {
		if _, err := f.ReadAt(all[int64(r)*each:int64(r+1)*each], v.begin+int64(r)*c.record); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// numbers returns values of a type, which are stored with their first byte first.
func (k cdfType) numbers(raw []byte) []float64 {
	size := int(k.size())
	values := make([]float64, len(raw)/size)
	for i := range values {
		b, big := raw[i*size:], binary.BigEndian
		switch k {
		case cdfByte:
			values[i] = float64(int8(b[0]))
		case cdfUByte, cdfChar:
			values[i] = float64(b[0])
		case cdfShort:
			values[i] = float64(int16(big.Uint16(b)))
		case cdfUShort:
			values[i] = float64(big.Uint16(b))
		case cdfInt:
			values[i] = float64(int32(big.Uint32(b)))
		case cdfUInt:
			values[i] = float64(big.Uint32(b))
		case cdfFloat:
			values[i] = float64(math.Float32frombits(big.Uint32(b)))
		case cdfDouble:
			values[i] = math.Float64frombits(big.Uint64(b))
		case cdfInt64:
			values[i] = float64(int64(big.Uint64(b)))
		case cdfUInt64:
			values[i] = float64(big.Uint64(b))
		}
	}
	return values
}

// cdfHeader reads a header. After an error everything that is read is 0.
type cdfHeader struct {
	in      *bufio.Reader
	version byte
	left    int64 // bytes of the file that have not been read
	err     error
}

func (h *cdfHeader) take(n int64) []byte {
	if h.err == nil && (n < 0 || n > h.left) {
		h.err = errDamaged
	}
	if h.err != nil {
		return make([]byte, min(max(n, 0), 8))
	}
	h.left -= n
	b := make([]byte, n)
	_, h.err = io.ReadFull(h.in, b)
	return b
}

func (h *cdfHeader) word() int64 { return int64(int32(binary.BigEndian.Uint32(h.take(4)))) }

// count reads a number that is not negative.
func (h *cdfHeader) count() int64 {
	if h.version == 5 {
		return int64(binary.BigEndian.Uint64(h.take(8)))
	}
	return int64(binary.BigEndian.Uint32(h.take(4)))
}

// items reads the tag and the number of items of a list, each of which takes at least 8 bytes.
func (h *cdfHeader) items(tag int64) int64 {
	got, n := h.word(), h.count()
	if h.err == nil && (got != tag && (got != 0 || n != 0) || n < 0 || n > h.left/8) {
		h.err = errDamaged
	}
	if h.err != nil {
		return 0
	}
	return n
}

func (h *cdfHeader) padded(n int64) []byte {
	b := h.take(n)
	h.take(-n & 3)
	return b
}

func (h *cdfHeader) text() string { return string(h.padded(h.count())) }

func (h *cdfHeader) kind() cdfType {
	k := h.word()
	if h.err == nil && (k < 1 || int(k) >= len(cdfSizes)) {
		h.err = errDamaged
	}
	if h.err != nil {
		return cdfByte
	}
	return cdfType(k)
}

func (h *cdfHeader) attributes() map[string]any {
	all := map[string]any{}
	for range h.items(tagAttribute) {
		name, kind, n := h.text(), h.kind(), h.count()
		if h.err == nil && (n < 0 || n > h.left) {
			h.err = errDamaged
		}
		if h.err != nil {
			break
		}
		raw := h.padded(n * kind.size())
		if kind == cdfChar {
			all[name] = string(raw)
		} else if h.err == nil {
			all[name] = kind.numbers(raw)
		}
	}
	return all
}

func (h *cdfHeader) read() *cdf {
	c := &cdf{}
	records := h.count()
	for range h.items(tagDimension) {
		name, n := h.text(), h.count()
		if n < 0 || n > math.MaxInt32 {
			h.err = errDamaged
		}
		c.dims = append(c.dims, cdfDim{name, int(n), n == 0})
	}
	h.attributes()
	for range h.items(tagVariable) {
		v := &cdfVariable{name: h.text()}
		n := h.count()
		if h.err == nil && (n < 0 || n > h.left/4) {
			h.err = errDamaged
		}
		for k := int64(0); k < n && h.err == nil; k++ {
			d := h.count()
			if d < 0 || d >= int64(len(c.dims)) || c.dims[d].grows && k > 0 {
				h.err = errDamaged
				break
			}
			v.dims, v.record = append(v.dims, int(d)), v.record || c.dims[d].grows
		}
		v.attributes, v.kind = h.attributes(), h.kind()
		h.count() // the size, which follows from the rest
		if h.version == 1 {
			v.begin = h.word()
		} else {
			v.begin = int64(binary.BigEndian.Uint64(h.take(8)))
		}
		if h.err != nil {
			return nil
		}
		c.variables = append(c.variables, v)
	}
	c.records = int(min(max(0, records), math.MaxInt32))
	for i := range c.dims {
		if c.dims[i].grows {
			c.dims[i].length = c.records
		}
	}
	return c
}
