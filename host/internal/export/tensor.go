package export

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/sdk/wire/table"
)

// grid is the rows of a table that make one array: those of one stage and one truth.
type grid struct {
	stage  string
	cycles []int32
	times  []float64
	counts []int // members, by cycle
}

// scanner reads the columns that say where a row belongs.
type scanner struct {
	stage  []string
	which  [][]int32 // replicate and truth, where the table has them
	cycle  []int32
	time   []float64
	member []int32 // nil: no ensemble
}

func newScanner(t *table.Table) (*scanner, error) {
	s := &scanner{}
	var ok1, ok2 bool
	s.cycle, ok1 = t.Column("cycle").([]int32)
	s.time, ok2 = t.Column("time").([]float64)
	if !ok1 || !ok2 {
		return nil, errors.New("has no columns cycle and time")
	}
	s.stage, _ = t.Column("stage").([]string)
	s.member, _ = t.Column("member").([]int32)
	for _, name := range []string{"replicate", "truth"} {
		if c, ok := t.Column(name).([]int32); ok {
			s.which = append(s.which, c)
		}
	}
	return s, nil
}

// key names the grid of a row.
func (s *scanner) key(row int) string {
	var parts []string
	for _, c := range s.which {
		parts = append(parts, fmt.Sprintf("%03d", c[row]))
	}
	if s.stage != nil {
		parts = append(parts, s.stage[row])
	}
	return strings.Join(parts, "-")
}

// survey finds the grids of a table.
func survey(path string) (grids map[string]*grid, head *table.Table, err error) {
	grids = map[string]*grid{}
	err = table.Scan(path, func(t *table.Table) error {
		head = t
		s, err := newScanner(t)
		if err != nil {
			return err
		}
		for row := range t.Rows {
			key := s.key(row)
			g := grids[key]
			if g == nil {
				g = &grid{}
				if s.stage != nil {
					g.stage = s.stage[row]
				}
				grids[key] = g
			}
			if n := len(g.cycles); n == 0 || g.cycles[n-1] != s.cycle[row] {
				g.cycles, g.times, g.counts = append(g.cycles, s.cycle[row]), append(g.times, s.time[row]), append(g.counts, 0)
			}
			g.counts[len(g.counts)-1]++
		}
		return nil
	})
	if err == nil && len(grids) == 0 {
		err = errors.New("has no rows")
	}
	return grids, head, err
}

// toNetCDF writes the grids of a table as one file each: to.nc, or to.KEY.nc where there
// are several or a table says what stage it is of. Variables are (cycle, ...), or
// (cycle, member, ...) in tables of members.
func toNetCDF(to, from, source string) (err error) {
	grids, head, err := survey(from)
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
		if out[key], err = newArrays(path, grids[key], head, source); err != nil {
			delete(out, key)
			return err
		}
	}
	return table.Scan(from, func(t *table.Table) error {
		s, err := newScanner(t)
		if err != nil {
			return err
		}
		for row := range t.Rows {
			if err := out[s.key(row)].add(t, row); err != nil {
				return err
			}
		}
		return nil
	})
}

// arrays is the file of one grid.
type arrays struct {
	file   *netCDF
	values map[int]*cdfVariable // by column of the table
	parent *cdfVariable         // nil: none
}

// newArrays starts the file of g, for tables like head.
func newArrays(path string, g *grid, head *table.Table, source string) (*arrays, error) {
	if low, high := slices.Min(g.counts), slices.Max(g.counts); low != high {
		return nil, fmt.Errorf("cycles have between %d and %d members, which make no array; export it as Parquet", low, high)
	}
	dims := []dimension{{"cycle", len(g.cycles)}}
	lead := []int{0}
	if head.Column("member") != nil {
		dims, lead = append(dims, dimension{"member", g.counts[0]}), []int{0, 1}
	}
	cycle := &cdfVariable{name: "cycle", kind: cdfInt, dims: []int{0}, attributes: []attribute{{"long_name", "assimilation cycle"}}}
	time := &cdfVariable{name: "time", kind: cdfDouble, dims: []int{0}, attributes: []attribute{{"long_name", "model time"}}}
	variables := []*cdfVariable{cycle, time}
	a := &arrays{values: map[int]*cdfVariable{}}
	for c, name := range head.Names {
		meta := head.Metadata[c]
		shape, isVariable := meta["shape"]
		v := &cdfVariable{name: strings.ReplaceAll(name, "/", "_"), kind: cdfDouble, dims: slices.Clone(lead)}
		switch {
		case name == "parent":
			v.kind, v.attributes = cdfInt, []attribute{{"long_name", "forecast member it descends from"}, {"_FillValue", int32(-1)}}
			a.parent = v
		case name == "log_weight":
			v.attributes = []attribute{{"long_name", "logarithm of the member's weight"}, {"units", "1"}}
			a.values[c] = v
		case isVariable:
			extra, err := extraDimensions(name, shape, meta["dims"], head.Names)
			if err != nil {
				return nil, err
			}
			for _, d := range extra {
				v.dims, dims = place(v.dims, dims, d, name)
			}
			v.attributes = []attribute{{"coordinates", "time"}}
			if unit := meta["unit"]; unit != "" {
				v.attributes = append(v.attributes, attribute{"units", unit})
			}
			a.values[c] = v
		default:
			continue
		}
		variables = append(variables, v)
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
	return a, errors.Join(err, time.doubles(g.times...))
}

// extraDimensions returns the dimensions of a variable beside cycle and member. One that
// has no name, or that of a variable, which netCDF takes for its coordinate, is called
// after its variable.
func extraDimensions(name, shape, dims string, variables []string) ([]dimension, error) {
	var list []dimension
	names := strings.Split(dims, ",")
	for i, text := range strings.FieldsFunc(shape, func(r rune) bool { return r == ',' }) {
		length, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("variable %s has shape %q", name, shape)
		}
		d := dimension{fmt.Sprintf("%s_%d", name, i), length}
		if i < len(names) && names[i] != "" && !slices.Contains(variables, names[i]) {
			d.name = names[i]
		}
		list = append(list, d)
	}
	return list, nil
}

// place adds d, of variable name, to those of a variable, and to those of the file when
// it is new. A dimension of that name but another length is not the same.
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
func (a *arrays) add(t *table.Table, row int) error {
	for c, v := range a.values {
		var err error
		switch values := t.Columns[c].(type) {
		case []float64:
			err = v.doubles(values[row])
		case [][]float64:
			err = v.doubles(values[row]...)
		}
		if err != nil {
			return err
		}
	}
	if a.parent == nil {
		return nil
	}
	c := slices.Index(t.Names, "parent")
	parent := int32(-1)
	if t.Valid[c][row] {
		parent = t.Columns[c].([]int32)[row]
	}
	return a.parent.integer(parent)
}
