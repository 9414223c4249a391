package plan

import "github.com/plume-da/plume/host/internal/diag"

// stored checks that the variables whose values are stored of ensembles are those of the state.
func (m *maker) stored() {
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
}
