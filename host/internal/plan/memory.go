package plan

import (
	"math"
	"runtime"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
)

// Called says how a plugin is called, and what a call takes.
type Called struct {
	Plugin    string // as the workflow names it
	Processes int    // over which members are distributed
	threading sdk.Threading
	work      sdk.Memory
}

// called returns how the plugin of c is called, whose parameters have been resolved.
func called(manifest *sdk.Manifest, c workflow.Component, replicas int) Called {
	return Called{c.Plugin, max(1, replicas), manifest.Threading, manifest.MemoryWith(c.Params)}
}

// Large matrices go through memory that a plugin shares with the host; decision 9.
const (
	leastShared = 32 << 10
	shared      = 6 << 20
)

// rows returns the number of members in the largest call for an ensemble whose members, or their
// observations, have so many values.
func (c Called) rows(members int, values float64) float64 {
	rows := (members + c.Processes - 1) / c.Processes
	if most := c.threading.MembersPerCall(int(min(values, math.MaxInt32)), runtime.NumCPU()); most > 0 {
		rows = min(rows, most)
	}
	return float64(rows)
}

// Memory is how many bytes a trial takes. They are of type float64 because no product of
// sizes overflows it.
type Memory struct {
	Host    float64
	Plugins map[string]CallMemory // by name
}

// CallMemory is how many bytes a call takes in one process of a plugin.
type CallMemory struct {
	Matrices float64 // of request and answer, which are kept for the next call
	Work     float64 // of the plugin, given up after each call
}

// Memory estimates what t holds while it runs, in addition to what is there before the first
// trial: by the matrices that the host and the plugins have at the same time. In what
// follows, an ensemble has N x n values and its observations have N x m.
func (p *Plan) Memory(t *Trial) Memory {
	size, n, m := float64(t.Size), float64(p.State.Size()), float64(p.Space.Layout.Size())
	needs, offers := t.Filter.Needs(), p.Space.Offers
	predicts := slices.Contains(offers, sdk.Predicted)
	several := len(p.State.Variables) > 1 // then they are copied to be sent and stored, one after the other

	states := 2.0     // analysis and forecast
	observed := 0.0   // as many as the filter needs
	located := 0.0    // values of the index of places of a filter that localizes
	var gradient bool // which has the size of the ensemble
	for _, need := range needs {
		switch need {
		case sdk.Predicted, sdk.Simulated, sdk.LogLikelihood:
			observed++
		case sdk.Gradient:
			gradient = true
			states++
		case sdk.HasPositions:
			located = 3*n + 4*m
		}
	}
	sent := observed // to the filter
	if predicts && !slices.Contains(needs, sdk.Predicted) {
		observed++ // for the innovations
	}
	asked := observed // of the operator
	if w := t.Window; w != nil {
		times := float64(w.Length + 1)
		if w.Whole { // of prior and later runs
			times = 2 * float64(p.Clock.Cycles)
		}
		states, observed, sent = states+w.states(p.Clock.Cycles), observed*times+w.stacked(sent, p.Clock.Cycles), w.stacked(sent, p.Clock.Cycles)
	}

	if t.Every > 1 {
		times := float64(t.Every)
		states, observed, sent = states+times-1, observed*times+sent*times, sent*times
	}
	beside, wide := t.besides(p)
	states += beside

	if !p.OneUnit() && p.Record == nil {
		states += 2 // comparable values, of both stages
	}
	if several {
		states += 2 // to send them, and to store them
	}
	if _, ok := t.Filter.(*unbounded); ok {
		states += wide // in coordinates without bounds
	}
	if p.Parameters > 0 || p.Held != nil {
		states += 3 // the part of the model before and after a forecast, and that of the operator
	}
	if first, end := p.Diagnostics(); first < end {
		states += 1 + 2*wide // what the model goes on from, and what the filter gets and gives
	}
	if p.single && !several {
		states += min(1, p.ModelCalls.rows(t.Size, n)*float64(p.ModelCalls.Processes)/size) // rounded, to send them
	}
	if p.Record != nil {
		observed += 4 // predicted and simulated, of both stages, for values that are held out
	}
	if len(p.Streams) > 1 {
		observed++ // the part of a stream
	}
	drawn, learnt := 0.0, 0.0 // the first reading and another one, of a stream that is read, and what is learnt from
	for i, s := range p.Streams {
		of := float64(s.Operator.Space().Layout.Size())
		if s.Draws > 0 {
			drawn = max(drawn, 2*of)
		}
		if p.Learns(i) {
			const functions = 2 * 13 // of a value of the state, and as many combinations of them
			learnt += max(Readings, size) * (2*(n+of) + functions*n)
		}
	}
	const vectors = 6 // of n or m values: coordinates, variances and the like, half as many in a plugin
	const scored = 10 // likewise, of what scores are computed from: marginals, innovations and their sums
	host := 8 * (size*(states*n+observed*m+drawn) + learnt + (vectors/2+scored)*(n+m))

	plugins := map[string]CallMemory{}
	add := func(c Called, columns, n, m float64) {
		rows, had := c.rows(t.Size, max(n, m)), plugins[c.Plugin]
		matrices := 8 * (rows*columns + vectors/2*(n+m))
		if matrices > leastShared {
			matrices += shared
		}
		square := c.work.Members*min(rows, max(n, m)) + c.work.Core*float64(pace.Processors())*rows
		plugins[c.Plugin] = CallMemory{max(had.Matrices, matrices), max(had.Work, 8*rows*(c.work.State*n+c.work.Observed*m+square))}
	}
	answer := func(c Called, smooths bool) float64 { // and what is sent of it
		columns := 0.0
		if !c.work.InPlace || smooths {
			columns += n
		}
		if several {
			columns += n
		}
		return columns
	}
	forecast := n + answer(p.ModelCalls, false)
	if p.single && !several {
		forecast += n / 2 // to send the answer
	}
	add(p.ModelCalls, forecast, n, 0)
	for i, c := range p.StreamCalls {
		m := float64(p.Streams[i].Operator.Space().Layout.Size())
		columns := n + asked*m
		if gradient {
			columns += n
		}
		add(c, columns, n, m)
	}
	columns := (n+answer(t.Calls, wide > 1))*wide + sent*m
	if gradient {
		columns += n
	}
	add(t.Calls, columns, n*wide, m)
	filter := plugins[t.Calls.Plugin]
	filter.Matrices += 8 * located
	plugins[t.Calls.Plugin] = filter
	return Memory{host, plugins}
}

// storedValues is the largest number of values of a truth with its observations that is kept in memory.
const storedValues = 2 << 20

// TruthStored reports whether a truth with its observations is read from the files of the run when it is
// needed: it is kept in memory up to 16 MB.
func (p *Plan) TruthStored() bool {
	return p.Record == nil && (p.Clock.Cycles+1)*(p.State.Size()+p.Space.Layout.Size()) > storedValues
}

// SharedMemory estimates what a truth with its observations holds while its trials run, and
// the reference, if there is one.
func (p *Plan) SharedMemory() float64 {
	cycles, n, m := float64(p.Clock.Cycles), float64(p.State.Size()), float64(p.Space.Layout.Size())
	var values float64
	switch {
	case p.Record != nil:
	case p.TruthStored():
		values = 3*n + m + 2*storedValues // the start, rows of one cycle, and some columns of all cycles
	default:
		values = (cycles+1)*n + cycles*m
		if !p.OneUnit() {
			values += (cycles + 1) * n // comparable values
		}
	}
	if p.Reference != nil {
		values += cycles * float64(p.Keep) * n
	}
	return 8 * values
}
