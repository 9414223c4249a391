package plan

import (
	"context"
	"runtime"
	"testing"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
)

// idle is an operator, or a filter, of which only the sizes matter.
type idle struct {
	sdk.Filter
	needs []sdk.Capability
	space *sdk.ObservationSpace
}

func (i idle) Needs() []sdk.Capability      { return i.needs }
func (i idle) Space() *sdk.ObservationSpace { return i.space }
func (i idle) Observe(context.Context, *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	return nil, nil
}

// An estimate grows by the matrices that there are more of: two of readings of a stream that
// is read repeatedly, those of N x N values that a manifest names, and the index of places. They are of
// fewer values than N x N where states and observations are small, and one less is there for a filter that
// writes its answer over the forecast.
func TestMemoryOfMatrices(t *testing.T) {
	const members, n, m = 1000, 4000, 500
	memory := func(draws int, work sdk.Memory, needs ...sdk.Capability) Memory {
		return memoryOf(n, m, members, draws, work, needs...)
	}
	base := memory(0, sdk.Memory{})
	if got, want := memory(3, sdk.Memory{}).Host-base.Host, float64(8*2*members*m); got != want {
		t.Errorf("repeats: got %v more, want %v", got, want)
	}
	cores := float64(runtime.GOMAXPROCS(0))
	if got, want := memory(0, sdk.Memory{Members: 1.5, Core: 2}).Plugins["f"].Work, 8*members*members*(1.5+2*cores); got != want {
		t.Errorf("N x N: got %v, want %v", got, want)
	}
	for _, tt := range []struct{ n, m, want int }{{4000, 500, members}, {3, 500, 500}, {3, 2, 3}} { // columns
		if got, want := memoryOf(tt.n, tt.m, members, 0, sdk.Memory{Members: 1.5}).Plugins["f"].Work, 8*members*1.5*float64(tt.want); got != want {
			t.Errorf("n = %d, m = %d: got %v, want %v", tt.n, tt.m, got, want)
		}
	}
	if got, want := base.Plugins["f"].Matrices-memory(0, sdk.Memory{InPlace: true}).Plugins["f"].Matrices, float64(8*members*n); got != want {
		t.Errorf("in place: got %v less, want %v", got, want)
	}
	if got, want := memory(0, sdk.Memory{}, sdk.HasPositions).Plugins["f"].Matrices-base.Plugins["f"].Matrices, float64(8*(3*n+4*m)); got != want {
		t.Errorf("places: got %v more, want %v", got, want)
	}
}

// Rounded states are in memory to be sent, in double precision at most, and answers in single precision.
func TestMemoryOfSinglePrecision(t *testing.T) {
	const members, n = 1000, 4000
	p, trial := plannedFor(n, 500, members, 0, sdk.Memory{})
	double := p.Memory(trial)
	p.single = true
	single := p.Memory(trial)
	if got, want := single.Host-double.Host, float64(8*members*n); got != want {
		t.Errorf("host: got %v more, want %v", got, want)
	}
	if got, want := single.Plugins["m"].Matrices-double.Plugins["m"].Matrices, float64(4*members*n); got != want {
		t.Errorf("model: got %v more, want %v", got, want)
	}
}

// memoryOf returns the memory of a trial with n state values and m components, which are read draws times.
func memoryOf(n, m, members, draws int, work sdk.Memory, needs ...sdk.Capability) Memory {
	p, trial := plannedFor(n, m, members, draws, work, needs...)
	return p.Memory(trial)
}

func plannedFor(n, m, members, draws int, work sdk.Memory, needs ...sdk.Capability) (*Plan, *Trial) {
	values := func(size int) *sdk.Layout {
		return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{size}}}}
	}
	op := idle{space: &sdk.ObservationSpace{Layout: values(m)}}
	p := &Plan{State: values(n), Space: op.space, Streams: []observations.Stream{{Operator: op, Draws: draws}}, StreamCalls: []Called{{Plugin: "o", Processes: 1}},
		ModelCalls: Called{Plugin: "m", Processes: 1}}
	return p, &Trial{Size: members, Filter: idle{needs: append(needs, sdk.Predicted)}, Calls: Called{Plugin: "f", Processes: 1, work: work}}
}

// What is learnt from readings needs the latest ones, twice, and 26 numbers for each value of their states.
func TestMemoryOfReadings(t *testing.T) {
	for _, members := range []int{50, 1000} {
		const n, m = 100, 10
		got := memoryOf(n, m, members, 1, sdk.Memory{}).Host - memoryOf(n, m, members, 0, sdk.Memory{}).Host
		if want := float64(8 * (2*members*m + max(Readings, members)*(2*(n+m)+26*n))); got != want {
			t.Errorf("%d members: got %v more, want %v", members, got, want)
		}
	}
}
