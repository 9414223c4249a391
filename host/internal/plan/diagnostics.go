package plan

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Diagnostics: a model may give, with each forecast, values that it does not need to go on. They are
// variables of the state, so operators, tables and forecasts have them like any other; they exist
// in what the model has computed, and are NaN everywhere else: at the start, and in what a filter
// has moved. Filters and scores get the rest. See docs/decisions/0107-diagnostics.md.

// Diagnostics returns the columns of the state that are diagnostics, [first, end); equal ones
// without any. They follow the other variables of the model.
func (p *Plan) Diagnostics() (first, end int) { return diagnosticsIn(p.State) }

func diagnosticsIn(l *sdk.Layout) (first, end int) {
	at := 0
	for _, v := range l.Variables {
		next := at + v.Size()
		if v.Diagnostic {
			if end == 0 {
				first = at
			}
			end = next
		}
		at = next
	}
	return first, end
}

// Diagnosed reports whether members have what the model computes with a forecast, so that they can
// be observed: always where there are no diagnostics, and not where members were drawn again.
func (p *Plan) Diagnosed(members *mat.Dense) bool {
	first, end := p.Diagnostics()
	return first == end || !math.IsNaN(members.At(0, first))
}

// diagnoses reports whether the model has diagnostics.
func (m *maker) diagnoses() bool {
	first, end := diagnosticsIn(m.observed)
	return first < end
}

// checkState reports a model whose variables are not a state.
func (m *maker) checkState(manifest *sdk.Manifest, l *sdk.Layout, path ...any) {
	if err := l.CheckState(); err != nil {
		m.add(codeDiagnostic, below(path, "plugin"), "%s: %v", manifest.Name, err).WithLabel("no state").
			WithHelp("a diagnostic is computed with each forecast, and is not needed for the next one: remove what is not from the diagnostics")
	}
}

// noDiagnostics reports those of names that are diagnostics of l, where the workflow says something of
// values that a model goes on from, and returns whether there are none.
func (m *maker) noDiagnostics(names []string, l *sdk.Layout, path []any) bool {
	sound := true
	for _, v := range l.Variables {
		if v.Diagnostic && slices.Contains(names, v.Name) {
			m.found.Add(codeDiagnostic, m.w.KeyAt(below(path, v.Name)...), "`%s` is a diagnostic, which has neither initial values, nor noise, nor bounds", v.Name).
				WithLabel("computed by the model").WithHelp("remove it; %s goes on from %s", m.w.Model.Plugin, describe(l.Prognostic()))
			sound = false
		}
	}
	return sound
}

// checkFirst reports a first cycle at the start, where no forecast leads to.
func (m *maker) checkFirst() {
	if c := m.plan.Clock; m.diagnoses() && c.Cycles > 0 && c.Time(1) == c.Start {
		m.add(codeDiagnostic, []any{"time", "start"}, "the first cycle is at the start, where the diagnostics of %s do not exist: no forecast leads there", m.w.Model.Plugin).
			WithLabel("the time of the first observations").WithHelp("start earlier, or leave these observations out; %s", m.withoutThem())
	}
}

// withoutThem says what removes a limit of diagnostics where none is observed; the plan does not know what operators read.
func (m *maker) withoutThem() string {
	return fmt.Sprintf("or, if no observation is of %s, leave `diagnostics` or `outputs` out of the model", strings.Join(diagnosticNames(m.observed), ", "))
}

// diagnosticNames returns the names of the diagnostics of l.
func diagnosticNames(l *sdk.Layout) (names []string) {
	for _, v := range l.Variables {
		if v.Diagnostic {
			names = append(names, v.Name)
		}
	}
	return names
}

// storesDiagnostics reports that of analyses only diagnostics are stored, which do not exist where a filter has moved the members.
func (m *maker) storesDiagnostics() {
	output := m.w.Output
	names := diagnosticNames(m.plan.State)
	if output.Ensemble != "analysis" || len(output.Only) == 0 || slices.ContainsFunc(output.Only, func(name string) bool { return !slices.Contains(names, name) }) ||
		slices.ContainsFunc(m.plan.Trials, func(t Trial) bool { return t.Whole() || t.Every > 1 }) { // analyses that the model has computed
		return
	}
	m.add(codeDiagnostic, []any{"output", "ensemble_variables"}, "nothing would be stored but missing values: got diagnostics alone, which analyses do not have, and output.ensemble = \"analysis\"").
		WithLabel("only in forecasts").WithHelp("write output.ensemble = \"forecast\" or \"both\", or store variables that filters move: %s", describe(m.plan.State.Prognostic()))
}

// absent is the distribution of a diagnostic at the start.
func absent(v sdk.Variable) Distribution {
	return Distribution{Size: v.Size(), Middle: workflow.Numbers{math.NaN()}, Width: workflow.Numbers{0}}
}

// spread returns states without diagnostics, the rows of e, as states of l, whose diagnostics are NaN.
// Columns that follow are kept.
func spread(e *mat.Dense, l *sdk.Layout) *mat.Dense {
	first, end := diagnosticsIn(l)
	if first == end {
		return e
	}
	rows, columns := e.Dims()
	all := mat.NewDense(rows, columns+end-first, nil)
	for i := range rows {
		row := all.RawRowView(i)
		copy(row, e.RawRowView(i)[:first])
		missing(row[first:end])
		copy(row[end:], e.RawRowView(i)[first:])
	}
	return all
}

// missing fills values with NaN.
func missing(values []float64) {
	for j := range values {
		values[j] = math.NaN()
	}
}

// diagnosing is a model with diagnostics, which are 0 in what it is asked to go on from.
type diagnosing struct {
	sdk.Model
	first, end int
}

// withDiagnostics returns model such that states without diagnostics can be forecast.
func withDiagnostics(model sdk.Model) sdk.Model {
	if first, end := diagnosticsIn(model.Layout()); first < end {
		return &diagnosing{model, first, end}
	}
	return model
}

// Forecast implements sdk.Model. Cost: a copy of the ensemble.
func (m *diagnosing) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	inner := *r
	inner.Ensemble = mat.DenseCopyOf(r.Ensemble)
	for i := range inner.Ensemble.RawMatrix().Rows {
		clear(inner.Ensemble.RawRowView(i)[m.first:m.end])
	}
	return m.Model.Forecast(ctx, &inner)
}

// prognostic is a filter that gets states without their diagnostics, and gives states in which
// they are NaN.
type prognostic struct {
	sdk.Filter
	n, first, end int // values of a state, and the diagnostics among them
	memory        reused
}

// withoutDiagnostics returns a filter for states of l that does not get their diagnostics.
func withoutDiagnostics(f sdk.Filter, l *sdk.Layout) sdk.Filter {
	if first, end := diagnosticsIn(l); first < end {
		return &prognostic{Filter: f, n: l.Size(), first: first, end: end}
	}
	return f
}

// Analyse implements sdk.Filter. Cost: two copies of the ensemble.
func (f *prognostic) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	rows, columns := p.Ensemble.Dims()
	times, rest := columns/f.n, f.n-(f.end-f.first)
	inner := *p
	inner.Ensemble, inner.Into = f.memory.take(rows, times*rest), f.memory.take(rows, times*rest)
	for i := range rows {
		for k := range times {
			from, to := p.Ensemble.RawRowView(i)[k*f.n:(k+1)*f.n], inner.Ensemble.RawRowView(i)[k*rest:(k+1)*rest]
			copy(to[copy(to, from[:f.first]):], from[f.end:])
		}
	}
	analysis, err := f.Filter.Analyse(ctx, &inner)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		for k := range times {
			from, to := inner.Into.RawRowView(i)[k*rest:(k+1)*rest], p.Into.RawRowView(i)[k*f.n:(k+1)*f.n]
			copy(to, from[:f.first])
			missing(to[f.first:f.end])
			copy(to[f.end:], from[f.first:])
		}
	}
	f.memory.give(inner.Ensemble)
	f.memory.give(inner.Into)
	return analysis, nil
}
