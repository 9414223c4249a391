package cycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
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
	Runs     int // of the model with the ensemble; above 1 with a window
	// Again says that the step is part of a run over the whole record that others follow: only
	// Cycle, Time, Timing, Dropped, Pass and the numbers of the members in Analysis are of use.
	Again bool
	// Pass is what a run over the whole record has shown, in its last cycle; nil otherwise.
	Pass *Pass
	// Fitted holds the predictions of the analysis where the window is the whole record, N x m;
	// nil without observations.
	Fitted *mat.Dense
	// Past is the states at earlier times as they are with the observations up to this cycle, the latest first; nil
	// unless the trial smooths.
	Past []Past

	of  *assimilation
	kin []int // rows of the last time that those of Analysis descend from; nil: the same ones
}

// State is the state of a trial at the end of a cycle. A trial that is continued from it
// has the same results as one that was never stopped.
type State struct {
	Cycle      int
	Members    []float64 // N x n, row-major; with a window those of its first time, and so on to the last; then Past earlier ones, the latest first
	Past       int       // times before the first of the window
	LogWeights []float64 // nil if all are equal
	Numbers    []int     // of the members; see [Ensemble]
	Carry      []byte
	Errors     *Errors   // nil if no error variance is estimated
	Noise      []float64 // of the last forecast, N rows, or of those to all times of the window; nil if it has no memory
	Carries    [][]byte  // what the model keeps of each member, N items, or as many for all times of the window; nil: nothing
	Window     *Window   // nil without a window
	Whole      *Whole    // nil unless the window is the whole record; Members are then those at the start
	Stored     []int     // how many numbers [State.Recall] sets; nil: none
}

// Large returns what of s has a number for each value of the members, in an order that [State.Recall] knows, and s without it:
// encoding/gob takes no message of 8 GiB.
func (s State) Large() (numbers [][]float64, rest State) {
	if s.Window != nil {
		w := *s.Window
		s.Window = &w
	}
	s.Stored = nil
	for _, list := range s.lists() {
		s.Stored = append(s.Stored, len(*list))
		numbers, *list = append(numbers, *list), nil
	}
	return numbers, s
}

// Recall sets what Large has returned, one list after the other. It reports whether there are as many numbers.
func (s *State) Recall(numbers []float64) bool {
	for i, list := range s.lists() {
		if i == len(s.Stored) || s.Stored[i] > len(numbers) {
			return false
		}
		if n := s.Stored[i]; n > 0 {
			*list, numbers = numbers[:n:n], numbers[n:]
		}
	}
	return len(numbers) == 0
}

func (s *State) lists() []*[]float64 {
	if s.Window != nil {
		return []*[]float64{&s.Members, &s.Noise, &s.Window.Shocks}
	}
	return []*[]float64{&s.Members, &s.Noise}
}

// TimeOf returns the model time of a cycle.
func (s *Step) TimeOf(cycle int) float64 {
	if cycle == s.Cycle {
		return s.Time
	}
	return s.of.plan.Clock.Time(cycle)
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
	a := s.of
	if a.whole != nil {
		return a.whole.state(s)
	}
	return a.remember(s.Cycle)
}

// Carried returns how many bytes the model keeps of the members of Analysis besides their states.
func (s *Step) Carried() int {
	total := 0
	for _, b := range s.of.last().carries {
		total += len(b)
	}
	return total
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
type Timing struct {
	Forecast, Observe, Analyse time.Duration // in calls of plugins
	// What is done with the step, by whoever receives it:
	Score, Archive time.Duration
	Since          time.Time // when the cycle began, at the end of what is measured of the last one
}

// Wait returns what has passed of the cycle in addition to its parts.
func (t Timing) Wait() time.Duration {
	return max(0, time.Since(t.Since)-t.Forecast-t.Observe-t.Analyse-t.Score-t.Archive)
}

// Assimilate runs trial over all cycles of p, or over those after from, and calls each
// with every cycle. It stops at the first error, of a plugin or of each. If the window of trial
// is the whole record, it also calls each with the cycles of all runs before the last.
//
// Random streams: branch "assimilation" of p.Seed, below it "init", and "forecast",
// "observe" and "analyse" by cycle. They do not depend on the trial: the filters of
// one replicate get the same model noise, so that their scores can be paired. A member that
// is run again over a cycle, because of a window, gets the noise that it had. Calls of the
// filter after the first have branches of "analyse": "pass" by number, "balance" and "ordinary".
func Assimilate(ctx context.Context, p *plan.Plan, trial *plan.Trial, scenario *Scenario, from *State, each func(*Step) error) error {
	a, steps := newAssimilation(p, trial, scenario), pace.StartSteps()
	paced := func(s *Step) error {
		defer steps.Ended()
		return each(s)
	}
	if trial.Whole() {
		return a.assimilateWhole(ctx, from, paced)
	}
	if err := a.goOn(ctx, from); err != nil {
		return err
	}
	for k := from.Completed() + 1; k <= p.Clock.Cycles; k++ {
		step, err := a.surviving(ctx, k)
		if err != nil {
			return err
		}
		if err := paced(step); err != nil {
			return err
		}
	}
	return nil
}

type assimilation struct {
	plan     *plan.Plan
	trial    *plan.Trial
	scenario *Scenario
	seed     rng.Seed

	// points are the times of the window, the start first: what the filter moves. The last
	// one is the time of the last cycle. Without a window it is the only one.
	points     []*point
	idle       []*point  // whose memory is reused
	logWeights []float64 // of the members; nil if all are equal
	numbers    []int     // of the members; see [Ensemble]
	carry      []byte
	record     record  // of what the length of the window follows from
	errors     *Errors // estimated so far; nil if none are
	whole      *whole  // nil unless the window is the whole record
	dropped    int     // number of members so far

	filters map[plan.Extent]sdk.Filter
	stacks  []*stack                                                               // memory for the same
	next    states                                                                 // memory for the next forecast or answer
	copies  struct{ forecast, predicted, ordinary, balanced, observed *mat.Dense } // nil until needed

	past []moment // times before the start of the window whose states are moved along with it, the latest first
	side side     // memory for them
}

func newAssimilation(p *plan.Plan, trial *plan.Trial, scenario *Scenario) *assimilation {
	a := &assimilation{plan: p, trial: trial, scenario: scenario, seed: p.Seed.Child("assimilation", 0)}
	a.allot(trial.Filter, trial.Size)
	a.points = []*point{a.point(0)}
	if slices.ContainsFunc(p.Streams, func(s observations.Stream) bool { return s.Draws > 0 }) {
		a.errors = newErrors(p)
	}
	a.start(a.points[0].members, a.seed)
	return a
}

// start draws the members of the start, or those of them that are left.
func (a *assimilation) start(members *mat.Dense, seed rng.Seed) {
	init, left := seed.Child("init", 0), Ensemble{Numbers: a.numbers}
	rows := startRows(a.plan.Ensemble.Weights, a.trial.Size, seed)
	for i := range members.RawMatrix().Rows {
		n := left.Number(i)
		a.plan.Ensemble.Into(members.RawRowView(i), rows[n], a.scenario.At(0), a.scenario.Init, init.Member(n))
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
	times := 1
	if from.Window != nil {
		times = len(from.Window.Left)
	}
	if left := len(from.Members) / ((times + from.Past) * a.plan.State.Size()); left != a.trial.Size {
		filter, err := a.trial.Resize(ctx, left, plan.Extent{Cycles: 1})
		if err != nil {
			return fmt.Errorf("cycle %d: with %d members left: %w", from.Cycle+1, left, err)
		}
		a.allot(filter, left)
		a.dropped = a.trial.Size - left
	}
	a.logWeights, a.numbers, a.carry, a.errors = from.LogWeights, from.Numbers, from.Carry, from.Errors
	return a.recall(from, times)
}

// allot gives up all memory and takes filter for size members.
func (a *assimilation) allot(filter sdk.Filter, size int) {
	a.filters, a.stacks, a.idle, a.side = map[plan.Extent]sdk.Filter{{Cycles: 1}: filter}, nil, nil, side{}
	a.next = a.states(size)
	a.copies = struct{ forecast, predicted, ordinary, balanced, observed *mat.Dense }{}
}

// step runs cycle k: the window moves on by one cycle, the filter is asked until all that is
// due is assimilated, and what lies in the window is run again from the better start.
func (a *assimilation) step(ctx context.Context, k int) (*Step, error) {
	s := &Step{Cycle: k, Time: a.plan.Clock.Time(k), of: a}
	if err := a.advance(ctx, s); err != nil {
		return nil, err
	}
	if err := a.meet(ctx, s); err != nil {
		return nil, err
	}
	if err := a.analyse(ctx, s); err != nil {
		return nil, err
	}
	s.Carry = a.carry
	a.settle(s)
	return s, a.holdOut(ctx, s)
}

// call returns the fields of a request for the members that there are.
func (a *assimilation) call(role string, cycle int) sdk.Call {
	return sdk.Call{Cycle: cycle, Seed: a.seed.Child(role, cycle)}.Of(a.numbers)
}
