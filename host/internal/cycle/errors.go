package cycle

import (
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/response"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Errors is what a trial has learnt of operators that are black boxes, from their readings: the
// error variance of each component, and what would be read of a state on average.
type Errors struct {
	Variance []float64  // by component, from the scatter of its readings
	Freedom  []float64  // degrees of freedom that Variance rests on; 0: none yet
	Readings []Readings // by stream; empty for an operator that predicts

	responses []*response.Response // of Readings; nil: not made yet
}

// Readings are the latest states that a stream was read of, and what was read.
type Readings struct {
	Rows   int
	States []float64 // Rows x n
	Values []float64 // Rows x m, means where a state was read several times
}

func newErrors(p *plan.Plan) *Errors {
	m := p.Space.Layout.Size()
	return &Errors{make([]float64, m), make([]float64, m), make([]Readings, len(p.Streams)), nil}
}

// add remembers the rows of x, N x n, of which y, N x m, was read, and forgets the oldest ones.
func (r *Readings) add(x, y mat.Matrix) {
	rows, n := x.Dims()
	_, m := y.Dims()
	gone := min(r.Rows, max(0, r.Rows+rows-plan.Readings))
	r.States, r.Values = append(r.States[:0:0], r.States[gone*n:]...), append(r.Values[:0:0], r.Values[gone*m:]...)
	for i := range rows {
		for d := range n {
			r.States = append(r.States, x.At(i, d))
		}
		for j := range m {
			r.Values = append(r.Values, y.At(i, j))
		}
	}
	r.Rows += rows - gone
}

// learn adds the readings of a cycle, N x m, of the members x. now are the error variances that came
// with them: infinite where a stream has no observations in this cycle.
func (e *Errors) learn(p *plan.Plan, x, readings *mat.Dense, now []float64) {
	rows, _ := x.Dims()
	for s := range p.Streams {
		if from, to := observations.ComponentsOf(p.Streams, s); p.Learns(s) && !math.IsInf(now[from], 1) {
			e.Readings[s].add(x, readings.Slice(0, rows, from, to))
			e.responses = nil
		}
	}
}

// respond makes the responses, unless they are there.
func (e *Errors) respond() {
	if e.responses != nil {
		return
	}
	e.responses = make([]*response.Response, len(e.Readings))
	for s, r := range e.Readings {
		if r.Rows > 0 {
			e.responses[s] = response.Learn(mat.NewDense(r.Rows, len(r.States)/r.Rows, r.States), mat.NewDense(r.Rows, len(r.Values)/r.Rows, r.Values))
		}
	}
}

// refine replaces the readings of the members x, N x m, with what all readings say of them, and sets
// the error variances that go with it, but for components whose variance is infinite.
//
// Readings of K each scatter by R/K around what the operator would predict. Their variance around
// the response is R/K + L, where L is what the response cannot explain. The prediction is
//
//	response + w (reading - response),   w = L / (L + R/K),
//
// and y is predicted with the variance R - w² R/K + (1 - w)² L: w² R/K is part of the scatter of the
// predictions. With K = 1 there is no R, and all that is not explained counts as error: w = 0. Source:
// docs/decisions/0098-black-boxes-are-learnt.md. Cost: O(N (n + m)).
func (e *Errors) refine(p *plan.Plan, x, readings *mat.Dense, variance []float64) {
	e.respond()
	rows, _ := x.Dims()
	for s, r := range e.responses {
		if r == nil {
			continue
		}
		from, to := observations.ComponentsOf(p.Streams, s)
		fit := mat.NewDense(rows, to-from, nil)
		r.Predict(fit, x)
		for j := from; j < to; j++ {
			if math.IsInf(variance[j], 1) {
				continue
			}
			share := e.share(j, p.Streams[s].Draws, r.Variance(j-from), variance)
			for i := range rows {
				h := fit.At(i, j-from)
				readings.Set(i, j, h+share*(readings.At(i, j)-h))
			}
		}
	}
}

// share sets the error variance of component j, which was read draws times and has a variance around its
// response, and returns the share of the reading in the prediction.
func (e *Errors) share(j, draws int, around float64, variance []float64) float64 {
	if draws == 1 {
		variance[j] = around
		return 0
	}
	k := float64(draws)
	scatter := e.Variance[j] / (k - 1) // R/K
	lack := max(0, around-scatter)
	share := lack / max(around, scatter)
	variance[j] = scatter*(k-share*share) + (1-share)*(1-share)*lack
	return share
}

// remembered is the number of degrees of freedom that an estimate of the error variance
// has after many cycles. Its standard error is then 10 %. An estimate that has more in one
// cycle forgets all others, so an error that changes is followed as fast as it can be known.
const remembered = 200

// pool adds the estimates of a cycle and returns the error variances to use: the mean of
// those of this cycle and of earlier ones, which count less the older they are. Components
// whose error variance is known, or that have no estimate in this cycle, stay as they are.
// Cost: O(m).
func (e *Errors) pool(p *plan.Plan, now []float64, s *Step) []float64 {
	rows, _ := s.Forecast.Members.Dims()
	pooled := slices.Clone(now)
	for j, stream := range observations.Components(p.Streams) {
		if stream.Draws < 2 || math.IsInf(now[j], 1) { // the stream has no observations in this cycle
			continue
		}
		more := float64(rows * (stream.Draws - 1))
		kept := e.Freedom[j] * max(0, 1-more/remembered)
		e.Variance[j] = (kept*e.Variance[j] + more*now[j]) / (kept + more)
		e.Freedom[j] = kept + more
		pooled[j] = e.Variance[j]
	}
	return pooled
}

// judge returns an error if a black box seems to make no error in a component that is observed.
func (e *Errors) judge(p *plan.Plan, s *Step, variance []float64) error {
	for j, stream := range observations.Components(p.Streams) {
		if stream.Draws == 0 || variance[j] != 0 || math.IsNaN(s.Observation[j]) {
			continue
		}
		return sdk.Errorf(sdk.KindConfig, fmt.Sprintf("cycle %d: observations", s.Cycle), "the operator gives the same answer for component %d each time it is asked, so its error variance would be 0", j).
			WithHint("an operator that is asked with `repeats` has to simulate its error; if it predicts, remove repeats")
	}
	return nil
}

// ofError returns the error variance of component j; 0 if it is not known.
func (e *Errors) ofError(p *plan.Plan, j int) float64 {
	s := observations.StreamOf(p.Streams, j)
	switch draws := float64(p.Streams[s].Draws); {
	case draws == 1 && e.Readings[s].Rows > 0:
		e.respond()
		from, _ := observations.ComponentsOf(p.Streams, s)
		return e.responses[s].Variance(j - from)
	case e.Freedom[j] > 0:
		return e.Variance[j] * draws / (draws - 1)
	}
	return 0
}

// report adds to the diagnostics of s the estimated standard deviation of the errors of each
// observed variable: error_sd, or error_sd_NAME if there are several variables.
func (e *Errors) report(p *plan.Plan, s *Step) {
	if e == nil {
		return
	}
	s.Metrics = with(s.Metrics, nil)
	first := 0
	for _, v := range p.Space.Layout.Variables {
		sum, n := 0.0, 0
		for j := first; j < first+v.Size(); j++ {
			if variance := e.ofError(p, j); variance > 0 {
				sum += variance
				n++
			}
		}
		first += v.Size()
		if n == 0 {
			continue
		}
		name := "error_sd"
		if len(p.Space.Layout.Variables) > 1 {
			name += "_" + v.Name
		}
		s.Metrics[name] = math.Sqrt(sum / float64(n))
	}
}
