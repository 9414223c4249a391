package plan

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// observations configures the operators of all streams, joins them, and reads the
// observations in files.
func (m *maker) observations() {
	streams := make([]observations.Stream, len(m.w.Observations))
	simulated := make([]observations.Stream, len(streams))
	m.overs = map[int]*over{}
	for i := range streams {
		streams[i], simulated[i] = m.stream(i)
	}
	if len(m.found) > m.before || m.w.Real() && !m.read(streams) {
		return
	}
	m.checkFirst()
	m.checkClock()
	if m.remember(); len(m.found) > m.before {
		return
	}
	m.plan.Streams, m.plan.Operator = streams, observations.Join(streams)
	m.plan.Space = m.plan.Operator.Space()
	m.blocks = nil
	first := 0
	for _, s := range streams {
		size := s.Operator.Space().Layout.Size()
		if c, ok := s.Operator.(*correlated); ok {
			m.blocks = append(m.blocks, block{first, size, c.correlation})
		}
		first += size
	}
	m.plan.blocks = m.blocks
	if !m.w.Real() {
		m.plan.Truth.Operator = observations.Join(simulated)
	}
}

// stream configures the operator of stream i. It returns the stream as filters know it and, in
// a twin experiment, as the truth is observed.
func (m *maker) stream(i int) (known, simulated observations.Stream) {
	o := &m.w.Observations[i]
	o.Params = resolve(m.operatorPlugins[i].Manifest, o.Params)
	op := m.operator(i, "error", o.Error)
	truly := op
	if o.TrueError != nil {
		truly = m.operator(i, "true_error", *o.TrueError)
	}
	if op == nil || truly == nil {
		return known, simulated
	}
	if !m.w.Real() && !slices.Contains(truly.Space().Offers, sdk.Simulated) {
		m.add(codeCapability, []any{"observations", i, "plugin"}, "%s cannot simulate observations, which a twin experiment needs", o.Plugin).
			WithHelp("choose another operator; `plume plugins list` shows them")
	}
	if o.Repeats > 0 && !slices.Contains(op.Space().Offers, sdk.Simulated) {
		m.add(codeCapability, []any{"observations", i, "repeats"}, "%s cannot simulate observations, which `repeats` needs", o.Plugin).
			WithHelp("remove repeats, or choose another operator")
	}
	if n, components := m.observed.Size(), op.Space().Layout.Size(); o.Repeats == 1 && !learnable(n, components) {
		m.add(codeCapability, []any{"observations", i, "repeats"}, "learning from single readings how %d components depend on %d values of the state would take too long", components, n).
			WithLabel("the product may be at most %d", mostLearnt).WithHelp("write 2 or more: their mean is then the prediction")
	}
	m.plan.StreamCalls = append(m.plan.StreamCalls, called(m.operatorPlugins[i].Manifest, o.Component, o.Replicas))
	m.quality(i, op.Space())
	every := max(1, o.Every)
	if o.Over != nil {
		every = cmp.Or(o.Every, o.Over.Cycles)
	}
	in := func(op sdk.ObservationOperator) func(int) sdk.ObservationOperator {
		return observations.Every(op, cmp.Or(o.Offset, every), every, o.From, cmp.Or(o.Until, math.MaxInt))
	}
	known = observations.Stream{Label: o.Label, Operator: op, In: in(op), Twin: twinOf(o), Draws: o.Repeats, Limit: o.QC.Background, Cutoff: o.Cutoff}
	simulated = observations.Stream{Label: o.Label, Operator: truly, In: in(truly)}
	return known, simulated
}

// twinOf says what happens to the simulated observations of a stream.
func twinOf(o *workflow.Observations) observations.Twin {
	t := observations.Twin{}
	if o.Outliers != nil {
		t.Outliers, t.OutlierSD = o.Outliers.Fraction, o.Outliers.SD
	}
	if d := o.Dropout; d != nil {
		t.Dropout, t.Outage, t.Together = d.Fraction, d.Length(), d.Per == "stream"
	}
	return t
}

// quality reports an operator of stream i that cannot predict the values that are checked or
// held out.
func (m *maker) quality(i int, space *sdk.ObservationSpace) {
	o := &m.w.Observations[i]
	wants := func(key string, c sdk.Capability) {
		if !slices.Contains(space.Offers, c) {
			m.add(codeCapability, []any{"observations", i, key}, "`%s` needs `%s`, which %s does not offer here", key, c, o.Plugin).
				WithHelp("remove %s, or choose another operator or error model", key)
		}
	}
	if o.QC.Background > 0 {
		wants("qc", sdk.Predicted)
		wants("qc", sdk.ErrorVariance)
	}
	if o.HoldOut != nil {
		wants("hold_out", sdk.Predicted)
	}
	m.plan.Checked = m.plan.Checked || o.QC.Background > 0
}

// read reads the files of all streams, which determine the times of the cycles.
func (m *maker) read(streams []observations.Stream) bool {
	w := m.w
	layouts := make([]*sdk.Layout, len(streams))
	for i, s := range streams {
		layouts[i] = s.Operator.Space().Layout
	}
	record, found := m.record(layouts)
	if m.found = append(m.found, found...); len(found) > 0 {
		return false
	}
	m.plan.Record = record
	m.plan.Clock.Times, m.plan.Clock.Cycles = record.Times, len(record.Times)
	if n := len(record.Times); w.Time.BurnIn >= n {
		m.add(codeShape, []any{"time", "burn_in"}, "`time.burn_in` must be less than the number of cycles, %d, but is %d", n, w.Time.BurnIn).
			WithLabel("nothing is left to average").WithHelp("lower burn_in")
	}
	m.checkTimes()
	for i := range streams {
		streams[i].In = m.inRecord(i, streams[i].Operator, layouts)
	}
	return len(m.found) == m.before
}

// record returns the observations in files for streams of the given layouts. Settings
// that ask for the same share the result.
func (m *maker) record(layouts []*sdk.Layout) (*observations.Record, diag.Findings) {
	asked := (&workflow.Workflow{Time: m.w.Time, Observations: m.w.Observations}).Fingerprint()
	for _, r := range m.records {
		if r.asked == asked && reflect.DeepEqual(r.layouts, layouts) {
			return r.Record, nil
		}
	}
	r, found := observations.Read(m.w, layouts, m.known)
	if r != nil {
		m.records = append(m.records, recorded{r, asked, layouts})
	}
	return r, found
}

// checkTimes reports times between cycles that are not a whole number of steps.
func (m *maker) checkTimes() {
	c, step := m.plan.Clock, m.w.Time.Step
	for k := 1; k <= c.Cycles && step > 0 && c.Interval == 0; k++ {
		span := c.Time(k) - c.Time(k-1)
		if _, ok := sdk.WholeSteps(span, step); !ok {
			m.add(codeStep, []any{"time", "step"}, "the time from cycle %d to cycle %d must be a whole number of time steps, but (%.9g - %.9g) / %g = %.6g",
				k-1, k, c.Time(k), c.Time(k-1), step, span/step).WithLabel("does not divide the times between observations").
				WithHelp("choose a step that divides them, or a fixed time.interval")
			return
		}
	}
}

// checkClock reports model times that are too large for the time between them.
func (m *maker) checkClock() {
	tolerance, spinUp := 1e-6, 0.0 // what a model without steps can tell
	if m.w.Time.Step > 0 || m.w.Truth != nil && m.w.Truth.Step > 0 {
		tolerance = 1e-9 // see sdk.WholeSteps
	}
	if m.w.Truth != nil {
		spinUp = m.w.Truth.SpinUp
	}
	path := []any{"time", "start"}
	if fault := m.plan.Clock.coarse(spinUp, tolerance); fault != "" && !m.reported(path) {
		m.add(codeClock, path, "model times near %.6g are too large for %s", m.plan.Clock.Start, fault).
			WithLabel("too far from 0").WithHelp("choose a start nearer to 0, or a date, which is model time 0")
	}
}

// coarse says which span of time is not the difference of the model times between which it
// is, within a relative tolerance, because they are rounded; empty if there is none. With a
// start of 1e17 the times of all cycles may be the same.
func (c Clock) coarse(spinUp, tolerance float64) string {
	far := func(got, want float64) bool { return math.Abs(got-want) > tolerance*want }
	if got := c.Start - (c.Start - spinUp); far(got, spinUp) {
		return fmt.Sprintf("`spin_up`: at the start, %.9g becomes %.9g", spinUp, got)
	}
	if last := math.Max(math.Abs(c.Start), math.Abs(c.Time(c.Cycles))); last*0x1p-51 <= 1e-9*c.Interval {
		return "" // no time is rounded by so much
	}
	for k := 1; k <= c.Cycles && c.Interval > 0; k++ {
		want := c.Interval
		if k == 1 {
			want -= c.Lead
		}
		if got := c.Time(k) - c.Time(k-1); far(got, want) {
			return fmt.Sprintf("`interval`: at cycle %d, %.9g becomes %.9g", k, want, got)
		}
	}
	return ""
}

// inRecord returns the operator of stream i in every cycle in which it has values: op,
// or one configured for the standard deviations that the file gives.
func (m *maker) inRecord(i int, op sdk.ObservationOperator, layouts []*sdk.Layout) func(cycle int) sdk.ObservationOperator {
	record := m.plan.Record
	first, size := 0, layouts[i].Size()
	for _, l := range layouts[:i] {
		first += l.Size()
	}
	model := errorModel(m.w.Observations[i].Error)
	if len(model.SD) == 1 {
		model.SD = slices.Repeat(model.SD, size)
	}
	own := map[int]sdk.ObservationOperator{} // by cycle
	for k := 1; k <= len(record.Times); k++ {
		sds := slices.Clone(model.SD)
		for _, v := range slices.Backward(record.In(k)) { // an assimilated value counts, rather than one that is held out
			if int(v.Stream) == i && v.SD > 0 {
				sds[int(v.Component)-first] = v.SD
			}
		}
		if slices.Equal(sds, model.SD) {
			continue
		}
		special, err := m.configured(i, sdk.ErrorModel{Dist: model.Dist, SD: sds, DF: model.DF})
		if err != nil {
			m.refusedErrorModel(m.operatorPlugins[i].Manifest, fmt.Errorf("cycle %d: %w", k, err), []any{"observations", i, "map"})
			return nil
		}
		switch of := op.(type) {
		case *correlated:
			special = newCorrelated(special, of.correlation)
		case *relative:
			special = newRelative(special, of.fraction)
		}
		own[k] = special
	}
	return func(cycle int) sdk.ObservationOperator {
		if !slices.ContainsFunc(record.In(cycle), func(v observations.Value) bool { return int(v.Stream) == i }) {
			return nil
		}
		if special, ok := own[cycle]; ok {
			return special
		}
		return op
	}
}

// observers returns the names of the operators, followed by a verb: one for a single
// operator, several for more.
func (m *maker) observers(one, several string) string {
	var names []string
	for _, o := range m.w.Observations {
		if !slices.Contains(names, o.Plugin) {
			names = append(names, o.Plugin)
		}
	}
	if len(names) == 1 {
		return names[0] + " " + one
	}
	return strings.Join(names, " and ") + " together " + several
}

// errorModel returns the error model that a workflow states.
func errorModel(e workflow.ErrorModel) sdk.ErrorModel {
	model := sdk.ErrorModel{Dist: e.Dist, SD: e.SD, DF: e.DF}
	for _, v := range e.Variance {
		model.SD = append(model.SD, math.Sqrt(v))
	}
	return model
}

// operator configures the operator of stream i for the errors that the workflow states at a
// key; nil when it was refused.
func (m *maker) operator(i int, key string, stated workflow.ErrorModel) sdk.ObservationOperator {
	manifest := m.operatorPlugins[i].Manifest
	model, at := errorModel(stated), []any{"observations", i, key, "sd"}
	if len(stated.Variance) > 0 {
		at[3] = "variance"
	}
	if err := manifest.CheckError(model); err != nil {
		m.unknownDistribution(i, key, err)
		return nil
	}
	op, err := m.configured(i, model)
	if err != nil {
		m.refusedErrorModel(manifest, err, at)
		return nil
	}
	if op == nil {
		return nil
	}
	if stated.Relative > 0 || m.w.Observations[i].Over != nil && stated.Correlation == nil {
		return m.relative(i, key, stated.Relative, op)
	}
	if stated.Correlation != nil {
		c := m.correlation(i, key, stated.Correlation, op.Space())
		if c == nil {
			return nil
		}
		return newCorrelated(op, c)
	}
	return op
}

// relative returns op with the relative errors that the workflow states at a key of stream i; nil
// after a finding.
func (m *maker) relative(i int, key string, fraction float64, op sdk.ObservationOperator) sdk.ObservationOperator {
	if offers := op.Space().Offers; !slices.Contains(offers, sdk.Predicted) || !slices.Contains(offers, sdk.ErrorVariance) {
		m.add(codeCapability, []any{"observations", i, key, "relative"}, "relative errors need `predicted` and `error_variance`, which %s does not offer here", m.w.Observations[i].Plugin).
			WithHelp("remove relative, or choose another operator")
		return nil
	}
	return newRelative(op, fraction)
}

// configured returns the operator of stream i, configured with an error model.
func (m *maker) configured(i int, model sdk.ErrorModel) (sdk.ObservationOperator, error) {
	op, err := m.operatorPlugins[i].NewOperator(m.ctx, sdk.OperatorConfig{Params: m.w.Observations[i].Params, State: m.observed, Error: model})
	if err != nil {
		return nil, err
	}
	if m.plan.Parameters > 0 || slices.ContainsFunc(m.w.Observations, func(o workflow.Observations) bool { return o.Over != nil }) {
		op = &blind{op, m.observed.Size()}
	}
	if times := m.w.Observations[i].Repeats; times > 0 && slices.Contains(op.Space().Offers, sdk.Simulated) {
		op = newRepeated(op, times)
	}
	if m.w.Observations[i].Over != nil {
		return m.held(i, op, model), nil
	}
	return op, nil
}

// unknownDistribution reports an error model that the manifest does not have, at the key
// that is wrong.
func (m *maker) unknownDistribution(i int, key string, err error) {
	at := []any{"observations", i, key}
	var e *sdk.Error
	if errors.As(err, &e) {
		if _, key, ok := strings.Cut(e.Where, "."); ok {
			at = below(at, key)
		}
	}
	m.add(codeConfigure, at, "%s: %v", m.w.Observations[i].Plugin, err).
		WithHelp("`plume plugins describe %s` lists the distributions that it supports", m.w.Observations[i].Plugin)
}

// refusedErrorModel reports the refusal of an operator: at the path at of the error model
// if it is about that, and otherwise as for any other configuration.
func (m *maker) refusedErrorModel(manifest *sdk.Manifest, err error, at []any) {
	var e *sdk.Error
	if errors.As(err, &e) && strings.HasPrefix(e.Where, "error.") {
		m.add(codeShape, at, "%v", err).WithHelp("give one number for all, or one for each observed value")
		return
	}
	m.refused(manifest, err, at[:2]...)
}
