package cycle

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// turning is x -> M x over a unit of time, plus noise: linear, so that nothing is gained by
// running it again. It counts the noise that each member gets in each cycle.
type turning struct {
	layout *sdk.Layout
	noise  float64
	seeds  map[int]rng.Seed
	runs   int
}

func (m *turning) Layout() *sdk.Layout { return m.layout }

func (m *turning) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, _ := r.Ensemble.Dims()
	if m.seeds != nil {
		if before, again := m.seeds[r.Cycle]; again && before != r.Seed {
			return nil, fmt.Errorf("cycle %d: the noise of a run again differs", r.Cycle)
		}
		m.seeds[r.Cycle] = r.Seed
	}
	m.runs++
	for i := range rows {
		x, y, noise := r.Ensemble.At(i, 0), r.Ensemble.At(i, 1), r.Seed.Member(r.Member(i))
		r.Into.Set(i, 0, 0.9*x-0.6*y+m.noise*noise.NormFloat64())
		r.Into.Set(i, 1, 0.5*x+1.1*y+m.noise*noise.NormFloat64())
	}
	return &sdk.ForecastResult{}, nil
}

// exact is a square root filter for any number of observations: with S the anomalies of the
// predictions by the deviation of the error and root N - 1, T = (I + S S')^-1,
//
//	mean + A' T S d / sqrt(N - 1),   anomalies T^(1/2) A.
//
// It widens the anomalies by a factor in the call in which something is fresh.
type exact struct {
	factor float64
	calls  *[]sdk.Problem
}

func (exact) Needs() []sdk.Capability { return []sdk.Capability{sdk.Predicted, sdk.ErrorVariance} }

func (f exact) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	n, m := p.Predicted.Dims()
	_, values := p.Ensemble.Dims()
	root := math.Sqrt(float64(n - 1))
	mean, predicted := ensemble.Mean(nil, p.Ensemble, nil), ensemble.Mean(nil, p.Predicted, nil)
	a, s, d := ensemble.Anomalies(nil, p.Ensemble, mean), mat.NewDense(n, m, nil), mat.NewVecDense(m, nil)
	factor, carry := 1.0, p.Carry
	if p.Fresh() != nil {
		factor, carry = f.factor, append(slices.Clone(p.Carry), byte(p.Cycle))
	}
	a.Scale(factor, a)
	for j := range m {
		if math.IsNaN(p.Observation[j]) {
			continue
		}
		sd := math.Sqrt(p.ErrorVariance[j])
		d.SetVec(j, (p.Observation[j]-predicted[j])/sd)
		for i := range n {
			s.Set(i, j, factor*(p.Predicted.At(i, j)-predicted[j])/(sd*root))
		}
	}
	gram := mat.NewSymDense(n, nil)
	gram.SymOuterK(1, s)
	var e mat.EigenSym
	e.Factorize(gram, true)
	var v mat.Dense
	e.VectorsTo(&v)
	power := func(by float64) *mat.Dense {
		var scaled, out mat.Dense
		scaled.Apply(func(_, k int, x float64) float64 { return x * math.Pow(1+max(0, e.Values(nil)[k]), by) }, &v)
		out.Mul(&scaled, v.T())
		return &out
	}
	var sd, w mat.VecDense
	sd.MulVec(s, d)
	w.MulVec(power(-1), &sd)
	p.Into.Mul(power(-0.5), a)
	for j := range values {
		shift := mean[j] + mat.Dot(&w, a.ColView(j))/root
		for i := range n {
			p.Into.Set(i, j, p.Into.At(i, j)+shift)
		}
	}
	if f.calls != nil {
		kept := *p // in memory that is reused
		kept.Fraction, kept.ErrorVariance = slices.Clone(p.Fraction), slices.Clone(p.ErrorVariance)
		*f.calls = append(*f.calls, kept)
	}
	return &sdk.Analysis{Carry: carry, Metrics: map[string]float64{}}, nil
}

// windowed is a plan of a linear model whose first value is observed, and a trial.
func windowed(t *testing.T, noise float64, w *plan.Window) (*plan.Plan, *plan.Trial, *turning) {
	t.Helper()
	p := newPlan()
	m := &turning{layout: p.State, noise: noise, seeds: map[int]rng.Seed{}}
	p.Truth.Model, p.Model, p.Truth.SpinUp, p.Clock.Cycles = &turning{layout: p.State, noise: noise}, m, 0, 9
	p.Space.Offers = []sdk.Capability{sdk.Predicted, sdk.ErrorVariance}
	f := exact{factor: 1.1}
	resize := func(context.Context, int, plan.Extent) (sdk.Filter, error) { return f, nil }
	return p, &plan.Trial{Filter: f, Size: 6, Window: w, Resize: resize}, m
}

type summary struct{ mean, covariance []float64 }

func moments(e *mat.Dense) summary {
	mean := ensemble.Mean(nil, e, nil)
	a := ensemble.Anomalies(nil, e, mean)
	var c mat.Dense
	c.Mul(a.T(), a)
	return summary{mean, c.RawMatrix().Data}
}

func (s summary) off(o summary) (worst float64) {
	for j := range s.mean {
		worst = max(worst, math.Abs(s.mean[j]-o.mean[j]))
	}
	for j := range s.covariance {
		worst = max(worst, math.Abs(s.covariance[j]-o.covariance[j]))
	}
	return worst
}

var someWindows = map[string]*plan.Window{
	"sda 1":      {Length: 1, Passes: 1},
	"sda 3 in 4": {Length: 3, Passes: 4},
	"mda 2":      {Length: 2, Passes: 1, Multiple: true},
	"mda 4 in 3": {Length: 4, Passes: 3, Multiple: true},
	"by rule":    {Length: 3, Auto: true, Multiple: true},
	"passes":     {Passes: 5},
}

// With a linear model an exact filter gains nothing by a window: mean and covariance are those
// without one, to rounding, in every cycle; also where one was not observed. With parts of
// observations that holds without inflation, which would widen what others have narrowed. With noise of
// the host it holds where each observation counts once, because shocks are moved along with the start; where it counts in parts
// shocks meet other members, and are by chance correlated with these, see TestSmootherWithNoise.
func TestWindowOfLinearModel(t *testing.T) {
	for _, noise := range []float64{0, 0.5} {
		gainsNothing(t, noise)
	}
}

func gainsNothing(t *testing.T, noise float64) {
	t.Helper()
	run := func(w *plan.Window, factor float64) (all []summary) {
		p, trial, _ := windowed(t, 0, w)
		shaken(p, trial, noise)
		trial.Smooth = 3
		if trial.Filter = (exact{factor: factor}); factor == 1 {
			trial.Resize = func(context.Context, int, plan.Extent) (sdk.Filter, error) { return trial.Filter, nil }
		}
		scenario := simulate(t, p)
		scenario.Observations.Set(4, 0, math.NaN())
		if err := Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
			all = append(all, moments(s.Analysis.Members))
			for _, past := range s.Past {
				if factor == 1 { // earlier states are not inflated
					all = append(all, moments(past.Members))
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	plain, inflated := run(nil, 1), run(nil, 1.1)
	for name, w := range someWindows {
		want, factor := inflated, 1.1
		if w.Multiple {
			if want, factor = plain, 1; noise > 0 {
				continue
			}
		}
		for k, got := range run(w, factor) {
			if off := got.off(want[k]); off > 1e-10 { // states up to 30, covariances up to 60: 1e4 ulps
				t.Errorf("noise %v, %s: mean and covariance %d are off by %g", noise, name, k, off)
			}
		}
	}
}

// shaken gives the forecasts of p noise of the host in both values.
func shaken(p *plan.Plan, trial *plan.Trial, sd float64) {
	if sd == 0 {
		return
	}
	p.Noise = plan.NewNoise(p.State, []workflow.Numbers{{sd}, {sd}})
	if w := trial.Window; w != nil {
		moving := *w
		moving.Noise = w.Length > 0
		trial.Window = &moving
	}
}

// A trial that is continued has the numbers of one that was never stopped, from any cycle,
// through the encoding of checkpoints.
func TestWindowIsContinued(t *testing.T) {
	for name, w := range someWindows {
		run := func(from *State) (members []*mat.Dense, states [][]byte) {
			p, trial, _ := windowed(t, 0.3, w)
			shaken(p, trial, 0.3)
			trial.Smooth = 3
			scenario := simulate(t, p)
			scenario.Observations.Set(4, 0, math.NaN())
			if err := Assimilate(t.Context(), p, trial, scenario, from, func(s *Step) error {
				all, state := noted(t, s)
				members, states = append(members, all), append(states, state)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return members, states
		}
		continuedAnywhere(t, name, run)
	}
}

// What a version wrote that did not move shocks is not continued as if all were 0.
func TestWindowWithoutItsShocks(t *testing.T) {
	p, trial, _ := windowed(t, 0, &plan.Window{Length: 2, Passes: 1})
	shaken(p, trial, 0.3)
	scenario := simulate(t, p)
	run := func(from *State) (last State, err error) {
		err = Assimilate(t.Context(), p, trial, scenario, from, func(s *Step) error {
			last = s.State()
			return nil
		})
		return last, err
	}
	last, err := run(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(last.Window.Left); n < 2 || len(last.Members)%n != 0 || len(last.Window.Shocks) != len(last.Members)/n*(n-1) {
		t.Errorf("got %d shocks with %d values of members at %d times: those to all but the first are moved", len(last.Window.Shocks), len(last.Members), n)
	}
	last.Cycle, last.Window.Shocks = 3, last.Window.Shocks[1:]
	if _, err := run(&last); err == nil || !strings.Contains(err.Error(), "shocks of the window, want") {
		t.Errorf("got %v", err)
	}
}

// noted returns the analysis of a step with the states of the past, and the encoded state
// after it.
func noted(t *testing.T, s *Step) (all *mat.Dense, state []byte) {
	t.Helper()
	all = mat.DenseCopyOf(s.Analysis.Members)
	for _, past := range s.Past {
		all = joined(all, past.Members)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(s.State()); err != nil {
		t.Fatal(err)
	}
	return all, b.Bytes()
}

// continuedAnywhere compares what a run from the start notes of each cycle with what runs
// that continue after each of the cycles do.
func continuedAnywhere(t *testing.T, name string, run func(from *State) (members []*mat.Dense, states [][]byte)) {
	t.Helper()
	whole, states := run(nil)
	for k := 1; k < len(whole); k++ {
		var from State
		if err := gob.NewDecoder(bytes.NewReader(states[k-1])).Decode(&from); err != nil {
			t.Fatal(err)
		}
		rest, again := run(&from)
		for i, e := range rest {
			if !mat.Equal(e, whole[k+i]) || !bytes.Equal(again[i], states[k+i]) {
				t.Errorf("%s: continued after cycle %d, cycle %d differs", name, k, k+i+1)
			}
		}
	}
}

// J passes over a window of L cycles take J L + 1 runs of the model, and passes without a
// window one. A member that is run again gets the noise that it had: see turning.
func TestModelRuns(t *testing.T) {
	for _, c := range []struct {
		w    plan.Window
		want int
	}{
		{plan.Window{Passes: 5}, 1}, {plan.Window{Length: 1, Passes: 1}, 2}, {plan.Window{Length: 2, Passes: 3}, 7},
		{plan.Window{Length: 2, Passes: 3, Multiple: true}, 7}, {plan.Window{Length: 4, Passes: 1, Multiple: true}, 5},
	} {
		p, trial, m := windowed(t, 0.3, &c.w)
		err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
			if s.Cycle > c.w.Length && (s.Runs != c.want || m.runs != c.want) {
				t.Errorf("%+v, cycle %d: %d runs counted, %d made, want %d", c.w, s.Cycle, s.Runs, m.runs, c.want)
			}
			m.runs = 0
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A window of no cycles and one pass is none, bit by bit.
func TestNoWindow(t *testing.T) {
	run := func(w *plan.Window) (all []*mat.Dense) {
		p, trial, _ := windowed(t, 0.3, w)
		if err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
			all = append(all, mat.DenseCopyOf(s.Forecast.Members), mat.DenseCopyOf(s.Analysis.Members))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	want := run(nil)
	for k, e := range run(&plan.Window{Passes: 1}) {
		if !mat.Equal(e, want[k]) {
			t.Fatalf("cycle %d differs", k/2+1)
		}
	}
}

// The fractions of every observation sum to 1 over the calls that move the start, whatever
// becomes of the length, and with what is given in the last call of each cycle, too.
func TestFractionsSumToOne(t *testing.T) {
	a := &assimilation{trial: &plan.Trial{Window: &plan.Window{Multiple: true}}}
	given := map[int]float64{}
	lengths := []int{2, 2, 3, 3, 3, 2, 2, 1, 1, 0, 0, 1, 2, 4, 4, 4, 4, 0, 0}
	a.points = []*point{{cycle: 0}}
	length := 2
	for k, next := range lengths {
		a.points = append(a.points, &point{cycle: k + 1, left: 1})
		a.points = a.points[max(0, a.lag()-length):]
		for _, p := range a.due(next) {
			given[p.cycle] += p.fraction
			p.left -= p.fraction
			if p.left < -1e-15 {
				t.Fatalf("cycle %d: more than all of the observations of cycle %d", k+1, p.cycle)
			}
		}
		for _, p := range a.whatIsLeft() {
			if sum := given[p.cycle] + p.fraction; math.Abs(sum-1) > 1e-15 {
				t.Errorf("cycle %d: the analysis has %v of cycle %d", k+1, sum, p.cycle)
			}
		}
		length = next
	}
	for cycle, sum := range given {
		if cycle < len(lengths) && math.Abs(sum-1) > 1e-15 {
			t.Errorf("cycle %d counts %v times", cycle, sum)
		}
	}
}

// The newest observations are fresh in the first call of a cycle alone; the filter gets the
// errors of a fraction.
func TestWhatIsFresh(t *testing.T) {
	p, trial, _ := windowed(t, 0, &plan.Window{Length: 2, Passes: 2, Multiple: true})
	var calls []sdk.Problem
	trial.Filter = exact{1, &calls}
	trial.Resize = func(context.Context, int, plan.Extent) (sdk.Filter, error) { return trial.Filter, nil }
	err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
		if s.Cycle > 2 {
			// the ordinary analysis, two passes, and what is left of the newest observations
			want := []struct {
				seen     int
				fraction []float64
			}{{1, []float64{0.5, 1}}, {1, []float64{0.25, 0.25}}, {2, []float64{0.25, 0.25}}, {1, []float64{0.5}}}
			if len(calls) != len(want) {
				t.Fatalf("cycle %d: %d calls", s.Cycle, len(calls))
			}
			for i, c := range calls {
				for j, v := range c.ErrorVariance {
					if c.Fraction[j] != want[i].fraction[j] || v != 1/want[i].fraction[j] {
						t.Errorf("cycle %d, call %d: fractions %v with variances %v, want %v", s.Cycle, i, c.Fraction, c.ErrorVariance, want[i].fraction)
					}
				}
				if c.Seen != want[i].seen {
					t.Errorf("cycle %d, call %d: %d seen, want %d", s.Cycle, i, c.Seen, want[i].seen)
				}
			}
		}
		calls = calls[:0]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Members leave all times of the window, also those that fail when they are run again.
func TestDroppedFromWindow(t *testing.T) {
	p, trial, _ := windowed(t, 0, &plan.Window{Length: 3, Passes: 2, Multiple: true})
	shaken(p, trial, 0.3)
	runs := 0
	p.Model, p.MaxFailed = failing{p.Model, func(cycle int) bool {
		if cycle == 5 {
			runs++
		}
		return cycle == 5 && runs == 2 // run again
	}}, 1
	var sizes []int
	err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
		rows, _ := s.Analysis.Members.Dims()
		sizes = append(sizes, rows)
		if s.Cycle == 5 && (len(s.Dropped) != 1 || s.Dropped[0].Member != 1 || s.Forecast.Members.RawMatrix().Rows != 6 || !slices.Equal(s.Analysis.Numbers, []int{0, 2, 3, 4, 5})) {
			t.Errorf("cycle 5: dropped %v, numbers %v", s.Dropped, s.Analysis.Numbers)
		}
		return nil
	})
	if want := []int{6, 6, 6, 6, 5, 5, 5, 5, 5}; err != nil || !slices.Equal(sizes, want) {
		t.Errorf("got %v members, want %v; %v", sizes, want, err)
	}
}

// failing is a model whose member 1 fails in forecasts for some cycles.
type failing struct {
	sdk.Model
	when func(cycle int) bool
}

func (m failing) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.Model.Forecast(ctx, r)
	if err == nil && m.when(r.Cycle) {
		res.Failures = []sdk.MemberFailure{{Member: 1, Reason: "burst"}}
	}
	return res, err
}

// A pass by the rule leaves half of the effective sample size, or takes what the data misfit
// allows where there are more components than members; all passes together take the whole.
func TestFractionsByRule(t *testing.T) {
	predicted := mat.NewDense(40, 1, nil)
	rng.Normals(rng.New(5).Rand(), predicted.RawMatrix().Data)
	p := &point{states: states{members: predicted}, y: []float64{2}, variance: []float64{0.01}, look: sdk.ObserveRequest{Predicted: predicted}}
	a, rule := &assimilation{plan: &plan.Plan{}, trial: &plan.Trial{Window: &plan.Window{}}}, ofWindow
	f := rule.next(a, []part{{p, 1}}, 1, 0)
	weights := make([]float64, 40)
	logs := make([]float64, 40)
	for i := range logs {
		d := 2 - predicted.At(i, 0)
		logs[i] = -f * d * d / 0.02
	}
	ensemble.Normalise(weights, logs)
	if ess := ensemble.ESS(weights, 40); f < 1./float64(rule.most)-1e-12 && math.Abs(ess-20) > 1e-3 || f <= 0 || f >= 1 {
		t.Errorf("a fraction of %v leaves %v of 40 members", f, ess)
	}
	p.variance = []float64{1e6}
	if f := rule.next(a, []part{{p, 1}}, 1, 0); f != 1 {
		t.Errorf("an observation that says little is assimilated in parts of %v", f)
	}
	if f := rule.next(a, []part{{p, 1}}, 0.3, rule.most-1); f != 0.3 {
		t.Errorf("the last pass leaves something: %v", 0.3-f)
	}
	few := &point{states: states{members: predicted.Slice(0, 2, 0, 1).(*mat.Dense)}, y: []float64{1, 1, 1}, variance: []float64{1, 1, 1},
		look: sdk.ObserveRequest{Predicted: mat.NewDense(2, 3, []float64{4, 4, 4, -2, -2, -2})}}
	// phi is 13.5 for both: m / (2 phi) = 1/9, and no variance
	if f := rule.next(a, []part{{few, 1}}, 1, 0); f != 1 {
		t.Errorf("without a variance of the misfit: %v", f)
	}
	few.look.Predicted.Set(1, 0, -5) // phi 13.5 and 27: mean 20.25, variance 91.125
	if f := rule.next(a, []part{{few, 1}}, 1, 0); math.Abs(f-math.Sqrt(3/(2*91.125))) > 1e-15 {
		t.Errorf("by the data misfit: %v", f)
	}
	// A filter that localizes does not use all components everywhere.
	few.y, few.variance, few.look.Predicted = []float64{0}, []float64{1}, mat.NewDense(2, 1, []float64{3, 5}) // phi 4.5 and 12.5: mean 8.5, variance 32
	a.trial.Window.Local = true
	if f := rule.next(a, []part{{few, 1}}, 1, 0); math.Abs(f-math.Sqrt(1/(2*32.))) > 1e-15 {
		t.Errorf("by the data misfit of a component, with a cutoff: %v", f)
	}
}

// A window whose length plume chooses begins with two cycles, and with one if its filter localizes.
func TestFirstLength(t *testing.T) {
	for want, w := range map[int]*plan.Window{0: nil, 1: {Length: 3, Auto: true, Local: true}, 2: {Length: 3, Auto: true}, 3: {Length: 3, Local: true}} {
		if got := new(record).length(w); got != want {
			t.Errorf("%+v: got %d cycles, want %d", w, got, want)
		}
	}
}

// A window that has lost the truth begins again at the ordinary analysis.
func TestWindowBeginsAgain(t *testing.T) {
	p, trial, m := windowed(t, 0, &plan.Window{Length: 2, Passes: 1})
	lost := false
	p.Model = spoiled{m, &lost}
	scenario := simulate(t, p)
	restarts := 0
	err := Assimilate(t.Context(), p, trial, scenario, nil, func(s *Step) error {
		lost = s.Cycle == 5 // when it is run again in cycle 6
		if s.Metrics["window_restarted"] == 1 {
			restarts++
			if d := ensemble.Mean(nil, s.Analysis.Members, nil)[0] - scenario.Truth.At(s.Cycle, 0); s.Cycle != 6 || math.Abs(d) > 5 || s.of.lag() != 0 {
				t.Errorf("cycle %d: restarted %v off the truth, with a window of %d", s.Cycle, d, s.of.lag())
			}
		}
		return nil
	})
	if err != nil || restarts != 1 {
		t.Errorf("%d restarts, %v", restarts, err)
	}
}

// spoiled is a model that is far off when it is run over a cycle again while lost is set.
type spoiled struct {
	*turning
	lost *bool
}

func (m spoiled) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	_, again := m.seeds[r.Cycle]
	res, err := m.turning.Forecast(ctx, r)
	if *m.lost && again {
		rows, _ := r.Into.Dims()
		for i := range rows {
			r.Into.Set(i, 0, r.Into.At(i, 0)+100)
		}
	}
	return res, err
}

// With the right model and spread the squares of the steps of the start are on average the variance
// that it loses, in units of the variance before: for a normal error with variance v of which w is left,
// E(step²) = v - w. With a wrong model they are larger, and the window becomes shorter, also where
// innovations look as they should.
func TestStepsOfTheStart(t *testing.T) {
	ratio := func(wrong bool) (ratio float64, length int) {
		p, trial, m := windowed(t, 0, &plan.Window{Length: 1, Passes: 1})
		trial.Resize = func(context.Context, int, plan.Extent) (sdk.Filter, error) { return exact{factor: 1}, nil }
		trial.Filter = exact{factor: 1}
		p.Clock.Cycles = 240 // the state has grown to 1e14, and much later members differ by rounding
		m.seeds = nil
		if wrong {
			p.Model = biased{m}
		}
		err := Assimilate(t.Context(), p, trial, simulate(t, p), nil, func(s *Step) error {
			r := &s.of.record
			r.Squares = 0 // as if innovations were right
			ratio, length = r.Moved/r.Lost, r.Longest
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ratio, length
	}
	if r, length := ratio(false); r < 0.4 || r > 1.6 || length != 1 { // some 33 cycles of two values: a standard error of 0.2
		t.Errorf("right model: %.2f, a window of %d", r, length)
	}
	if r, length := ratio(true); r < tooFar || length != 0 {
		t.Errorf("wrong model: %.2f, a window of %d", r, length)
	}
}

// biased is a model that adds something in each cycle.
type biased struct{ *turning }

func (m biased) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.turning.Forecast(ctx, r)
	rows, n := r.Into.Dims()
	for i := range rows {
		for j := range n {
			r.Into.Set(i, j, r.Into.At(i, j)+2)
		}
	}
	return res, err
}

// Passes at one time observe what a filter has moved, which has no diagnostics: there is one, also where the
// workflow asks for several while the window is closed.
func TestPassesWithDiagnostics(t *testing.T) {
	for _, diagnostic := range []bool{false, true} {
		p, _, _ := windowed(t, 0, &plan.Window{Length: 2, Passes: 3})
		state := *p.State
		state.Variables = append(slices.Clone(state.Variables), sdk.Variable{Name: "z", Diagnostic: diagnostic})
		p.State = &state
		a := &assimilation{plan: p, trial: &plan.Trial{Window: &plan.Window{Length: 2, Passes: 3}}, points: []*point{{}}}
		if got, want := a.passes().most, map[bool]int{false: 3, true: 1}[diagnostic]; got != want {
			t.Errorf("diagnostic %t: %d passes, want %d", diagnostic, got, want)
		}
		a.points = append(a.points, &point{})
		if got := a.passes().most; got != 3 {
			t.Errorf("diagnostic %t: %d passes of an open window", diagnostic, got)
		}
	}
}

// A forecast with all weight on a single member has no spread. It says nothing, and does not spoil what is known.
func TestRecordWithoutSpread(t *testing.T) {
	r, s := &record{}, &Step{Predicted: mat.NewDense(2, 1, []float64{1, 2}), Observation: []float64{3}, ErrorVariance: []float64{1}}
	r.add(s)
	known := *r
	s.Forecast.LogWeights = []float64{0, math.Inf(-1)}
	if r.add(s); *r != known {
		t.Errorf("got %+v, want %+v", *r, known)
	}
}

// With all weight on a single member an observation is checked against it and the error alone.
func TestCheckOfASingleWeight(t *testing.T) {
	a := &assimilation{plan: &plan.Plan{Streams: []observations.Stream{{Operator: first{valuesOf(1)}, Limit: 4}}}, scenario: &Scenario{}}
	for _, c := range []struct {
		y        float64
		rejected bool
	}{{4, false}, {1e6, true}} {
		s := &Step{Predicted: mat.NewDense(2, 1, []float64{1, 2}), Observation: []float64{c.y}, ErrorVariance: []float64{1},
			Forecast: Ensemble{LogWeights: []float64{0, math.Inf(-1)}}}
		if got := a.check(s); got != c.rejected {
			t.Errorf("%g is rejected: %t, want %t", c.y, got, c.rejected)
		}
	}
}
