package tabular

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/sdk/wire/rows"
)

// netCDF is a netCDF file as rows: one for each place in the dimensions of the variables that are selected, the
// last dimension fastest. A column is a variable, whose value is repeated along dimensions that it does not have,
// or a dimension without a variable of its name, whose values are counted from 0. Values are those of the CF
// conventions: packed values are unpacked, missing ones are null, and times since a date of the
// standard calendar are instants.
type netCDF struct {
	file    *os.File
	cdf     *cdf
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
	c, err := readCDF(f)
	if err != nil {
		return nil, err
	}
	n := &netCDF{file: f, cdf: c}
	for _, v := range c.variables {
		n.columns = append(n.columns, rows.Column{Name: v.name})
	}
	for _, d := range c.dims {
		if !slices.ContainsFunc(n.columns, func(c rows.Column) bool { return c.Name == d.name }) {
			n.columns = append(n.columns, rows.Column{Name: d.name})
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
	if column >= len(n.cdf.variables) {
		return []int{slices.IndexFunc(n.cdf.dims, func(d cdfDim) bool { return d.name == n.columns[column].Name })}
	}
	v := n.cdf.variables[column]
	if v.kind == cdfChar && len(v.dims) > 0 {
		return v.dims[:len(v.dims)-1]
	}
	return v.dims
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
		n.lengths = append(n.lengths, n.cdf.dims[d].length)
	}
	if info, err := n.file.Stat(); err != nil || n.cdf.values(of) > info.Size() { // dimensions alone have no values
		return &Error{What: fmt.Sprintf("has no values by %s", n.names(of)), Hint: "name a variable with these dimensions", err: err}
	}
	n.rows = int(n.cdf.values(of))
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
			step *= n.cdf.dims[d].length
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
		names[i] = n.cdf.dims[d].name
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
	if column >= len(n.cdf.variables) {
		return func(i int) Cell { return Cell{Kind: Number, Number: float64(i)} }, nil
	}
	v := n.cdf.variables[column]
	raw, err := n.cdf.raw(n.file, v)
	if err != nil {
		return nil, err
	}
	if v.kind == cdfChar {
		length := 1
		if len(v.dims) > 0 {
			length = n.cdf.dims[v.dims[len(v.dims)-1]].length
		}
		return func(i int) Cell {
			return Cell{Kind: Text, Text: strings.TrimSpace(strings.TrimRight(string(raw[i*length:(i+1)*length]), "\x00"))}
		}, nil
	}
	values, absent := v.kind.numbers(raw), v.absent()
	scale, offset := v.number("scale_factor", 1), v.number("add_offset", 0)
	since, unit, dated := v.since()
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

// number returns an attribute that is a number, or what it is without.
func (v *cdfVariable) number(name string, without float64) float64 {
	if list, ok := v.attributes[name].([]float64); ok && len(list) == 1 {
		return list[0]
	}
	return without
}

// unwritten are the values that netCDF libraries give to what was not written.
var unwritten = map[cdfType]float64{
	cdfShort: -32767, cdfInt: -2147483647, cdfFloat: float64(float32(9.9692099683868690e+36)), cdfDouble: 9.9692099683868690e+36,
	cdfUShort: 65535, cdfUInt: 4294967295, cdfInt64: -9223372036854775806, cdfUInt64: 18446744073709551614,
}

// absent returns the values that mean a missing one, as they are stored.
func (v *cdfVariable) absent() []float64 {
	fill, _ := v.attributes["_FillValue"].([]float64)
	missing, _ := v.attributes["missing_value"].([]float64)
	if x, ok := unwritten[v.kind]; ok && fill == nil {
		fill = []float64{x}
	}
	return slices.Concat(fill, missing)
}

// since returns the date and the unit of times, if v holds times since a date of the standard calendar, which is the
// Gregorian one since 1582.
func (v *cdfVariable) since() (date time.Time, unit time.Duration, ok bool) {
	text, _ := v.attributes["units"].(string)
	calendar, _ := v.attributes["calendar"].(string)
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
