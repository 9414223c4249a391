package cycle

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// bursting leaves its range in one cycle.
type bursting struct {
	weighing
	cycle int
}

func (f bursting) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if p.Cycle == f.cycle {
		return nil, sdk.Errorf(sdk.KindDiverged, "", "lost")
	}
	return f.weighing.Analyse(ctx, p)
}

// In a trial that may lose a member and is restarted, the members that are left are drawn again, each as in a trial that has lost none.
// Members of a forecast that was given up, because there were too many of them, do not count as lost, whether the trial is continued
// or not.
func TestRestartsWithLostMembers(t *testing.T) {
	for _, how := range []plan.Restart{plan.FromInit, plan.FromClimatology} {
		run := func(fails map[span][]int, from *State) (steps []Step, states []State) {
			p := newPlan()
			scenario := simulate(t, p)
			p.Model, p.MaxFailed, p.Restart = diary{p.State, fails, map[span]string{}}, 1, how
			f := bursting{cycle: 4}
			trial := &plan.Trial{Filter: f, Size: 6, Resize: func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }}
			err := Assimilate(t.Context(), p, trial, scenario, from, func(s *Step) error {
				step, state := *s, s.State()
				step.Analysis.Members, step.Analysis.Numbers = mat.DenseCopyOf(s.Analysis.Members), slices.Clone(s.Analysis.Numbers)
				state.Members, state.Numbers = slices.Clone(state.Members), slices.Clone(state.Numbers)
				steps, states = append(steps, step), append(states, state)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return steps, states
		}
		tooMany := map[span][]int{{11, 12}: {1, 2}, {12, 13}: {3}}
		steps, states := run(tooMany, nil)
		if steps[1].Diverged == nil || len(steps[2].Dropped) != 1 || steps[2].Diverged != nil || steps[3].Diverged == nil {
			t.Fatalf("%v: cycle 2: %v, cycle 3: %v and %v dropped, cycle 4: %v; want restarts in 2 and 4, and a lost member in 3",
				how, steps[1].Diverged, steps[2].Diverged, steps[2].Dropped, steps[3].Diverged)
		}
		continued, _ := run(tooMany, &states[1])
		whole, _ := run(map[span][]int{{11, 12}: {1, 2}}, nil)
		last, again, all := steps[3].Analysis, continued[1].Analysis, whole[3].Analysis
		if !mat.Equal(last.Members, again.Members) || !slices.Equal(last.Numbers, again.Numbers) {
			t.Errorf("%v: got members %v, %v when the trial is continued after cycle 2", how, last.Numbers, again.Numbers)
		}
		if want := []int{0, 1, 2, 4, 5}; !slices.Equal(last.Numbers, want) {
			t.Fatalf("%v: got members %v, want %v", how, last.Numbers, want)
		}
		for i, n := range last.Numbers {
			if !slices.Equal(last.Members.RawRowView(i), all.Members.RawRowView(n)) {
				t.Errorf("%v: member %d is drawn as %v, without losses as %v", how, n, last.Members.RawRowView(i), all.Members.RawRowView(n))
			}
		}
	}
}

// A window that begins again at the ordinary analysis gives each member what its ancestor had: the noise that is remembered, as well
// as what the model keeps.
func TestNoiseFollowsOrdinaryAnalysis(t *testing.T) {
	again := 0
	for name, w := range someWindows {
		p, trial := hidden(3, 0, drawing{}, w)
		p.Model = labelled{p.Model}
		a := newAssimilation(p, trial, simulate(t, p))
		a.next.noise = mat.NewDense(6, 1, nil)
		a.points[0].noise = mat.NewDense(6, 1, []float64{0, 1, 2, 3, 4, 5})
		for i := range 6 {
			a.points[0].carries = append(a.points[0].carries, []byte{byte(i)})
		}
		for k := 1; k <= p.Clock.Cycles; k++ {
			if a.next.noise == nil { // memory that is new
				a.next.noise = mat.NewDense(6, 1, nil)
			}
			s, err := a.step(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			again += int(s.Metrics["window_restarted"])
			for i, carry := range a.last().carries {
				if got := a.last().noise.At(i, 0); got != float64(carry[0]) {
					t.Fatalf("%s, cycle %d, restarted %v: member %d has the noise of %v and the carry of %d", name, k, s.Metrics["window_restarted"], i, got, carry[0])
				}
			}
		}
	}
	if again == 0 {
		t.Error("no window began again")
	}
}

// labelled is a model that keeps of each member what it was given.
type labelled struct{ sdk.Model }

func (m labelled) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.Model.Forecast(ctx, r)
	if err == nil {
		res.Carry = r.Carry
	}
	return res, err
}

// What is large of a state is stored next to it, and put back; numbers of another state are refused.
func TestLargeParts(t *testing.T) {
	for _, s := range []State{
		{Members: []float64{1, 2}},
		{Members: []float64{1, 2, 3}, Noise: []float64{4, 5}},
		{Members: []float64{1, 2}, Window: &Window{Left: []float64{1}}},
		{Members: []float64{1, 2}, Noise: []float64{3}, Window: &Window{Left: []float64{1}, Shocks: []float64{6, 7, 8}}},
	} {
		lists, rest := s.Large()
		if rest.Members != nil || rest.Noise != nil || rest.Window != nil && rest.Window.Shocks != nil {
			t.Errorf("%+v: the rest is %+v", s, rest)
		}
		all, again := slices.Concat(lists...), rest
		if again.Recall(all[1:]) {
			t.Errorf("%+v: a number is missing", s)
		}
		if again = rest; again.Recall(append(all, 1)) {
			t.Errorf("%+v: there is one more number", s)
		}
		if again = rest; !again.Recall(all) {
			t.Errorf("%+v: is not recalled", s)
		}
		if again.Stored = nil; !reflect.DeepEqual(again, s) {
			t.Errorf("got %+v, want %+v", again, s)
		}
		if (&State{}).Recall(all) {
			t.Error("the numbers of a state that stores none are recalled")
		}
	}
}
