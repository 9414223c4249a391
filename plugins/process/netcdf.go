package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/netcdf"
	"gonum.org/v1/gonum/mat"
)

// netcdfCodec reads variables of netCDF files in the classic formats, and can write others in
// their places. A variable may have one more dimension than that of the state, the first, of
// which the last item is read; dimensions of length 1 do not count.
type netcdfCodec struct {
	names []string // of the variables in the file
	last  bool     // of a first dimension that is longer than 1
}

// newNetcdf returns the codec of .nc for what read and rows say.
func (m *model) newNetcdf() (codec, error) {
	c := netcdfCodec{names: m.Read, last: m.Rows == "last"}
	if len(c.names) == 0 {
		for _, v := range m.layout.Variables {
			c.names = append(c.names, v.Name)
		}
	}
	if len(c.names) != len(m.layout.Variables) {
		return nil, config("read", "got %d, want one for each of %d variables", len(c.names), len(m.layout.Variables))
	}
	return c, nil
}

func (netcdfCodec) encode(io.Writer, *task) error {
	return errors.New("a file of netCDF is not written from a state")
}

func (c netcdfCodec) decode(r io.Reader, t *task, into *mat.Dense) error {
	in, size, err := readerAt(r)
	if err != nil {
		return err
	}
	f, err := readNetcdf(in, size)
	if err != nil {
		return err
	}
	offset := 0
	for i, v := range t.layout.Variables {
		stored, first, err := c.locate(f, c.names[i], v, t)
		if err != nil {
			return err
		}
		raw, err := f.Part(in, stored, first, len(t.seeds)*v.Size()) // of what may be a long history
		if err != nil {
			return err
		}
		values, missing := stored.Type.Numbers(raw), stored.Missing()
		scale, add := stored.Number("scale_factor", 1), stored.Number("add_offset", 0)
		for k, x := range values {
			if slices.Contains(missing, x) {
				name := appendNames(nil, c.names[i], v.Shape)[k%v.Size()]
				return fmt.Errorf("%s is missing: it is %v, which means that", name, x)
			}
			into.Set(k/v.Size(), offset+k%v.Size(), scale*x+add)
		}
		offset += v.Size()
	}
	return nil
}

// put writes the state of the member of t into the file path.
func (c netcdfCodec) put(path string, t *task) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f, err := readNetcdf(file, info.Size())
	if err != nil {
		return err
	}
	row := t.states.RawRowView(0)
	for i, v := range t.layout.Prognostic().Variables {
		stored, first, err := c.locate(f, c.names[i], v, t)
		if err != nil {
			return err
		}
		if stored.Number("scale_factor", 1) != 1 || stored.Number("add_offset", 0) != 0 {
			return fmt.Errorf("%s is packed (scale_factor, add_offset)", stored.Name)
		}
		if err := f.Put(file, stored, first, row[:v.Size()]); errors.Is(err, netcdf.ErrRange) {
			return unfit{err}
		} else if err != nil {
			return err
		}
		row = row[v.Size():]
	}
	return nil
}

// readerAt returns r as one that can be read anywhere, and its size.
func readerAt(r io.Reader) (io.ReaderAt, int64, error) {
	if f, ok := r.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	text, err := io.ReadAll(r)
	return bytes.NewReader(text), int64(len(text)), err
}

func readNetcdf(r io.ReaderAt, size int64) (*netcdf.File, error) {
	f, err := netcdf.Read(r, size)
	if errors.Is(err, netcdf.ErrHDF5) {
		return nil, fmt.Errorf("%w; let the program write a classic file, or %s", err, netcdf.Convert)
	}
	return f, err
}

// locate returns the variable of a file that holds v for the members of t, and the index of its first value.
func (c netcdfCodec) locate(f *netcdf.File, name string, v sdk.Variable, t *task) (stored *netcdf.Variable, first int, err error) {
	i := slices.IndexFunc(f.Variables, func(s *netcdf.Variable) bool { return s.Name == name })
	if i < 0 {
		var names []string
		for _, s := range f.Variables {
			names = append(names, s.Name)
		}
		return nil, 0, fmt.Errorf("has no variable %s; it has %s, and read gives their names", name, brief(strings.Join(names, ", ")))
	}
	stored = f.Variables[i]
	if stored.Type == netcdf.Char {
		return nil, 0, fmt.Errorf("%s is a text", name)
	}
	var have, want []dimension
	for _, d := range stored.Dims {
		have = append(have, dimension{f.Dims[d].Name, f.Dims[d].Length})
	}
	for k, length := range v.Shape {
		want = append(want, dimension{v.Dims[k], length})
	}
	if t.batch {
		want = slices.Insert(want, 0, dimension{"member", len(t.seeds)})
	}
	size, long := len(t.seeds)*v.Size(), longer(have)
	switch {
	case same(long, longer(want)):
		return stored, 0, nil
	case len(long) > 0 && same(long[1:], longer(want)) && long[0].length == 0:
		return nil, 0, fmt.Errorf("%s has no values: the length of %s is 0", name, long[0].name)
	case len(long) > 0 && same(long[1:], longer(want)) && c.last:
		return stored, (long[0].length - 1) * size, nil
	case len(long) > 0 && same(long[1:], longer(want)):
		return nil, 0, fmt.Errorf("%s has %d items by %s, want 1; rows = \"last\" takes the last", name, long[0].length, long[0].name)
	}
	return nil, 0, fmt.Errorf("%s has the dimensions %s, want %s", name, described(have), described(want))
}

// dimension is a name and a length.
type dimension struct {
	name   string
	length int
}

// longer returns the dimensions that are longer than 1.
func longer(dims []dimension) []dimension {
	return slices.DeleteFunc(slices.Clone(dims), func(d dimension) bool { return d.length == 1 })
}

// same reports whether two lists have the same lengths, and not the same names in another order.
func same(have, want []dimension) bool {
	if len(have) != len(want) {
		return false
	}
	for i, d := range want {
		elsewhere := slices.ContainsFunc(have, func(h dimension) bool { return h.name == d.name }) && have[i].name != d.name
		if have[i].length != d.length || elsewhere {
			return false
		}
	}
	return true
}

func described(dims []dimension) string {
	var all []string
	for _, d := range dims {
		all = append(all, fmt.Sprintf("%s = %d", d.name, d.length))
	}
	return "(" + strings.Join(all, ", ") + ")"
}
