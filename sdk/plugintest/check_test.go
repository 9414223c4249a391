package plugintest_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
	"gonum.org/v1/gonum/mat"
)

const modelManifest = `
name = "decay"
version = "1"
role = "model"
summary = "x' = -rate x with noise"
step = 0.1

[[param]]
name = "rate"
type = "float"
default = 1.0
above = 0.0
doc = "decay rate"
`

// decay is a correct model, but for what spoil does to each call.
type decay struct {
	rate   float64
	layout *sdk.Layout
	spoil  func(*sdk.ForecastRequest)
}

func (d *decay) Layout() *sdk.Layout { return d.layout }

func (d *decay) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		noise := r.Seed.Member(r.Member(i))
		for j := range n {
			r.Into.Set(i, j, r.Ensemble.At(i, j)*math.Exp(-d.rate*(r.To-r.From))+0.1*noise.NormFloat64())
		}
	}
	if d.spoil != nil {
		d.spoil(r)
	}
	return &sdk.ForecastResult{}, nil
}

func checkDecay(spoil func(*sdk.ForecastRequest)) error {
	return plugintest.Check(sdk.ModelPlugin(modelManifest, func(c sdk.ModelConfig) (sdk.Model, error) {
		return &decay{
			rate:   c.Params["rate"].(float64),
			layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}}}},
			spoil:  spoil,
		}, nil
	}))
}

func TestModelFindings(t *testing.T) {
	var calls, running atomic.Int64
	tests := []struct {
		name  string
		spoil func(*sdk.ForecastRequest)
		want  []string // one per finding; none: the plugin passes
	}{
		{"correct", nil, nil},
		{"unseeded randomness", func(r *sdk.ForecastRequest) { r.Into.Set(0, 0, rand.Float64()) },
			[]string{"the same call gives a different answer the second time"}},
		{"memory of earlier calls", func(r *sdk.ForecastRequest) { r.Into.Set(0, 0, float64(calls.Add(1))) },
			[]string{"the same call gives a different answer the second time"}},
		{"mixed-up calls", func(r *sdk.ForecastRequest) {
			n := running.Add(1)
			time.Sleep(time.Millisecond)
			r.Into.Set(0, 0, float64(n))
			running.Add(-1)
		},
			[]string{"calls at once change the answer"}},
		{"another order", func(r *sdk.ForecastRequest) {
			first, last := r.Into.RawRowView(0), r.Into.RawRowView(r.Into.RawMatrix().Rows-1)
			for j := range first {
				first[j], last[j] = last[j], first[j]
			}
		},
			[]string{"order: row 0 of the answer is the answer for member 11 by itself"}},
		{"NaN", func(r *sdk.ForecastRequest) { r.Into.Set(min(3, r.Into.RawMatrix().Rows-1), 1, math.NaN()) },
			[]string{"member 3, value 1 is NaN"}},
		{"a row left out", func(r *sdk.ForecastRequest) {
			r.Into.Set(min(1, r.Into.RawMatrix().Rows-1), 0, math.Float64frombits(0x7ff8dead0000beef))
		},
			[]string{"member 1, value 0 is NaN"}},
		{"changed input", func(r *sdk.ForecastRequest) { r.Ensemble.Set(0, 0, 7) },
			[]string{"modifies its input ensemble"}},
		{"row instead of member", func(r *sdk.ForecastRequest) {
			for i := range r.Into.RawMatrix().Rows {
				r.Into.Set(i, 0, r.Seed.Member(i).NormFloat64())
			}
		},
			[]string{"members 5 to 11 by themselves give a different answer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, checkDecay(tt.spoil), tt.want) })
	}
}

// What a model computes does not depend on the type in which its states travel.
func TestSingleFindings(t *testing.T) {
	for _, tt := range []struct {
		faster float64
		err    error
		want   string
	}{
		{1, nil, "float32: the forecast depends on whether states travel as float64 or as float32"},
		{0, errors.New("columns of float32?"), "float32: columns of float32?"},
	} {
		expect(t, plugintest.Check(sdk.ModelPlugin(modelManifest, func(c sdk.ModelConfig) (sdk.Model, error) {
			d := &decay{rate: c.Params["rate"].(float64), layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}}}}}
			if !c.Single {
				return d, nil
			}
			d.rate += tt.faster
			return d, tt.err
		})), []string{tt.want})
	}
}

// Diagnostics follow the state, and a forecast does not depend on those of its request.
func TestDiagnosticsFindings(t *testing.T) {
	sum := func(r *sdk.ForecastRequest) {
		for i := range r.Into.RawMatrix().Rows {
			r.Into.Set(i, 1, 2*r.Into.At(i, 0))
		}
	}
	x, twice := sdk.Variable{Name: "x"}, sdk.Variable{Name: "twice", Diagnostic: true}
	for name, tt := range map[string]struct {
		variables []sdk.Variable
		spoil     func(*sdk.ForecastRequest)
		want      []string
	}{
		"correct":             {[]sdk.Variable{x, twice}, sum, nil},
		"needed to go on":     {[]sdk.Variable{x, twice}, nil, []string{"diagnostics: the forecast depends on the diagnostics of the request"}},
		"before the state":    {[]sdk.Variable{twice, x}, sum, []string{"x follows twice, which is a diagnostic"}},
		"nothing to go on to": {[]sdk.Variable{twice}, nil, []string{"all variables are diagnostics"}},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, plugintest.Check(sdk.ModelPlugin(modelManifest, func(c sdk.ModelConfig) (sdk.Model, error) {
				return &decay{rate: c.Params["rate"].(float64), layout: &sdk.Layout{Variables: tt.variables}, spoil: tt.spoil}, nil
			})), tt.want)
		})
	}
}

// counting is a model that adds to each state how often it was forecast before, which spoil may
// change in what is carried.
type counting struct {
	decay
	calls float64
	last  float64
	spoil func(c *counting, r *sdk.ForecastRequest, carry [][]byte)
}

func (c *counting) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := c.decay.Forecast(ctx, r)
	rows, _ := r.Ensemble.Dims()
	res.Carry = make([][]byte, rows)
	for i := range rows {
		before := ""
		if r.Carry != nil {
			before = string(r.Carry[i])
		}
		res.Carry[i] = []byte(before + "x")
		r.Into.Set(i, 0, r.Into.At(i, 0)+float64(len(before))*r.Ensemble.At(i, 1))
	}
	c.calls++
	if c.spoil != nil {
		c.spoil(c, r, res.Carry)
	}
	return res, err
}

func TestCarryFindings(t *testing.T) {
	manifest := strings.Replace(modelManifest, "step =", "carries = true\nstep =", 1) + "[threading]\nconcurrent_calls = false\n"
	for _, tt := range []struct {
		name  string
		spoil func(c *counting, r *sdk.ForecastRequest, carry [][]byte)
		want  []string
	}{
		{"correct", nil, nil},
		{"memory of its own", func(c *counting, r *sdk.ForecastRequest, _ [][]byte) {
			if r.Cycle == 3 {
				r.Into.Set(0, 0, c.calls)
			}
		}, []string{"carry: a forecast that goes on from what was carried is another one after other calls"}},
		{"what another configuration does not know", func(c *counting, r *sdk.ForecastRequest, _ [][]byte) {
			if r.Cycle == 1 {
				c.last = 1
			}
			r.Into.Set(0, 0, r.Into.At(0, 0)+c.last)
		}, []string{"carry: a forecast that goes on from what was carried differs in another configuration"}},
		{"of other members", func(_ *counting, _ *sdk.ForecastRequest, carry [][]byte) {
			carry[len(carry)-1], carry[0] = append(carry[0], "yyy"...), append(carry[len(carry)-1], "zz"...)
			for i := range carry {
				carry[i] = append(carry[i], make([]byte, len(carry)-i)...)
			}
		}, []string{"carry: members 5 to 11 by themselves go on differently"}},
		{"changed", func(_ *counting, r *sdk.ForecastRequest, _ [][]byte) {
			if r.Carry != nil {
				r.Carry[0][0] = 'y'
			}
		}, []string{"carry: a forecast modifies what it is given"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, plugintest.Check(sdk.ModelPlugin(manifest, func(c sdk.ModelConfig) (sdk.Model, error) {
				return &counting{decay{rate: c.Params["rate"].(float64), layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}}}}}, 0, 0, tt.spoil}, nil
			})), tt.want)
		})
	}
}

func expect(t *testing.T, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("a correct plugin is refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("a broken plugin passes")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no finding says %q; got:\n%v", w, err)
		}
	}
}

func TestConfigurationFindings(t *testing.T) {
	err := plugintest.Check(&sdk.Plugin{
		Manifest: mustParse(t, modelManifest),
		NewModel: func(context.Context, sdk.ModelConfig) (sdk.Model, error) { // checks nothing
			return &decay{rate: 1, layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "x"}, {Name: "x"}}}}, nil
		},
	}, nil)
	expect(t, err, []string{
		"an unknown parameter is accepted", "a value of the wrong type is accepted",
		"a value out of range is accepted: rate = 0", `variable 1 ("x"): name is repeated`,
	})
}

// A plugin that takes what does not apply breaks a promise; the kits refuse it.
func TestWhenFindings(t *testing.T) {
	const text = modelManifest + `
[[param]]
name = "scheme"
type = "string"
default = "euler"
choices = ["euler", "rk4"]
doc = "of the integration"

[[param]]
name = "tolerance"
type = "float"
default = 2.0
min = 2.0
max = 9.0
when = { scheme = ["rk4"] }
doc = "of a step"
`
	newModel := func(sdk.ModelConfig) (sdk.Model, error) {
		return &decay{rate: 1, layout: &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{2}}}}}, nil
	}
	expect(t, plugintest.Check(sdk.ModelPlugin(text, newModel)), nil)
	err := plugintest.Check(&sdk.Plugin{
		Manifest: mustParse(t, text),
		NewModel: func(_ context.Context, c sdk.ModelConfig) (sdk.Model, error) { // checks parameters one by one
			if _, err := mustParse(t, text).Resolve(c.Params); err != nil {
				return nil, err
			}
			return newModel(c)
		},
	}, nil)
	expect(t, err, []string{`a parameter that does not apply with scheme = "euler" is accepted: tolerance = 9`})
	broken := mustParse(t, text)
	broken.Text = strings.Replace(text, `["rk4"]`, `["rk5"]`, 1)
	err = plugintest.Check(&sdk.Plugin{Manifest: broken, NewModel: func(context.Context, sdk.ModelConfig) (sdk.Model, error) {
		return newModel(sdk.ModelConfig{})
	}}, nil)
	expect(t, err, []string{`manifest: plugin.toml: param tolerance: when: scheme has no choice "rk5", it has euler, rk4`})
}

func mustParse(t *testing.T, text string) *sdk.Manifest {
	t.Helper()
	m, err := sdk.ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const filterManifest = `
name = "nudge"
version = "1"
role = "filter"
summary = "moves every member a little towards what was observed"
`

// nudge is a correct filter, but for what spoil does to each answer.
type nudge struct {
	spoil func(*sdk.Problem, *sdk.Analysis)
}

func (nudge) Needs() []sdk.Capability { return []sdk.Capability{sdk.Predicted} }

func (f nudge) Analyse(_ context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	p.Into.Copy(p.Ensemble)
	for _, v := range p.Ensemble.RawMatrix().Data {
		if math.IsNaN(v) {
			return nil, sdk.Errorf(sdk.KindDiverged, "ensemble", "holds NaN")
		}
	}
	if y := p.Observation[0]; !math.IsNaN(y) {
		for i := range p.Into.RawMatrix().Rows {
			p.Into.Set(i, 0, p.Into.At(i, 0)+0.5*(y-p.Predicted.At(i, 0)))
		}
	}
	a := &sdk.Analysis{Metrics: map[string]float64{"gain": 0.5}}
	if f.spoil != nil {
		f.spoil(p, a)
	}
	return a, nil
}

func TestFilterFindings(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*sdk.Problem, *sdk.Analysis)
		want  []string
	}{
		{"correct", nil, nil},
		{"missing observations spread", func(p *sdk.Problem, _ *sdk.Analysis) { p.Into.Set(0, 0, p.Observation[0]) },
			[]string{"member 0, value 0 is NaN"}},
		{"weights not normalised", func(_ *sdk.Problem, a *sdk.Analysis) { a.LogWeights = make([]float64, 12) },
			[]string{"the weights sum to 12"}},
		{"too few weights", func(_ *sdk.Problem, a *sdk.Analysis) { a.LogWeights = []float64{0} },
			[]string{"1 log-weights for 12 members"}},
		{"ancestor out of range", func(_ *sdk.Problem, a *sdk.Analysis) { a.Ancestors = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12} },
			[]string{"member 11 descends from row 12"}},
		{"changed prediction", func(p *sdk.Problem, _ *sdk.Analysis) { p.Predicted.Set(0, 0, 9) },
			[]string{"modifies its input predicted"}},
		{"carry differs", func(_ *sdk.Problem, a *sdk.Analysis) {
			a.Carry = []byte{byte(rand.N(256)), byte(rand.N(256)), byte(rand.N(256)), byte(rand.N(256))}
		},
			[]string{"the same call gives a different answer"}},
		{"metric is not finite", func(_ *sdk.Problem, a *sdk.Analysis) { a.Metrics["gain"] = math.Inf(1) },
			[]string{"metric gain is +Inf"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, plugintest.Check(sdk.FilterPlugin(filterManifest, func(sdk.FilterConfig) (sdk.Filter, error) {
				return nudge{tt.spoil}, nil
			})), tt.want)
		})
	}
}

// A filter that takes fractions and counts one twice, or learns in every call, is found out.
func TestFractionFindings(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*sdk.Problem, *sdk.Analysis)
		want  []string
	}{
		{"correct", nil, nil},
		{"learns when it is fresh", func(p *sdk.Problem, a *sdk.Analysis) {
			if a.Carry = p.Carry; p.Fresh() != nil {
				a.Carry = append(a.Carry[:len(a.Carry):len(a.Carry)], 1)
			}
		}, nil},
		{"the fraction counts twice", func(p *sdk.Problem, _ *sdk.Analysis) {
			if p.Fraction != nil {
				p.Into.Scale(p.Fraction[0], p.Into)
			}
		}, []string{"half of the likelihood does not count as an error of twice the variance"}},
		{"a fraction of 1 matters", func(p *sdk.Problem, _ *sdk.Analysis) { p.Into.Set(0, 0, float64(len(p.Fraction))) },
			[]string{"a fraction of 1 changes the answer"}},
		{"learns in every call", func(p *sdk.Problem, a *sdk.Analysis) { a.Carry = append(p.Carry[:len(p.Carry):len(p.Carry)], 1) },
			[]string{"changes what is carried over"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, plugintest.Check(sdk.FilterPlugin(filterManifest+"fractions = true\n", func(sdk.FilterConfig) (sdk.Filter, error) {
				return nudge{tt.spoil}, nil
			})), tt.want)
		})
	}
}

const operatorManifest = `
name = "look"
version = "1"
role = "operator"
summary = "the state itself"
errors = ["normal"]
`

// look is a correct operator, but for what spoil does to each answer.
type look struct {
	state *sdk.Layout
	sd    float64
	spoil func(*sdk.ObserveRequest, *sdk.ObserveResult)
}

func (o look) Space() *sdk.ObservationSpace {
	return &sdk.ObservationSpace{Layout: o.state, Offers: []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.ErrorVariance}}
}

func (o look) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		noise := r.Seed.Member(r.Member(i))
		for j := range n {
			x := r.Ensemble.At(i, j)
			put(r.Predicted, i, j, x)
			put(r.Simulated, i, j, x+o.sd*noise.NormFloat64())
			if r.LogLikelihood != nil {
				r.LogLikelihood.Set(i, j, o.logLikelihood(r.Observation[j]-x))
			}
		}
	}
	res := &sdk.ObserveResult{ErrorVariance: make([]float64, n)}
	for j := range n {
		res.ErrorVariance[j] = o.sd * o.sd
	}
	if o.spoil != nil {
		o.spoil(r, res)
	}
	return res, nil
}

func put(m *mat.Dense, i, j int, v float64) {
	if m != nil {
		m.Set(i, j, v)
	}
}

func (o look) logLikelihood(residual float64) float64 {
	if math.IsNaN(residual) {
		return 0
	}
	return -0.5*residual*residual/(o.sd*o.sd) - math.Log(o.sd*math.Sqrt(2*math.Pi))
}

func TestOperatorFindings(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*sdk.ObserveRequest, *sdk.ObserveResult)
		want  []string
	}{
		{"correct", nil, nil},
		{"missing has a likelihood", func(r *sdk.ObserveRequest, _ *sdk.ObserveResult) { put(r.LogLikelihood, 2, 0, -1) },
			[]string{"member 2 is -1 for a missing observation"}},
		{"variance of zero", func(_ *sdk.ObserveRequest, a *sdk.ObserveResult) { a.ErrorVariance[1] = 0 },
			[]string{"error_variance: value 1 is 0"}},
		{"variance too short", func(_ *sdk.ObserveRequest, a *sdk.ObserveResult) { a.ErrorVariance = a.ErrorVariance[:2] },
			[]string{"error_variance holds 2 values; want 6"}},
		{"simulated is the same in every block", func(r *sdk.ObserveRequest, _ *sdk.ObserveResult) { put(r.Simulated, 0, 0, float64(r.Member(0))) },
			[]string{"simulated: members 5 to 11 by themselves give a different answer"}},
		{"first + row is not the number", func(r *sdk.ObserveRequest, _ *sdk.ObserveResult) {
			for i := range r.Ensemble.RawMatrix().Rows {
				put(r.Simulated, i, 0, float64(r.Member(0)+i))
			}
		}, []string{"simulated: members 0 2 3 7 11 by themselves give a different answer"}},
		{"infinite prediction", func(r *sdk.ObserveRequest, _ *sdk.ObserveResult) { put(r.Predicted, 0, 3, math.Inf(1)) },
			[]string{"predicted: member 0, value 3 is +Inf"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, plugintest.Check(sdk.OperatorPlugin(operatorManifest, func(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
				return look{c.State, c.Error.SD[0], tt.spoil}, nil
			})), tt.want)
		})
	}
}

// Plugins that read positions by rule, but not their origins, are found out.
func TestPositionFindings(t *testing.T) {
	withoutOrigin := func(l *sdk.Layout) float64 {
		if g, ok := l.Coordinates.Points.(sdk.Grid); ok {
			return g.At(0, 0) - g[0].Axes[0].Origin
		}
		return l.Coordinates.Points.At(0, 0)
	}
	expect(t, plugintest.Check(sdk.OperatorPlugin(operatorManifest, func(c sdk.OperatorConfig) (sdk.ObservationOperator, error) {
		points := mat.DenseCopyOf(c.State.Coordinates.Points)
		points.Set(0, 0, withoutOrigin(c.State))
		l := *c.State
		l.Coordinates = &sdk.Coordinates{Dims: l.Coordinates.Dims, Period: l.Coordinates.Period, Points: points}
		return look{&l, c.Error.SD[0], nil}, nil
	})), []string{"positions: of observations are others when those of the state are given by rule"})
	expect(t, plugintest.Check(sdk.FilterPlugin(filterManifest, func(c sdk.FilterConfig) (sdk.Filter, error) {
		return nudge{func(_ *sdk.Problem, a *sdk.Analysis) { a.Metrics["gain"] = withoutOrigin(c.State) }}, nil
	})), []string{"positions: by rule change the answer"})
}
