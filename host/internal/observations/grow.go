package observations

import (
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// growth reads what is appended to the files of a record.
type growth struct {
	w       *workflow.Workflow
	layouts []*sdk.Layout
	known   Known
	firsts  []int // as in gathering

	readers []*reader // nil: not open yet
	arrived *arriving
	pending [][]Value // usable values as they were read, by stream; of cycles that are not settled
	settled int       // cycle up to which the record had values to be counted when it last grew
	counts  []int     // kept values of settled cycles, by stream
}

// Grow reads on to so many bytes of every file, to which rows have been appended. r then has the
// values of the cycles after the one that was settled, which have been assimilated, so that it does
// not grow with the files. Grow returns false, and r has to be read again, if the new rows are more than a
// continuation of the former ones: there is a fault in them, one of them is late or says what its
// error is, or the file is not one to which lines are appended.
func (r *Record) Grow(bytes []int64) bool {
	t, settled := r.growth, r.Settled()
	closes := r.Closes(settled)
	if t.readers == nil && !t.open(closes) || !t.read(bytes, closes) {
		return false
	}
	for i := t.settled; i < settled; i++ {
		for _, v := range r.In(i + 1) {
			t.counts[v.Stream]++
		}
	}
	t.settled = settled
	g := &gathering{w: t.w, size: r.size, firsts: t.firsts, arrived: t.arrived, values: slices.Concat(t.pending...), times: r.Times[:settled], closes: r.closes[:settled]}
	for _, reader := range t.readers {
		g.columns = append(g.columns, reader.table.Selected())
	}
	slices.SortStableFunc(g.values, byTime)
	g.assign()
	if len(g.found) > 0 {
		return false
	}
	next := g.record()
	if len(g.found) > 0 || slices.ContainsFunc(next.values, func(v Value) bool { return v.SD > 0 }) {
		return false
	}
	next.growth, next.settledValues = t, t.counts
	*r = *next
	return true
}

// Reread reads all rows of r again, up to so many bytes of every file. It returns false if there is a fault in them.
func (r *Record) Reread(bytes []int64) bool {
	t := r.growth
	t.close()
	known := t.known
	known.Bytes = bytes
	next, found := Read(t.w, t.layouts, known)
	if len(found) > 0 {
		return false
	}
	*r = *next
	return true
}

// open reads what the record was made of, and keeps the values after closes.
func (t *growth) open(closes float64) bool {
	t.known.Bytes = slices.Clone(t.known.Bytes)
	t.arrived, t.pending, t.counts = newArriving(t.w, t.known), make([][]Value, len(t.layouts)), make([]int, len(t.layouts))
	for i, l := range t.layouts {
		r := open(t.w, i, l, t.firsts[i], t.arrived)
		if len(r.found) > 0 {
			return false
		}
		t.readers = append(t.readers, r)
		if t.readOn(i); len(r.found) > 0 {
			return false
		}
		t.drop(i, closes)
	}
	return true
}

// read reads on, and keeps the values after closes. It returns false if one of the new ones is not.
func (t *growth) read(bytes []int64, closes float64) bool {
	for i, r := range t.readers {
		more := bytes[i] - t.known.Bytes[i]
		if more == 0 {
			continue
		}
		if !r.table.Extend(more) {
			return false
		}
		before := len(t.pending[i])
		t.readOn(i)
		late := slices.ContainsFunc(t.pending[i][before:], func(v Value) bool { return v.Time <= closes })
		if late || len(r.found) > 0 {
			return false
		}
		t.known.Bytes[i] = bytes[i]
	}
	for i := range t.readers {
		t.drop(i, closes)
	}
	return true
}

// readOn appends the usable values of the next rows of a stream, and those that came too late to be usable.
func (t *growth) readOn(i int) {
	r := t.readers[i]
	r.values = r.values[:0]
	r.readAll()
	for _, v := range r.values {
		if usable(&v) || v.Status == Belated {
			t.pending[i] = append(t.pending[i], v)
		}
	}
}

// drop drops the values of a stream that are not after closes.
func (t *growth) drop(i int, closes float64) {
	t.pending[i] = slices.DeleteFunc(t.pending[i], func(v Value) bool { return v.Time <= closes || v.Status == Belated })
}

func (t *growth) close() {
	for _, r := range t.readers {
		_ = r.table.Close() // it was only read
	}
	t.readers = nil
}
