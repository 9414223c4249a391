package observations

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
)

// Arrival is how far files had been read when a run began or was continued.
type Arrival struct {
	Rows   []int    `json:"rows"`           // number of the last row with values, by stream
	SHA256 []string `json:"sha256"`         // of the values up to there, by stream
	Closed float64  `json:"closed"`         // model time; a value up to then that arrives later is late
	Last   int      `json:"last"`           // last cycle with values
	Late   []string `json:"late,omitempty"` // what was done with late values among the rows, by stream
}

// Known is what had arrived of the files of a run that is continued, in order of time.
type Known struct {
	Arrivals []Arrival
	Late     string // what is done with late values of this arrival; empty: what the streams say
	// Bytes is how much of each file is read, while other programs append to them; nil or 0: all.
	Bytes []int64
}

// arriving compares rows with those of earlier arrivals while they are read.
type arriving struct {
	known    []Arrival
	bytes    []int64  // that are read, by stream; nil: all
	policies []string // of this arrival, by stream
	streams  []extent
	earliest []float64 // time of the usable values that were not part of an arrival, by arrival
}

// extent is what is known of the rows of one stream.
type extent struct {
	row  int // of the last value
	sum  hash.Hash
	sums []string // of the values up to the last row of every arrival; empty: not reached
}

func newArriving(w *workflow.Workflow, k Known) *arriving {
	a := &arriving{known: k.Arrivals, bytes: k.Bytes, earliest: slices.Repeat([]float64{math.Inf(1)}, len(k.Arrivals))}
	for i := range w.Observations {
		policy := w.Observations[i].Late
		if k.Late != "" {
			policy = k.Late
		}
		if policy == "" {
			policy = "refuse"
		}
		a.policies = append(a.policies, policy)
		a.streams = append(a.streams, extent{sum: sha256.New()})
	}
	return a
}

// part returns the number of the arrival, from 0, that row of a stream is part of.
func (a *arriving) part(stream, row int) int {
	i := slices.IndexFunc(a.known, func(k Arrival) bool { return row <= k.Rows[stream] })
	if i < 0 {
		return len(a.known)
	}
	return i
}

// add takes notice of a value, in the order of the file. It returns what is to be done with it
// if it is late, and "" otherwise.
func (a *arriving) add(v *Value) (policy string) {
	s, row := int(v.Stream), int(v.Row)
	e := &a.streams[s]
	e.pass(a.known, s, row-1)
	e.row = row
	var text []byte
	for _, n := range []int32{v.Row, v.Column, v.Component, int32(v.Status)} {
		text = binary.LittleEndian.AppendUint32(text, uint32(n))
	}
	for _, x := range []float64{v.Time, v.Y, v.SD} {
		text = binary.LittleEndian.AppendUint64(text, math.Float64bits(x))
	}
	_, _ = e.sum.Write(text)
	if !usable(v) {
		return ""
	}
	part := a.part(s, row)
	if part > 0 && v.Time <= a.known[part-1].Closed {
		policy = a.policies[s]
		if part < len(a.known) {
			policy = a.known[part].Late[s]
		}
	}
	switch policy {
	case "ignore":
		return policy
	case "refuse":
		if part == len(a.known) {
			return policy
		}
	}
	for i := range part {
		a.earliest[i] = min(a.earliest[i], v.Time)
	}
	return ""
}

// pass stores the sums of the arrivals that end with rows up to row.
func (e *extent) pass(known []Arrival, stream, row int) {
	for len(e.sums) < len(known) && known[len(e.sums)].Rows[stream] <= row {
		sum := ""
		if e.row == known[len(e.sums)].Rows[stream] {
			sum = hex.EncodeToString(e.sum.Sum(nil))
		}
		e.sums = append(e.sums, sum)
	}
}

// end ends a stream. It says how its rows differ from those of the last arrival; empty if they
// do not, or if that is accepted.
func (a *arriving) end(stream int) string {
	e := &a.streams[stream]
	e.pass(a.known, stream, math.MaxInt)
	last := len(a.known) - 1
	switch {
	case last < 0 || a.policies[stream] == "rerun" || a.same(stream, last):
		return ""
	case e.row < a.known[last].Rows[stream]:
		return fmt.Sprintf("the last row with values is %d, but the run has read %d", e.row, a.known[last].Rows[stream])
	}
	return fmt.Sprintf("rows up to %d, which the run has read, have changed", a.known[last].Rows[stream])
}

func (a *arriving) same(stream, arrival int) bool {
	return a.streams[stream].sums[arrival] == a.known[arrival].SHA256[stream]
}

// closed returns the time up to which later values are late.
func (a *arriving) closed() float64 { return a.known[len(a.known)-1].Closed }

// Arrival returns how far the files have been read. r is the record of a run.
func (r *Record) Arrival() Arrival {
	var a Arrival
	for _, e := range r.arrived.streams {
		a.Rows, a.SHA256 = append(a.Rows, e.row), append(a.SHA256, hex.EncodeToString(e.sum.Sum(nil)))
	}
	a.Closed, a.Last, a.Late = r.Closes(r.Settled()), r.Last(), r.arrived.policies
	return a
}

// Last returns the last cycle with values.
func (r *Record) Last() int {
	k, _ := slices.BinarySearch(r.first, len(r.values)) // the first cycle by whose end all values have come
	return k
}

// Settled returns the cycle before the last one with values, to which values may still be
// added.
func (r *Record) Settled() int { return max(0, r.Last()-1) }

// Closes returns the model time after which no value belongs to cycles up to k; for k = 0 it is
// before all.
func (r *Record) Closes(k int) float64 {
	if k == 0 {
		return -math.MaxFloat64
	}
	return r.closes[k-1]
}

// Keeps reports whether the first cycles, which close at a time, are what they were when the
// files had arrived for the n-th time, from 1. If they close at infinity, they are only if no row
// has been added.
func (r *Record) Keeps(n int, closes float64) bool {
	a := r.arrived
	if n > len(a.known) {
		return true
	}
	added := false
	for s, e := range a.streams {
		if !a.same(s, n-1) {
			return false
		}
		added = added || e.row > a.known[n-1].Rows[s]
	}
	return !added || a.earliest[n-1] > closes
}
