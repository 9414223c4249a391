package export

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// grid is the rows of a table that form one array: those of one stage and one truth.
type grid struct {
	stage   string
	truth   int // number of the truth; -1: not known
	cycles  []int32
	times   []float64
	lags    []int32 // by cycle; nil: none
	counts  []int   // members, by cycle
	members []int32 // of the first cycle
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
	truth, err := truthOf(r, name)
	if err != nil {
		return nil, nil, err
	}
	for s, err := range r.States(name) {
		if err != nil {
			return nil, nil, err
		}
		head = s
		for row := range s.Cycle {
			g := grids[key(s, row)]
			if g == nil {
				g = &grid{truth: truth}
				if s.Stage != nil {
					g.stage = s.Stage[row]
				}
				if s.Truth != nil {
					g.truth = int(s.Truth[row])
				}
				grids[key(s, row)] = g
			}
			g.count(s, row)
		}
	}
	if len(grids) == 0 {
		err = errors.New("has no rows")
	}
	return grids, head, err
}

// count adds a row.
func (g *grid) count(s *archive.States, row int) {
	if n := len(g.cycles); n == 0 || g.cycles[n-1] != s.Cycle[row] {
		g.cycles, g.times, g.counts = append(g.cycles, s.Cycle[row]), append(g.times, s.Time[row]), append(g.counts, 0)
		if s.Lag != nil {
			g.lags = append(g.lags, s.Lag[row])
		}
	}
	g.counts[len(g.counts)-1]++
	if s.Member != nil && len(g.cycles) == 1 {
		g.members = append(g.members, s.Member[row])
	}
}

// toNetCDF writes the grids of a table of the run as one file each: to.nc, or to.KEY.nc
// if there are several or the table has stages. Variables are (cycle, ...), or
// (cycle, member, ...) in tables of members.
func toNetCDF(to string, r *archive.Reader, name, source string, at places) (err error) {
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
		path, g := to+".nc", grids[key]
		if len(grids) > 1 || g.stage != "" {
			path = to + "." + key + ".nc"
		}
		of := archive.State
		if name == "observations" {
			of = archive.Observed
		}
		h := &header{attributes: []attribute{{"Conventions", "CF-1.11"}, {"title", r.Info.Name}, {"source", source},
			{"history", r.Info.Started.UTC().Format(time.RFC3339) + " plume run"}}}
		if out[key], err = newArrays(path, h, g, head, r.Info.Dates, func(variable string) []axis { return at.of(g.truth, of, variable) }); err != nil {
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

// newArrays starts the file of g, for tables like head, and writes its coordinates. If dates
// is not nil it says which dates the model times are; axes returns the positions of a
// variable.
func newArrays(path string, h *header, g *grid, head *archive.States, dates *archive.Dates, axes func(string) []axis) (*arrays, error) {
	if low, high := slices.Min(g.counts), slices.Max(g.counts); low != high {
		return nil, fmt.Errorf("cycles have between %d and %d members, which do not form an array; export it as Parquet", low, high)
	}
	if g.stage != "" {
		h.attributes = append(h.attributes, attribute{"stage", g.stage})
	}
	lead := []int{h.dimension("cycle", len(g.cycles))}
	h.integers("cycle", lead, g.cycles, attribute{"long_name", "assimilation cycle"}, attribute{"units", "1"})
	beside := h.times(lead, g.times, dates) // coordinates that are not dimensions
	if g.lags != nil {
		h.integers("lag", lead, g.lags, attribute{"long_name", "cycles of later observations that have changed the members"}, attribute{"units", "1"})
		beside += " lag"
	}
	a := &arrays{}
	if head.Member != nil {
		lead = append(lead, h.dimension("member", g.counts[0]))
		h.integers("member", lead[1:], g.members, attribute{"standard_name", "realization"}, attribute{"long_name", "number of the member"}, attribute{"units", "1"})
	}
	if head.LogWeight != nil {
		a.logWeight = h.variable("log_weight", cdfDouble, lead, attribute{"long_name", "logarithm of the member's weight"}, attribute{"units", "1"}, attribute{"coordinates", beside})
	}
	if head.Parent.Values != nil {
		a.parent = h.variable("parent", cdfInt, lead, attribute{"long_name", "forecast member it descends from"}, attribute{"_FillValue", int32(-1)}, attribute{"coordinates", beside})
	}
	for _, f := range head.Fields {
		h.taken = append(h.taken, nameOf(f.Name))
	}
	for _, f := range head.Fields {
		v := &cdfVariable{name: nameOf(f.Name), kind: cdfDouble, dims: slices.Clone(lead), attributes: []attribute{{"long_name", f.Name}}}
		if f.Single {
			v.kind = cdfFloat
		}
		if f.Unit != "" {
			v.attributes = append(v.attributes, attribute{"units", f.Unit})
		}
		for i, length := range f.Shape {
			v.dims = append(v.dims, h.extra(f, i, length))
		}
		coordinates := beside
		for _, x := range axes(f.Name) {
			if name := h.position(f, x, v.dims[len(lead):]); name != "" {
				coordinates += " " + name
			}
		}
		v.attributes = append(v.attributes, attribute{"coordinates", coordinates})
		a.fields, h.variables = append(a.fields, v), append(h.variables, v)
	}
	var err error
	a.file, err = h.create(path)
	return a, err
}

// add writes one row.
func (a *arrays) add(s *archive.States, row int) error {
	var err error
	if a.logWeight != nil {
		err = a.logWeight.floats(s.LogWeight[row])
	}
	if a.parent != nil {
		parent := int32(-1)
		if s.Parent.Valid[row] {
			parent = s.Parent.Values[row]
		}
		err = errors.Join(err, a.parent.integers(parent))
	}
	for i, v := range a.fields {
		err = errors.Join(err, v.floats(s.Fields[i].Row(row)...))
	}
	return err
}
