package export

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// netCDF is a file in netCDF's classic format with 64-bit offsets (CDF-2), which every
// netCDF library reads. Its variables have fixed shapes and are written from their first
// value to their last, independently of each other.
// Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
type netCDF struct {
	file      *os.File
	variables []*variable
}

// dimension is a named length.
type dimension struct {
	name   string
	length int
}

// attribute is a text or a number.
type attribute struct {
	name  string
	value any // string, int32 or float64
}

// variable is one array of a file or a store. Its values are written from the first to the
// last, row-major.
type variable struct {
	name       string
	kind       cdfType
	dims       []int // among those of the file
	attributes []attribute

	begin, size int64     // in a file
	out         io.Writer // of its values, in the order of bytes of the format
	order       binary.AppendByteOrder
	left        int64 // values to be written
	row         []byte
}

type cdfType int32

// The types and tags of the format that are used here.
const (
	cdfChar   cdfType = 2
	cdfInt    cdfType = 4
	cdfFloat  cdfType = 5
	cdfDouble cdfType = 6

	tagDimension, tagVariable, tagAttribute = 0x0A, 0x0B, 0x0C
)

// largest is the size of the largest variable that the format supports.
const largest = math.MaxUint32 - 3

func (k cdfType) size() int64 {
	switch k {
	case cdfDouble:
		return 8
	case cdfInt, cdfFloat:
		return 4
	}
	return 1
}

// createNetCDF writes the header of a new file. It does not overwrite.
func createNetCDF(path string, dims []dimension, attributes []attribute, variables []*variable) (*netCDF, error) {
	for _, v := range variables {
		v.left = v.values(dims)
		if v.size = v.left * v.kind.size(); v.size > largest {
			return nil, fmt.Errorf("variable %s has %d bytes, but netCDF supports at most %d; export it as Parquet", v.name, v.size, largest)
		}
	}
	header := cdfHeader(dims, attributes, variables)
	at := int64(len(header))
	for _, v := range variables {
		v.begin = at
		at += (v.size + 3) / 4 * 4
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	for _, v := range variables {
		v.out, v.order = bufio.NewWriterSize(io.NewOffsetWriter(file, v.begin), int(min(v.size, 1<<16))), binary.BigEndian
	}
	if _, err := file.Write(cdfHeader(dims, attributes, variables)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &netCDF{file, variables}, nil
}

// values returns how many values v has, with dims those of the file.
func (v *variable) values(dims []dimension) int64 {
	n := int64(1)
	for _, d := range v.dims {
		n *= int64(dims[d].length)
	}
	return n
}

// cdfHeader returns the header; its length does not depend on where variables begin.
func cdfHeader(dims []dimension, attributes []attribute, variables []*variable) []byte {
	b := []byte{'C', 'D', 'F', 2}
	number := func(v int) { b = binary.BigEndian.AppendUint32(b, uint32(v)) }
	pad := func() {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	text := func(s string) { number(len(s)); b = append(b, s...); pad() }
	list := func(tag, n int) { // an absent list has neither tag nor length
		if n == 0 {
			tag = 0
		}
		number(tag)
		number(n)
	}
	attrs := func(attributes []attribute) {
		list(tagAttribute, len(attributes))
		for _, a := range attributes {
			text(a.name)
			switch v := a.value.(type) {
			case string:
				number(int(cdfChar))
				text(v)
			case int32:
				number(int(cdfInt))
				number(1)
				number(int(v))
			case float64:
				number(int(cdfDouble))
				number(1)
				b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
	}
	number(0) // records
	list(tagDimension, len(dims))
	for _, d := range dims {
		text(d.name)
		number(d.length)
	}
	attrs(attributes)
	list(tagVariable, len(variables))
	for _, v := range variables {
		text(v.name)
		number(len(v.dims))
		for _, d := range v.dims {
			number(d)
		}
		attrs(v.attributes)
		number(int(v.kind))
		number(int((v.size + 3) / 4 * 4))
		b = binary.BigEndian.AppendUint64(b, uint64(v.begin))
	}
	return b
}

// floats appends values to a variable of doubles, or of floats, which hold these values exactly.
func (v *variable) floats(values ...float64) error {
	b := v.row[:0]
	for _, x := range values {
		if v.kind == cdfFloat {
			b = v.order.AppendUint32(b, math.Float32bits(float32(x)))
		} else {
			b = v.order.AppendUint64(b, math.Float64bits(x))
		}
	}
	return v.write(b, len(values))
}

// integers appends values to a variable of that type.
func (v *variable) integers(values ...int32) error {
	b := v.row[:0]
	for _, x := range values {
		b = v.order.AppendUint32(b, uint32(x))
	}
	return v.write(b, len(values))
}

// write writes b, which are so many values, and keeps its memory.
func (v *variable) write(b []byte, values int) error {
	v.row, v.left = b, v.left-int64(values)
	_, err := v.out.Write(b)
	return err
}

// text appends a text to a variable of characters, filled up to a length.
func (v *variable) text(s string, length int) error {
	return v.write(append(append(v.row[:0], s...), make([]byte, length-len(s))...), length)
}

// Close finishes the file. All values must have been written.
func (n *netCDF) Close() error {
	var err error
	for _, v := range n.variables {
		err = errors.Join(err, v.out.(*bufio.Writer).Flush())
		if v.left != 0 && err == nil {
			err = fmt.Errorf("variable %s: %d values were not written", v.name, v.left)
		}
	}
	return errors.Join(err, n.file.Close())
}
