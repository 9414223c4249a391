package process

import (
	"math"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// task is the task of one run of the command: to forecast one member or, in batch mode, all
// members of a call. It is not modified.
type task struct {
	layout   *sdk.Layout // of the results; states have no diagnostics
	dates    *sdk.Dates  // nil: times have no dates
	batch    bool
	cycle    int
	from, to float64
	row      int              // of the first member in the request
	members  []int            // their numbers
	seeds    []int64          // one per member, below 2^53
	states   *mat.Dense       // one row per member
	carry    []byte           // of the only member; empty: nothing
	params   []map[string]any // one per member; nil: none are declared
}

// tasks splits a request into the tasks of the runs of the command.
func (m *model) tasks(r *sdk.ForecastRequest) []*task {
	rows, _ := r.Ensemble.Dims()
	n, size := m.layout.Prognostic().Size(), 1
	if m.Mode == "batch" {
		size = rows
	}
	var all []*task
	for i := 0; i < rows; i += size {
		t := &task{
			layout: m.layout, dates: m.dates, batch: m.Mode == "batch", cycle: r.Cycle, from: r.From, to: r.To, row: i,
			states: r.Ensemble.Slice(i, i+size, 0, n).(*mat.Dense),
		}
		if r.Carry != nil && size == 1 {
			t.carry = r.Carry[i]
		}
		for k := range size {
			t.members = append(t.members, r.Member(i+k))
			t.seeds = append(t.seeds, r.Seed.Member(t.members[k]).Int64N(1<<53))
			if len(m.declared) > 0 {
				t.params = append(t.params, m.parametersOf(r, i+k))
			}
		}
		all = append(all, t)
	}
	return all
}

// values returns the values of the task for templates and JSON:
//
//	cycle, from, to, interval, member, seed, state      a single member
//	cycle, from, to, interval, members                  batch mode, where members
//	                                                    lists member, seed, state
//
// If times have dates there are from_date and to_date, too. state holds every variable by name, nested according to its shape. With declared
// parameters there is param next to state, which holds them by name.
func (t *task) values() map[string]any {
	v := map[string]any{"cycle": t.cycle, "from": plain(t.from), "to": plain(t.to), "interval": plain(t.to - t.from)}
	if t.dates != nil {
		v["from_date"], v["to_date"] = isoDate(t.dates, t.from), isoDate(t.dates, t.to)
	}
	rows := t.states.RawMatrix().Rows
	members, state := make([]map[string]any, rows), t.layout.Prognostic()
	for i := range members {
		members[i] = map[string]any{"member": t.members[i], "seed": t.seeds[i], "state": stateOf(state, t.states.RawRowView(i))}
		if t.params != nil {
			members[i]["param"] = t.params[i]
		}
	}
	if t.batch {
		v["members"] = members
		return v
	}
	for key, value := range members[0] {
		v[key] = value
	}
	return v
}

func stateOf(l *sdk.Layout, row []float64) map[string]any {
	state := map[string]any{}
	for _, v := range l.Variables {
		state[v.Name] = nested(v.Shape, row[:v.Size()])
		row = row[v.Size():]
	}
	return state
}

// nested returns values as nested lists of a shape, or a number for a scalar.
func nested(shape []int, values []float64) any {
	switch len(shape) {
	case 0:
		return plain(values[0])
	case 1:
		row := make(line, len(values))
		for i, v := range values {
			row[i] = plain(v)
		}
		return row
	}
	width := len(values) / shape[0]
	out := make(lines, shape[0])
	for i := range out {
		out[i] = nested(shape[1:], values[i*width:(i+1)*width])
	}
	return out
}

// nonFinite returns the first value that is NaN or infinite, and its index.
func nonFinite(values []float64) (v float64, at int, found bool) {
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return v, i, true
		}
	}
	return 0, 0, false
}
