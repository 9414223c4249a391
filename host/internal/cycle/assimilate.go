package cycle

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/resample"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Step is one cycle of one filter. Its matrices and slices are valid until the
// callback that receives it returns.
type Step struct {
	Cycle    int
	Time     float64
	Forecast Ensemble
	Analysis Ensemble
	// Ancestors holds the forecast row that each analysis row descends from; nil if
	// the filter moves its members.
	Ancestors []int
	// Predicted holds h(x) of the forecast, N x m, and ErrorVariance the variance of
	// each observation's error; nil if the operator does not offer them.
	Predicted     *mat.Dense
	ErrorVariance []float64
	Observation   []float64            // y as the filter saw it: without rejected values
	Rejected      []observations.Value // by the background check
	HeldOut       *HeldOut             // nil: no value of this cycle
	Metrics       map[string]float64   // the filter's diagnostics
	Carry         []byte               // the bytes that the filter gets back in the next cycle
	// Dropped lists the members that could not be forecast and have left the
	// ensemble, by their numbers; they are not in Forecast.
	Dropped []sdk.MemberFailure
	// Diverged is why the members of the forecast were drawn again; nil: they were not.
	Diverged error
	Timing   Timing

	errors *Errors
	noise  []float64
}

// State is the state of a trial at the end of a cycle. A trial that is continued from it
// has the same results as one that was never stopped.
type State struct {
	Cycle      int
	Members    []float64 // N x n, row-major
	LogWeights []float64 // nil if all are equal
	Numbers    []int     // of the members; see [Ensemble]
	Carry      []byte
	Errors     *Errors   // nil if no error variance is estimated
	Noise      []float64 // of the last forecast, N rows; nil if it has no memory
}

// Completed returns the number of cycles that s has behind it; 0 if s is nil.
func (s *State) Completed() int {
	if s == nil {
		return 0
	}
	return s.Cycle
}

// State returns the state of the trial after s. It shares memory with s.
func (s *Step) State() State {
	return State{s.Cycle, s.Analysis.Members.RawMatrix().Data, s.Analysis.LogWeights, s.Analysis.Numbers, s.Carry, s.errors, s.noise}
}

// Ensemble is a weighted set of states.
type Ensemble struct {
	Members    *mat.Dense // N x n
	LogWeights []float64  // N values, normalised; nil if all are equal
	// Numbers are those that the members had at the start, which they keep when others are
	// dropped; nil: the member in row i has number i.
	Numbers []int
}

// Number returns the number of the member in row i.
func (e Ensemble) Number(i int) int {
	if e.Numbers == nil {
		return i
	}
	return e.Numbers[i]
}

// Timing is the wall time of the parts of a cycle.
type Timing struct{ Forecast, Observe, Analyse time.Duration }

// Assimilate runs trial over all cycles of p, or over those after from, and calls each
// with every cycle. It stops at the first error, of a plugin or of each.
//
// Random streams: branch "assimilation" of p.Seed, below it "init", and "forecast",
// "observe" and "analyse" by cycle. They do not depend on the trial: the filters of
// one replicate get the same model noise, so that their scores can be paired.
func Assimilate(ctx context.Context, p *plan.Plan, trial *plan.Trial, scenario *Scenario, from *State, each func(*Step) error) error {
	a := newAssimilation(p, trial, scenario)
	if err := a.goOn(ctx, from); err != nil {
		return err
	}
	for k := from.Completed() + 1; k <= p.Clock.Cycles; k++ {
		step, err := a.surviving(ctx, k)
		if err != nil {
			return err
		}
		if a.noise != nil {
			step.noise = a.noise.RawMatrix().Data
		}
		if err := each(step); err != nil {
			return err
		}
	}
	return nil
}

type assimilation struct {
	plan     *plan.Plan
	trial    *plan.Trial
	scenario *Scenario
	filter   sdk.Filter
	seed     rng.Seed
	state    Ensemble // analysis of the last cycle
	ahead    *mat.Dense
	observe  sdk.ObserveRequest // its matrices are reused from cycle to cycle
	carry    []byte
	errors   *Errors    // estimated so far; nil if none are
	noise    *mat.Dense // of the last forecast, if it has a memory
	dropped  int        // number of members so far
}

func newAssimilation(p *plan.Plan, trial *plan.Trial, scenario *Scenario) *assimilation {
	a := &assimilation{plan: p, trial: trial, scenario: scenario, filter: trial.Filter, seed: p.Seed.Child("assimilation", 0)}
	a.allot(trial.Size)
	if slices.ContainsFunc(p.Streams, func(s observations.Stream) bool { return s.Draws > 1 }) {
		a.errors = newErrors(p.Space.Layout.Size())
	}
	a.start(a.state.Members, a.seed)
	return a
}

// start draws the members of the start.
func (a *assimilation) start(members *mat.Dense, seed rng.Seed) {
	init := seed.Child("init", 0)
	rows := startRows(a.plan.Ensemble.Weights, a.trial.Size, seed)
	for i := range a.trial.Size {
		a.plan.Ensemble.Into(members.RawRowView(i), rows[i], a.scenario.At(0), a.scenario.Init, init.Member(i))
	}
}

// startRows returns the rows of a file of members from which size members start: the first
// ones, or a draw from all in proportion to their weights.
// Random streams: branch "resample" of seed.
func startRows(weights []float64, size int, seed rng.Seed) []int {
	rows := make([]int, size)
	if weights != nil {
		return resample.Systematic(rows, weights, seed.Child("resample", 0).Rand())
	}
	for i := range rows {
		rows[i] = i
	}
	return rows
}

// goOn sets a to the state from, unless that is nil.
func (a *assimilation) goOn(ctx context.Context, from *State) error {
	if from == nil {
		return nil
	}
	if left := len(from.Members) / a.plan.State.Size(); left != a.trial.Size {
		var err error
		if a.filter, err = a.trial.Resize(ctx, left); err != nil {
			return fmt.Errorf("cycle %d: with %d members left: %w", from.Cycle+1, left, err)
		}
		a.allot(left)
		a.dropped = a.trial.Size - left
	}
	copy(a.state.Members.RawMatrix().Data, from.Members)
	a.state.LogWeights, a.state.Numbers, a.carry, a.errors = from.LogWeights, from.Numbers, from.Carry, from.Errors
	if a.noise != nil {
		copy(a.noise.RawMatrix().Data, from.Noise)
	}
	return nil
}

// allot allocates memory for size members and for the fields that the filter needs.
func (a *assimilation) allot(size int) {
	n, m := a.plan.State.Size(), a.plan.Space.Layout.Size()
	a.state.Members, a.ahead = mat.NewDense(size, n, nil), mat.NewDense(size, n, nil)
	a.noise = a.plan.Noise.Memory(size)
	a.observe = sdk.ObserveRequest{}
	for _, need := range a.filter.Needs() {
		switch need {
		case sdk.Predicted:
			a.observe.Predicted = mat.NewDense(size, m, nil)
		case sdk.Simulated:
			a.observe.Simulated = mat.NewDense(size, m, nil)
		case sdk.LogLikelihood:
			a.observe.LogLikelihood = mat.NewDense(size, m, nil)
		case sdk.Gradient:
			a.observe.Gradient = mat.NewDense(size, n, nil)
		}
	}
	if a.observe.Predicted == nil && slices.Contains(a.plan.Space.Offers, sdk.Predicted) {
		a.observe.Predicted = mat.NewDense(size, m, nil) // for the innovations
	}
}

func (a *assimilation) step(ctx context.Context, k int) (*Step, error) {
	s := &Step{Cycle: k, Time: a.plan.Clock.Time(k), errors: a.errors}
	start := time.Now()
	call := a.call("forecast", k)
	ahead, err := integrate(ctx, a.plan.Model, a.plan.Noise, a.noise, &sdk.ForecastRequest{
		Call: call, From: a.plan.Clock.Time(k - 1), To: s.Time, Ensemble: a.state.Members, Into: a.ahead,
	})
	if err != nil {
		return nil, err
	}
	if len(ahead.Failures) > 0 {
		before := a.state
		if err := a.drop(ctx, call, ahead.Failures); err != nil {
			return nil, err
		}
		s.Dropped = numbered(ahead.Failures, before)
	}
	s.Forecast = Ensemble{a.ahead, a.state.LogWeights, a.state.Numbers}
	s.Timing.Forecast = time.Since(start)
	if err := a.analyse(ctx, s); err != nil {
		return nil, err
	}
	return s, a.holdOut(ctx, s)
}

// analyse compares the forecast of s with the observations and calls the filter for
// the analysis.
func (a *assimilation) analyse(ctx context.Context, s *Step) error {
	start := time.Now()
	if s.Observation = a.scenario.Observation(s.Cycle); !observed(s.Observation) {
		a.keep(s)
		return nil
	}
	a.observe.Call, a.observe.Time = a.call("observe", s.Cycle), s.Time
	a.observe.Ensemble, a.observe.Observation = a.ahead, s.Observation
	predicted, err := a.plan.Operator.Observe(ctx, &a.observe)
	if err != nil {
		return err
	}
	if a.errors != nil {
		if predicted.ErrorVariance, err = a.errors.pool(a.plan, predicted.ErrorVariance, s); err != nil {
			return err
		}
	}
	s.Predicted, s.ErrorVariance = a.observe.Predicted, predicted.ErrorVariance
	if a.plan.Checked && a.check(s) {
		if !observed(s.Observation) {
			a.keep(s)
			return nil
		}
		if a.observe.LogLikelihood != nil || a.observe.Gradient != nil { // without the rejected values
			a.observe.Observation = s.Observation
			if predicted, err = a.plan.Operator.Observe(ctx, &a.observe); err != nil {
				return err
			}
		}
	}
	s.Timing.Observe, start = time.Since(start), time.Now()

	analysis, err := a.filter.Analyse(ctx, a.problem(s, predicted))
	if err != nil {
		return err
	}
	s.Timing.Analyse = time.Since(start)
	s.Ancestors, s.Metrics, a.carry = analysis.Ancestors, analysis.Metrics, analysis.Carry
	a.errors.report(a.plan, s)
	if a.noise != nil && s.Ancestors != nil {
		a.noise = rowsOf(a.noise, s.Ancestors)
	}
	a.state.LogWeights = analysis.LogWeights
	s.Analysis, s.Carry = a.state, a.carry
	return nil
}

// rowsOf returns a matrix of some rows of m.
func rowsOf(m *mat.Dense, rows []int) *mat.Dense {
	_, n := m.Dims()
	of := mat.NewDense(len(rows), n, nil)
	for i, from := range rows {
		of.SetRow(i, m.RawRowView(from))
	}
	return of
}

// observed reports whether any value of y is not missing.
func observed(y []float64) bool {
	return slices.ContainsFunc(y, func(v float64) bool { return !math.IsNaN(v) })
}

// keep makes the forecast the analysis of a cycle without observations. The filter is
// not called, because it must not inflate or jitter without data.
func (a *assimilation) keep(s *Step) {
	a.state.Members.Copy(a.ahead)
	s.Analysis, s.Carry = a.state, a.carry
}

// problem reuses the last analysis as the matrix for the answer: the forecast has been
// computed from it and it is no longer read.
func (a *assimilation) problem(s *Step, observed *sdk.ObserveResult) *sdk.Problem {
	p := &sdk.Problem{
		Call: a.call("analyse", s.Cycle), Time: s.Time,
		Ensemble: s.Forecast.Members, LogWeights: s.Forecast.LogWeights,
		Observation:   s.Observation,
		Simulated:     a.observe.Simulated,
		LogLikelihood: a.observe.LogLikelihood, Gradient: a.observe.Gradient,
		Carry: a.carry, Into: a.state.Members,
	}
	if slices.Contains(a.filter.Needs(), sdk.Predicted) {
		p.Predicted = a.observe.Predicted
	}
	if slices.Contains(a.filter.Needs(), sdk.ErrorVariance) {
		p.ErrorVariance = observed.ErrorVariance
	}
	return p
}

func (a *assimilation) call(role string, cycle int) sdk.Call {
	return sdk.Call{Cycle: cycle, Seed: a.seed.Child(role, cycle)}
}
