package plan

import (
	"fmt"

	"github.com/plume-da/plume/host/internal/diag"
)

// stored checks that the variables whose values are stored of ensembles are those of the state, and exist in what is stored.
func (m *maker) stored() {
	if m.w.Output.Ensemble != "none" {
		m.plan.stores = m.w.Output.Every
	}
	for i, name := range m.w.Output.Only {
		if _, ok := m.plan.State.Offset(name); ok {
			continue
		}
		d := m.add(codeVariable, []any{"output", "ensemble_variables", i}, "the state has no variable `%s`", name).
			WithLabel("not a variable").WithHelp("it has %s", describe(m.plan.State))
		if near := diag.Suggest(name, variables(m.plan.State)); near != "" {
			d.WithLabel("did you mean %q?", near)
		}
	}
	m.storesDiagnostics()
}

// unstored says that there are too few cycles for an ensemble to be stored; empty if there are enough, or none
// is wanted.
func (p *Plan) unstored() string {
	if cycles := p.Clock.Cycles; p.stores > cycles {
		return fmt.Sprintf("output.ensemble_every: no ensemble is stored: got %d, but the last cycle is %d; lower it, or omit it to store every cycle", p.stores, cycles)
	}
	return ""
}
