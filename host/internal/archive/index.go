package archive

import (
	"slices"
	"strings"
)

// CycleIndex says which cycles there are, and counts them.
type CycleIndex struct {
	N int // number of cycles

	last int32
	runs []cycleRun
}

// cycleRun is consecutive cycles: the first, and its index.
type cycleRun struct {
	first int32
	at    int
}

// CyclesTo returns the index of the cycles from 1 to n, of which there is one at least.
func CyclesTo(n int) *CycleIndex { return &CycleIndex{N: n, last: int32(n), runs: []cycleRun{{1, 0}}} }

// add adds a cycle, which is not before the last one.
func (c *CycleIndex) add(cycle int32) {
	if c.N > 0 && cycle == c.last {
		return
	}
	if c.N == 0 || cycle != c.last+1 {
		c.runs = append(c.runs, cycleRun{cycle, c.N})
	}
	c.N, c.last = c.N+1, cycle
}

// Last returns the last cycle; 0 if there is none.
func (c *CycleIndex) Last() int32 { return c.last }

// Of returns the index of a cycle, and false if it is not there.
func (c *CycleIndex) Of(cycle int32) (at int, ok bool) {
	k, found := slices.BinarySearchFunc(c.runs, cycle, func(r cycleRun, cycle int32) int { return int(r.first) - int(cycle) })
	if !found {
		k--
	}
	if k < 0 {
		return 0, false
	}
	end := c.N
	if k+1 < len(c.runs) {
		end = c.runs[k+1].at
	}
	at = c.runs[k].at + int(cycle-c.runs[k].first)
	return at, at < end
}

// Staged names a stage of a trial. That of a table without stages is empty.
type Staged struct {
	Trial int32
	Stage string
}

// indexer makes the indices of a table.
type indexer struct {
	all  map[Staged]*CycleIndex
	last Staged
	of   *CycleIndex
}

func (x *indexer) add(key Staged, cycle int32) {
	if x.of == nil || key != x.last {
		if x.of = x.all[key]; x.of == nil {
			key.Stage, x.of = strings.Clone(key.Stage), &CycleIndex{} // it may share the memory of a batch
			x.all[key] = x.of
		}
		x.last = key
	}
	x.of.add(cycle)
}

// Index returns which cycles a table has, by stages of trials. The table cycles is read once for
// this and for [Reader.Begun].
func (r *Reader) Index(name string) (map[Staged]*CycleIndex, error) {
	if name == "cycles" {
		b, err := r.count()
		if err != nil {
			return nil, err
		}
		return b.cycles, nil
	}
	x := indexer{all: map[Staged]*CycleIndex{}}
	for b, err := range r.Keys(name) {
		if err != nil {
			return nil, err
		}
		for i, trial := range b.Trial {
			key := Staged{Trial: trial}
			if b.Stage != nil {
				key.Stage = b.Stage[i]
			}
			x.add(key, b.Cycle[i])
		}
	}
	return x.all, nil
}

// Begun returns the trials that have cycles, with the number of these: what is known of
// them while the run is running.
func (r *Reader) Begun() (rows []TrialRow, err error) {
	b, err := r.count()
	if err != nil {
		return nil, err
	}
	return slices.Clone(b.rows), nil
}

// begun is what the table of cycles holds.
type begun struct {
	rows   []TrialRow
	cycles map[Staged]*CycleIndex
}

// count reads the table of cycles, unless it has been read.
func (r *Reader) count() (*begun, error) {
	r.counting.Lock()
	defer r.counting.Unlock()
	if r.counted != nil {
		return r.counted, nil
	}
	type batch struct {
		Trial     []int32  `column:"trial"`
		Replicate []int32  `column:"replicate"`
		Filter    []string `column:"filter"`
		Cycle     []int32  `column:"cycle"`
		Stage     []string `column:"stage"`
	}
	x, rows := indexer{all: map[Staged]*CycleIndex{}}, []TrialRow(nil)
	for b, err := range ahead(scan[batch](r, "cycles")) {
		if err != nil {
			return nil, err
		}
		for i, number := range b.Trial {
			if len(rows) == 0 || rows[len(rows)-1].Trial != int(number) {
				rows = append(rows, TrialRow{TrialID: TrialID{int(number), int(b.Replicate[i]), strings.Clone(b.Filter[i])}, Reference: -1})
			}
			rows[len(rows)-1].Cycles = int(b.Cycle[i])
			x.add(Staged{number, b.Stage[i]}, b.Cycle[i])
		}
	}
	r.counted = &begun{rows, x.all}
	return r.counted, nil
}
