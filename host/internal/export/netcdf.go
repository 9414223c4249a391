package export

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// netCDF is a file in netCDF's classic format with 64-bit offsets (CDF-2), which every
// netCDF library reads. Its variables have fixed shapes and are written from their first
// value to their last, independently of each other.
// Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
type netCDF struct {
	file      *os.File
	variables []*cdfVariable
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

// cdfVariable is one array of a file.
type cdfVariable struct {
	name       string
	kind       cdfType
	dims       []int // among those of the file
	attributes []attribute

	begin, size int64
	out         *bufio.Writer
	left        int64 // values to be written
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
func createNetCDF(path string, dims []dimension, attributes []attribute, variables []*cdfVariable) (*netCDF, error) {
	for _, v := range variables {
		v.left = 1
		for _, d := range v.dims {
			v.left *= int64(dims[d].length)
		}
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
		v.out = bufio.NewWriterSize(io.NewOffsetWriter(file, v.begin), 1<<16)
	}
	if _, err := file.Write(cdfHeader(dims, attributes, variables)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &netCDF{file, variables}, nil
}

// cdfHeader returns the header; its length does not depend on where variables begin.
func cdfHeader(dims []dimension, attributes []attribute, variables []*cdfVariable) []byte {
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
func (v *cdfVariable) floats(values ...float64) error {
	var room [8]byte
	b := room[:v.kind.size()]
	for _, x := range values {
		if v.kind == cdfFloat {
			binary.BigEndian.PutUint32(b, math.Float32bits(float32(x)))
		} else {
			binary.BigEndian.PutUint64(b, math.Float64bits(x))
		}
		if _, err := v.out.Write(b); err != nil {
			return err
		}
	}
	v.left -= int64(len(values))
	return nil
}

// text appends a text to a variable of that type, filled up to a length.
func (v *cdfVariable) text(s string, length int) error {
	v.left -= int64(length)
	_, err := v.out.WriteString(s + strings.Repeat("\x00", length-len(s)))
	return err
}

// integers appends values to a variable of that type.
func (v *cdfVariable) integers(values ...int32) error {
	v.left -= int64(len(values))
	return binary.Write(v.out, binary.BigEndian, values)
}

// close finishes the file. All values must have been written.
func (n *netCDF) close() error {
	var err error
	for _, v := range n.variables {
		err = errors.Join(err, v.out.Flush())
		if v.left != 0 && err == nil {
			err = fmt.Errorf("variable %s: %d values were not written", v.name, v.left)
		}
	}
	return errors.Join(err, n.file.Close())
}
