package tabular

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/sdk/netcdf"
	"github.com/plume-da/plume/sdk/wire/rows"
)

// netCDF is a netCDF file as rows: one for each place in the dimensions of the variables that are selected, the
// last dimension fastest. A column is a variable, whose value is repeated along dimensions that it does not have,
// or a dimension without a variable of its name, whose values are counted from 0. Values are those of the CF
// conventions: packed values are unpacked, missing ones are null, and times since a date of the
// standard calendar are instants.
type netCDF struct {
	file    *os.File
	cdf     *netcdf.File
	columns []rows.Column
	lengths []int // of the dimensions of a row
	rows    int
	row     int
	cells   []*cdfCells
}

// cdfCells is the cells of one column.
type cdfCells struct {
	at     func(i int) Cell
	stride []int // by dimension of a row
}

func openNetCDF(f *os.File, _ Dialect, _ int64) (source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c, err := netcdf.Read(f, info.Size())
	switch {
	case errors.Is(err, netcdf.ErrHDF5):
		return nil, &rows.UnsupportedError{What: err.Error(), Hint: netcdf.Convert}
	case err != nil:
		return nil, err
	}
	n := &netCDF{file: f, cdf: c}
	for _, v := range c.Variables {
		n.columns = append(n.columns, rows.Column{Name: v.Name})
	}
	for _, d := range c.Dims {
		if !slices.ContainsFunc(n.columns, func(c rows.Column) bool { return c.Name == d.Name }) {
			n.columns = append(n.columns, rows.Column{Name: d.Name})
		}
	}
	return n, nil
}

func (n *netCDF) Columns() []rows.Column { return n.columns }
func (n *netCDF) Row() int               { return n.row }
func (n *netCDF) At(int) Place           { return Place{} }
func (n *netCDF) Close() error           { return n.file.Close() }

// dims returns the dimensions of a column: the last one of texts is that of their characters.
func (n *netCDF) dims(column int) []int {
	if column >= len(n.cdf.Variables) {
		return []int{slices.IndexFunc(n.cdf.Dims, func(d netcdf.Dim) bool { return d.Name == n.columns[column].Name })}
	}
	v := n.cdf.Variables[column]
	if v.Type == netcdf.Char && len(v.Dims) > 0 {
		return v.Dims[:len(v.Dims)-1]
	}
	return v.Dims
}

// Select chooses the cells of a row. One of the columns must have all dimensions of the others.
func (n *netCDF) Select(refs []rows.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	most := refs[0].Column
	for _, ref := range refs {
		if len(n.dims(ref.Column)) > len(n.dims(most)) {
			most = ref.Column
		}
	}
	of := n.dims(most)
	for _, d := range of {
		n.lengths = append(n.lengths, n.cdf.Dims[d].Length)
	}
	if info, err := n.file.Stat(); err != nil || n.cdf.Count(of) > info.Size() { // dimensions alone have no values
		return &Error{What: fmt.Sprintf("has no values by %s", n.names(of)), Hint: "name a variable with these dimensions", err: err}
	}
	n.rows = int(n.cdf.Count(of))
	for _, ref := range refs {
		own := n.dims(ref.Column)
		for _, d := range own {
			if !slices.Contains(of, d) {
				return &Error{What: fmt.Sprintf("has %s by %s, but %s by %s", n.columns[most].Name, n.names(of), n.columns[ref.Column].Name, n.names(own)),
					Hint: "name variables with the same dimensions, or with fewer of them"}
			}
		}
		cells, err := n.read(ref.Column)
		if err != nil {
			return err
		}
		c := &cdfCells{at: cells, stride: make([]int, len(of))}
		step := 1
		for _, d := range slices.Backward(own) {
			c.stride[slices.Index(of, d)] += step
			step *= n.cdf.Dims[d].Length
		}
		n.cells = append(n.cells, c)
	}
	return nil
}

// names returns the names of dimensions, for people.
func (n *netCDF) names(dims []int) string {
	if len(dims) == 0 {
		return "no dimension"
	}
	names := make([]string, len(dims))
	for i, d := range dims {
		names[i] = n.cdf.Dims[d].Name
	}
	return strings.Join(names, " and ")
}

func (n *netCDF) Next(cells []Cell) (bool, error) {
	if n.row == n.rows {
		return false, nil
	}
	for k, c := range n.cells {
		left, at := n.row, 0
		for d, length := range slices.Backward(n.lengths) {
			at += left % length * c.stride[d]
			left /= length
		}
		cells[k] = c.at(at)
	}
	n.row++
	return true, nil
}

// read returns the cells of a column.
func (n *netCDF) read(column int) (func(i int) Cell, error) {
	if column >= len(n.cdf.Variables) {
		return func(i int) Cell { return Cell{Kind: Number, Number: float64(i)} }, nil
	}
	v := n.cdf.Variables[column]
	raw, err := n.cdf.Raw(n.file, v)
	if err != nil {
		return nil, err
	}
	if v.Type == netcdf.Char {
		length := 1
		if len(v.Dims) > 0 {
			length = n.cdf.Dims[v.Dims[len(v.Dims)-1]].Length
		}
		return func(i int) Cell {
			return Cell{Kind: Text, Text: strings.TrimSpace(strings.TrimRight(string(raw[i*length:(i+1)*length]), "\x00"))}
		}, nil
	}
	values, absent := v.Type.Numbers(raw), v.Missing()
	scale, offset := v.Number("scale_factor", 1), v.Number("add_offset", 0)
	since, unit, dated := since(v)
	return func(i int) Cell {
		x := values[i]
		if math.IsNaN(x) || slices.Contains(absent, x) {
			return Cell{}
		}
		if x = scale*x + offset; !dated || math.Abs(x)*unit.Seconds() > longest {
			return Cell{Kind: Number, Number: x}
		}
		whole, part := math.Modf(x)
		days := int(whole * unit.Seconds() / 86400)
		rest := whole*unit.Seconds() - 86400*float64(days)
		more := time.Duration(math.Round((rest+part*unit.Seconds())*1e6)) * time.Microsecond
		return Cell{Kind: Instant, Time: since.AddDate(0, 0, days).Add(more)}
	}, nil
}

// longest bounds times since a date, in seconds: years have four digits.
const longest = 9999 * 366 * 86400

// since returns the date and the unit of times, if v holds times since a date of the standard calendar, which is the
// Gregorian one since 1582.
func since(v *netcdf.Variable) (date time.Time, unit time.Duration, ok bool) {
	text, _ := v.Attributes["units"].(string)
	calendar, _ := v.Attributes["calendar"].(string)
	word, from, found := strings.Cut(strings.TrimRight(text, "\x00 "), " since ")
	if calendar = cmp.Or(strings.ToLower(strings.TrimRight(calendar, "\x00 ")), "standard"); !found ||
		!slices.Contains([]string{"standard", "gregorian", "proleptic_gregorian"}, calendar) {
		return date, 0, false
	}
	switch strings.TrimSuffix(strings.ToLower(strings.TrimSpace(word)), "s") {
	case "day", "d":
		unit = 24 * time.Hour
	case "hour", "hr", "h":
		unit = time.Hour
	case "minute", "min":
		unit = time.Minute
	case "second", "sec", "": // s
		unit = time.Second
	case "millisecond", "msec", "m": // ms
		unit = time.Millisecond
	default:
		return date, 0, false
	}
	from = strings.TrimSpace(strings.NewReplacer("T", " ", "Z", " ", "UTC", " ").Replace(from))
	for _, layout := range []string{"2006-1-2 15:4:5", "2006-1-2 15:4", "2006-1-2", "2006-1-2 15:4:5 -07:00", "2006-1-2 15:4:5 -7:00", "2006-1-2 15:4:5 -0700"} {
		if t, err := time.Parse(layout, from); err == nil {
			return t.UTC(), unit, t.Year() > 1582 || calendar == "proleptic_gregorian"
		}
	}
	return date, 0, false
}
