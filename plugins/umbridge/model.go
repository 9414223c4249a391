package umbridge

import (
	"context"

	"github.com/plume-da/plume/plugins/internal/umbridge"
	"github.com/plume-da/plume/sdk"
)

// model is a model of an UM-Bridge server:
//
//	x(to) = F(x(from), from, to)
//
// where inputs and outputs say which input and output vectors of the server hold states
// and times.
type model struct {
	umbridge.Server
	Inputs     []string  `param:"inputs"`
	Outputs    []string  `param:"outputs"`
	Variables  []string  `param:"variables"`
	Dimensions []string  `param:"dimensions"`
	Units      []string  `param:"units"`
	Spacing    []float64 `param:"spacing"`
	Period     []float64 `param:"period"`

	layout  *sdk.Layout
	inputs  [][]umbridge.Part // of every input vector
	outputs [][]umbridge.Part // of every output vector
}

// The words in inputs and outputs in addition to state, its variables and numbers.
var (
	inputWords  = []string{"from", "to", "interval", "seed"}
	outputWords = []string{umbridge.Skip}
)

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	if err := m.Connect(context.Background(), timesOf(0, 1, 0)); err != nil {
		return nil, err
	}
	var err error
	if m.layout, err = m.newLayout(); err != nil {
		return nil, err
	}
	if m.inputs, err = umbridge.Parts("inputs", m.Inputs, m.InputSizes, m.layout, inputWords); err != nil {
		return nil, err
	}
	if m.outputs, err = umbridge.Parts("outputs", m.Outputs, m.OutputSizes, m.layout, outputWords); err != nil {
		return nil, err
	}
	return m, m.checkUse()
}

// checkUse returns an error if outputs hold a value of the state twice or a word that is
// not part of an answer, or if a value is not in any vector.
func (m *model) checkUse() error {
	goes, comes := make([]int, m.layout.Size()), make([]int, m.layout.Size())
	for _, use := range []struct {
		vectors [][]umbridge.Part
		count   []int
	}{{m.inputs, goes}, {m.outputs, comes}} {
		for _, ps := range use.vectors {
			for _, p := range ps {
				for j := p.From; j < p.To; j++ {
					use.count[j]++
				}
			}
		}
	}
	for _, ps := range m.outputs {
		for _, p := range ps {
			if !p.HoldsState() && p.Word != umbridge.Skip {
				return config("outputs", "got the number %g, want state, variables or %s", p.Number, umbridge.Skip)
			}
		}
	}
	first := 0
	for _, v := range m.layout.Variables {
		switch {
		case comes[first] > 1:
			return config("outputs", "%s is in more than one item", v.Name)
		case goes[first]+comes[first] == 0:
			return config("inputs", "%s is neither in an input nor in an output", v.Name)
		}
		first += v.Size()
	}
	return nil
}

// timesOf returns the values of words in a forecast.
func timesOf(from, to float64, seed int64) umbridge.Values {
	return umbridge.Values{"from": from, "to": to, "interval": to - from, "seed": seed}
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model. Every member takes one request, m.Parallel at a time;
// members whose requests fail are listed as failed. The seed for the server comes from
// r.Seed.Member(i) and is below 2^53, so that a number in JSON can hold it.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, _ := r.Ensemble.Dims()
	errs := m.Each(ctx, rows, func(ctx context.Context, i int) error {
		x, into := r.Ensemble.RawRowView(i), r.Into.RawRowView(i)
		times := timesOf(r.From, r.To, r.Seed.Member(r.Member(i)).Int64N(1<<53))
		output, err := m.Evaluate(ctx, umbridge.Pack(m.inputs, x, times), times)
		if err != nil {
			return err
		}
		copy(into, x) // values that are not in an output do not change
		for k, ps := range m.outputs {
			umbridge.Unpack(ps, output[k], func(first int, values []float64) { copy(into[first:], values) })
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	res := &sdk.ForecastResult{}
	for i, err := range errs {
		if err != nil {
			kind := sdk.KindOf(err)
			res.Failures = append(res.Failures, sdk.MemberFailure{Member: i, Kind: kind, Reason: err.Error(), Retryable: kind == sdk.KindTransient || kind == sdk.KindDeadline})
		}
	}
	return res, nil
}

func config(where, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindConfig, where, format, args...)
}
