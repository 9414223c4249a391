package cycle

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// point is a time of the window: the states there, and what they predict.
type point struct {
	cycle int
	states
	look   sdk.ObserveRequest // the predictions, whose matrices are reused
	looked bool               // whether they are those of members

	y        []float64 // without rejected values; nil: nothing was observed
	variance []float64 // of the errors of y; nil if the operator does not offer it
	left     float64   // of the likelihood of y: what is still to be assimilated
}

// states are those of the members at a time, and what else goes on from there.
type states struct {
	members *mat.Dense // N x n
	noise   *mat.Dense // of the forecast that led here; nil if it has no memory
	shocks  *mat.Dense // of its noise; nil unless a window moves them
	carries [][]byte   // what the model keeps of each member besides members; nil: nothing
}

// Window is what a trial with a window, or one that collects observations, remembers in addition to its states: by time, how much
// of the likelihood of the observations is left, their values and the variances of their errors.
type Window struct {
	Left     []float64
	Y        [][]float64
	Variance [][]float64
	Shocks   []float64 // of the noise of the forecasts to all times but the first, which analyses have moved; nil if they are not
	Record   record
}

// remember returns the state of the trial after a cycle; that of a trial that has no window and collects no
// observations shares memory with it.
func (a *assimilation) remember(cycle int) State {
	var members, noise []float64
	var carries [][]byte
	var w *Window
	if p := a.points[0]; a.trial.Window == nil && !a.collects() {
		if p.noise != nil {
			noise = p.noise.RawMatrix().Data
		}
		members, carries = p.members.RawMatrix().Data, p.carries
	} else {
		w = &Window{Record: a.record}
		for i, p := range a.points {
			members = append(members, p.members.RawMatrix().Data...)
			if p.noise != nil {
				noise = append(noise, p.noise.RawMatrix().Data...)
			}
			if i > 0 && p.shocks != nil {
				w.Shocks = append(w.Shocks, p.shocks.RawMatrix().Data...)
			}
			carries = append(carries, orNone(p.carries, p.members.RawMatrix().Rows)...)
			w.Left, w.Y, w.Variance = append(w.Left, p.left), append(w.Y, p.y), append(w.Variance, p.variance)
		}
	}
	for _, p := range a.past {
		members = append(members[:len(members):len(members)], p.members.RawMatrix().Data...)
	}
	if !slices.ContainsFunc(carries, func(b []byte) bool { return len(b) > 0 }) {
		carries = nil
	}
	return State{cycle, members, len(a.past), a.logWeights, a.numbers, a.carry, a.errors, noise, carries, w, nil, nil}
}

// orNone returns carries, or nothing for each of so many members if it is nil.
func orNone(carries [][]byte, members int) [][]byte {
	if carries == nil {
		return make([][]byte, members)
	}
	return carries
}

// recall sets the points of the window, of so many times, to those of from. An error says that from lacks
// the shocks that the window moves.
func (a *assimilation) recall(from *State, times int) error {
	a.points = a.points[:0]
	size := len(from.Members) / (times + from.Past)
	for i := range times {
		p := a.point(from.Cycle - times + 1 + i)
		copy(p.members.RawMatrix().Data, from.Members[i*size:])
		if p.noise != nil {
			copy(p.noise.RawMatrix().Data, from.Noise[i*len(from.Noise)/times:])
		}
		if n := len(from.Carries) / times; n > 0 {
			p.carries = from.Carries[i*n : (i+1)*n]
		}
		if w := from.Window; w != nil {
			p.left, p.y, p.variance = w.Left[i], w.Y[i], w.Variance[i]
			if p.shocks != nil {
				shocks := p.shocks.RawMatrix().Data
				if want := (times - 1) * len(shocks); len(w.Shocks) != want {
					return fmt.Errorf("cycle %d: got %d shocks of the window, want %d; was the run stopped by another version of plume?", from.Cycle, len(w.Shocks), want)
				}
				if i > 0 {
					copy(shocks, w.Shocks[(i-1)*len(shocks):])
				}
			}
			a.record = w.Record
		}
		a.points = append(a.points, p)
	}
	for i := range from.Past {
		members := mat.NewDense(a.next.members.RawMatrix().Rows, a.next.members.RawMatrix().Cols, nil)
		copy(members.RawMatrix().Data, from.Members[(times+i)*size:])
		a.past = append(a.past, moment{from.Cycle - times - i, members})
	}
	return nil
}

// diagnoses reports whether the model has diagnostics, which can be observed of its forecasts alone.
func (a *assimilation) diagnoses() bool {
	first, end := a.plan.Diagnostics()
	return first < end
}

func (a *assimilation) last() *point { return a.points[len(a.points)-1] }

// lag returns the number of cycles from the start of the window to the last one.
func (a *assimilation) lag() int { return len(a.points) - 1 }

// Lag returns the number of cycles of the window of s, whose passes have each run the model so often.
func (s *Step) Lag() int { return s.of.lag() }

// at returns the members at a time of the window.
func (a *assimilation) at(p *point) Ensemble { return Ensemble{p.members, a.logWeights, a.numbers} }

// point returns one for a cycle, without members.
func (a *assimilation) point(cycle int) *point {
	if n := len(a.idle); n > 0 {
		p := a.idle[n-1]
		a.idle = a.idle[:n-1]
		return p.reset(cycle)
	}
	p := &point{cycle: cycle}
	a.fit(p)
	return p
}

// reset makes p a point for a cycle, of which nothing is known.
func (p *point) reset(cycle int) *point {
	p.cycle, p.looked, p.y, p.variance, p.left, p.carries = cycle, false, nil, nil, 0, nil
	return p
}

// fit gives p memory for the members that there are and for what the filter needs.
func (a *assimilation) fit(p *point) {
	size, _ := a.next.members.Dims()
	p.states = a.states(size)
	a.prepare(p)
}

// states returns memory for those of so many members.
func (a *assimilation) states(size int) states {
	s := states{members: mat.NewDense(size, a.plan.State.Size(), nil), noise: a.plan.Noise.Memory(size)}
	if w := a.trial.Window; w != nil && w.Noise {
		s.shocks = a.plan.Noise.Shocks(size)
	}
	return s
}

// prepare gives p memory for the predictions of the members that there are.
func (a *assimilation) prepare(p *point) {
	size, n := a.next.members.Dims()
	m := a.plan.Space.Layout.Size()
	p.look, p.looked = sdk.ObserveRequest{}, false
	for _, need := range a.filters[plan.Extent{Cycles: 1}].Needs() {
		switch need {
		case sdk.Predicted:
			p.look.Predicted = mat.NewDense(size, m, nil)
		case sdk.Simulated:
			p.look.Simulated = mat.NewDense(size, m, nil)
		case sdk.LogLikelihood:
			p.look.LogLikelihood = mat.NewDense(size, m, nil)
		case sdk.Gradient:
			p.look.Gradient = mat.NewDense(size, n, nil)
		}
	}
	if p.look.Predicted == nil && slices.Contains(a.plan.Space.Offers, sdk.Predicted) {
		p.look.Predicted = mat.NewDense(size, m, nil) // for the innovations
	}
}

// advance adds the forecast for the cycle of s to the window, which loses its first times
// where it has become longer than it is to be. Without a window the forecast takes the place
// of the last analysis, whose memory is that of the next answer.
func (a *assimilation) advance(ctx context.Context, s *Step) error {
	if a.next.shocks != nil {
		a.plan.Noise.Draw(a.call("forecast", s.Cycle), a.next.shocks)
	}
	if err := a.run(ctx, s, a.last(), s.Cycle, &a.next); err != nil {
		return err
	}
	a.grow(a.last().members, a.next.members)
	a.trim(s.Cycle)
	var next *point
	for over := a.lag() + 1 - a.kept(s.Cycle); over > 0; over-- {
		if next != nil {
			a.idle = append(a.idle, next)
		}
		a.leave(a.points[0], s.Cycle)
		next = a.points[0].reset(s.Cycle)
		a.points = slices.Delete(a.points, 0, 1)
	}
	if next == nil {
		next = a.point(s.Cycle)
	}
	a.take(next)
	a.points = append(a.points, next)
	s.Forecast = a.at(next)
	return nil
}

// take gives p the forecast that has been made, and the memory of p to the next one.
func (a *assimilation) take(p *point) {
	p.states, a.next = a.next, p.states
	a.next.carries = nil
}

// run makes the forecast of a cycle from the time before it. Members that fail leave the
// trial, and to then has other matrices.
func (a *assimilation) run(ctx context.Context, s *Step, from *point, cycle int, to *states) error {
	defer since(&s.Timing.Forecast, time.Now())
	call := a.call("forecast", cycle)
	if to.noise != nil {
		to.noise.Copy(from.noise)
	}
	ahead, err := integrate(ctx, a.plan.Model, a.plan.Noise, to.noise, to.shocks, &sdk.ForecastRequest{
		Call: call, From: a.plan.Clock.Time(from.cycle), To: a.plan.Clock.Time(cycle), Ensemble: from.members, Into: to.members, Carry: from.carries,
	})
	if err != nil {
		return err
	}
	to.carries = ahead.Carry
	s.Runs++
	if len(ahead.Failures) == 0 {
		return nil
	}
	named := numbered(ahead.Failures, call)
	if err := a.drop(ctx, call, ahead.Failures); err != nil {
		return err
	}
	s.Dropped = append(s.Dropped, named...)
	return nil
}

// rerun makes the forecasts within the window again.
func (a *assimilation) rerun(ctx context.Context, s *Step) error {
	for i := 1; i <= a.lag(); i++ {
		p := a.points[i]
		if err := a.run(ctx, s, a.points[i-1], p.cycle, &p.states); err != nil {
			return err
		}
		p.looked = false
	}
	return nil
}

// observe makes the predictions of p, unless they are there.
func (a *assimilation) observe(ctx context.Context, s *Step, p *point) error {
	if p.looked {
		return nil
	}
	defer since(&s.Timing.Observe, time.Now())
	_, err := a.foresee(ctx, a.plan.Operator, a.request(p))
	p.looked = err == nil
	return err
}

// request returns what the operator is asked about p.
func (a *assimilation) request(p *point) *sdk.ObserveRequest {
	p.look.Call, p.look.Time, p.look.Ensemble, p.look.Observation = a.call("observe", p.cycle), a.plan.Clock.Time(p.cycle), p.members, p.y
	return &p.look
}

// foresee asks an operator, and predicts with what has been learnt of black boxes.
func (a *assimilation) foresee(ctx context.Context, op sdk.ObservationOperator, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	result, err := op.Observe(ctx, r)
	if err == nil && a.errors != nil && r.Predicted != nil && len(result.ErrorVariance) > 0 {
		a.errors.refine(a.plan, r.Ensemble, r.Predicted, result.ErrorVariance)
	}
	return result, err
}

// read asks the operators about the members of p, whose observations have come, and learns from the
// readings of black boxes.
func (a *assimilation) read(ctx context.Context, s *Step, p *point) error {
	defer since(&s.Timing.Observe, time.Now())
	result, err := a.plan.Operator.Observe(ctx, a.request(p))
	if err != nil {
		return err
	}
	p.looked, p.variance = true, result.ErrorVariance
	if a.errors == nil || len(p.variance) == 0 {
		return nil
	}
	p.variance = a.errors.pool(a.plan, p.variance, s)
	if p.look.Predicted != nil {
		a.errors.learn(a.plan, p.members, p.look.Predicted, p.variance)
		a.errors.refine(a.plan, p.members, p.look.Predicted, p.variance)
	}
	return a.errors.judge(a.plan, s, p.variance)
}

// meet compares the forecast of s with its observations.
func (a *assimilation) meet(ctx context.Context, s *Step) error {
	s.Observation = a.scenario.Observation(s.Cycle)
	if !observed(s.Observation) {
		return nil
	}
	p := a.last()
	p.y, p.left = s.Observation, 1
	if err := a.read(ctx, s, p); err != nil {
		return err
	}
	s.Predicted, s.ErrorVariance = p.look.Predicted, p.variance
	if !a.plan.Checked || !a.check(s) {
		return nil
	}
	if p.y = s.Observation; !observed(p.y) {
		p.y, p.left = nil, 0
	}
	if p.look.LogLikelihood != nil || p.look.Gradient != nil { // without the rejected values
		p.looked = false
	}
	return nil
}

// observed reports whether any value of y is not missing.
func observed(y []float64) bool {
	return slices.ContainsFunc(y, func(v float64) bool { return !math.IsNaN(v) })
}

// since adds the time since start to sum.
func since(sum *time.Duration, start time.Time) { *sum += time.Since(start) }
