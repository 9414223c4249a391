package grpc4bmi

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/plume-da/plume/sdk"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plume-da/plume/plugins/grpc4bmi/bmi"
)

// model is a model with a Basic Model Interface. A forecast of a member sets the values of state and
// parameters that are not those of the model, and updates it:
//
//	x(to) = get(update(... update(set(model, x(from))) ...))
//
// A model has more of a state than its variables. What was done with it since it was initialised
// is carried, and is done again where no server has a model in the state of the member.
type model struct {
	Command    []string `param:"command"`
	Addresses  []string `param:"addresses"`
	Config     string   `param:"config"`
	State      []string `param:"state"`
	Outputs    []string `param:"outputs"`
	Parameters []string `param:"parameters"`
	TimeUnit   string   `param:"time_unit"`
	Restart    bool     `param:"restart"`
	Servers    int      `param:"servers"`
	Parallel   int      `param:"parallel"`

	dir       string
	pool      *pool
	layout    *sdk.Layout
	variables []*variable // parameters, and then the state
	outputs   []*variable // that are no part of the state
	values    []float64   // of the parameters, unless there are some by member
	columns   []int       // of each parameter in those by member; -1: none
	step      float64     // of the model, in the workflow's time
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	var err error
	if m.dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "command", "%v", err)
	}
	if (len(m.Command) == 0) == (len(m.Addresses) == 0) {
		return nil, config("command", "want either command or addresses")
	}
	if m.Restart && len(m.Addresses) > 0 {
		return nil, config("restart", "is set, but servers at addresses are not started here").WithHint("use command, or leave restart out if the model can be initialised twice")
	}
	if m.Config != "" && len(m.Command) > 0 && !filepath.IsAbs(m.Config) {
		m.Config = filepath.Join(m.dir, m.Config)
	}
	if m.Parallel == 0 {
		m.Parallel = runtime.NumCPU()
	}
	if m.pool, err = poolOf(m); err != nil {
		return nil, err
	}
	ctx := context.Background() // a server that does not answer in time has failed
	s, err := m.pool.take(ctx, "")
	if err != nil {
		return nil, err
	}
	if err = m.discover(ctx, s, c.PerMember); err != nil {
		m.pool.drop(s)
		return nil, err
	}
	m.pool.give(s)
	return m, nil
}

// discover asks an initialised model what it consists of.
func (m *model) discover(ctx context.Context, s *server, perMember []string) error {
	if err := m.begin(ctx, s); err != nil {
		return err
	}
	names, outputs, err := m.names(ctx, s, perMember)
	if err != nil {
		return err
	}
	if m.variables, err = s.all(ctx, names); err != nil {
		return err
	}
	if m.outputs, err = s.all(ctx, outputs); err != nil {
		return err
	}
	for _, v := range m.outputs {
		v.field.Diagnostic = true
	}
	for _, v := range m.variables[:len(m.values)] {
		if v.size != 1 {
			return config("parameters", "%s has %d values, want one", v.name, v.size)
		}
	}
	if m.layout, err = layoutOf(slices.Concat(m.variables[len(m.values):], m.outputs)); err != nil {
		return err
	}
	return m.setStep(ctx, s)
}

// names returns the names of parameters and state in the model, and of outputs, and sets the values of parameters.
func (m *model) names(ctx context.Context, s *server, perMember []string) (names, outputs []string, err error) {
	takes, err1 := s.GetInputVarNames(ctx, &bmi.Empty{})
	gives, err2 := s.GetOutputVarNames(ctx, &bmi.Empty{})
	if err1 != nil && err2 != nil {
		return nil, nil, answered("names of variables", err1)
	}
	for _, name := range m.Outputs {
		if name, err = find(gives.GetNames(), name, "outputs"); err != nil {
			return nil, nil, err
		}
		outputs = append(outputs, name)
	}
	if names, err = m.prognostic(takes.GetNames(), gives.GetNames(), perMember); err != nil {
		return nil, nil, err
	}
	for _, name := range outputs {
		if slices.Contains(names, name) {
			return nil, nil, config("outputs", "%s is a parameter or part of the state", name).WithHint("name it in one of them")
		}
	}
	return names, outputs, nil
}

// prognostic returns the names of parameters and state in a model that takes and gives some variables, and sets
// the values of parameters.
func (m *model) prognostic(takes, gives, perMember []string) (names []string, err error) {
	known := slices.Compact(slices.Sorted(slices.Values(slices.Concat(gives, takes))))
	for _, item := range m.Parameters {
		name, value, _ := sdk.Declaration(item) // checked
		m.values = append(m.values, value)
		m.columns = append(m.columns, slices.Index(perMember, name))
		if name, err = find(known, name, "parameters"); err != nil {
			return nil, err
		}
		if len(takes) > 0 && !slices.Contains(takes, name) {
			return nil, config("parameters", "the model gives %s, but does not take it", name).WithHint("it takes %s", strings.Join(takes, ", "))
		}
		names = append(names, name)
	}
	for _, name := range m.State {
		if name, err = find(known, name, "state"); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if len(m.State) > 0 {
		return names, nil
	}
	for _, name := range gives {
		if slices.Contains(takes, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == len(m.values) {
		return nil, config("state", "the model has no variables that it both takes and gives").WithHint("name some of %s", strings.Join(known, ", "))
	}
	return names, nil
}

// find returns the name of a variable: the same or, without regard to capitals, the only one.
func find(known []string, name, where string) (string, error) {
	if slices.Contains(known, name) {
		return name, nil
	}
	found := map[string]bool{}
	for _, k := range known {
		if strings.EqualFold(k, name) || strings.EqualFold(plain(k), name) {
			found[k] = true
		}
	}
	if len(found) != 1 {
		return "", config(where, "the model has no variable %s", name).WithHint("it has %s", strings.Join(known, ", "))
	}
	for k := range found {
		name = k
	}
	return name, nil
}

// setStep sets the length of a time step of the model in the workflow's time.
func (m *model) setStep(ctx context.Context, s *server) error {
	step, err := s.GetTimeStep(ctx, &bmi.Empty{})
	if err != nil {
		return answered("time step", err)
	}
	m.step = step.Interval
	if m.TimeUnit != "" {
		unit, err := s.GetTimeUnits(ctx, &bmi.Empty{})
		if err != nil {
			return answered("unit of time", err)
		}
		ours, known := secondsIn(m.TimeUnit)
		if !known {
			return config("time_unit", "got %q, want a unit of time such as s, min, h, d or a", m.TimeUnit)
		}
		theirs, known := secondsIn(unit.Units)
		if !known {
			return config("time_unit", "the model's own unit of time is %q, which is not known here", unit.Units).WithHint("leave time_unit out, and write times in the model's unit")
		}
		m.step *= theirs / ours
	}
	if !(m.step > 0) || math.IsInf(m.step, 0) {
		return config("config", "the model has a time step of %g, want a number above 0", m.step)
	}
	return nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model. Members are computed m.Parallel at a time, each with a server.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, _ := r.Ensemble.Dims()
	updates, err := m.updates(r.To-r.From, "an interval")
	if err != nil {
		return nil, err
	}
	before, err := m.updates(r.From, "a start at time")
	if err != nil {
		return nil, err
	}
	if m.Servers == 0 {
		m.pool.allow(2*rows + 1)
	}
	res := &sdk.ForecastResult{Carry: make([][]byte, rows)}
	errs, turns := make([]error, rows), make(chan struct{}, m.Parallel)
	var all sync.WaitGroup
	for i := range rows {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			var done history
			if r.Carry != nil {
				done, errs[i] = carried(r.Carry[i])
			}
			if errs[i] != nil || ctx.Err() != nil {
				return
			}
			if done == "" && before > 0 { // it begins late: at the right place in its forcing
				done = done.then(nil, before)
			}
			done, errs[i] = m.member(ctx, done, m.given(r, i), updates, r.Into.RawRowView(i))
			res.Carry[i] = []byte(version + done)
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, err := range errs {
		switch kind := sdk.KindOf(err); {
		case err == nil:
		case kind == sdk.KindContract || kind == sdk.KindResource:
			return nil, err
		default:
			res.Failures = append(res.Failures, sdk.MemberFailure{Member: i, Kind: kind, Reason: err.Error(), Retryable: kind == sdk.KindTransient})
		}
	}
	return res, nil
}

// updates returns how many time steps of the model a length of time is.
func (m *model) updates(length float64, what string) (int, error) {
	steps := length / m.step
	if steps < -1e-6 || math.Abs(steps-math.Round(steps)) > 1e-6 {
		return 0, config("time_unit", "%s of %g is %.6g time steps of the model, which begins at time 0 and cannot go back", what, length, steps).
			WithHint("want a whole number: choose another time_unit, time.interval or no spin-up")
	}
	return int(math.Round(steps)), nil
}

// given returns the parameters and the state of the member in row i of r.
func (m *model) given(r *sdk.ForecastRequest, i int) []float64 {
	values := slices.Clone(m.values)
	for k, column := range m.columns {
		if column >= 0 && r.Parameters != nil {
			values[k] = r.Parameters.At(i, column)
		}
	}
	return append(values, r.Ensemble.RawRowView(i)[:m.layout.Prognostic().Size()]...)
}

// member has a model in the state to which done has led it go on with values, and returns what has
// been done with it then.
func (m *model) member(ctx context.Context, done history, values []float64, updates int, into []float64) (history, error) {
	s, err := m.pool.take(ctx, done)
	if err != nil {
		return "", err
	}
	if err := m.goOn(ctx, s, done, values, updates, into); err != nil {
		m.pool.drop(s)
		return "", err
	}
	done = s.done
	m.pool.give(s)
	return done, nil
}

func (m *model) goOn(ctx context.Context, s *server, done history, values []float64, updates int, into []float64) error {
	if !s.known || s.done != done {
		if err := m.repeat(ctx, s, done, len(values)); err != nil {
			return err
		}
	}
	if err := m.advance(ctx, s, values, updates); err != nil {
		return err
	}
	for _, v := range slices.Concat(m.variables[len(m.values):], m.outputs) {
		got, err := s.value(ctx, v)
		if err != nil {
			return err
		}
		into = into[copy(into, got):]
	}
	return nil
}

// repeat brings the model of s to where done leads.
func (m *model) repeat(ctx context.Context, s *server, done history, n int) error {
	if err := m.begin(ctx, s); err != nil {
		return err
	}
	return done.each(n, func(values []float64, updates int) error { return m.advance(ctx, s, values, updates) })
}

// begin initialises the model of s.
func (m *model) begin(ctx context.Context, s *server) error {
	if s.known && s.done == "" {
		return nil
	}
	s.known = false
	if s.own != nil && m.Restart && s.initialised {
		fresh, err := start(ctx, m.Command, m.dir)
		if err != nil {
			return err
		}
		s.end()
		*s = *fresh
	}
	if s.initialised {
		_, _ = s.Finalize(ctx, &bmi.Empty{}) // models that were never initialised here, or have no such call, refuse
	}
	if _, err := s.Initialize(ctx, &bmi.InitializeRequest{ConfigFile: m.Config}); err != nil {
		return answered("initialize", s.explain(err))
	}
	s.initialised, s.known, s.done = true, true, ""
	return nil
}

// advance sets values, none if they are those of the model, and updates it.
func (m *model) advance(ctx context.Context, s *server, values []float64, updates int) error {
	s.known = false
	changed := false
	for rest, k := values, 0; len(rest) > 0; k++ {
		v := m.variables[k]
		c, err := s.change(ctx, v, rest[:v.size])
		if err != nil {
			return err
		}
		changed, rest = changed || c, rest[v.size:]
	}
	for range updates {
		if _, err := s.Update(ctx, &bmi.Empty{}); err != nil {
			return answered("update", s.explain(err))
		}
	}
	if !changed {
		values = nil
	}
	s.done, s.known = s.done.then(values, updates), true
	return nil
}

// change sets a variable unless it has these values.
func (s *server) change(ctx context.Context, v *variable, values []float64) (changed bool, err error) {
	now, err := s.value(ctx, v)
	if err != nil {
		return false, err
	}
	r := &bmi.SetValueRequest{Name: v.name}
	switch {
	case strings.Contains(v.kind, "int"):
		ints := make([]int64, len(values))
		for k, x := range values {
			ints[k] = int64(math.Round(x))
			changed = changed || float64(ints[k]) != now[k]
		}
		r.Values = &bmi.SetValueRequest_ValuesInt{ValuesInt: &bmi.IntArrayMessage{Values: ints}}
	case v.item <= 4: // float32, and float in C; in Python float is one of 8 bytes
		floats := make([]float32, len(values))
		for k, x := range values {
			floats[k] = float32(x)
			changed = changed || float64(floats[k]) != now[k]
		}
		r.Values = &bmi.SetValueRequest_ValuesFloat{ValuesFloat: &bmi.FloatArrayMessage{Values: floats}}
	default:
		changed = !slices.Equal(values, now)
		r.Values = &bmi.SetValueRequest_ValuesDouble{ValuesDouble: &bmi.DoubleArrayMessage{Values: values}}
	}
	if !changed {
		return false, nil
	}
	_, err = s.SetValue(ctx, r)
	return true, answered("set_value of "+v.name, s.explain(err))
}

// value returns the values of a variable.
func (s *server) value(ctx context.Context, v *variable) ([]float64, error) {
	got, err := s.GetValue(ctx, &bmi.GetVarRequest{Name: v.name})
	if err != nil {
		return nil, answered("get_value of "+v.name, s.explain(err))
	}
	values := got.GetValuesDouble().GetValues()
	for _, x := range got.GetValuesFloat().GetValues() {
		values = append(values, float64(x))
	}
	for _, x := range got.GetValuesInt().GetValues() {
		values = append(values, float64(x))
	}
	if len(values) != v.size {
		return nil, sdk.Errorf(sdk.KindExternal, v.name, "got %d values, want %d", len(values), v.size)
	}
	return values, nil
}

// explain returns the error of a call, with what a server printed before it ended.
func (s *server) explain(err error) error {
	if status.Code(err) == codes.Unavailable {
		return s.failure(fmt.Sprintf("is gone: %s", status.Convert(err).Message()))
	}
	return err
}

// answered returns the error for a call that a server answered with one; nil for none.
func answered(what string, err error) error {
	if err == nil || sdk.KindOf(err) == sdk.KindExternal || sdk.KindOf(err) == sdk.KindTransient {
		return err
	}
	return sdk.Errorf(sdk.KindExternal, "model", "%s: %s", what, status.Convert(err).Message())
}

func config(where, format string, args ...any) *sdk.Error {
	return sdk.Errorf(sdk.KindConfig, where, format, args...)
}
