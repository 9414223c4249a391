package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/names"
)

// part identifies the rows of a table that form one array: those of one stage and one truth. A number
// that the table does not have is -1.
type part struct {
	replicate, truth int32
	stage            string
}

// partOf returns the part of a row.
func partOf(s *archive.States, row int) part {
	p := part{-1, -1, ""}
	if s.Replicate != nil {
		p.replicate = s.Replicate[row]
	}
	if s.Truth != nil {
		p.truth = s.Truth[row]
	}
	if s.Stage != nil {
		p.stage = s.Stage[row]
	}
	return p
}

// String tells a part from others of its table, in names of files.
func (p part) String() string {
	var parts []string
	for _, number := range []int32{p.replicate, p.truth} {
		if number >= 0 {
			parts = append(parts, fmt.Sprintf("%03d", number))
		}
	}
	if p.stage != "" {
		parts = append(parts, p.stage)
	}
	return strings.Join(parts, "-")
}

// grid is the rows of a part.
type grid struct {
	part
	from    origin
	rows    int
	cycles  []int32
	times   []float64 // by cycle
	lags    []int32   // by cycle; nil: none
	members []int32   // numbers of all members of all cycles, sorted; nil: none

	stack *stack // of a store, and the place in it
	index int
}

// surveyed is what a table holds.
type surveyed struct {
	name             string
	grids            map[part]*grid
	fields           []archive.Field // without values
	weights, parents bool
	batches          []*archive.States // all of a small table; nil: they are to be read again
}

// small is the size in bytes of tables that are read once, and kept until they are written.
const small = 1 << 20

// survey finds the grids of a table. With keep, a small table is in memory from then on.
func survey(ctx context.Context, r *archive.Reader, name string, from origin, keep bool) (*surveyed, error) {
	size, err := r.Size(name)
	if err != nil {
		return nil, err
	}
	t := &surveyed{name: name, grids: map[part]*grid{}}
	rows := r.StateRows(name)
	if size <= small {
		rows = r.States(name)
	}
	for s, err := range rows {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		for row := range s.Cycle {
			p := partOf(s, row)
			g := t.grids[p]
			if g == nil {
				g = &grid{part: p, from: from}
				if p.truth >= 0 && p.replicate >= 0 {
					g.from.replicate, g.from.truth = int(p.replicate), int(p.truth)
				}
				t.grids[p] = g
			}
			g.count(s, row)
		}
		if size <= small {
			t.look(s)
		}
		if size <= small && keep {
			t.batches = append(t.batches, s)
		}
	}
	if size > small {
		for s, err := range r.States(name) {
			if err != nil {
				return nil, err
			}
			t.look(s)
			break
		}
	}
	if len(t.grids) == 0 {
		return nil, errEmpty
	}
	return t, nil
}

// look takes from a batch which columns there are.
func (t *surveyed) look(s *archive.States) {
	if t.fields != nil {
		return
	}
	t.weights, t.parents = s.LogWeight != nil, s.Parent.Values != nil
	for _, f := range s.Fields {
		t.fields = append(t.fields, archive.Field{Variable: f.Variable, Single: f.Single})
	}
}

// rows yields the rows of the table.
func (t *surveyed) rows(r *archive.Reader) iter.Seq2[*archive.States, error] {
	if t.batches == nil {
		return r.States(t.name)
	}
	return func(yield func(*archive.States, error) bool) {
		for _, s := range t.batches {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// count adds a row.
func (g *grid) count(s *archive.States, row int) {
	g.rows++
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

// toNetCDF writes the grids of a table of the run as one file each: to.nc, or to.PART.nc
// if there are several or the table has stages. Variables are (cycle, ...), or (cycle, member, ...) in
// tables of members. A file is open while its rows are read. When ctx is done it stops after a row.
func toNetCDF(ctx context.Context, to string, r *archive.Reader, name string, o *origins) (err error) {
	t, err := survey(ctx, r, name, o.of(name), true)
	if err != nil {
		return err
	}
	out := map[*grid]*arrays{}
	defer func() {
		for _, a := range out { // after an error
			err = errors.Join(err, a.file.Close())
		}
	}()
	for s, err := range t.rows(r) {
		if err != nil {
			return err
		}
		for row := range s.Cycle {
			if err := ctx.Err(); err != nil {
				return err
			}
			g := t.grids[partOf(s, row)]
			if out[g] == nil {
				h := &header{attributes: o.attributes(g.from)}
				if g.stage != "" {
					h.attributes = append(h.attributes, attribute{"stage", g.stage})
				}
				a := newArrays(h, nil, "", g, t, r.Info.Dates, o.axesOf(t, g))
				path := to + ".nc"
				if len(t.grids) > 1 || g.stage != "" {
					path = to + "." + g.String() + ".nc"
				}
				if a.file, err = h.create(path); err != nil {
					return err
				}
				out[g] = a
			}
			if err := out[g].add(s, row); err != nil {
				return err
			}
			if g.rows--; g.rows == 0 {
				a := out[g]
				delete(out, g)
				if err := errors.Join(a.finish(), a.file.Close()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// axesOf returns the positions of the variables of a grid.
func (o *origins) axesOf(t *surveyed, g *grid) func(variable string) []axis {
	of := archive.State
	if tableOf(t.name) == "observations" {
		of = archive.Observed
	}
	return func(variable string) []axis { return o.places.of(g.from.truth, of, variable) }
}

// arrays are the variables that the rows of a grid, or of one grid after the other, are written to.
type arrays struct {
	file              io.Closer   // of one grid
	cycles            []int32     // all of them
	members           []int32     // likewise; nil: none
	next              int         // place of the next row of a grid, cycle by cycle and member by member
	logWeight, parent *variable   // nil: none
	fields            []*variable // as in the table
	missing           [][]float64 // of each field, the NaN of a member that has left
}

// newArrays adds to h the coordinates of g and the variables of a table. The dimensions lead come before cycle
// and member. If dates is not nil it says which dates the model times are; axes returns the positions of a
// variable, and beside are names of coordinates of h that are not dimensions.
func newArrays(h *header, lead []int, beside string, g *grid, t *surveyed, dates *archive.Dates, axes func(string) []axis) *arrays {
	cycle := h.dimension("cycle", len(g.cycles))
	all := append(slices.Clone(lead), cycle)
	h.integers("cycle", all[len(lead):], g.cycles, attribute{"long_name", "assimilation cycle"}, attribute{"units", "1"})
	by := func(values int) []int { // of a value for each cycle, or for each cycle of each grid
		if values > len(g.cycles) {
			return all
		}
		return all[len(lead):]
	}
	beside = strings.TrimSpace(beside + " " + h.times(by(len(g.times)), g.times, dates))
	if g.lags != nil {
		about := []attribute{{"long_name", "cycles of later observations that have changed the members"}, {"units", "1"}}
		if len(g.lags) > len(g.cycles) {
			about = append(about, attribute{"_FillValue", int32(noNumber)})
		}
		h.integers("lag", by(len(g.lags)), g.lags, about...)
		beside += " lag"
	}
	a := &arrays{cycles: g.cycles, members: g.members}
	if g.members != nil {
		all = append(all, h.dimension("member", len(g.members)))
		h.integers("member", all[len(lead)+1:], g.members, attribute{"standard_name", "realization"}, attribute{"long_name", "number of the member"}, attribute{"units", "1"})
	}
	if t.weights {
		a.logWeight = h.variable("log_weight", cdfDouble, all, attribute{"long_name", "logarithm of the member's weight"}, attribute{"units", "1"}, attribute{"coordinates", beside})
	}
	if t.parents {
		a.parent = h.variable("parent", cdfInt, all, attribute{"long_name", "forecast member it descends from"}, attribute{"_FillValue", int32(noNumber)}, attribute{"coordinates", beside})
	}
	for _, f := range t.fields {
		h.taken = append(h.taken, names.Array(f.Name))
	}
	for _, f := range t.fields {
		v := &variable{name: names.Array(f.Name), kind: cdfDouble, dims: slices.Clone(all), attributes: []attribute{{"long_name", f.Name}}}
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
			if name := h.position(f, x, v.dims[len(all):]); name != "" {
				coordinates += " " + name
			}
		}
		v.attributes = append(v.attributes, attribute{"coordinates", coordinates})
		a.fields, h.variables = append(a.fields, v), append(h.variables, v)
		a.missing = append(a.missing, slices.Repeat([]float64{math.NaN()}, f.Size()))
	}
	return a
}

// noNumber stands for a missing integer: that of a parent, or of a lag.
const noNumber = -1

// add writes one row, and before it what is missing of cycles that there are not, and of members that have left.
func (a *arrays) add(s *archive.States, row int) error {
	place, _ := slices.BinarySearch(a.cycles, s.Cycle[row])
	if a.members != nil {
		at, _ := slices.BinarySearch(a.members, s.Member[row])
		place = place*len(a.members) + at
	}
	if place < a.next {
		return fmt.Errorf("cycle %d: its rows are not in the order of cycles and members", s.Cycle[row])
	}
	if err := a.skip(place); err != nil {
		return err
	}
	logWeight, parent := math.NaN(), int32(noNumber)
	if a.logWeight != nil {
		logWeight = s.LogWeight[row]
	}
	if a.parent != nil && s.Parent.Valid[row] {
		parent = s.Parent.Values[row]
	}
	return a.write(logWeight, parent, func(i int) []float64 { return s.Fields[i].Row(row) })
}

// finish writes what is missing at the end of a grid.
func (a *arrays) finish() error {
	err := a.skip(len(a.cycles) * max(1, len(a.members)))
	a.next = 0
	return err
}

// skip writes that the rows from the next one on up to a place are missing.
func (a *arrays) skip(place int) (err error) {
	for a.next < place && err == nil {
		err = a.write(math.NaN(), noNumber, func(i int) []float64 { return a.missing[i] })
	}
	return err
}

// write writes a row.
func (a *arrays) write(logWeight float64, parent int32, values func(field int) []float64) (err error) {
	a.next++
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
