package observations

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// Record is the real observations of an experiment, in cycles. Only [Record.Grow] and
// [Record.Reread] change it.
type Record struct {
	Times []float64 // model time of every cycle, in order
	// Rejected are the values that are neither assimilated nor held out, in order of time.
	Rejected []Value

	size    int     // m
	values  []Value // in order of cycle and component, at most one assimilated and one held-out for each
	first   []int   // values of cycle k are values[first[k-1]:first[k]]
	closes  []float64
	arrived *arriving

	growth        *growth // how the files are read on
	settledValues []int   // values that are no longer in values, by stream; nil: none
}

// Read reads the observations of all streams of w, whose observation vectors have
// the given layouts, and assigns them to cycles. Faults of the files, and of what the
// workflow says about them, are in the findings.
//
// Without time.interval the cycles follow the data: the first observation that is not
// in a cycle yet opens one, which contains all observations that are at most time.window
// later. The cycle is at the time of the last of them, so that nothing is assimilated
// before it was observed. With time.interval, cycle k is at start + k interval and
// contains the observations of the last time.window before it, by default all since the
// previous cycle.
//
// Of a run that is continued, known is what had arrived before.
func Read(w *workflow.Workflow, layouts []*sdk.Layout, known Known) (*Record, diag.Findings) {
	g := &gathering{w: w, arrived: newArriving(w, known)}
	for i, l := range layouts {
		values, columns, found := read(w, i, l, g.size, g.arrived)
		g.firsts = append(g.firsts, g.size)
		g.columns = append(g.columns, columns)
		if g.found = append(g.found, found...); i == 0 {
			g.values = values
		} else {
			g.values = append(g.values, values...)
		}
		g.size += l.Size()
	}
	if len(g.found) > 0 {
		return nil, g.found
	}
	if !slices.IsSortedFunc(g.values, byTime) {
		slices.SortStableFunc(g.values, byTime)
	}
	if g.assign(); len(g.found) > 0 {
		return nil, g.found
	}
	r := g.record()
	r.growth = &growth{w: w, layouts: layouts, known: known, firsts: g.firsts}
	if len(g.found) == 0 && len(r.values) == 0 {
		g.found.Add(codeNothing, w.At("observations", 0, "file"), "no observation is left: %s", counts(r.Rejected)).
			WithLabel("%d values", len(r.Rejected)).WithHelp("check the columns, ranges and locations in the map")
	}
	if len(g.found) > 0 {
		return nil, g.found
	}
	return r, nil
}

// compare puts the values of a component in a cycle next to each other, assimilated ones
// first.
func compare(a, b Value) int {
	return cmp.Or(cmp.Compare(a.Cycle, b.Cycle), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Status, b.Status))
}

func byTime(a, b Value) int { return cmp.Compare(a.Time, b.Time) }

// gathering assigns values to cycles.
type gathering struct {
	w       *workflow.Workflow
	size    int
	firsts  []int      // component of all, by stream
	columns [][]string // names of the columns that are read, by stream
	values  []Value    // in the order of time
	times   []float64
	closes  []float64 // no later value belongs to a cycle up to this one, by cycle
	arrived *arriving
	found   diag.Findings
}

func usable(v *Value) bool { return v.Status == Assimilated || v.Status == HeldOut }

// slack allows for rounding, as a fraction of an interval or window, in addition to that of times.
const slack = 1e-9

// slack returns it for an interval that ends at a time, as a fraction of it.
func (g *gathering) slack(at float64) float64 {
	return slack + g.w.Time.Rounding(at)/g.w.Time.Interval
}

func (g *gathering) window() float64 {
	if wall := g.w.Time.Window.Wall; wall > 0 {
		return wall.Seconds() / g.w.Time.Unit.Seconds()
	}
	return g.w.Time.Window.Model
}

// assign assigns values to cycles, of which some may be known.
func (g *gathering) assign() {
	if g.w.Time.Interval > 0 {
		g.atIntervals()
	} else {
		g.atData()
	}
}

// atData opens cycles where there are observations.
func (g *gathering) atData() {
	window, opened := g.window()*(1+slack), math.Inf(-1)
	within := func(at float64) bool {
		return at-opened <= window || window > 0 && at-opened <= window+g.w.Time.Rounding(at)
	}
	for i := range g.values {
		v := &g.values[i]
		if !usable(v) {
			continue
		}
		if until := g.w.Time.Until; until != nil && v.Time > until.Model {
			v.Status = Late
			continue
		}
		if !within(v.Time) {
			if n := g.w.Time.Cycles; n > 0 && len(g.times) == n {
				v.Status = Late
				continue
			}
			opened = v.Time
			g.times, g.closes = append(g.times, v.Time), append(g.closes, v.Time+window)
		}
		g.times[len(g.times)-1] = v.Time
		v.Cycle = int32(len(g.times))
	}
}

// maxCycles bounds the number of cycles of a fixed interval if nothing else does.
const maxCycles = 10_000_000

// atIntervals assigns values to the cycles of a fixed interval.
func (g *gathering) atIntervals() {
	start, interval := g.w.Time.Start.Model, g.w.Time.Interval
	window := g.window()
	if window == 0 || window > interval {
		window = interval
	}
	last := math.Inf(-1)
	for i := range g.values {
		if usable(&g.values[i]) {
			last = g.values[i].Time
		}
	}
	n := g.w.Time.Cycles
	if n == 0 && !math.IsInf(last, -1) {
		cycles := math.Ceil((last-start)/interval - g.slack(last))
		if cycles > maxCycles {
			g.found.Add(codeCycles, g.w.At("time", "interval"), "there are %.3g intervals of %g until the last observation, at model time %g; at most %d are possible",
				cycles, interval, last, int(maxCycles)).
				WithLabel("too short").WithHelp("check the times in the file, or choose a longer interval, or none, or set time.cycles")
			return
		}
		n = int(cycles)
	}
	for k := len(g.times) + 1; k <= n; k++ {
		at := start + float64(k)*interval
		g.times = append(g.times, at)
		g.closes = append(g.closes, start+(float64(k)+g.slack(at))*interval)
	}
	for i := range g.values {
		v := &g.values[i]
		if !usable(v) {
			continue
		}
		allowed := g.slack(v.Time)
		k := math.Ceil((v.Time-start)/interval - allowed)
		switch before := start + k*interval - v.Time; {
		case k > float64(n):
			v.Status = Late
		case before > window-allowed*interval && window < interval:
			v.Status = OffWindow
		default:
			v.Cycle = int32(k)
			g.ends(v)
		}
	}
}

// ends reports a mean or a sum over several cycles that is not at the end of an interval.
func (g *gathering) ends(v *Value) {
	o := &g.w.Observations[v.Stream]
	if o.Over == nil || int(v.Cycle)%o.Over.Cycles == 0 || len(g.found) >= maxFindings {
		return
	}
	name, at := g.row(*v)
	g.found.Add(codeInterval, at, "%s %d: a %s over %d cycles cannot end in cycle %d: intervals follow each other from the start", name, v.Row, o.Over.Take, o.Over.Cycles, v.Cycle).
		WithLabel("model time %.6g", v.Time).WithHelp("the time of a %s is the end of its interval; choose a time.start from which it is a multiple of %d cycles away", o.Over.Take, o.Over.Cycles)
}

// row returns what rows of the file of v are called, and the place of that of v.
func (g *gathering) row(v Value) (name string, at diag.Span) {
	path := g.w.Path(g.w.Observations[v.Stream].File)
	if p := tabular.At(path, int(v.Row)); p.Line > 0 {
		return "line", diag.InFile(path, p.Text, p.Line, p.Before, p.Width)
	}
	return "row", diag.InFile(path, "", 0, 0, 0)
}

// record resolves duplicates and orders the values by cycle and component.
func (g *gathering) record() *Record {
	r := &Record{Times: g.times, size: g.size, closes: g.closes, arrived: g.arrived}
	for _, v := range g.values {
		if usable(&v) {
			r.values = append(r.values, v)
		}
	}
	slices.SortStableFunc(r.values, compare)
	r.values = g.settle(r.values)
	for _, v := range g.values {
		if !usable(&v) {
			r.Rejected = append(r.Rejected, v)
		}
	}
	slices.SortStableFunc(r.Rejected, byTime)
	r.first = make([]int, len(r.Times)+1)
	at := 0
	for k := range r.first {
		for at < len(r.values) && int(r.values[at].Cycle) <= k {
			at++
		}
		r.first[k] = at
	}
	return r
}

// settle keeps one assimilated and one held-out value per cycle and component: what is held
// out has no influence on what is assimilated.
func (g *gathering) settle(values []Value) []Value {
	kept := values[:0]
	for from := 0; from < len(values); {
		to := from + 1
		for to < len(values) && compare(values[from], values[to]) == 0 {
			to++
		}
		same := values[from:to]
		keep := same[0]
		if len(same) > 1 {
			switch g.w.Observations[keep.Stream].QC.Duplicates {
			case "refuse":
				g.twice(same[0], same[1])
			case "last":
				keep = same[len(same)-1]
			case "mean":
				keep.Y, keep.SD = g.mean(same)
			}
			for _, v := range same {
				if v.Row != keep.Row || v.Column != keep.Column {
					v.Status, v.Cycle = Duplicate, 0
					g.values = append(g.values, v) // as a rejected value
				}
			}
		}
		kept = append(kept, keep)
		from = to
	}
	g.state(kept)
	return kept
}

// mean returns the mean of values of one component, weighted by the precision of their
// errors, and its standard deviation if any two errors have the correlation r:
//
//	y = sum y_i/sd_i^2 / W,   W = sum 1/sd_i^2,
//	sd^2 = r (sum 1/sd_i / W)^2 + (1 - r) / W
//
// If it is that of the error model for all of the values, sd is 0.
func (g *gathering) mean(same []Value) (y, sd float64) {
	alike := !slices.ContainsFunc(same, func(v Value) bool { return v.SD != same[0].SD })
	r := g.w.Observations[same[0].Stream].QC.Correlation
	shared := r == nil || *r == 1
	var weights, values, sds float64
	for _, v := range same {
		weight := 1.0
		if !alike || !shared {
			sd := g.sd(v)
			weight = 1 / (sd * sd)
			sds += 1 / sd
		}
		weights += weight
		values += weight * v.Y
	}
	y, sd = values/weights, sds/weights
	switch {
	case alike && shared:
		sd = same[0].SD
	case !shared:
		sd = math.Sqrt(*r*sd*sd + (1-*r)/weights)
	}
	return y, sd
}

// sd returns the standard deviation of the error of v.
func (g *gathering) sd(v Value) float64 {
	if v.SD > 0 {
		return v.SD
	}
	e := g.w.Observations[v.Stream].Error
	of := func(list workflow.Numbers) float64 {
		return list[min(int(v.Component)-g.firsts[v.Stream], len(list)-1)]
	}
	if len(e.Variance) > 0 {
		return math.Sqrt(of(e.Variance))
	}
	return of(e.SD)
}

// state sets the standard deviations of two values of one component in a cycle, of which
// one is held out, unless they are the same.
func (g *gathering) state(kept []Value) {
	for i := 1; i < len(kept); i++ {
		a, b := &kept[i-1], &kept[i]
		if a.Cycle == b.Cycle && a.Component == b.Component && a.SD != b.SD {
			a.SD, b.SD = g.sd(*a), g.sd(*b)
		}
	}
}

func (g *gathering) twice(a, b Value) {
	if len(g.found) >= maxFindings {
		return
	}
	row, at := g.row(b)
	where := fmt.Sprintf("%ss %d and %d", row, a.Row, b.Row)
	if a.Row == b.Row {
		where = fmt.Sprintf("columns %q and %q of %s %d", g.columns[b.Stream][a.Column], g.columns[b.Stream][b.Column], row, b.Row)
	}
	g.found.Add(codeDuplicate, at, "%s hold the same component in cycle %d: %g and %g", where, b.Cycle, a.Y, b.Y).
		WithLabel("the second one").WithHelp("write qc.duplicates = \"first\", \"last\" or \"mean\", or a smaller time.window")
}

// HoldOut returns r after holding out the values that the streams ask for.
//
// Random streams: branch "hold_out" of seed, below it one child per stream.
func (r *Record) HoldOut(streams []workflow.Observations, seed rng.Seed) *Record {
	held := *r
	held.values = slices.Clone(r.values)
	for i, o := range streams {
		if o.HoldOut == nil || o.HoldOut.Column != "" {
			continue
		}
		draw, nth := seed.Child("hold_out", i).Rand(), 0
		if r.settledValues != nil {
			nth = r.settledValues[i]
		}
		if o.HoldOut.Every == 0 {
			for range nth { // values that have been drawn for
				draw.Float64()
			}
		}
		for j := range held.values {
			v := &held.values[j]
			if int(v.Stream) != i {
				continue
			}
			nth++
			if o.HoldOut.Every > 0 && nth%o.HoldOut.Every == 0 || o.HoldOut.Every == 0 && draw.Float64() < o.HoldOut.Fraction {
				v.Status = HeldOut
			}
		}
	}
	return &held
}

// In returns the values of a cycle, from 1, in order of their components. If a component has
// two, the first is assimilated and the second held out.
func (r *Record) In(cycle int) []Value { return r.values[r.first[cycle-1]:r.first[cycle]] }

// Observation returns y of a cycle, from 1: the assimilated values, NaN elsewhere.
func (r *Record) Observation(cycle int) []float64 {
	y := slices.Repeat([]float64{math.NaN()}, r.size)
	for _, v := range r.In(cycle) {
		if v.Status == Assimilated {
			y[v.Component] = v.Y
		}
	}
	return y
}

// HeldOut returns the held-out values of a cycle, from 1.
func (r *Record) HeldOut(cycle int) []Value {
	var list []Value
	for _, v := range r.In(cycle) {
		if v.Status == HeldOut {
			list = append(list, v)
		}
	}
	return list
}

// HoldsOut reports whether there are held-out values.
func (r *Record) HoldsOut() bool {
	return slices.ContainsFunc(r.values, func(v Value) bool { return v.Status == HeldOut })
}

// Summary says in one line what happened to all values of the files.
func (r *Record) Summary() string { return counts(r.values, r.Rejected) }

// counts returns the number of values by status, in words.
func counts(lists ...[]Value) string {
	var n [Background + 1]int
	total := 0
	for _, list := range lists {
		for i := range list {
			n[list[i].Status]++
		}
		total += len(list)
	}
	s := fmt.Sprintf("%d values", total)
	for status, count := range n {
		if count > 0 {
			s += fmt.Sprintf(", %d %s", count, statusTexts[status])
		}
	}
	return s
}

var statusTexts = []string{"assimilated", "held out", "missing", "not mapped", "not accepted by their flags", "out of range", "not at any location", "not after the start", "after the last cycle",
	"outside every window", "duplicates", "too late to be assimilated", "too far from the forecast"}
