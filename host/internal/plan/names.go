package plan

import (
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// Table is a table of a run, or an exported file, in which values of states or of observations have
// columns that are called as the variables are, and the names of its other columns.
type Table struct {
	Name    string
	Columns []string
}

// The tables of a run; package archive writes them.
var (
	TruthTable        = Table{"truth.arrow", []string{"cycle", "time"}}
	EnsembleTable     = Table{"ensemble.arrow", []string{"cycle", "time", "stage", "member", "log_weight", "parent"}}
	SmoothedTable     = Table{"smoothed.arrow", append(slices.Clone(EnsembleTable.Columns), "lag")}
	ObservationsTable = Table{"observations.arrow", []string{"replicate", "truth", "cycle", "time"}}
	InnovationsTable  = Table{"innovations.arrow", []string{"trial", "replicate", "filter", "cycle", "time", "nis", "rms_expected"}}
)

// What readers of a run put in front of the columns of a table when they read all truths or all trials at once.
var (
	JoinedTruths  = Table{"the truths of all replicates", []string{"replicate", "truth"}}
	JoinedMembers = Table{"the members of all trials", []string{"trial", "replicate", "filter"}}
)

// The arrays of files that `plume export` writes; package export writes them. Those of tables have arrays for
// their columns, and one more if times are dates.
var (
	DatedFile    = Table{"an exported file", []string{"model_time"}}
	ForecastFile = Table{"an exported forecast", []string{"statistic", "cycle", "lead", "time", "valid"}}
)

// NamesOfColumns returns the names that a variable cannot have in some workflows; it can have any other one in all of them.
func NamesOfColumns() []string {
	var all []string
	for _, t := range []Table{TruthTable, JoinedTruths, SmoothedTable, JoinedMembers, ObservationsTable, InnovationsTable, DatedFile, ForecastFile} {
		all = append(all, t.Columns...)
	}
	return all
}

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
	m.alike(m.plan.State, "the state has", m.w.At("model", "plugin"))
	m.alike(m.plan.Space.Layout, "the observations have", m.w.At("observations", 0, "plugin"))
}

// alike reports two variables of a layout that have one name in exported arrays, where a slash is not allowed.
func (m *maker) alike(l *sdk.Layout, of string, at diag.Span) {
	names := map[string]string{}
	for _, v := range l.Variables {
		exported := strings.ReplaceAll(v.Name, "/", "_")
		if other, taken := names[exported]; taken {
			m.found.Add(codeName, at, "%s variables `%s` and `%s`, which are both called `%s` in exported files", of, other, v.Name, exported).
				WithLabel("name is taken").WithHelp("give one of them another name")
			return
		}
		names[exported] = v.Name
	}
}

// name reports a variable, of a state or of observations as of says, whose name is that of a column of one of the tables, and whether there is one.
func (m *maker) name(name, of string, at diag.Span, tables []Table) bool {
	i := slices.IndexFunc(tables, func(t Table) bool { return slices.Contains(t.Columns, name) })
	if i < 0 {
		return false
	}
	m.found.Add(codeName, at, "%s a variable `%s`, which is the name of another column of %s", of, name, tables[i].Name).
		WithLabel("name is taken").WithHelp("give the variable another name; not %s", strings.Join(tables[i].Columns, ", "))
	return true
}

// tables returns the tables with columns for the values of states, and those with columns for the values of
// observations, that the run writes.
func (m *maker) tables() (state, observed []Table) {
	w, smooths := m.w, false
	m.each(func(_ int, f *workflow.Filter, _ int) { smooths = smooths || f.Smooth != nil })
	observed = []Table{ObservationsTable, InnovationsTable}
	if w.Truth != nil {
		state = append(state, TruthTable, JoinedTruths)
	}
	if w.Output.Ensemble != "none" || w.Reference != nil {
		state = append(state, EnsembleTable, JoinedMembers)
	}
	if smooths {
		state = append(state, SmoothedTable)
	}
	if Dates(w) != nil {
		observed = append(observed, DatedFile)
		if len(state) > 0 {
			state = append(state, DatedFile)
		}
	}
	if w.Forecast != nil {
		state, observed = append(state, ForecastFile), append(observed, ForecastFile)
	}
	return state, observed
}
