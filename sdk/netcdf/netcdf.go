// Package netcdf reads files of netCDF's classic formats, and replaces values in them. Files of
// netCDF-4 are HDF5, which it does not read.
//
// Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
package netcdf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
)

// File is the header of a file with 32-bit offsets (CDF-1), 64-bit offsets (CDF-2) or 64-bit data (CDF-5).
type File struct {
	Dims      []Dim
	Variables []*Variable

	records int   // length of the record dimension
	record  int64 // bytes of a record of all variables
}

// Dim is a named length.
type Dim struct {
	Name   string
	Length int
	Grows  bool // the record dimension
}

// Variable is one array of a file.
type Variable struct {
	Name       string
	Type       Type           // unsigned, if the attribute _Unsigned says so
	Dims       []int          // among those of the file
	Attributes map[string]any // texts, and lists of numbers

	begin  int64
	record bool // its first dimension is the record dimension
}

// Type is the type of values.
type Type int32

// The types of values.
const (
	Byte Type = iota + 1
	Char
	Short
	Int
	Float
	Double
	UByte
	UShort
	UInt
	Int64
	UInt64
)

// The tags of lists.
const tagDimension, tagVariable, tagAttribute = 0x0A, 0x0B, 0x0C

var sizes = [...]int64{0, 1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8}

// size returns the bytes of a value.
func (k Type) size() int64 { return sizes[k] }

var errDamaged = errors.New("the file is damaged: its header makes no sense")

// ErrHDF5 says that a file is not in a classic format.
var ErrHDF5 = errors.New("is a netCDF-4 file, whose format is that of HDF5, which plume does not read")

// Convert says how to make a classic file of one that is not.
const Convert = `convert it: nccopy -k cdf5 OLD NEW, or in Python ds.to_netcdf(NEW, format="NETCDF3_64BIT")`

// Read reads the header of a file of so many bytes. All values that it tells of are there.
func Read(r io.ReaderAt, size int64) (*File, error) {
	h := &header{in: bufio.NewReader(io.NewSectionReader(r, 0, size)), left: size}
	magic := h.take(4)
	switch {
	case h.err == nil && string(magic) == "\x89HDF":
		return nil, ErrHDF5
	case h.err != nil || string(magic[:3]) != "CDF":
		return nil, errors.New("is not a netCDF file")
	case !slices.Contains([]byte{1, 2, 5}, magic[3]):
		return nil, fmt.Errorf("is a netCDF file of an unknown version, %d", magic[3])
	}
	h.version = magic[3]
	f := h.read()
	if h.err != nil {
		return nil, h.err
	}
	return f, f.check(size)
}

// check reports values that are not in a file of so many bytes.
func (f *File) check(size int64) error {
	var records []*Variable
	for _, v := range f.Variables {
		if v.record {
			records = append(records, v)
		}
	}
	incomplete := func(v *Variable) error {
		return fmt.Errorf("the file is not complete: it has %d bytes, which %s goes beyond", size, v.Name)
	}
	for _, v := range records {
		n := v.Type.size() * f.Count(v.Dims[1:])
		if n > size {
			return incomplete(v)
		}
		if len(records) > 1 { // a single one is not padded
			n += -n & 3
		}
		f.record += n
	}
	for _, v := range f.Variables {
		each, before := v.Type.size()*f.Count(v.Dims), int64(0) // bytes, and those of the other records
		if v.record {
			each = v.Type.size() * f.Count(v.Dims[1:])
			if f.records == 0 {
				continue
			}
			if before = int64(f.records - 1); before > 0 && f.record > size/before {
				return incomplete(v)
			}
			before *= f.record
		}
		if v.begin < 0 || v.begin > size || each > size || v.begin+before+each > size {
			return incomplete(v)
		}
	}
	return nil
}

// Count returns the number of values of an array.
func (f *File) Count(dims []int) int64 {
	n := int64(1)
	for _, d := range dims {
		length := int64(f.Dims[d].Length)
		if length > 0 && n > math.MaxInt32*1024/length {
			return math.MaxInt64 / 1024 // more than any file has
		}
		n *= length
	}
	return n
}

// Raw returns the bytes of all values of v, row by row.
func (f *File) Raw(r io.ReaderAt, v *Variable) ([]byte, error) {
	return f.Part(r, v, 0, int(f.Count(v.Dims)))
}

// Part returns the bytes of n values of v, from the one with the index first on, and reads no others.
func (f *File) Part(r io.ReaderAt, v *Variable, first, n int) ([]byte, error) {
	raw := make([]byte, v.Type.size()*int64(n)) // which the file has, see check
	for at, part := range f.parts(v, first, len(raw)) {
		if _, err := r.ReadAt(raw[part.first:part.first+part.bytes], at); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// part is bytes that are together in a file, of those that were asked for.
type part struct{ first, bytes int64 }

// parts returns where so many bytes of v are in the file, from the value with the index first on.
func (f *File) parts(v *Variable, first, bytes int) iter.Seq2[int64, part] {
	dims, records := v.Dims, int64(1)
	if v.record {
		dims, records = v.Dims[1:], int64(f.records)
	}
	each, from := v.Type.size()*f.Count(dims), int64(first)*v.Type.size()
	to := from + int64(bytes)
	return func(yield func(int64, part) bool) {
		if each == 0 {
			return
		}
		for r := from / each; r < records && r*each < to; r++ {
			skip, end := max(0, from-r*each), min(each, to-r*each)
			if !yield(v.begin+r*f.record+skip, part{r*each + skip - from, end - skip}) {
				return
			}
		}
	}
}

// ErrRange is the error of a number that is too large for its type.
var ErrRange = errors.New("is beyond the range of float")

// Put replaces values of v, from the one with the index first on. They are all of Double; Float
// rounds them, and an error that wraps [ErrRange] says that it cannot.
func (f *File) Put(w io.WriterAt, v *Variable, first int, values []float64) error {
	var raw []byte
	for _, x := range values {
		switch v.Type {
		case Float:
			y := float32(x)
			if math.IsInf(float64(y), 0) && !math.IsInf(x, 0) {
				return fmt.Errorf("%s = %v %w", v.Name, x, ErrRange)
			}
			raw = binary.BigEndian.AppendUint32(raw, math.Float32bits(y))
		case Double:
			raw = binary.BigEndian.AppendUint64(raw, math.Float64bits(x))
		default:
			return fmt.Errorf("%s is not of type float or double", v.Name)
		}
	}
	for at, part := range f.parts(v, first, len(raw)) {
		if _, err := w.WriteAt(raw[part.first:part.first+part.bytes], at); err != nil {
			return err
		}
	}
	return nil
}

// unsigned are the types of values that an attribute _Unsigned says are so: classic files have no others of
// these sizes.
var unsigned = map[Type]Type{Byte: UByte, Short: UShort, Int: UInt}

// heedUnsigned heeds the attribute _Unsigned: values, and the attributes that are some of them, are not negative.
// https://docs.unidata.ucar.edu/netcdf-c/current/attribute_conventions.html
func (v *Variable) heedUnsigned() {
	said, _ := v.Attributes["_Unsigned"].(string)
	kind, can := unsigned[v.Type]
	if !can || !strings.EqualFold(strings.TrimRight(said, "\x00 "), "true") {
		return
	}
	if x, ok := unwritten[v.Type]; ok && v.Attributes["_FillValue"] == nil {
		v.Attributes["_FillValue"] = []float64{x} // which the library has written for this type
	}
	for _, name := range []string{"_FillValue", "missing_value", "valid_min", "valid_max", "valid_range"} {
		list, _ := v.Attributes[name].([]float64)
		for i, x := range list {
			if x < 0 {
				list[i] = x + math.Exp2(8*float64(kind.size()))
			}
		}
	}
	v.Type = kind
}

// Number returns an attribute that is a number, or what it is without.
func (v *Variable) Number(name string, without float64) float64 {
	if list, ok := v.Attributes[name].([]float64); ok && len(list) == 1 {
		return list[0]
	}
	return without
}

// unwritten are the values that netCDF libraries give to what was not written.
var unwritten = map[Type]float64{
	Short: -32767, Int: -2147483647, Float: float64(float32(9.9692099683868690e+36)), Double: 9.9692099683868690e+36,
	UShort: 65535, UInt: 4294967295, Int64: -9223372036854775806, UInt64: 18446744073709551614,
}

// Missing returns the values that mean a missing one, as they are stored: an attribute may be of
// another type than the values, such as a double of -9999.9 for values of type Float.
func (v *Variable) Missing() []float64 {
	fill, _ := v.Attributes["_FillValue"].([]float64)
	missing, _ := v.Attributes["missing_value"].([]float64)
	if x, ok := unwritten[v.Type]; ok && fill == nil {
		fill = []float64{x}
	}
	all := slices.Concat(fill, missing)
	if v.Type == Float {
		for i, x := range all {
			all[i] = float64(float32(x))
		}
	}
	return all
}

// Numbers returns values of a type, which are stored with their first byte first.
func (k Type) Numbers(raw []byte) []float64 {
	size := int(k.size())
	values := make([]float64, len(raw)/size)
	for i := range values {
		b, big := raw[i*size:], binary.BigEndian
		switch k {
		case Byte:
			values[i] = float64(int8(b[0]))
		case UByte, Char:
			values[i] = float64(b[0])
		case Short:
			values[i] = float64(int16(big.Uint16(b)))
		case UShort:
			values[i] = float64(big.Uint16(b))
		case Int:
			values[i] = float64(int32(big.Uint32(b)))
		case UInt:
			values[i] = float64(big.Uint32(b))
		case Float:
			values[i] = float64(math.Float32frombits(big.Uint32(b)))
		case Double:
			values[i] = math.Float64frombits(big.Uint64(b))
		case Int64:
			values[i] = float64(int64(big.Uint64(b)))
		case UInt64:
			values[i] = float64(big.Uint64(b))
		}
	}
	return values
}

// header reads a header. After an error everything that is read is 0.
type header struct {
	in      *bufio.Reader
	version byte
	left    int64 // bytes of the file that have not been read
	err     error
}

func (h *header) take(n int64) []byte {
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

func (h *header) word() int64 { return int64(int32(binary.BigEndian.Uint32(h.take(4)))) }

// count reads a number that is not negative.
func (h *header) count() int64 {
	if h.version == 5 {
		return int64(binary.BigEndian.Uint64(h.take(8)))
	}
	return int64(binary.BigEndian.Uint32(h.take(4)))
}

// items reads the tag and the number of items of a list, each of which takes at least 8 bytes.
func (h *header) items(tag int64) int64 {
	got, n := h.word(), h.count()
	if h.err == nil && (got != tag && (got != 0 || n != 0) || n < 0 || n > h.left/8) {
		h.err = errDamaged
	}
	if h.err != nil {
		return 0
	}
	return n
}

func (h *header) padded(n int64) []byte {
	b := h.take(n)
	h.take(-n & 3)
	return b
}

func (h *header) text() string { return string(h.padded(h.count())) }

func (h *header) kind() Type {
	k := h.word()
	if h.err == nil && (k < 1 || int(k) >= len(sizes)) {
		h.err = errDamaged
	}
	if h.err != nil {
		return Byte
	}
	return Type(k)
}

func (h *header) attributes() map[string]any {
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
		if kind == Char {
			all[name] = string(raw)
		} else if h.err == nil {
			all[name] = kind.Numbers(raw)
		}
	}
	return all
}

func (h *header) read() *File {
	f := &File{}
	records := h.count()
	for range h.items(tagDimension) {
		name, n := h.text(), h.count()
		if n < 0 || n > math.MaxInt32 {
			h.err = errDamaged
		}
		f.Dims = append(f.Dims, Dim{name, int(n), n == 0})
	}
	h.attributes()
	for range h.items(tagVariable) {
		v := &Variable{Name: h.text()}
		n := h.count()
		if h.err == nil && (n < 0 || n > h.left/4) {
			h.err = errDamaged
		}
		for k := int64(0); k < n && h.err == nil; k++ {
			d := h.count()
			if d < 0 || d >= int64(len(f.Dims)) || f.Dims[d].Grows && k > 0 {
				h.err = errDamaged
				break
			}
			v.Dims, v.record = append(v.Dims, int(d)), v.record || f.Dims[d].Grows
		}
		v.Attributes, v.Type = h.attributes(), h.kind()
		v.heedUnsigned()
		h.count() // the size, which follows from the rest
		if h.version == 1 {
			v.begin = h.word()
		} else {
			v.begin = int64(binary.BigEndian.Uint64(h.take(8)))
		}
		if h.err != nil {
			return nil
		}
		f.Variables = append(f.Variables, v)
	}
	f.records = int(min(max(0, records), math.MaxInt32))
	for i := range f.Dims {
		if f.Dims[i].Grows {
			f.Dims[i].Length = f.records
		}
	}
	return f
}
