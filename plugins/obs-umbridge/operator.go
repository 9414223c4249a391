package obsumbridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/plugins/internal/umbridge"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// operator observes states through a model F of an UM-Bridge server, with
// independent normal errors:
//
//	y = F(x, t) + e,    e ~ N(0, diag(sd²))
type operator struct {
	umbridge.Server
	Inputs    []string  `param:"inputs"`
	Outputs   []string  `param:"outputs"`
	Positions []float64 `param:"positions"`

	inputs   [][]umbridge.Part // of every input vector
	observed []bool            // of every output vector
	sd       []float64         // of every observed value
	space    *sdk.ObservationSpace
}

func newOperator(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
	o := &operator{}
	c.Params.Decode(o)
	if err := o.Connect(context.Background(), umbridge.Values{"time": 0.0}); err != nil {
		return nil, err
	}
	var err error
	if o.inputs, err = umbridge.Parts("inputs", o.Inputs, o.InputSizes, c.State, []string{"time"}); err != nil {
		return nil, err
	}
	l, err := o.newLayout(c.State)
	if err != nil {
		return nil, err
	}
	if o.sd = c.Error.SD; len(o.sd) == 1 {
		o.sd = slices.Repeat(o.sd, l.Size())
	}
	if len(o.sd) != l.Size() {
		return nil, config("error.sd", "got %d values for %d observed values, want 1 or %d", len(o.sd), l.Size(), l.Size())
	}
	o.space = &sdk.ObservationSpace{Layout: l, Offers: []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.ErrorVariance}}
	if o.HasGradient {
		o.space.Offers = append(o.space.Offers, sdk.Gradient)
	}
	if l.Coordinates != nil {
		o.space.Offers = append(o.space.Offers, sdk.HasPositions)
	}
	return o, nil
}

// newLayout describes the observations: a variable for every observed output vector.
func (o *operator) newLayout(state *sdk.Layout) (*sdk.Layout, error) {
	if len(o.Outputs) == 0 {
		for k := range o.OutputSizes {
			o.Outputs = append(o.Outputs, fmt.Sprintf("output_%d", k))
		}
	}
	if len(o.Outputs) != len(o.OutputSizes) {
		return nil, config("outputs", "got %d, want one for each of the %d output vectors of %s", len(o.Outputs), len(o.OutputSizes), o.Model)
	}
	l := &sdk.Layout{}
	for k, name := range o.Outputs {
		o.observed = append(o.observed, name != umbridge.Skip)
		if name != umbridge.Skip {
			l.Variables = append(l.Variables, sdk.Variable{Name: name, Shape: []int{o.OutputSizes[k]}, Dims: []string{"observation"}, Unit: "1"})
		}
	}
	if err := l.Check(); err != nil {
		return nil, config("outputs", "%v", err)
	}
	if len(o.Positions) == 0 {
		return l, nil
	}
	axes := state.Coordinates
	if axes == nil {
		return nil, config("positions", "is set, but the state has no coordinates")
	}
	if want := l.Size() * len(axes.Dims); len(o.Positions) != want {
		return nil, config("positions", "got %d numbers, want %d: %d for each of %d observed values", len(o.Positions), want, len(axes.Dims), l.Size())
	}
	l.Coordinates = &sdk.Coordinates{Dims: axes.Dims, Period: axes.Period, Points: mat.NewDense(l.Size(), len(axes.Dims), o.Positions)}
	return l, nil
}

// Space implements sdk.ObservationOperator.
func (o *operator) Space() *sdk.ObservationSpace { return o.space }

// Observe implements sdk.ObservationOperator. Every member takes one request, and for a
// gradient one more for every pair of input and output vectors. Simulated errors of member
// i of the experiment come from r.Seed.Member(i). The first member whose requests fail ends
// the call.
func (o *operator) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	started, stop := context.WithCancel(ctx)
	defer stop()
	rows, _ := r.Ensemble.Dims()
	errs := o.Each(started, rows, func(ctx context.Context, i int) error {
		err := o.observe(ctx, r, i)
		if err != nil {
			stop()
		}
		return err
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, ofMember(err, r.Member(i))
		}
	}
	res := &sdk.ObserveResult{}
	for _, sd := range o.sd {
		res.ErrorVariance = append(res.ErrorVariance, sd*sd)
	}
	return res, nil
}

// ofMember returns err with the member that it is about.
func ofMember(err error, member int) error {
	var e *sdk.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("member %d: %w", member, err)
	}
	e.Where = fmt.Sprintf("member %d: %s", member, e.Where)
	return e
}

// observe fills row i of all requested matrices.
func (o *operator) observe(ctx context.Context, r *sdk.ObserveRequest, i int) error {
	time := umbridge.Values{"time": r.Time}
	input := umbridge.Pack(o.inputs, r.Ensemble.RawRowView(i), time)
	output, err := o.Evaluate(ctx, input, time)
	if err != nil {
		return err
	}
	var h umbridge.Vector
	for k, v := range output {
		if o.observed[k] {
			h = append(h, v...)
		}
	}
	if r.Predicted != nil {
		r.Predicted.SetRow(i, h)
	}
	if r.Simulated != nil {
		stream := r.Seed.Member(r.Member(i))
		for k := range h {
			r.Simulated.Set(i, k, h[k]+o.sd[k]*stream.NormFloat64())
		}
	}
	if r.LogLikelihood == nil && r.Gradient == nil {
		return nil
	}
	sens := make(umbridge.Vector, len(h)) // of log p(y|x) to h
	for k, y := range r.Observation {
		l := 0.0
		if !math.IsNaN(y) {
			d := (y - h[k]) / o.sd[k]
			l, sens[k] = -0.5*d*d-math.Log(o.sd[k])-0.5*math.Log(2*math.Pi), d/o.sd[k]
		}
		if r.LogLikelihood != nil {
			r.LogLikelihood.Set(i, k, l)
		}
	}
	if r.Gradient == nil {
		return nil
	}
	return o.pullBack(ctx, input, sens, time, r.Gradient.RawRowView(i))
}

func config(where, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindConfig, where, format, args...)
}
