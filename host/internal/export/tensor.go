package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/names"
)

// grid is the rows of a table that form one array: those of one stage and one truth.
type grid struct {
	stage   string
	from    origin
	cycles  []int32
	times   []float64
	lags    []int32 // by cycle; nil: none
	members []int32 // numbers of all members of all cycles, sorted; nil: none
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

// survey finds the grids of a table, and reads its first rows.
func survey(ctx context.Context, r *archive.Reader, name string, from origin) (grids map[string]*grid, head *archive.States, err error) {
	grids = map[string]*grid{}
	for s, err := range r.StateRows(name) {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return nil, nil, err
		}
		for row := range s.Cycle {
			g := grids[key(s, row)]
			if g == nil {
				g = &grid{from: from}
				if s.Stage != nil {
					g.stage = s.Stage[row]
				}
				if s.Truth != nil && s.Replicate != nil {
					g.from.replicate, g.from.truth = int(s.Replicate[row]), int(s.Truth[row])
				}
				grids[key(s, row)] = g
			}
			g.count(s, row)
		}
	}
	for s, err := range r.States(name) {
		return grids, s, err
	}
	return nil, nil, errEmpty
}

// count adds a row.
func (g *grid) count(s *archive.States, row int) {
	if n := len(g.cycles); n == 0 || g.cycles[n-1] != s.Cycle[row] {
		g.cycles, g.times = append(g.cycles, s.Cycle[row]), append(g.times, s.Time[row])
		if s.Lag != nil {
			g.lags = append(g.lags, s.Lag[row])
		}
	}
	if s.Member != nil {
		if at, there := slices.BinarySearch(g.members, s.Member[row]); !there {
			g.members = slices.Insert(g.members, at, s.Member[row])
		}
	}
}

// create makes the file of a grid for what h has; key, if not empty, tells it from others of its table.
type create func(key string, g *grid, h *header) (io.Closer, error)

// export writes the grids of a table of the run to what create makes. Variables are (cycle, ...),
// or (cycle, member, ...) in tables of members. It holds one batch of the table in memory.
// When ctx is done it stops after a row.
func export(ctx context.Context, r *archive.Reader, name string, o *origins, create create) (err error) {
	grids, head, err := survey(ctx, r, name, o.of(name))
	if err != nil {
		return err
	}
	out := map[string]*arrays{}
	defer func() {
		for _, a := range out {
			err = errors.Join(err, a.close())
		}
	}()
	of := archive.State
	if tableOf(name) == "observations" {
		of = archive.Observed
	}
	for _, key := range slices.Sorted(maps.Keys(grids)) {
		g := grids[key]
		h := &header{attributes: o.attributes(g.from)}
		a := newArrays(h, g, head, r.Info.Dates, func(variable string) []axis { return o.places.of(g.from.truth, of, variable) })
		suffix := key
		if len(grids) == 1 && g.stage == "" {
			suffix = ""
		}
		if a.file, err = create(suffix, g, h); err != nil {
			return err
		}
		out[key] = a
	}
	for s, err := range r.States(name) {
		if err != nil {
			return err
		}
		for row := range s.Cycle {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := out[key(s, row)].add(s, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// toNetCDF writes the grids of a table of the run as one file each: to.nc, or to.KEY.nc
// if there are several or the table has stages.
func toNetCDF(ctx context.Context, to string, r *archive.Reader, name string, o *origins) error {
	return export(ctx, r, name, o, func(key string, _ *grid, h *header) (io.Closer, error) {
		if key != "" {
			key = "." + key
		}
		return h.create(to + key + ".nc")
	})
}

// arrays is the file of one grid.
type arrays struct {
	file              io.Closer
	members           []int32     // their numbers; nil: none
	cycle             int32       // of the last row
	next              int         // place of the next member of this cycle; 0: it is complete
	logWeight, parent *variable   // nil: none
	fields            []*variable // as in the table
	missing           [][]float64 // of each field, the NaN of a member that has left
}

// newArrays adds to h the coordinates of g and the variables of tables like head. If dates
// is not nil it says which dates the model times are; axes returns the positions of a
// variable.
func newArrays(h *header, g *grid, head *archive.States, dates *archive.Dates, axes func(string) []axis) *arrays {
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
	a := &arrays{members: g.members}
	if g.members != nil {
		lead = append(lead, h.dimension("member", len(g.members)))
		h.integers("member", lead[1:], g.members, attribute{"standard_name", "realization"}, attribute{"long_name", "number of the member"}, attribute{"units", "1"})
	}
	if head.LogWeight != nil {
		a.logWeight = h.variable("log_weight", cdfDouble, lead, attribute{"long_name", "logarithm of the member's weight"}, attribute{"units", "1"}, attribute{"coordinates", beside})
	}
	if head.Parent.Values != nil {
		a.parent = h.variable("parent", cdfInt, lead, attribute{"long_name", "forecast member it descends from"}, attribute{"_FillValue", int32(noParent)}, attribute{"coordinates", beside})
	}
	for _, f := range head.Fields {
		h.taken = append(h.taken, names.Array(f.Name))
	}
	for _, f := range head.Fields {
		v := &variable{name: names.Array(f.Name), kind: cdfDouble, dims: slices.Clone(lead), attributes: []attribute{{"long_name", f.Name}}}
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
		a.missing = append(a.missing, slices.Repeat([]float64{math.NaN()}, f.Size()))
	}
	return a
}

// noParent stands for a missing parent.
const noParent = -1

// add writes one row, and before it what is missing of members that have left the ensemble.
func (a *arrays) add(s *archive.States, row int) error {
	if a.members != nil {
		if err := a.turn(s.Cycle[row], s.Member[row]); err != nil {
			return err
		}
	}
	logWeight, parent := math.NaN(), int32(noParent)
	if a.logWeight != nil {
		logWeight = s.LogWeight[row]
	}
	if a.parent != nil && s.Parent.Valid[row] {
		parent = s.Parent.Values[row]
	}
	return a.write(logWeight, parent, func(i int) []float64 { return s.Fields[i].Row(row) })
}

// turn writes what is missing before a member of a cycle.
func (a *arrays) turn(cycle, member int32) (err error) {
	if cycle != a.cycle {
		err = a.skip(0)
	}
	a.cycle = cycle
	at, _ := slices.BinarySearch(a.members, member)
	err = errors.Join(err, a.skip(at))
	a.next = (at + 1) % len(a.members)
	return err
}

// skip writes that the members from the next one on up to a place are missing.
func (a *arrays) skip(at int) (err error) {
	for a.next != at && err == nil {
		err = a.write(math.NaN(), noParent, func(i int) []float64 { return a.missing[i] })
		a.next = (a.next + 1) % len(a.members)
	}
	return err
}

// write writes a row.
func (a *arrays) write(logWeight float64, parent int32, values func(field int) []float64) (err error) {
	if a.logWeight != nil {
		err = a.logWeight.floats(logWeight)
	}
	if a.parent != nil {
		err = errors.Join(err, a.parent.integers(parent))
	}
	for i, v := range a.fields {
		err = errors.Join(err, v.floats(values(i)...))
	}
	return err
}

// close writes what is missing of the last cycle.
func (a *arrays) close() error { return errors.Join(a.skip(0), a.file.Close()) }
