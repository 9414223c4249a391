package cycle

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// doubling is x -> 2x over one unit of time plus noise of sd noise. Member 1 fails
// in cycle failAt, and in the next two if often.
type doubling struct {
	layout *sdk.Layout
	noise  float64
	failAt int
	often  bool
}

func (m doubling) Layout() *sdk.Layout { return m.layout }

func (m doubling) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		noise := r.Seed.Member(r.Member(i))
		for j := range n {
			r.Into.Set(i, j, math.Exp2(r.To-r.From)*r.Ensemble.At(i, j)+m.noise*noise.NormFloat64())
		}
	}
	if (m.failAt == r.Cycle || m.often && m.failAt < r.Cycle && r.Cycle < m.failAt+3) && rows > 1 {
		r.Into.SetRow(1, slices.Repeat([]float64{math.NaN()}, n)) // undefined
		return &sdk.ForecastResult{Failures: []sdk.MemberFailure{{Member: 1, Reason: "burst"}}}, nil
	}
	return &sdk.ForecastResult{}, nil
}

// first observes the first value with unit error variance.
type first struct{ layout *sdk.Layout }

func (o first) Space() *sdk.ObservationSpace { return &sdk.ObservationSpace{Layout: o.layout} }

func (o first) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	for i := range r.Ensemble.RawMatrix().Rows {
		h := r.Ensemble.At(i, 0)
		if r.Predicted != nil {
			r.Predicted.Set(i, 0, h)
		}
		if r.Simulated != nil {
			r.Simulated.Set(i, 0, h+r.Seed.Member(r.Member(i)).NormFloat64())
		}
	}
	return &sdk.ObserveResult{ErrorVariance: []float64{1}}, nil
}

// recorder returns the forecast halved, counts cycles in carry and keeps what it
// was asked.
type recorder struct {
	needs    []sdk.Capability
	problems []sdk.Problem
	fail     error
}

func (f *recorder) Needs() []sdk.Capability { return f.needs }

func (f *recorder) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	kept := *p
	kept.Ensemble = mat.DenseCopyOf(p.Ensemble)
	f.problems = append(f.problems, kept)
	p.Into.Scale(0.5, p.Ensemble)
	rows, _ := p.Ensemble.Dims()
	weights := make([]float64, rows)
	for i := range weights {
		weights[i] = -math.Log(float64(rows))
	}
	return &sdk.Analysis{Carry: append(slices.Clone(p.Carry), byte(p.Cycle)), LogWeights: weights}, nil
}

func newPlan() *plan.Plan {
	state := &sdk.Layout{Variables: []sdk.Variable{{Name: "x"}, {Name: "y"}}}
	model, one := doubling{layout: state}, workflow.Numbers{1}
	return &plan.Plan{
		Clock:    plan.Clock{Start: 10, Interval: 1, Cycles: 4},
		Seed:     rng.New(1),
		State:    state,
		Space:    &sdk.ObservationSpace{Layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "x"}}}},
		Truth:    plan.Truth{Operator: first{}, Model: model, Init: plan.Draw{Dists: []plan.Distribution{{Size: 1, Middle: one, Width: workflow.Numbers{0}}, {Size: 1, Middle: workflow.Numbers{2}, Width: workflow.Numbers{0}}}}, SpinUp: 2},
		Model:    model,
		Operator: first{},
		Ensemble: plan.Draw{Dists: []plan.Distribution{{Size: 1, Around: plan.Truth0, Width: one}, {Size: 1, Around: plan.Truth0, Width: one}}},
	}
}

func simulate(t *testing.T, p *plan.Plan) *Scenario {
	t.Helper()
	scenario, err := Simulate(t.Context(), p, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return scenario
}

func TestTruthDoublesEveryCycle(t *testing.T) {
	scenario := simulate(t, newPlan())
	for k := range 5 {
		for j := range 2 {
			want := float64(j+1) * math.Exp2(float64(k+2)) // two cycles of spin-up; powers of two are exact
			if got := scenario.Truth.At(k, j); got != want {
				t.Errorf("cycle %d, value %d: got %v, want %v", k, j, got, want)
			}
		}
	}
	if slices.Compare(scenario.Init, []float64{1, 2}) != 0 {
		t.Errorf("init: got %v", scenario.Init)
	}
}

// Observation errors have unit variance: five of them stay within 6 standard
// deviations, and no two are equal.
func TestObservationsScatterAroundTruth(t *testing.T) {
	scenario := simulate(t, newPlan())
	seen := map[float64]bool{}
	for k := 1; k <= 4; k++ {
		e := scenario.Observation(k)[0] - scenario.Truth.At(k, 0)
		if math.Abs(e) > 6 || seen[e] {
			t.Errorf("cycle %d: error %v", k, e)
		}
		seen[e] = true
	}
}

func TestStepsFollowOneAnother(t *testing.T) {
	p := newPlan()
	scenario := simulate(t, p)
	f := &recorder{needs: []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}}
	trial := &plan.Trial{Label: "f", Filter: f, Size: 3}
	var last *mat.Dense
	err := Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
		if last != nil { // the analysis halves and the forecast doubles: exact
			if want := last; !mat.Equal(want, s.Analysis.Members) {
				t.Errorf("cycle %d: got %v, want %v", s.Cycle, s.Analysis.Members, want)
			}
		}
		last = mat.DenseCopyOf(s.Analysis.Members)
		if s.Time != 10+float64(s.Cycle) {
			t.Errorf("cycle %d is at %v", s.Cycle, s.Time)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for k, problem := range f.problems {
		if problem.Cycle != k+1 || problem.Observation[0] != scenario.Observation(k + 1)[0] || problem.ErrorVariance[0] != 1 {
			t.Errorf("cycle %d: got %+v", k+1, problem.Call)
		}
		if len(problem.Carry) != k || (problem.LogWeights == nil) != (k == 0) {
			t.Errorf("cycle %d: carry %v, log-weights %v", k+1, problem.Carry, problem.LogWeights)
		}
		if problem.Simulated != nil || problem.LogLikelihood != nil || problem.Gradient != nil || problem.Predicted == nil {
			t.Errorf("cycle %d: the filter got something else than it needs", k+1)
		}
	}
}

// Filters of one replicate meet the same draws, whatever their place and size.
func TestTrialsSharePaths(t *testing.T) {
	p := newPlan()
	p.Model = doubling{layout: p.State, noise: 0.5}
	scenario := simulate(t, p)
	small, large := &recorder{}, &recorder{}
	for _, trial := range []*plan.Trial{{Number: 1, Label: "a", Filter: small, Size: 3}, {Number: 2, Label: "b", Filter: large, Size: 5}} {
		if err := Assimilate(t.Context(), p, trial, scenario, nil, func(*Step) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for k := range small.problems {
		_, n := small.problems[k].Ensemble.Dims()
		if !mat.Equal(small.problems[k].Ensemble, large.problems[k].Ensemble.Slice(0, 3, 0, n)) {
			t.Errorf("cycle %d: the first members of both ensembles differ", k+1)
		}
	}
	if mat.Equal(small.problems[0].Ensemble.RowView(0), small.problems[0].Ensemble.RowView(1)) {
		t.Error("two members are equal")
	}
}

func TestErrorsStopTheTrial(t *testing.T) {
	p := newPlan()
	scenario := simulate(t, p)
	count := 0
	run := func(ctx context.Context, f sdk.Filter) error {
		count = 0
		return Assimilate(ctx, p, &plan.Trial{Filter: f, Size: 3}, scenario, nil, func(*Step) error { count++; return nil })
	}
	boom := errors.New("boom")
	if err := run(t.Context(), &recorder{fail: boom}); !errors.Is(err, boom) || count != 0 {
		t.Errorf("got %v after %d cycles", err, count)
	}
	p.Model = doubling{layout: p.State, failAt: 3}
	err := run(t.Context(), &recorder{})
	if err == nil || !strings.Contains(err.Error(), "cycle 3: forecast: 1 of 3 members failed; member 1: burst; to continue without them, write on_failure = \"drop_member\"") || count != 2 {
		t.Errorf("got %v after %d cycles", err, count)
	}
	if sdk.KindOf(err) != sdk.KindDiverged {
		t.Errorf("kind %q", sdk.KindOf(err))
	}
}

// Observations at the start are analysed before any forecast, and those of later cycles are
// one interval apart; the rest of the truth does not change.
func TestObservationsAtTheStart(t *testing.T) {
	p := newPlan()
	later := simulate(t, p)
	p.Clock.Lead = 1
	scenario := simulate(t, p)
	for k := range 4 {
		if scenario.Truth.At(k+1, 0) != later.Truth.At(k, 0) {
			t.Errorf("cycle %d: the truth is %v, want %v", k+1, scenario.Truth.At(k+1, 0), later.Truth.At(k, 0))
		}
	}
	model := p.Model.(doubling)
	model.noise, model.failAt = 1, 1 // it is not called in cycle 1
	p.Model = model
	f := &recorder{}
	err := Assimilate(t.Context(), p, &plan.Trial{Filter: f, Size: 3}, scenario, nil, func(s *Step) error {
		if s.Time != 9+float64(s.Cycle) {
			t.Errorf("cycle %d: time %v", s.Cycle, s.Time)
		}
		if s.Cycle == 1 && s.Forecast.Members.At(0, 0) != 2*s.Analysis.Members.At(0, 0) {
			t.Error("the initial ensemble is not what is analysed")
		}
		return nil
	})
	if err != nil || len(f.problems) != 4 {
		t.Errorf("%d analyses, %v", len(f.problems), err)
	}
}

// choosing is a filter whose members all descend from the last one.
type choosing struct{ recorder }

func (f *choosing) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	rows, _ := p.Ensemble.Dims()
	for i := range rows {
		p.Into.SetRow(i, p.Ensemble.RawRowView(rows-1))
	}
	return &sdk.Analysis{Ancestors: slices.Repeat([]int{rows - 1}, rows)}, nil
}

// A member has the noise of the one that it descends from.
func TestNoiseFollowsAncestors(t *testing.T) {
	p := newPlan()
	a := newAssimilation(p, &plan.Trial{Filter: &choosing{}, Size: 3}, simulate(t, p))
	a.next.noise = mat.NewDense(3, 2, nil)
	a.points[0].noise = mat.NewDense(3, 2, []float64{1, 2, 3, 4, 5, 6})
	if _, err := a.step(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if want := mat.NewDense(3, 2, []float64{5, 6, 5, 6, 5, 6}); !mat.Equal(a.points[0].noise, want) {
		t.Errorf("got %v", mat.Formatted(a.points[0].noise))
	}
}

// A trial that is restarted goes on with members that are states of the truth, or that are
// drawn as at the start; the reference is not restarted.
func TestRestart(t *testing.T) {
	p := newPlan()
	p.Model = doubling{layout: p.State, failAt: 3}
	scenario := simulate(t, p)
	for how, want := range map[plan.Restart]func(x, y float64) bool{
		plan.FromClimatology: func(x, y float64) bool {
			return slices.ContainsFunc([]int{1, 2, 3, 4}, func(k int) bool { return scenario.Truth.At(k, 0) == x && scenario.Truth.At(k, 1) == y })
		},
		plan.FromInit: func(x, y float64) bool { // N(4, 1) and N(8, 1)
			return math.Abs(x-4) < 6 && math.Abs(y-8) < 6 && x != 4
		},
	} {
		p.Restart = how
		trial, cycles := &plan.Trial{Filter: &recorder{}, Size: 20}, 0
		err := Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
			cycles++
			if (s.Diverged != nil) != (s.Cycle == 3) {
				t.Errorf("cycle %d: %v", s.Cycle, s.Diverged)
			}
			for i := range 20 {
				if x, y := s.Forecast.Members.At(i, 0), s.Forecast.Members.At(i, 1); s.Cycle == 3 && !want(x, y) {
					t.Errorf("%v: member %d is (%v, %v)", how, i, x, y)
				}
			}
			if s.Cycle == 3 && s.Forecast.LogWeights != nil || s.Cycle == 4 && len(s.Carry) != 1 {
				t.Errorf("cycle %d: the weights are %v, and %d bytes are carried over", s.Cycle, s.Forecast.LogWeights, len(s.Carry))
			}
			return nil
		})
		if err != nil || cycles != 4 {
			t.Errorf("%d cycles, %v", cycles, err)
		}
		p.Reference = trial
		if err := Assimilate(t.Context(), p, trial, scenario, nil, func(*Step) error { return nil }); sdk.KindOf(err) != sdk.KindDiverged {
			t.Errorf("the reference ends with %v", err)
		}
		p.Reference = nil
	}
}

// A member that is dropped leaves the others as they were, and is missed by nobody: the
// filter is configured for those that are left, and their weights sum to 1.
func TestDroppedMembers(t *testing.T) {
	p := newPlan()
	p.Model = doubling{layout: p.State, failAt: 2}
	p.MaxFailed = 1
	scenario := simulate(t, p)
	before, after := &recorder{needs: []sdk.Capability{sdk.Predicted, sdk.Simulated}}, &recorder{needs: []sdk.Capability{sdk.Predicted}}
	var sizes []int
	trial := &plan.Trial{Filter: before, Size: 4, Resize: func(_ context.Context, members int, _ plan.Extent) (sdk.Filter, error) {
		sizes = append(sizes, members)
		return after, nil
	}}
	var dropped []int
	err := Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
		rows, _ := s.Analysis.Members.Dims()
		dropped = append(dropped, len(s.Dropped))
		if want := map[bool][]int{true: nil, false: {0, 2, 3}}[s.Cycle < 2]; !slices.Equal(s.Analysis.Numbers, want) || !slices.Equal(s.State().Numbers, want) {
			t.Errorf("cycle %d: the members have the numbers %v, want %v", s.Cycle, s.Analysis.Numbers, want)
		}
		if want := map[bool]int{true: 4, false: 3}[s.Cycle < 2]; rows != want || s.Predicted.RawMatrix().Rows != want {
			t.Errorf("cycle %d: %d members, want %d", s.Cycle, rows, want)
		}
		if _, sum := ensemble.Normalise(nil, s.Forecast.LogWeights); s.Cycle > 1 && math.Abs(sum) > 8*0x1p-52 { // three values around -1, each within two ulps
			t.Errorf("cycle %d: the logarithm of the sum of the weights is %v", s.Cycle, sum)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sizes, []int{3}) || !slices.Equal(dropped, []int{0, 1, 0, 0}) {
		t.Errorf("configured for %v, dropped %v", sizes, dropped)
	}
	if len(before.problems) != 1 || len(after.problems) != 3 || len(after.problems[0].Carry) != 1 {
		t.Fatalf("%d and %d problems; carry %v", len(before.problems), len(after.problems), after.problems[0].Carry)
	}
	// without noise the forecast doubles what the filter halved
	first, second := before.problems[0].Ensemble, after.problems[0].Ensemble
	for i, from := range []int{0, 2, 3} {
		if !mat.Equal(second.RowView(i), first.RowView(from)) {
			t.Errorf("row %d: got %v, want row %d of before, %v", i, second.RawRowView(i), from, first.RawRowView(from))
		}
	}
}

func TestTooManyDroppedMembers(t *testing.T) {
	for _, c := range []struct {
		size, most int
		want       string
	}{
		{5, 2, "cycle 4: forecast: 1 of 3 members failed, 3 in the trial so far, but at most max_failed = 2 may fail; member 3: burst"},
		{3, 9, "cycle 3: forecast: 1 of 2 members failed, which leaves 1; an ensemble needs at least 2; member 2: burst"},
	} {
		p := newPlan()
		p.Model, p.MaxFailed = doubling{layout: p.State, failAt: 2, often: true}, c.most
		f := &recorder{}
		trial := &plan.Trial{Filter: f, Size: c.size, Resize: func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }}
		err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(*Step) error { return nil })
		var failed *FailedError
		if !errors.As(err, &failed) || err.Error() != c.want || len(failed.Members) != 1 {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestDrawInProportion(t *testing.T) {
	e := Ensemble{
		Members:    mat.NewDense(4, 1, []float64{0, 1, 2, 3}),
		LogWeights: []float64{math.Log(0.1), math.Log(0.2), math.Inf(-1), math.Log(0.7)},
	}
	for trial := range 20 {
		counts := make([]float64, 4)
		kept := Draw(e, 100, rng.New(int64(trial)))
		for i := range 100 {
			counts[int(kept.At(i, 0))]++
		}
		for i, want := range []float64{10, 20, 0, 70} { // systematic: within one draw of n w
			if math.Abs(counts[i]-want) > 1 {
				t.Errorf("member %d is drawn %v times, want %v", i, counts[i], want)
			}
		}
	}
	e.LogWeights = nil
	kept := Draw(e, 2, rng.New(1)) // one of each half
	if a, b := kept.At(0, 0), kept.At(1, 0); a > 1 || b < 2 {
		t.Errorf("got %v and %v", a, b)
	}
}

// Members start from the rows of a file, or from a draw in proportion to their weights: row i
// is drawn floor(N w) or ceil(N w) times.
func TestStartFromRows(t *testing.T) {
	p := newPlan()
	p.Ensemble = plan.Draw{Dists: p.Ensemble.Dists, Samples: mat.NewDense(3, 2, []float64{1, math.NaN(), 2, 20, 3, 30})}
	scenario := simulate(t, p)
	a := newAssimilation(p, &plan.Trial{Filter: &recorder{}, Size: 3}, scenario)
	if got := mat.Col(nil, 0, a.points[0].members); !slices.Equal(got, []float64{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
	if got := mat.Col(nil, 1, a.points[0].members); math.IsNaN(got[0]) || !slices.Equal(got[1:], []float64{20, 30}) {
		t.Errorf("got %v, want a draw and the values of the rows", got)
	}
	p.Ensemble.Weights = []float64{0.25, 0, 0.75}
	a = newAssimilation(p, &plan.Trial{Filter: &recorder{}, Size: 8}, scenario)
	counts := map[float64]int{}
	for _, v := range mat.Col(nil, 0, a.points[0].members) {
		counts[v]++
	}
	if counts[1] != 2 || counts[3] != 6 || len(counts) != 2 {
		t.Errorf("rows are drawn %v times, want 2, 0 and 6", counts)
	}
}

// numbering is a model of so many members that keeps the numbers of the members it is asked for, and
// moves each by noise of its own. Members fail in cycles.
type numbering struct {
	doubling
	fails map[int]int // number by cycle
	asked map[int]string
}

func (m numbering) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.doubling.Forecast(ctx, r)
	rows, _ := r.Ensemble.Dims()
	if rows == 1 { // the truth
		return res, err
	}
	numbers := make([]int, rows)
	number, fails := m.fails[r.Cycle]
	for i := range numbers {
		if numbers[i] = r.Member(i); fails && numbers[i] == number {
			res.Failures = []sdk.MemberFailure{{Member: i, Reason: "burst"}}
		}
	}
	m.asked[r.Cycle] = fmt.Sprint(numbers)
	return res, err
}

// Members keep their numbers, and with them their noise, in calls of model, operator and filter when
// others are dropped; the failure of another one names it.
func TestMembersKeepTheirNumbers(t *testing.T) {
	run := func(fails map[int]int) (map[int]string, []*mat.Dense, []int, error) {
		p := newPlan()
		model := numbering{doubling{layout: p.State, noise: 1}, fails, map[int]string{}}
		p.Model, p.MaxFailed = model, 2
		filter := &recorder{needs: []sdk.Capability{sdk.Predicted}}
		trial := &plan.Trial{Filter: filter, Size: 5, Resize: func(context.Context, int, plan.Extent) (sdk.Filter, error) { return filter, nil }}
		var forecasts []*mat.Dense
		var dropped []int
		err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
			forecasts = append(forecasts, mat.DenseCopyOf(s.Forecast.Members))
			for _, f := range s.Dropped {
				dropped = append(dropped, f.Member)
			}
			return nil
		})
		for i, q := range filter.problems {
			for row := range q.Ensemble.RawMatrix().Rows {
				if got := q.Member(row); !strings.Contains(model.asked[min(i+2, 4)], fmt.Sprint(got)) {
					t.Errorf("the filter gets member %d in cycle %d", got, q.Cycle)
				}
			}
		}
		return model.asked, forecasts, dropped, err
	}
	_, whole, _, err := run(nil)
	if err != nil {
		t.Fatal(err)
	}
	asked, forecasts, dropped, err := run(map[int]int{2: 1, 3: 3})
	if err != nil || !slices.Equal(dropped, []int{1, 3}) {
		t.Fatalf("dropped %v, %v", dropped, err)
	}
	for cycle, want := range map[int]string{1: "[0 1 2 3 4]", 2: "[0 1 2 3 4]", 3: "[0 2 3 4]", 4: "[0 2 4]"} {
		if asked[cycle] != want {
			t.Errorf("cycle %d: the model is asked for members %s, want %s", cycle, asked[cycle], want)
		}
	}
	for i, number := range []int{0, 2, 4} {
		if !mat.Equal(forecasts[3].RowView(i), whole[3].RowView(number)) {
			t.Errorf("member %d is another one than without failures: %v, want %v", number, forecasts[3].RawRowView(i), whole[3].RawRowView(number))
		}
	}
	if _, _, _, err := run(map[int]int{2: 1, 3: 3, 4: 4}); err == nil || !strings.Contains(err.Error(), "member 4: burst") {
		t.Errorf("got %v, want member 4 named", err)
	}
}
