package export

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
)

// grid is the rows of a table that form one array: those of one stage and one truth.
type grid struct {
	stage  string
	cycles []int32
	times  []float64
	counts []int // members, by cycle
}

// key names the grid of a row.
func key(s *archive.States, row int) string {
	var parts []string
	for _, which := range [][]int32{s.Replicate, s.Truth} {
		if which != nil {
			parts = append(parts, fmt.Sprintf("%03d", which[row]))
		}
	}
	if s.Stage != nil {
		parts = append(parts, s.Stage[row])
	}
	return strings.Join(parts, "-")
}

// survey finds the grids of a table.
func survey(r *archive.Reader, name string) (grids map[string]*grid, head *archive.States, err error) {
	grids = map[string]*grid{}
	for s, err := range r.States(name) {
		if err != nil {
			return nil, nil, err
		}
		head = s
		for row, cycle := range s.Cycle {
			g := grids[key(s, row)]
			if g == nil {
				g = &grid{}
				if s.Stage != nil {
					g.stage = s.Stage[row]
				}
				grids[key(s, row)] = g
			}
			if n := len(g.cycles); n == 0 || g.cycles[n-1] != cycle {
				g.cycles, g.times, g.counts = append(g.cycles, cycle), append(g.times, s.Time[row]), append(g.counts, 0)
			}
			g.counts[len(g.counts)-1]++
		}
	}
	if len(grids) == 0 {
		err = errors.New("has no rows")
	}
	return grids, head, err
}

// toNetCDF writes the grids of a table of the run as one file each: to.nc, or to.KEY.nc
// if there are several or the table has stages. Variables are (cycle, ...), or
// (cycle, member, ...) in tables of members.
func toNetCDF(to string, r *archive.Reader, name, source string, dates *archive.Dates) (err error) {
	grids, head, err := survey(r, name)
	if err != nil {
		return err
	}
	out := map[string]*arrays{}
	defer func() {
		for _, a := range out {
			err = errors.Join(err, a.file.close())
		}
	}()
	for _, key := range slices.Sorted(maps.Keys(grids)) {
		path := to + ".nc"
		if g := grids[key]; len(grids) > 1 || g.stage != "" {
			path = to + "." + key + ".nc"
		}
		if out[key], err = newArrays(path, grids[key], head, source, dates); err != nil {
			delete(out, key)
			return err
		}
	}
	for s, err := range r.States(name) {
		if err != nil {
			return err
		}
		for row := range s.Cycle {
			if err := out[key(s, row)].add(s, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrays is the file of one grid.
type arrays struct {
	file              *netCDF
	logWeight, parent *cdfVariable   // nil: none
	fields            []*cdfVariable // as in the table
}

// newArrays starts the file of g, for tables like head. If dates is not nil it says which
// dates the model times are.
func newArrays(path string, g *grid, head *archive.States, source string, dates *archive.Dates) (*arrays, error) {
	if low, high := slices.Min(g.counts), slices.Max(g.counts); low != high {
		return nil, fmt.Errorf("cycles have between %d and %d members, which do not form an array; export it as Parquet", low, high)
	}
	dims := []dimension{{"cycle", len(g.cycles)}}
	lead := []int{0}
	if head.Member != nil {
		dims, lead = append(dims, dimension{"member", g.counts[0]}), []int{0, 1}
	}
	cycle := &cdfVariable{name: "cycle", kind: cdfInt, dims: []int{0}, attributes: []attribute{{"long_name", "assimilation cycle"}}}
	time := &cdfVariable{name: "time", kind: cdfDouble, dims: []int{0}, attributes: []attribute{{"long_name", "model time"}}}
	times := g.times
	if dates != nil {
		units, each := dates.Units()
		time.attributes = []attribute{{"standard_name", "time"}, {"units", units}, {"calendar", dates.Calendar}}
		times = make([]float64, len(g.times))
		for i, t := range g.times {
			times[i] = t * each
		}
	}
	variables := []*cdfVariable{cycle, time}
	a := &arrays{}
	if head.LogWeight != nil {
		about := []attribute{{"long_name", "logarithm of the member's weight"}, {"units", "1"}}
		a.logWeight = &cdfVariable{name: "log_weight", kind: cdfDouble, dims: lead, attributes: about}
		variables = append(variables, a.logWeight)
	}
	if head.Parent.Values != nil {
		about := []attribute{{"long_name", "forecast member it descends from"}, {"_FillValue", int32(-1)}}
		a.parent = &cdfVariable{name: "parent", kind: cdfInt, dims: lead, attributes: about}
		variables = append(variables, a.parent)
	}
	names := []string{"member"}
	for _, v := range variables {
		names = append(names, v.name)
	}
	for _, f := range head.Fields {
		names = append(names, f.Name)
	}
	for _, f := range head.Fields {
		v := &cdfVariable{name: strings.ReplaceAll(f.Name, "/", "_"), kind: cdfDouble, dims: slices.Clone(lead), attributes: []attribute{{"coordinates", "time"}}}
		for _, d := range extraDimensions(f, names) {
			v.dims, dims = place(v.dims, dims, d, f.Name)
		}
		if f.Unit != "" {
			v.attributes = append(v.attributes, attribute{"units", f.Unit})
		}
		a.fields, variables = append(a.fields, v), append(variables, v)
	}
	attributes := []attribute{{"Conventions", "CF-1.11"}, {"source", source}}
	if g.stage != "" {
		attributes = append(attributes, attribute{"stage", g.stage})
	}
	var err error
	if a.file, err = createNetCDF(path, dims, attributes, variables); err != nil {
		return nil, err
	}
	for _, k := range g.cycles {
		err = errors.Join(err, cycle.integer(k))
	}
	return a, errors.Join(err, time.doubles(times...))
}

// extraDimensions returns the dimensions of a variable in addition to cycle and member. A
// dimension without a name, or with the name of a variable, whose coordinate it would be in
// netCDF, is named after its variable.
func extraDimensions(f archive.Field, taken []string) []dimension {
	var list []dimension
	for i, length := range f.Shape {
		d := dimension{fmt.Sprintf("%s_%d", f.Name, i), length}
		if i < len(f.Dims) && f.Dims[i] != "" && !slices.Contains(taken, f.Dims[i]) {
			d.name = f.Dims[i]
		}
		list = append(list, d)
	}
	return list
}

// place adds d, of variable name, to the dimensions of a variable, and to those of the file
// if it is new. A dimension with the same name but another length is not the same.
func place(of []int, dims []dimension, d dimension, name string) ([]int, []dimension) {
	k := slices.IndexFunc(dims, func(o dimension) bool { return o.name == d.name })
	if k >= 0 && dims[k].length != d.length {
		d.name, k = name+"_"+d.name, -1
	}
	if k < 0 {
		k, dims = len(dims), append(dims, d)
	}
	return append(of, k), dims
}

// add writes one row.
func (a *arrays) add(s *archive.States, row int) error {
	var err error
	if a.logWeight != nil {
		err = a.logWeight.doubles(s.LogWeight[row])
	}
	if a.parent != nil {
		parent := int32(-1)
		if s.Parent.Valid[row] {
			parent = s.Parent.Values[row]
		}
		err = errors.Join(err, a.parent.integer(parent))
	}
	for i, v := range a.fields {
		err = errors.Join(err, v.doubles(s.Fields[i].Row(row)...))
	}
	return err
}
