package plan

import (
	"math"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Noise with a memory has the standard deviation that was asked for in every cycle, correlations
// of r to the power of the lag in time, and exp(-d/length) in space, all within five standard
// errors of 10,000 members; and does not depend on how members are split.
func TestNoiseWithMemory(t *testing.T) {
	const members, cycles, r, length = 10_000, 5, 0.8, 2.0
	line := &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "u", Shape: []int{2}}, {Name: "v"}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{0}, Points: mat.NewDense(3, 1, []float64{0, 1, 1})},
	}
	noise := &Noise{sd: []workflow.Numbers{{0.5, 3, 0}}, sizes: []int{3}, memory: r, within: (&maker{}).smooth(line, length, nil)}
	run := func(first, rows int) []*mat.Dense {
		last := noise.Memory(rows)
		var all []*mat.Dense
		for k := range cycles {
			q := &sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(1).Child("forecast", k)}.From(first), To: 2, Into: mat.NewDense(rows, 3, nil)}
			noise.Add(q, nil, last, nil)
			all = append(all, q.Into)
		}
		return all
	}
	all := run(0, members)
	column := func(k, j int) []float64 { return mat.Col(nil, j, all[k]) }
	for k := range cycles {
		for j, sd := range noise.all() {
			if got := stat.StdDev(column(k, j), nil); math.Abs(got-sd) > 5*sd/math.Sqrt(2*members) {
				t.Errorf("cycle %d, value %d: sd %v, want %v", k, j, got, sd)
			}
		}
		within := func(what string, got, want float64) {
			if se := (1 - want*want) / math.Sqrt(members); math.Abs(got-want) > 5*se {
				t.Errorf("cycle %d: correlation %s is %v, more than 5 x %v from %v", k, what, got, se, want)
			}
		}
		within("with the first cycle", stat.Correlation(column(0, 1), column(k, 1), nil), math.Pow(r, float64(k)))
		within("in space", stat.Correlation(column(k, 0), column(k, 1), nil), math.Exp(-1/length))
	}
	for k, part := range run(100, 3) {
		if !mat.Equal(part, all[k].Slice(100, 103, 0, 3)) {
			t.Errorf("cycle %d: members 100 to 102 alone differ", k)
		}
	}
	if c := noise.within; c.At(2, 0) != 0 || c.At(2, 1) != 0 {
		t.Error("variables at the same place have the same noise")
	}
}

// Shocks are those that are added without them; a window adds those that it has moved. What has no noise has no shock.
func TestShocks(t *testing.T) {
	const rows = 4
	layout := &sdk.Layout{Variables: []sdk.Variable{{Name: "u", Shape: []int{3}}, {Name: "v"}, {Name: "w"}}}
	noise := NewNoise(layout, []workflow.Numbers{{0, 0.5, 2}, {3}, {0}})
	request := func() *sdk.ForecastRequest {
		return &sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(1)}, To: 1, Into: mat.NewDense(rows, 5, nil)}
	}
	plain, moved := request(), request()
	noise.Add(plain, nil, nil, nil)
	shocks := noise.Shocks(rows)
	noise.Draw(moved.Call, shocks)
	noise.Add(moved, nil, nil, shocks)
	if _, n := shocks.Dims(); n != 3 || !mat.Equal(plain.Into, moved.Into) {
		t.Errorf("%d shocks; added are %v, want %v", n, mat.Formatted(moved.Into), mat.Formatted(plain.Into))
	}
	again := request()
	shocks.Scale(2, shocks)
	noise.Add(again, nil, nil, shocks)
	if moved.Into.Scale(2, moved.Into); !mat.Equal(again.Into, moved.Into) {
		t.Errorf("twice the shocks: %v, want %v", mat.Formatted(again.Into), mat.Formatted(moved.Into))
	}
	l := noise.after(layout, 2)
	if err := l.Check(); err != nil || l.Size() != layout.Size()+2*3 {
		t.Errorf("with shocks a state has %d values, %v", l.Size(), err)
	}
	if NewNoise(layout, []workflow.Numbers{{0}, {0}, {0}}).Shocks(rows) != nil {
		t.Error("no noise, but shocks")
	}
}

// What filters may not correct is warned of, unless all of the record is assimilated at once.
func TestNoiseThatIsRemembered(t *testing.T) {
	whole := Trial{Window: &Window{Whole: true}}
	for _, c := range []struct {
		noise  *Noise
		trials []Trial
		warns  bool
	}{
		{nil, []Trial{{}}, false},
		{&Noise{}, []Trial{{}}, false},
		{&Noise{memory: 0.9}, []Trial{{}}, true},
		{&Noise{memory: 0.9}, []Trial{whole, {}}, true},
		{&Noise{memory: 0.9}, []Trial{whole}, false},
	} {
		got := (&Plan{Noise: c.noise, Trials: c.trials}).Warnings()
		if len(got) > 0 != c.warns || c.warns && !strings.HasPrefix(got[0], "model.noise.memory: filters that move members, as ensemble Kalman filters do, do not correct the noise that is remembered, here 0.9 of it") {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}
