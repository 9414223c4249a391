package cycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/resample"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Lead is a free forecast at one of its lead times. Its matrices are valid until the callback
// that receives it returns.
type Lead struct {
	Number int     // from 1
	Time   float64 // model time
	Ensemble
	Predicted *Prediction // of the observations of all streams; nil if the operator predicts nothing
}

// Ahead makes a free forecast from the analysis of s, as the plan says, and calls each with every
// lead time. A member that fails leaves the forecast if members may leave the trial, and ends it
// otherwise. Members keep their numbers; those that are drawn get new ones, from 0.
//
// Random streams: branch "ahead" of the assimilation's by cycle, below it "draw", and "forecast"
// and "observe" by call of the model.
func (s *Step) Ahead(ctx context.Context, each func(*Lead) error) error {
	a, to := s.of, s.of.plan.Ahead
	f := a.launch(s)
	for lead := 1; lead <= to.Leads; lead++ {
		for call := range to.Calls {
			n := (lead-1)*to.Calls + call
			from := s.Time + float64(n)*to.Step/float64(to.Calls)
			if err := f.run(ctx, n, from, s.Time+float64(n+1)*to.Step/float64(to.Calls)); err != nil {
				return err
			}
		}
		l := &Lead{Number: lead, Time: s.Time + float64(lead)*to.Step, Ensemble: f.at}
		var err error
		if l.Predicted, err = f.observe(ctx, lead, l.Time); err == nil {
			err = each(l)
		}
		if err != nil {
			return fmt.Errorf("cycle %d: forecast: lead %d: %w", s.Cycle, lead, err)
		}
	}
	return nil
}

// free is a free forecast under way.
type free struct {
	*assimilation
	cycle int
	at    Ensemble
	into  *mat.Dense
	noise *mat.Dense // nil if it has no memory
	carry [][]byte   // what the model keeps
	seed  rng.Seed
}

// call returns the fields of a request for the members that there are.
func (f *free) call(role string, n int) sdk.Call {
	return sdk.Call{Cycle: f.cycle, Seed: f.seed.Child(role, n)}.Of(f.at.Numbers)
}

// launch returns a forecast at the analysis of s.
func (a *assimilation) launch(s *Step) *free {
	f := &free{assimilation: a, cycle: s.Cycle, seed: a.seed.Child("ahead", s.Cycle)}
	rows, n := s.Analysis.Members.Dims()
	from := make([]int, rows)
	for i := range from {
		from[i] = i
	}
	if drawn := a.plan.Ahead.Members; drawn > 0 {
		weights := linear(s.Analysis.LogWeights)
		if weights == nil {
			weights = slices.Repeat([]float64{1 / float64(rows)}, rows)
		}
		from = resample.Systematic(make([]int, drawn), weights, f.seed.Child("draw", 0).Rand())
	} else {
		f.at.LogWeights, f.at.Numbers = slices.Clone(s.Analysis.LogWeights), s.Analysis.Numbers
	}
	f.at.Members, f.into, f.noise = mat.NewDense(len(from), n, nil), mat.NewDense(len(from), n, nil), a.plan.Noise.Memory(len(from))
	kin := from
	if s.kin != nil {
		kin = descended(s.kin, from)
	}
	for to, row := range from {
		f.at.Members.SetRow(to, s.Analysis.Members.RawRowView(row))
		if f.noise != nil {
			f.noise.SetRow(to, a.last().noise.RawRowView(kin[to]))
		}
	}
	f.carry = itemsOf(a.last().carries, kin)
	return f
}

// run makes the n-th call of the model.
func (f *free) run(ctx context.Context, n int, from, to float64) error {
	call := f.call("forecast", n)
	res, err := integrate(ctx, f.plan.Model, f.plan.Noise, f.noise, nil, &sdk.ForecastRequest{
		Call: call, From: from, To: to, Ensemble: f.at.Members, Into: f.into, Carry: f.carry,
	})
	if err != nil {
		return err
	}
	f.carry = res.Carry
	f.at.Members, f.into = f.into, f.at.Members
	if len(res.Failures) == 0 {
		return nil
	}
	rows, _ := f.at.Members.Dims()
	named := numbered(res.Failures, call)
	left := rows - len(res.Failures)
	switch {
	case f.plan.MaxFailed == 0:
		return failed(call, rows, named, " in a free forecast", hintToDrop(left))
	case left < 2:
		return failed(call, rows, named, fmt.Sprintf(" in a free forecast, which leaves %d; an ensemble needs at least 2", left), "")
	}
	kept := without(rows, res.Failures)
	f.at.Members = rowsOf(f.at.Members, kept)
	f.into = mat.NewDense(f.at.Members.RawMatrix().Rows, f.at.Members.RawMatrix().Cols, nil)
	if f.noise != nil {
		f.noise = rowsOf(f.noise, kept)
	}
	f.carry = itemsOf(f.carry, kept)
	f.at.Numbers, f.at.LogWeights = descended(f.at.Numbers, kept), itemsOf(f.at.LogWeights, kept)
	return reweigh(f.at.LogWeights, call, rows, named)
}

// observe predicts the observations of all streams.
func (f *free) observe(ctx context.Context, lead int, time float64) (*Prediction, error) {
	op := f.plan.Ahead.Operator
	if op == nil {
		return nil, nil
	}
	rows, _ := f.at.Members.Dims()
	m := op.Space().Layout.Size()
	r := &sdk.ObserveRequest{Call: f.call("observe", lead), Time: time, Ensemble: f.at.Members, Predicted: mat.NewDense(rows, m, nil)}
	if slices.Contains(op.Space().Offers, sdk.Simulated) {
		r.Simulated = mat.NewDense(rows, m, nil)
	}
	res, err := f.foresee(ctx, op, r)
	if err != nil {
		return nil, err
	}
	return &Prediction{r.Predicted, r.Simulated, res.ErrorVariance, f.at.LogWeights}, nil
}
