package plan

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// State augmentation: parameters to be estimated follow the variables of the model in
// every state, one value each. Filters see them like any other value; the model gets
// them as parameters by member; an operator does not see them.

// estimates checks the parameters that the workflow estimates and returns their names,
// sorted, and their entries in the manifest.
func (m *maker) estimates(manifest *sdk.Manifest) (names []string, params []*sdk.Param) {
	names = slices.Sorted(maps.Keys(m.w.Model.Estimate))
	var offers []string
	for _, p := range manifest.Params {
		if p.PerMember {
			offers = append(offers, p.Name)
		}
	}
	can := manifest.Name + " can estimate " + list(offers)
	declares := slices.IndexFunc(manifest.Params, func(p sdk.Param) bool { return p.Declares })
	switch {
	case declares >= 0:
		can = fmt.Sprintf("add \"NAME = NUMBER\" to %s in [model.params], with the value of the truth or of a run without estimates", manifest.Params[declares].Name)
	case len(offers) == 0:
		can = "remove it: " + manifest.Name + " takes no parameter by member"
	}
	for _, name := range names {
		p := manifest.Param(name)
		switch {
		case p == nil:
			m.found.Add(codeEstimate, m.w.KeyAt("model", "estimate", name), "%s %s has no parameter `%s`", manifest.Name, manifest.Version, name).
				WithLabel("unknown parameter").WithHelp("%s", can)
		case !p.PerMember:
			m.found.Add(codeEstimate, m.w.KeyAt("model", "estimate", name), "%s %s cannot take a value of `%s` for each member", manifest.Name, manifest.Version, name).
				WithLabel("cannot be estimated").WithHelp("%s", can)
		default:
			params = append(params, p)
		}
	}
	return names, params
}

// augment returns l followed by one value for each parameter. Parameters have no
// location, so the result has no coordinates.
func (m *maker) augment(l *sdk.Layout, params []*sdk.Param) *sdk.Layout {
	if len(params) == 0 {
		return l
	}
	whole := &sdk.Layout{Variables: slices.Clone(l.Variables)}
	for _, p := range params {
		if _, taken := l.Offset(p.Name); taken {
			m.found.Add(codeEstimate, m.w.KeyAt("model", "estimate", p.Name), "the state already has a variable `%s`", p.Name).
				WithLabel("name is taken").WithHelp("remove it; a parameter with the name of a variable cannot be estimated")
		}
		whole.Variables = append(whole.Variables, sdk.Variable{Name: p.Name, Unit: p.Unit})
	}
	return whole
}

// start returns the distribution of states and parameters at the start. A parameter without
// a distribution is in the file of the members.
func (m *maker) start(l *sdk.Layout, params []*sdk.Param) Draw {
	init, read := m.w.Ensemble.Init, &sdk.Layout{Variables: slices.Clone(l.Variables)}
	for _, p := range params {
		if m.w.Model.Estimate[p.Name].Init != nil {
			continue
		}
		if init.Dist != "samples" {
			m.found.Add(codeEstimate, m.w.KeyAt("model", "estimate", p.Name), "`%s` has no initial distribution", p.Name).WithLabel("where does it start?").
				WithHelp("write init = { dist = \"normal\", ... }; it is omitted only where ensemble.init names a file with a column %s", p.Name)
			return Draw{}
		}
		read.Variables = append(read.Variables, sdk.Variable{Name: p.Name})
	}
	d := m.draw(init, read, "ensemble", "init")
	dists := d.Dists[:min(len(d.Dists), len(l.Variables))]
	for _, p := range params {
		if own := m.w.Model.Estimate[p.Name].Init; own != nil {
			dists = m.startOf(dists, p, *own)
		} else {
			dists = append(dists, Distribution{Size: 1})
		}
	}
	d.Dists = dists
	if d.Samples != nil && read.Size() > l.Size() {
		d.Samples = m.withParameters(d.Samples, l.Size(), params)
	}
	return d
}

// startOf adds to dists the distribution of an estimated parameter.
func (m *maker) startOf(dists []Distribution, p *sdk.Param, init workflow.Start) []Distribution {
	one := &sdk.Layout{Variables: []sdk.Variable{{Name: p.Name}}}
	at := []any{"model", "estimate", p.Name, "init"}
	own := m.draw(init, one, at...)
	if len(own.Dists) == 0 {
		return dists
	}
	first := own.Dists[0]
	if _, err := p.Check(first.Middle[0]); err != nil && first.Around == Given {
		m.add(codeParam, at, "%s", what(err, p.Name)).WithLabel("%s", p.Wants()).WithHelp("choose a distribution within the limits of the parameter")
	}
	if truth := m.plan.Truth.Init.Dists; first.Around != Given && len(dists) < len(truth) && math.IsNaN(truth[len(dists)].Middle[0]) {
		m.add(codeEstimate, below(at, "around"), "the truth has no parameter `%s`", p.Name).
			WithLabel("%s is the truth's plugin", m.w.Truth.Plugin).WithHelp("write mean = ... instead of around")
	}
	return append(dists, own.Dists...)
}

// withParameters returns samples, of which the first n columns are those of the model, with
// a column for each parameter: that of the file, or NaN if it is drawn. It reports values
// outside of the limits of a parameter.
func (m *maker) withParameters(samples *mat.Dense, n int, params []*sdk.Param) *mat.Dense {
	rows, _ := samples.Dims()
	all := mat.NewDense(rows, n+len(params), nil)
	all.Slice(0, rows, 0, n).(*mat.Dense).Copy(samples.Slice(0, rows, 0, n))
	from := n
	for j, p := range params {
		drawn := m.w.Model.Estimate[p.Name].Init != nil
		for i := range rows {
			if drawn {
				all.Set(i, n+j, math.NaN())
				continue
			}
			v := samples.At(i, from)
			if all.Set(i, n+j, v); p.Outside(v) && !m.reported([]any{"ensemble", "init", "file"}) {
				m.add(codeSamples, []any{"ensemble", "init", "file"}, "`%s` of member %d is %g, which is outside of its limits", p.Name, i, v).
					WithLabel("%s", p.Wants()).WithHelp("fix the file, or give the parameter an init")
			}
		}
		if !drawn {
			from++
		}
	}
	return all
}

// estimating is a model whose states hold parameters, which perform a random walk.
// Streams: branch "walk" of a request's seed, by member.
type estimating struct {
	sdk.Model // configured with parameters by member
	state     *sdk.Layout
	params    []*sdk.Param
	walk      []float64 // standard deviation of a step, by parameter
	bounded   []bounded // those of the parameters that have bounds
}

// Layout implements sdk.Model.
func (m *estimating) Layout() *sdk.Layout { return m.state }

// Forecast implements sdk.Model. A parameter outside its limits is an error of kind
// diverged: no valid forecast can be made with it.
func (m *estimating) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, whole := r.Ensemble.Dims()
	n := whole - len(m.params)
	inner := *r
	inner.Ensemble, inner.Parameters = columnsOf(r.Ensemble, 0, n), columnsOf(r.Ensemble, n, whole)
	inner.Into = mat.NewDense(rows, n, nil)
	if err := m.within(r, inner.Parameters); err != nil {
		return nil, err
	}
	if err := m.inside(r); err != nil {
		return nil, err
	}
	res, err := m.Model.Forecast(ctx, &inner)
	if err != nil {
		return nil, err
	}
	seed := r.Seed.Child("walk", 0)
	for i := range rows {
		row := r.Into.RawRowView(i)
		copy(row, inner.Into.RawRowView(i))
		copy(row[n:], inner.Parameters.RawRowView(i))
		stream := seed.Member(r.Member(i))
		for j, sd := range m.walk {
			if sd > 0 && r.To != r.From {
				row[n+j] = stepped(m.bounded, n+j, row[n+j], sd*stream.NormFloat64())
			}
		}
	}
	return res, nil
}

// inside returns an error if a parameter of a member is outside its bounds. After an
// analysis none is, so that it is the initial value.
func (m *estimating) inside(r *sdk.ForecastRequest) error {
	for _, b := range m.bounded {
		for i := range r.Ensemble.RawMatrix().Rows {
			if v := r.Ensemble.At(i, b.first); !b.contains(v) {
				return sdk.Errorf(sdk.KindConfig, "model.estimate."+b.name+".init", "member %d: the initial value is %.6g, want %s", r.Member(i), v, b.wants()).
					WithHint("choose a distribution within the bounds, such as lognormal or uniform, or other bounds in [model.bounds]")
			}
		}
	}
	return nil
}

// within returns an error if a parameter of a member is outside its limits.
func (m *estimating) within(r *sdk.ForecastRequest, parameters *mat.Dense) error {
	for j, p := range m.params {
		for i := range parameters.RawMatrix().Rows {
			if v := parameters.At(i, j); math.IsInf(v, 0) || p.Outside(v) {
				return sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("cycle %d: member %d", r.Cycle, r.Member(i)), "the estimate of %s has left its limits: got %g, want %s", p.Name, v, p.Wants()).
					WithHint("a smaller walk_sd, a narrower initial distribution or less inflation may help")
			}
		}
	}
	return nil
}

// columnsOf returns a copy of columns [from, to).
func columnsOf(m *mat.Dense, from, to int) *mat.Dense {
	rows, _ := m.Dims()
	return mat.DenseCopyOf(m.Slice(0, rows, from, to))
}

// blind is an observation operator that sees the first variables of a state only.
type blind struct {
	sdk.ObservationOperator
	sees int // number of values
}

// Observe implements sdk.ObservationOperator. Values that are not seen have gradient 0.
func (o *blind) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	inner := *r
	inner.Ensemble = columnsOf(r.Ensemble, 0, o.sees)
	if r.Gradient != nil {
		rows, _ := r.Gradient.Dims()
		inner.Gradient = mat.NewDense(rows, o.sees, nil)
	}
	res, err := o.ObservationOperator.Observe(ctx, &inner)
	if err == nil && r.Gradient != nil {
		r.Gradient.Zero()
		for i := range r.Gradient.RawMatrix().Rows {
			copy(r.Gradient.RawRowView(i), inner.Gradient.RawRowView(i))
		}
	}
	return res, err
}

// fixed is a model whose states are followed by values that it does not change, such as those of
// the parameters of the truth where parameters are estimated.
type fixed struct {
	sdk.Model
	state *sdk.Layout
}

// Layout implements sdk.Model.
func (m *fixed) Layout() *sdk.Layout { return m.state }

// Forecast implements sdk.Model.
func (m *fixed) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, whole := r.Ensemble.Dims()
	n := m.Model.Layout().Size()
	inner := *r
	inner.Ensemble, inner.Into = columnsOf(r.Ensemble, 0, n), mat.NewDense(rows, n, nil)
	res, err := m.Model.Forecast(ctx, &inner)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		copy(r.Into.RawRowView(i), inner.Into.RawRowView(i))
		copy(r.Into.RawRowView(i)[n:whole], r.Ensemble.RawRowView(i)[n:])
	}
	return res, nil
}

// trueValues returns the values of the parameters of the truth, those that they declare among
// them, which its model has accepted.
func trueValues(manifest *sdk.Manifest, params map[string]any) sdk.Params {
	if wide, err := manifest.With(params); err == nil {
		manifest = wide
	}
	return resolve(manifest, params)
}

// trueParameters returns distributions of width 0 at the parameters of the truth; NaN
// for a parameter that the truth's own plugin does not have.
func trueParameters(params []*sdk.Param, of sdk.Params) []Distribution {
	dists := make([]Distribution, len(params))
	for i, p := range params {
		dists[i] = Distribution{Size: 1, Middle: workflow.Numbers{math.NaN()}, Width: workflow.Numbers{0}}
		if v, ok := of[p.Name].(float64); ok {
			dists[i].Middle[0] = v
		}
	}
	return dists
}
