package netcdf

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files returns files that the netCDF library has written in all classic formats.
func files(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("../../host/internal/tabular/testdata/*.nc")
	own, err2 := filepath.Glob("../../plugins/process/testdata/*.nc")
	if err := errors.Join(err, err2); err != nil || len(all) != 3 || len(own) != 2 {
		t.Fatalf("%v, %v, %v", all, own, err)
	}
	return append(all, own...)
}

// memory is a file in memory.
type memory []byte

func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

// counted is a file in memory that counts the bytes that are read.
type counted struct {
	*bytes.Reader
	read int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	c.read += len(p)
	return c.Reader.ReadAt(p, at)
}

// eachVariable calls check for every variable of the files, with the content of its file, the file's name and all bytes of its values.
func eachVariable(t *testing.T, check func(text []byte, f *File, name string, v *Variable, raw []byte)) {
	t.Helper()
	for _, name := range files(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Read(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range f.Variables {
			raw, err := f.Raw(bytes.NewReader(text), v)
			if err != nil {
				t.Fatal(err)
			}
			check(text, f, name, v, raw)
		}
	}
}

// A part of a variable has the bytes of its values, and no others are read.
func TestPart(t *testing.T) {
	parts := 0
	eachVariable(t, func(text []byte, f *File, name string, v *Variable, all []byte) {
		size := int(v.Type.size())
		for first := range len(all) / size {
			for n := 1; (first+n)*size <= len(all); n++ {
				parts++
				in := &counted{Reader: bytes.NewReader(text)}
				got, err := f.Part(in, v, first, n)
				if err != nil || !bytes.Equal(got, all[first*size:(first+n)*size]) || in.read != n*size {
					t.Fatalf("%s, %s, %d values from %d on: got %v after %d bytes, %v", name, v.Name, n, first, got, in.read, err)
				}
			}
		}
	})
	if parts < 200 {
		t.Errorf("only %d parts", parts)
	}
}

// Values that are put are those that are read, whatever their type and place; no other byte changes.
func TestPut(t *testing.T) {
	put := 0
	eachVariable(t, func(text []byte, f *File, name string, v *Variable, raw []byte) {
		values := v.Type.Numbers(raw)
		if v.Type != Float && v.Type != Double {
			if err := f.Put(memory(nil), v, 0, values); err == nil || !strings.Contains(err.Error(), "is not of type float or double") {
				t.Errorf("%s, %s: got %v", name, v.Name, err)
			}
			return
		}
		for first := range values {
			for end := first + 1; end <= len(values); end++ {
				put++
				now := slices.Clone(text)
				for k := first; k < end; k++ {
					values[k] += 1000
				}
				if err := f.Put(memory(now), v, first, values[first:end]); err != nil {
					t.Fatal(err)
				}
				raw, err := f.Raw(bytes.NewReader(now), v)
				if got := v.Type.Numbers(raw); err != nil || !slices.Equal(got, values) {
					t.Errorf("%s, %s, %d to %d: got %v, want %v, %v", name, v.Name, first, end, got, values, err)
				}
				for k := first; k < end; k++ {
					values[k] -= 1000
				}
				if err := f.Put(memory(now), v, first, values[first:end]); err != nil || !bytes.Equal(now, text) {
					t.Errorf("%s, %s, %d to %d: other bytes have changed, %v", name, v.Name, first, end, err)
				}
			}
		}
	})
	if put < 200 {
		t.Errorf("only %d times", put)
	}
}

// What means a missing value is found among the values, also where an attribute has more digits than they.
func TestMissing(t *testing.T) {
	for kind, stored := range map[Type]float64{Float: float64(float32(-9999.9)), Double: -9999.9} {
		v := &Variable{Type: kind, Attributes: map[string]any{"missing_value": []float64{-9999.9}}}
		if got := v.Missing(); !slices.Contains(got, stored) || !slices.Contains(got, unwritten[kind]) {
			t.Errorf("type %d: got %v, want %v among them", kind, got, stored)
		}
	}
}

// Values that an attribute says are unsigned are, and so are those that mean a missing one: of files that netCDF4 and
// xarray have written.
func TestUnsigned(t *testing.T) {
	none := math.NaN()
	for name, want := range map[string]map[string][]float64{
		"unsigned.nc": {"byte": {0, 127, 128, none}, "short": {0, 32767, 40000, none}, "int": {0, math.MaxInt32, 3e9, none}, "signed": {0, 127, -128, -1},
			"unwritten": {1, 65534, none, none}},
		"unsigned-xarray.nc": {"v": {0, 50000, none}},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		in := bytes.NewReader(text)
		f, err := Read(in, int64(len(text)))
		if err != nil || len(f.Variables) != len(want) {
			t.Fatalf("%s: %d variables, %v", name, len(f.Variables), err)
		}
		for _, v := range f.Variables {
			raw, err := f.Raw(in, v)
			if err != nil {
				t.Fatal(err)
			}
			got := v.Type.Numbers(raw)
			for i, x := range got {
				if slices.Contains(v.Missing(), x) {
					got[i] = none
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want[v.Name]) {
				t.Errorf("%s, %s: got %v, want %v", name, v.Name, got, want[v.Name])
			}
			if v.Name == "byte" && fmt.Sprint(v.Attributes["valid_range"]) != "[0 254]" {
				t.Errorf("%s: its valid_range is %v", v.Name, v.Attributes["valid_range"])
			}
		}
	}
}

// No header makes the reader panic, or tell of more values than there are bytes.
func FuzzRead(f *testing.F) {
	for _, name := range files(f) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in := bytes.NewReader(text)
		file, err := Read(in, int64(len(text)))
		if err != nil {
			return
		}
		for _, v := range file.Variables {
			raw, err := file.Raw(in, v)
			if err != nil || len(raw) > len(text) {
				t.Error(fmt.Sprintf("%s: %d of %d bytes", v.Name, len(raw), len(text)), err)
			}
		}
	})
}
