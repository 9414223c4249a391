package sdk

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Variable is one named part of a state or of an observation vector.
type Variable struct {
	Name  string   // unique within its layout
	Shape []int    // empty for a scalar
	Dims  []string // names of the dimensions of Shape, in order
	Unit  string   // in the notation of UDUNITS; "1" is dimensionless

	// Diagnostic says of a variable of a state that the model computes it with each forecast and
	// does not need it to go on, such as a discharge. It can be observed, but filters do not get
	// it, and scores leave it out. Diagnostics follow all other variables; see [Layout.CheckState].
	Diagnostic bool
}

// Size returns the number of values of the variable.
func (v Variable) Size() int {
	n := 1
	for _, k := range v.Shape {
		n *= k
	}
	return n
}

// Layout describes the n values of one row of a matrix: its variables one after the
// other, each in row-major order of its shape. Layouts are immutable.
type Layout struct {
	Variables   []Variable
	Coordinates *Coordinates // nil: the values have no coordinates
}

// Size returns n, the number of values in one row.
func (l *Layout) Size() int {
	n := 0
	for _, v := range l.Variables {
		n += v.Size()
	}
	return n
}

// Offset returns the index of the first value of variable name, or false.
func (l *Layout) Offset(name string) (int, bool) {
	n := 0
	for _, v := range l.Variables {
		if v.Name == name {
			return n, true
		}
		n += v.Size()
	}
	return 0, false
}

// Prognostic returns l without diagnostics: what a model needs to go on, and filters move. It is l
// itself if there are none.
func (l *Layout) Prognostic() *Layout {
	if !slices.ContainsFunc(l.Variables, func(v Variable) bool { return v.Diagnostic }) {
		return l
	}
	of := &Layout{}
	for _, v := range l.Variables {
		if !v.Diagnostic {
			of.Variables = append(of.Variables, v)
		}
	}
	if c := l.Coordinates; c != nil && len(of.Variables) > 0 {
		of.Coordinates = &Coordinates{Dims: c.Dims, Period: c.Period, Points: l.prognosticPoints(of.Size())}
	}
	return of
}

// prognosticPoints returns the positions of the size values that are not of diagnostics, by rule if
// all are.
func (l *Layout) prognosticPoints(size int) mat.Matrix {
	grid, byRule := l.Coordinates.Points.(Grid)
	var rule Grid
	var listed []float64
	first, row := 0, make([]float64, len(l.Coordinates.Dims))
	for _, v := range l.Variables {
		count := v.Size()
		switch {
		case v.Diagnostic:
		case byRule:
			rule = append(rule, grid.Part(first, 1, count)...)
		default:
			for i := range count {
				listed = append(listed, mat.Row(row, first+i, l.Coordinates.Points)...)
			}
		}
		first += count
	}
	if byRule {
		return rule
	}
	return mat.NewDense(size, len(l.Coordinates.Dims), listed)
}

// CheckState reports the first fault of l as the layout of a model's states: one of [Layout.Check],
// diagnostics alone, or a diagnostic that another variable follows.
func (l *Layout) CheckState() error {
	if err := l.Check(); err != nil {
		return err
	}
	first := slices.IndexFunc(l.Variables, func(v Variable) bool { return v.Diagnostic })
	if first < 0 {
		return nil
	}
	if first == 0 && !slices.ContainsFunc(l.Variables, func(v Variable) bool { return !v.Diagnostic }) {
		return Errorf(KindContract, "layout", "all variables are diagnostics, want one that the model needs to go on")
	}
	for _, v := range l.Variables[first:] {
		if !v.Diagnostic {
			return Errorf(KindContract, "layout", "%s follows %s, which is a diagnostic; want diagnostics after all other variables", v.Name, l.Variables[first].Name)
		}
	}
	return nil
}

// maxSize bounds the number of values of a layout: a row of this size fills an Arrow column
// of lists, whose lengths are 32-bit numbers, and takes 16 GiB.
const maxSize = math.MaxInt32

// Check reports the first fault of l: no variables, an empty or repeated name, a
// shape with a length below one, dimension names that do not match the shape, more
// than 2³¹ - 1 values, coordinates of another length, or coordinates that are not finite.
func (l *Layout) Check() error {
	if len(l.Variables) == 0 {
		return Errorf(KindContract, "layout", "no variables")
	}
	seen := map[string]bool{}
	room := maxSize
	for i, v := range l.Variables {
		where := fmt.Sprintf("layout: variable %d (%q)", i, v.Name)
		switch {
		case v.Name == "":
			return Errorf(KindContract, where, "has no name")
		case seen[v.Name]:
			return Errorf(KindContract, where, "name is repeated")
		case slices.ContainsFunc(v.Shape, func(k int) bool { return k < 1 }):
			return Errorf(KindContract, where, "shape %v has a length below 1", v.Shape)
		case len(v.Dims) != 0 && len(v.Dims) != len(v.Shape):
			return Errorf(KindContract, where, "%d dimension names for shape %v", len(v.Dims), v.Shape)
		}
		seen[v.Name] = true
		size := 1
		for _, k := range v.Shape {
			if k > maxSize/size {
				return Errorf(KindContract, where, "shape %v holds more than %d values", v.Shape, maxSize)
			}
			size *= k
		}
		if size > room {
			return Errorf(KindContract, where, "the layout holds more than %d values", maxSize)
		}
		room -= size
	}
	if c := l.Coordinates; c != nil {
		return c.Check(l.Size())
	}
	return nil
}

// Coordinates gives every value of a layout a position, for localization.
type Coordinates struct {
	Dims   []string   // names of the axes
	Period []float64  // per axis; 0 is not periodic
	Points mat.Matrix // one row per value of the layout, one column per axis: a [Grid], or a [mat.Dense]
}

// Separation returns the distance of two positions on an axis with a period, the shortest way
// around; a period of 0 is none.
func Separation(v, w, period float64) float64 {
	d := math.Abs(v - w)
	if period == 0 {
		return d
	}
	if d >= period {
		d = math.Mod(d, period)
	}
	return min(d, period-d)
}

// Check reports the first fault of c as the positions of size values.
func (c *Coordinates) Check(size int) error {
	if g, ok := c.Points.(Grid); ok {
		if err := g.check(len(c.Dims)); err != nil {
			return err
		}
	}
	rows, cols := c.Points.Dims()
	if rows != size || cols != len(c.Dims) || len(c.Period) != len(c.Dims) {
		return Errorf(KindContract, "layout: coordinates", "%d points of %d axes with %d periods: want %d points of %d axes",
			rows, cols, len(c.Period), size, len(c.Dims))
	}
	for i, p := range c.Period {
		if !(p >= 0) || math.IsInf(p, 1) {
			return Errorf(KindContract, "layout: coordinates", "the period of axis %q is %v; want a finite number >= 0", c.Dims[i], p)
		}
	}
	if points, ok := c.Points.(*mat.Dense); ok {
		for i := range rows {
			for j, v := range points.RawRowView(i) {
				if math.IsNaN(v - v) {
					return Errorf(KindContract, "layout: coordinates", "point %d is at %s = %v; want a finite number", i, c.Dims[j], v)
				}
			}
		}
	}
	return nil
}
