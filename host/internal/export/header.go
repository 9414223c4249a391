package export

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/names"
)

// header collects what a netCDF file, or a group of a Zarr store, is made of. The values of
// coordinates are known beforehand and written when the file is made.
type header struct {
	attributes []attribute
	dims       []dimension
	variables  []*variable
	taken      []string // names of variables that follow

	coordinates []coordinate
}

// coordinate is a variable with its values, of one of the types.
type coordinate struct {
	*variable
	values   []float64
	integers []int32
	texts    []string
}

// dimension adds a dimension and returns its number.
func (h *header) dimension(name string, length int) int {
	h.dims = append(h.dims, dimension{name, length})
	return len(h.dims) - 1
}

// variable adds a variable.
func (h *header) variable(name string, kind cdfType, dims []int, attributes ...attribute) *variable {
	v := &variable{name: name, kind: kind, dims: slices.Clone(dims), attributes: attributes}
	h.variables = append(h.variables, v)
	return v
}

// integers adds a variable and its values.
func (h *header) integers(name string, dims []int, values []int32, attributes ...attribute) {
	h.coordinates = append(h.coordinates, coordinate{variable: h.variable(name, cdfInt, dims, attributes...), integers: values})
}

// doubles adds a variable and its values.
func (h *header) doubles(name string, dims []int, values []float64, attributes ...attribute) {
	h.coordinates = append(h.coordinates, coordinate{variable: h.variable(name, cdfDouble, dims, attributes...), values: values})
}

// texts adds a variable of texts and its values.
func (h *header) texts(name string, dims []int, values []string) {
	h.coordinates = append(h.coordinates, coordinate{variable: h.variable(name, texts, dims), texts: values})
}

// dated adds model times as dates, if they are dates.
func (h *header) dated(name string, dims []int, values []float64, dates *archive.Dates, about ...attribute) {
	if dates != nil {
		units, since := dates.Since(values)
		values, about = since, append(about, attribute{"units", units}, attribute{"calendar", dates.Calendar}, attribute{"units_metadata", "leap_seconds: none"})
	}
	h.doubles(name, dims, values, about...)
}

// times adds model times, and before them their dates if they are dates, and returns the
// names of the variables.
func (h *header) times(dims []int, values []float64, dates *archive.Dates) string {
	model := attribute{"long_name", "model time"}
	if dates == nil {
		h.doubles("time", dims, values, model)
		return "time"
	}
	h.dated("time", dims, values, dates, attribute{"standard_name", "time"}, attribute{"long_name", "time"}, attribute{"axis", "T"})
	h.doubles("model_time", dims, values, model)
	return "time model_time"
}

// isTaken reports whether a variable has the name, or will have it.
func (h *header) isTaken(name string) bool {
	return slices.Contains(h.taken, name) || slices.ContainsFunc(h.variables, func(v *variable) bool { return v.name == name })
}

// reserved are names that mean something else, here or in other tables of the run.
var reserved = names.Taken()

// extra returns dimension i of a field after cycle and member, and adds it if it is new. One
// without a name has that of its field and its number. One with a name that means something else, with the name of
// a variable, whose coordinate it would be in netCDF, or with that of another dimension but not its length, has the
// name of its field before its own.
func (h *header) extra(f archive.Field, i, length int) int {
	name := fmt.Sprintf("%s_%d", names.Array(f.Name), i)
	if i < len(f.Dims) && f.Dims[i] != "" {
		name = names.Array(f.Dims[i])
	}
	for ; ; name = names.Array(f.Name) + "_" + name {
		k := slices.IndexFunc(h.dims, func(o dimension) bool { return o.name == name })
		switch {
		case slices.Contains(reserved, name):
		case k >= 0 && h.dims[k].length == length:
			return k
		case k < 0 && !h.isTaken(name):
			return h.dimension(name, length)
		}
	}
}

// letters are the names of axes of which CF knows the direction.
var letters = map[string]string{
	"x": "X", "lon": "X", "longitude": "X", "easting": "X", "y": "Y", "lat": "Y", "latitude": "Y", "northing": "Y", "z": "Z", "height": "Z", "altitude": "Z", "depth": "Z",
}

// position adds the positions of a field on an axis, unless they are there: along one of its
// dimensions if they depend on no other. If they are not those of a dimension of this name,
// it returns the name that they have, for the field's list of coordinates. A name is that of
// the axis, with that of the field before it if other positions have it.
func (h *header) position(f archive.Field, x axis, dims []int) string {
	values := x.at
	if d := along(f.Shape, values); d >= 0 {
		values, dims = lineOf(f.Shape, values, d), dims[d:d+1]
	}
	for name := names.Array(x.name); ; name = names.Array(f.Name) + "_" + name {
		k := slices.IndexFunc(h.dims, func(d dimension) bool { return d.name == name })
		own := len(dims) == 1 && dims[0] == k && monotonic(values)
		same := slices.ContainsFunc(h.coordinates, func(c coordinate) bool {
			return c.name == name && slices.Equal(c.dims, dims) && slices.Equal(c.values, values)
		})
		if !same && (h.isTaken(name) || slices.Contains(reserved, name) || k >= 0 && !own) {
			continue
		}
		if !same {
			about := []attribute{{"long_name", "position on axis " + x.name}}
			if letter := letters[strings.ToLower(x.name)]; letter != "" && own {
				about = append(about, attribute{"axis", letter})
			}
			if x.period > 0 {
				about = append(about, attribute{"period", x.period})
			}
			h.doubles(name, dims, values, about...)
		}
		if own {
			return ""
		}
		return name
	}
}

// along returns the only dimension of an array that its values depend on, or -1.
func along(shape []int, values []float64) int {
	every := 1
	for d, length := range slices.Backward(shape) {
		line := lineOf(shape, values, d)
		differs := false
		for i, v := range values {
			if v != line[i/every%length] {
				differs = true
				break
			}
		}
		if !differs {
			return d
		}
		every *= length
	}
	return -1
}

// lineOf returns the values of an array along a dimension, at index 0 of the others.
func lineOf(shape []int, values []float64, d int) []float64 {
	every := 1
	for _, length := range shape[d+1:] {
		every *= length
	}
	line := make([]float64, shape[d])
	for i := range line {
		line[i] = values[i*every]
	}
	return line
}

// monotonic reports whether values grow or fall without a stop, as those of a dimension must.
func monotonic(values []float64) bool {
	if len(values) < 2 {
		return true
	}
	sign := cmp.Compare(values[1], values[0])
	for i, v := range values[1:] {
		if cmp.Compare(v, values[i]) != sign {
			return false
		}
	}
	return sign != 0
}

// create makes the file and writes its coordinates.
func (h *header) create(path string) (*netCDF, error) {
	file, err := createNetCDF(path, h.dims, h.attributes, h.variables)
	if err != nil {
		return nil, err
	}
	if err := h.writeCoordinates(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// writeCoordinates writes the values of coordinates.
func (h *header) writeCoordinates() (err error) {
	for _, c := range h.coordinates {
		switch c.kind {
		case texts: // which only a store of Zarr has
		case cdfInt:
			err = errors.Join(err, c.variable.integers(c.integers...))
		default:
			err = errors.Join(err, c.variable.floats(c.values...))
		}
	}
	return err
}
