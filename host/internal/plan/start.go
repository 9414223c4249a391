package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// draw makes the distribution of states of layout l from the table of the workflow at path.
func (m *maker) draw(s workflow.Start, l *sdk.Layout, path ...any) Draw {
	if s.Dist == "samples" {
		m.noDiagnostics(slices.Sorted(maps.Keys(s.Columns)), l, below(path, "columns"))
		for _, v := range l.Variables { // which a file of a run has
			if v.Diagnostic {
				s.Ignore = append(slices.Clip(s.Ignore), v.Name)
			}
		}
		samples, weights := m.samples(s, l.Prognostic(), path...)
		if samples != nil {
			samples = spread(samples, l)
		}
		return Draw{Dists: sized(l), Samples: samples, Weights: weights}
	}
	dists := sized(l)
	around := map[string]Origin{"": Given, "truth": Truth0, "truth_init": TruthInit}[s.Around]
	var middle, width []workflow.Numbers
	switch s.Dist {
	case "": // exactly
		middle, width = m.broadcast(s.Mean, l, math.NaN(), path...), m.broadcast(workflow.Values{}, l, math.NaN())
	case "uniform":
		middle, width = m.interval(s, l, path...)
	case "lognormal":
		middle, width = m.broadcast(s.Median, l, math.NaN(), below(path, "median")...), m.broadcast(s.SD, l, math.NaN(), below(path, "sd")...)
	default:
		middle, width = m.broadcast(s.Mean, l, math.NaN(), below(path, "mean")...), m.broadcast(s.SD, l, math.NaN(), below(path, "sd")...)
	}
	if middle == nil || width == nil { // there is a finding
		return Draw{}
	}
	dist := map[string]Dist{"lognormal": LogNormal, "uniform": Uniform}[s.Dist]
	for i := range dists {
		if l.Variables[i].Diagnostic {
			continue
		}
		d := &dists[i]
		d.Dist, d.Around, d.Middle, d.Width = dist, around, middle[i], width[i]
	}
	return Draw{Dists: dists}
}

// sized returns distributions, to be completed, of the variables of l. Diagnostics have no values.
func sized(l *sdk.Layout) []Distribution {
	dists := make([]Distribution, len(l.Variables))
	for i, v := range l.Variables {
		if dists[i].Size = v.Size(); v.Diagnostic {
			dists[i] = absent(v)
		}
	}
	return dists
}

// interval returns the lower ends and the lengths of uniform distributions.
func (m *maker) interval(s workflow.Start, l *sdk.Layout, path ...any) (low, length []workflow.Numbers) {
	low, high := m.broadcast(s.Low, l, math.NaN(), below(path, "low")...), m.broadcast(s.High, l, math.NaN(), below(path, "high")...)
	if low == nil || high == nil {
		return nil, nil
	}
	for i := range high {
		of := make(workflow.Numbers, max(len(low[i]), len(high[i])))
		for j := range of {
			from, to := low[i].At(j), high[i].At(j)
			if to < from {
				m.add(codeShape, below(path, "high"), "`high` must not be below `low`, but is %g where low is %g", to, from).
					WithLabel("%g or more", from).WithHelp("swap them")
				return nil, nil
			}
			of[j] = to - from
		}
		length = append(length, of)
	}
	return low, length
}

// broadcast returns the numbers for every variable of l; nil after a finding. If v is not
// given, all are 0, as those of diagnostics always are. rest is for variables that a table by
// variable omits; if it is NaN, none may be omitted.
func (m *maker) broadcast(v workflow.Values, l *sdk.Layout, rest float64, path ...any) []workflow.Numbers {
	if v.ByVariable == nil {
		return m.vector(v.List, l, path...)
	}
	names := slices.Sorted(maps.Keys(v.ByVariable))
	meant, sound := m.noVariables(names, l, path)
	sound = m.noDiagnostics(names, l, path) && sound
	var out []workflow.Numbers
	for _, variable := range l.Variables {
		values, given := v.ByVariable[variable.Name]
		switch {
		case variable.Diagnostic:
			out = append(out, workflow.Numbers{0})
		case len(values) == variable.Size(), len(values) == 1:
			out = append(out, values)
		case given:
			m.add(codeShape, below(path, variable.Name), "%d values are given, but `%s` has %d", len(values), variable.Name, variable.Size()).
				WithLabel("%s", upTo(variable.Size(), "number")).WithHelp("give one number for all, or one for each")
			sound = false
		case slices.Contains(meant, variable.Name):
		case math.IsNaN(rest):
			m.add(codeVariable, path, "there is no number for the variable `%s`", variable.Name).
				WithLabel("`%s` is missing", variable.Name).WithHelp("add %s = 1.0", variable.Name)
			sound = false
		default:
			out = append(out, workflow.Numbers{rest})
		}
	}
	if !sound {
		return nil
	}
	return out
}

// noVariables reports the names that are not variables of l. It returns the variables
// that were probably meant, and whether there is nothing to report.
func (m *maker) noVariables(names []string, l *sdk.Layout, path []any) (meant []string, sound bool) {
	sound = true
	for _, name := range names {
		if _, ok := l.Offset(name); ok {
			continue
		}
		d := m.found.Add(codeVariable, m.w.KeyAt(below(path, name)...), "the state has no variable `%s`", name).
			WithLabel("not a variable").WithHelp("it has %s", describe(l))
		if near := diag.Suggest(name, variables(l)); near != "" {
			d.WithLabel("did you mean `%s`?", near)
			meant = append(meant, near)
		}
		sound = false
	}
	return meant, sound
}

// upTo returns "1 or n" of something in words.
func upTo(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("1 or %d %ss", n, what)
}

// vector gives every variable one value, or its part of the values of a whole state. Diagnostics
// have none.
func (m *maker) vector(values []float64, l *sdk.Layout, path ...any) []workflow.Numbers {
	if len(values) == 0 {
		values = []float64{0}
	}
	n, one := l.Prognostic().Size(), len(values) == 1
	if !one && len(values) != n {
		m.add(codeShape, path, "%d values are given, but %s has %d state values", len(values), m.w.Model.Plugin, n).
			WithLabel("%s", upTo(n, "number")).WithNote("state: %s", describe(l)).WithHelp("give one number for all, or one for each")
		return nil
	}
	parts := make([]workflow.Numbers, len(l.Variables))
	for i, v := range l.Variables {
		switch {
		case v.Diagnostic:
			parts[i] = workflow.Numbers{0}
		case one:
			parts[i] = values
		default:
			parts[i], values = values[:v.Size()], values[v.Size():]
		}
	}
	return parts
}

func describe(l *sdk.Layout) string {
	parts := variables(l)
	for i, v := range l.Variables {
		if len(v.Shape) > 0 {
			parts[i] += fmt.Sprint(v.Shape)
		}
		if v.Diagnostic {
			parts[i] += " (diagnostic)"
		}
	}
	return list(parts)
}

func variables(l *sdk.Layout) []string {
	names := make([]string, len(l.Variables))
	for i, v := range l.Variables {
		names[i] = v.Name
	}
	return names
}
