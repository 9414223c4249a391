package plan

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
)

// observations configures the operators of all streams and joins them.
func (m *maker) observations() {
	streams := make([]observations.Stream, len(m.w.Observations))
	for i := range m.w.Observations {
		o := &m.w.Observations[i]
		op := m.operator(i)
		if op == nil {
			continue
		}
		if !slices.Contains(op.Space().Offers, sdk.Simulated) {
			m.add(codeCapability, []any{"observations", i, "plugin"}, "%s cannot simulate observations, which a twin experiment needs", o.Plugin).
				WithHelp("choose another operator; `plume plugins list` shows them")
		}
		every := max(1, o.Every)
		first := o.Offset
		if first == 0 {
			first = every
		}
		streams[i] = observations.Stream{Label: o.Label, Operator: op, In: observations.Every(op, first, every)}
	}
	if len(m.found) > m.before {
		return
	}
	m.plan.Streams, m.plan.Operator = streams, observations.Join(streams)
	m.plan.Space = m.plan.Operator.Space()
}

// observers names the operators, followed by one or the other form of a verb.
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

// operator configures the operator of stream i; nil when it was refused.
func (m *maker) operator(i int) sdk.ObservationOperator {
	o, manifest := &m.w.Observations[i], m.operatorPlugins[i].Manifest
	o.Params = resolve(manifest, o.Params)
	law := sdk.ErrorModel{Dist: o.Error.Dist, SD: o.Error.SD, DF: o.Error.DF}
	at := []any{"observations", i, "error", "sd"}
	if v := o.Error.Variance; len(v) > 0 {
		at[3] = "variance"
		law.SD = make([]float64, len(v))
		for k := range v {
			law.SD[k] = math.Sqrt(v[k])
		}
	}
	if err := manifest.CheckError(law); err != nil {
		m.errorLaw(i, err)
		return nil
	}
	op, err := m.operatorPlugins[i].NewOperator(m.ctx, sdk.OperatorConfig{Params: o.Params, State: m.observed, Error: law})
	if err != nil {
		m.refusedLaw(manifest, err, at)
		return nil
	}
	if m.plan.Parameters > 0 {
		return &blind{op, m.observed.Size()}
	}
	return op
}

// errorLaw reports a law that the manifest does not know, at its own key.
func (m *maker) errorLaw(i int, err error) {
	at := []any{"observations", i, "error"}
	var e *sdk.Error
	if errors.As(err, &e) {
		if _, key, ok := strings.Cut(e.Where, "."); ok {
			at = below(at, key)
		}
	}
	m.add(codeConfigure, at, "%s: %v", m.w.Observations[i].Plugin, err).
		WithHelp("`plume plugins describe %s` lists the laws it knows", m.w.Observations[i].Plugin)
}

// refusedLaw reports what an operator refused: at the error law, which is at at,
// when it is about that, as any other configuration otherwise.
func (m *maker) refusedLaw(manifest *sdk.Manifest, err error, at []any) {
	var e *sdk.Error
	if errors.As(err, &e) && strings.HasPrefix(e.Where, "error.") {
		m.add(codeShape, at, "%v", err).WithHelp("give one number for all, or one for each observed value")
		return
	}
	m.refused(manifest, err, at[:2]...)
}
