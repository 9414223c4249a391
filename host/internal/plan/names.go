package plan

import (
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/names"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// names reports variables that are called as other columns of the tables are that the run writes.
func (m *maker) names() {
	state, observed := m.tables()
	reported := map[string]bool{}
	for i, v := range m.plan.State.Variables {
		at := m.w.At("model", "plugin")
		if _, estimated := m.w.Model.Estimate[v.Name]; estimated && i >= len(m.observed.Variables) {
			at = m.w.KeyAt("model", "estimate", v.Name)
		}
		reported[v.Name] = m.name(v.Name, "the state has", at, state)
	}
	for _, v := range m.plan.Space.Layout.Variables {
		if !reported[v.Name] { // else it is what is observed of the state
			m.name(v.Name, "the observations have", m.w.At("observations", 0, "plugin"), observed) // names of several streams have their labels
		}
	}
	if !m.unfit(m.plan.State, "the state has", m.w.At("model", "plugin")) {
		m.unfit(m.plan.Space.Layout, "the observations have", m.w.At("observations", 0, "plugin"))
	}
}

// unfit reports variables of a layout that files cannot have, one with an impossible name or two that would have
// one name, and whether there are any.
func (m *maker) unfit(l *sdk.Layout, of string, at diag.Span) (found bool) {
	for _, v := range l.Variables {
		if fault := names.Fault(v.Name); fault != "" {
			m.found.Add(codeFile, at, "%s a variable %q, whose name %s", of, diag.Shorten(v.Name), fault).
				WithLabel("name cannot be used").WithHelp("give the variable another name")
			found = true
		}
	}
	if one, other, name, shared := names.Shared(l); shared {
		m.found.Add(codeName, at, "%s variables `%s` and `%s`, which are both called `%s` in exported files", of, one.Name, other.Name, name).
			WithLabel("name is taken").WithHelp("give one of them another name")
		found = true
	}
	return found
}

// name reports a variable, of a state or of observations as of says, whose name is that of a column of one of the tables, and whether there is one.
func (m *maker) name(name, of string, at diag.Span, tables []names.Table) bool {
	i := slices.IndexFunc(tables, func(t names.Table) bool { return slices.Contains(t.Columns, name) })
	if i < 0 {
		return false
	}
	m.found.Add(codeName, at, "%s a variable `%s`, which is the name of another column of %s", of, name, tables[i].Name).
		WithLabel("name is taken").WithHelp("give the variable another name; not %s", strings.Join(tables[i].Columns, ", "))
	return true
}

// tables returns the tables with columns for the values of states, and those with columns for the values of
// observations, that the run writes.
func (m *maker) tables() (state, observed []names.Table) {
	w, smooths := m.w, false
	m.each(func(_ int, f *workflow.Filter, _ int) { smooths = smooths || f.Smooth != nil })
	observed = []names.Table{names.Observations, names.Innovations}
	if w.Truth != nil {
		state = append(state, names.Truth, names.JoinedTruths)
	}
	if w.Output.Ensemble != "none" || w.Reference != nil {
		state = append(state, names.Ensemble, names.JoinedMembers, names.Draws, names.Table{Name: names.JoinedMembers.Name, Columns: w.Axes()})
	}
	if smooths {
		state = append(state, names.Smoothed)
	}
	if Dates(w) != nil {
		observed = append(observed, names.Dated)
		if len(state) > 0 {
			state = append(state, names.Dated)
		}
	}
	if w.Forecast != nil {
		state, observed = append(state, names.Forecast), append(observed, names.Forecast)
	}
	return state, observed
}
