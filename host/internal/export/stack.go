package export

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/names"
	"golang.org/x/sync/errgroup"
)

// stack is a group of a store: one grid, or several, one after the other along the dimension dim.
type stack struct {
	path  string
	dim   string // trial or replicate; empty: it is one grid
	grids []*grid
	of    *surveyed // what the tables of all grids have
	whole *grid     // all cycles and members
	chunk int       // grids of a chunk

	dims   []dimension
	arrays *arrays // whose variables have no values yet
}

// stacks returns the groups of a store. Members of a stage are one group, and so are truths, references and
// observations if each replicate has one. Grids that are not one array, because their variables have other
// shapes or are at other places, are groups of their own.
func stacks(tables []*surveyed, o *origins) (list []*stack) {
	kinds := map[string][]*stack{} // of one grid each
	for _, t := range tables {
		for _, g := range t.grids {
			kind := tableOf(t.name)
			if g.from.trial >= 0 {
				kind = g.stage
			}
			kinds[kind] = append(kinds[kind], &stack{path: kind, grids: []*grid{g}, of: t})
		}
	}
	for kind, each := range kinds {
		slices.SortFunc(each, func(a, b *stack) int { return a.grids[0].from.compare(b.grids[0].from) })
		one := &stack{path: kind, of: each[0].of, dim: "trial"}
		if each[0].grids[0].from.trial < 0 {
			one.dim = "replicate"
		}
		joined := true
		for _, s := range each {
			one.grids = append(one.grids, s.grids[0])
			joined = joined && s.grids[0].from.number() == 0 && each[0].like(s, o)
		}
		switch first := each[0].grids[0].from; {
		case joined:
			list = append(list, one)
		case len(each) == 1 && first.trial < 0 && first.replicate < 0: // of a run that does not say which it is of
			list = append(list, each...)
		default:
			for _, s := range each {
				s.path = kind + "/" + s.grids[0].from.String()
			}
			list = append(list, each...)
		}
	}
	slices.SortFunc(list, func(a, b *stack) int { return cmp.Compare(a.path, b.path) })
	for _, s := range list {
		s.join()
	}
	return list
}

// number returns the number of a truth or a reference in its replicate; 0 for a trial, and -1 if it is not known.
func (f origin) number() int {
	switch {
	case f.trial >= 0:
		return 0
	case f.replicate < 0:
		return -1
	case f.reference >= 0:
		return f.reference
	}
	return f.truth
}

// compare orders trials, and truths by their replicates.
func (f origin) compare(g origin) int {
	return cmp.Or(cmp.Compare(f.trial, g.trial), cmp.Compare(f.replicate, g.replicate), cmp.Compare(f.number(), g.number()))
}

// String names what a group of one grid is of.
func (f origin) String() string {
	if f.trial >= 0 {
		return fmt.Sprintf("trial=%04d", f.trial)
	}
	return fmt.Sprintf("replicate=%03d-%d", f.replicate, f.number())
}

// like reports whether the grids of both can be one array.
func (s *stack) like(other *stack, o *origins) bool {
	a, b := s.of, other.of
	at, there := o.axesOf(a, s.grids[0]), o.axesOf(b, other.grids[0])
	return a.weights == b.weights && a.parents == b.parents && (s.grids[0].members == nil) == (other.grids[0].members == nil) &&
		(s.grids[0].lags == nil) == (other.grids[0].lags == nil) &&
		slices.EqualFunc(a.fields, b.fields, func(f, g archive.Field) bool {
			return f.Name == g.Name && f.Unit == g.Unit && f.Single == g.Single && slices.Equal(f.Shape, g.Shape) && slices.Equal(f.Dims, g.Dims) &&
				slices.EqualFunc(at(f.Name), there(g.Name), func(x, y axis) bool {
					return x.name == y.name && x.period == y.period && slices.Equal(x.at, y.at)
				})
		})
}

// join finds the cycles and the members of all grids, and the times and lags of these cycles: by cycle if all grids
// have the same, or by grid and cycle.
func (s *stack) join() {
	s.whole = &grid{}
	for i, g := range s.grids {
		g.stack, g.index = s, i
		s.whole.cycles = append(s.whole.cycles, g.cycles...)
		s.whole.members = append(s.whole.members, g.members...)
		if i%64 == 63 || i == len(s.grids)-1 { // most of them repeat
			slices.Sort(s.whole.cycles)
			slices.Sort(s.whole.members)
			s.whole.cycles, s.whole.members = slices.Compact(s.whole.cycles), slices.Compact(s.whole.members)
		}
	}
	s.whole.times = byCycle(s.grids, s.whole.cycles, func(g *grid) []float64 { return g.times }, math.NaN())
	if s.grids[0].lags != nil {
		s.whole.lags = byCycle(s.grids, s.whole.cycles, func(g *grid) []int32 { return g.lags }, noNumber)
	}
}

// byCycle returns the values of cycles if all grids have the same ones, or else those of all cycles of all grids.
func byCycle[T float64 | int32](grids []*grid, cycles []int32, of func(*grid) []T, missing T) []T {
	n := len(cycles)
	first, known, whole := make([]T, n), make([]bool, n), slices.Repeat([]T{missing}, n*len(grids))
	same := true
	for i, g := range grids {
		for k, v := range of(g) {
			c, _ := slices.BinarySearch(cycles, g.cycles[k])
			if !known[c] {
				first[c], known[c] = v, true
			}
			same = same && first[c] == v
			whole[i*n+c] = v
		}
	}
	if same {
		return first
	}
	return whole
}

// attributes returns what is said of all grids: what those that have an attribute agree about.
func (s *stack) attributes(o *origins) []attribute {
	var list []attribute
	differ := map[string]bool{}
	for _, g := range s.grids {
		own := o.attributes(g.from)
		if g.stage != "" {
			own = append(own, attribute{"stage", g.stage})
		}
		for _, a := range own {
			switch k := slices.IndexFunc(list, func(b attribute) bool { return b.name == a.name }); {
			case k < 0:
				list = append(list, a)
			case list[k].value != a.value:
				differ[a.name] = true
			}
		}
	}
	return slices.DeleteFunc(list, func(a attribute) bool { return differ[a.name] })
}

// header returns the header of the group, and sets what values are written to.
func (s *stack) header(o *origins, dates *archive.Dates) *header {
	h := &header{attributes: s.attributes(o)}
	var lead []int
	beside := ""
	if s.dim != "" {
		lead = []int{h.dimension(s.dim, len(s.grids))}
		numbers := make([]int32, len(s.grids))
		for i, g := range s.grids {
			numbers[i] = int32(g.from.replicate)
			if s.dim == "trial" {
				numbers[i] = int32(g.from.trial)
			}
		}
		h.integers(s.dim, lead, numbers)
		if s.dim == "trial" {
			beside = s.settings(h, lead, o)
		}
	}
	s.arrays = newArrays(h, lead, beside, s.whole, s.of, dates, o.axesOf(s.of, s.grids[0]))
	s.dims = h.dims
	return h
}

// settings adds the filters, the replicates and the values of the sweep of trials, and returns the names of these
// coordinates.
func (s *stack) settings(h *header, dims []int, o *origins) (beside string) {
	for _, name := range append([]string{"filter", "replicate"}, o.axes...) {
		values := make([]any, len(s.grids))
		for i, g := range s.grids {
			t := o.trials[g.from.trial]
			switch {
			case t == nil:
			case name == "filter":
				values[i] = t.Filter
			case name == "replicate":
				values[i] = int32(t.Replicate)
			default:
				values[i] = settingOf(t.Values[name])
			}
		}
		if h.settings(names.Array(name), dims, values) {
			beside += " " + names.Array(name)
		}
	}
	return beside
}

// settings adds a variable for values of one type, and reports whether any is known. One that is not is NaN, or
// an empty text.
func (h *header) settings(name string, dims []int, values []any) bool {
	texts, numbers, integers := make([]string, len(values)), make([]float64, len(values)), make([]int32, len(values))
	text, whole, known := false, true, false
	for i, v := range values {
		numbers[i] = math.NaN()
		switch v := v.(type) {
		case string:
			texts[i], text, known = v, true, true
		case int32:
			texts[i], numbers[i], integers[i], known = strconv.Itoa(int(v)), float64(v), v, true
			continue
		case float64:
			texts[i], numbers[i], known = fmt.Sprint(v), v, true
		}
		whole = false
	}
	switch {
	case !known:
	case text:
		h.texts(name, dims, texts)
	case whole:
		h.integers(name, dims, integers)
	default:
		h.doubles(name, dims, numbers)
	}
	return known
}

// stackedBytes is about the size of a chunk of several grids: of small ones, of which there are many.
const stackedBytes = 1 << 20

// grids of a chunk of a stack: as many as fit, of the largest variable, and at least one.
func (s *stack) chunks() int {
	largest := int64(1)
	for _, v := range s.arrays.all() {
		largest = max(largest, v.values(s.dims)*v.kind.size()/int64(len(s.grids)))
	}
	return int(max(1, min(int64(len(s.grids)), int64(min(stackedBytes, chunkBytes))/largest)))
}

// slab is some grids of a stack, from first on, whose values are written one after the other.
type slab struct {
	*arrays
	stack       *stack
	first, last int
	now         int // the grid of the last row
}

// add adds a row of a grid.
func (s *slab) add(g *grid, states *archive.States, row int) error {
	for ; s.now < g.index; s.now++ {
		if err := s.finish(); err != nil {
			return err
		}
	}
	if s.now > g.index {
		return fmt.Errorf("%s: rows of %s follow those of another", g.stack.path, g.from)
	}
	return s.arrays.add(states, row)
}

// job is tables that are read one after the other, and what their rows are written to.
type job struct {
	tables []*surveyed
	slabs  []*slab
}

// jobs returns what can be done at the same time. Stages that are in the same tables are written together.
func jobs(tables []*surveyed, list []*stack) (all []*job) {
	of := map[*grid]*surveyed{}
	for _, t := range tables {
		for _, g := range t.grids {
			of[g] = t
		}
	}
	begin := map[*surveyed][]*job{} // by the first table
	for _, s := range list {
		each := s.chunk
		if len(s.grids) > 1 && of[s.grids[0]] == of[s.grids[1]] { // all are in one table
			each = len(s.grids)
		}
		for first := 0; first < len(s.grids); first += each {
			last := min(first+each, len(s.grids))
			var own []*surveyed
			for _, g := range s.grids[first:last] {
				own = append(own, of[g])
			}
			own = slices.Compact(own)
			k := slices.IndexFunc(begin[own[0]], func(j *job) bool { return slices.Equal(j.tables, own) })
			if k < 0 {
				begin[own[0]], k = append(begin[own[0]], &job{tables: own}), len(begin[own[0]])
				all = append(all, begin[own[0]][k])
			}
			j := begin[own[0]][k]
			j.slabs = append(j.slabs, &slab{stack: s, first: first, last: last, now: first})
		}
	}
	return all
}

// do reads the tables of a job and writes their rows; open makes the arrays of a slab.
func (j *job) do(ctx context.Context, r *archive.Reader, open func(*slab) io.Closer) (err error) {
	out := map[*stack]*slab{}
	for _, s := range j.slabs {
		out[s.stack] = s
		file := open(s)
		defer func() {
			if err == nil {
				err = s.finish()
			}
			err = cmp.Or(err, file.Close())
		}()
	}
	for _, t := range j.tables {
		for s, err := range t.rows(r) {
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			for row := range s.Cycle {
				if err := ctx.Err(); err != nil {
					return err
				}
				g := t.grids[partOf(s, row)]
				if to := out[g.stack]; to != nil {
					if err := to.add(g, s, row); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// all returns the variables that rows are written to.
func (a *arrays) all() (list []*variable) {
	for _, v := range append([]*variable{a.logWeight, a.parent}, a.fields...) {
		if v != nil {
			list = append(list, v)
		}
	}
	return list
}

// copied returns arrays like a, whose variables are those that each returns for them.
func (a *arrays) copied(each func(*variable) *variable) *arrays {
	b := *a
	one := func(v *variable) *variable {
		if v == nil {
			return nil
		}
		return each(v)
	}
	b.logWeight, b.parent, b.fields = one(a.logWeight), one(a.parent), nil
	for _, v := range a.fields {
		b.fields = append(b.fields, one(v))
	}
	return &b
}

// export writes the tables of a run as groups of the store.
func (z *zarr) export(ctx context.Context, r *archive.Reader, tables []*surveyed, o *origins) error {
	list := stacks(tables, o)
	for _, s := range list {
		if err := z.group(s.path, s.header(o, r.Info.Dates), s); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(z.writing))
	for _, j := range jobs(tables, list) {
		g.Go(func() error { return j.do(ctx, r, z.open) })
	}
	return g.Wait()
}
