package workflow

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/tomltext"
)

// Resolved returns w as a workflow file: every default filled in, profile and
// --set applied, arithmetic evaluated. Loading it gives w again.
//
// Values that are derived from a value that an axis may change are omitted.
func (w *Workflow) Resolved() ([]byte, error) {
	if len(w.Axes()) > 0 {
		w = w.withoutDerived()
	}
	w = w.withPaths().Anywhere()
	text, err := tomltext.Encode(w)
	if err != nil {
		return nil, fmt.Errorf("resolved workflow: %w", err)
	}
	if len(w.Observations) == 1 && w.Observations[0].Label == "" {
		text = bytes.Replace(text, []byte("\n[[observations]]\n"), []byte("\n[observations]\n"), 1)
	}
	return append([]byte("# The workflow as it was run, with every default filled in.\n\n"), text...), nil
}

// withPaths returns a copy of w whose files of observations are named by absolute
// paths, so that it can be run from any folder.
func (w *Workflow) withPaths() *Workflow {
	c := *w
	c.Observations = slices.Clone(w.Observations)
	for i, o := range c.Observations {
		if o.File != "" {
			c.Observations[i].File = w.Path(o.File)
		}
	}
	return &c
}

// Anywhere returns a copy of w that does not say where plugins run: a run may go on
// elsewhere.
func (w *Workflow) Anywhere() *Workflow {
	c := *w
	c.Observations, c.Filters = slices.Clone(w.Observations), slices.Clone(w.Filters)
	if w.Reference != nil {
		r := *w.Reference
		c.Reference = &r
	}
	c.eachComponent(func(part *Component, _ ...any) { part.Executor = "" })
	return &c
}

// withoutDerived returns a copy of w without the sizes that fill has derived from
// others.
func (w *Workflow) withoutDerived() *Workflow {
	c := *w
	c.Filters = slices.Clone(w.Filters)
	for i := range c.Filters {
		if _, given := w.root.Find([]any{"filter", i, "size"}); !given {
			c.Filters[i].Size = 0
		}
	}
	if _, given := w.root.Find([]any{"reference", "store"}); w.Reference != nil && !given {
		r := *w.Reference
		r.Store, c.Reference = 0, &r
	}
	return &c
}

// MarshalTOML writes one value as a number and several as a list.
func (n Numbers) MarshalTOML() ([]byte, error) {
	if len(n) == 1 {
		return tomltext.Inline(n[0])
	}
	return tomltext.Inline([]float64(n))
}

// MarshalTOML writes m as a number, or as a date.
func (m Moment) MarshalTOML() ([]byte, error) {
	if m.Dated {
		return tomltext.Inline(m.Date)
	}
	return tomltext.Inline(m.Model)
}

// MarshalTOML writes e as a number, or as a duration.
func (e Extent) MarshalTOML() ([]byte, error) {
	if e.Wall == 0 {
		return tomltext.Inline(e.Model)
	}
	return tomltext.Inline(e.Wall)
}

// MarshalTOML writes c as an integer, or as the word auto or all.
func (c Count) MarshalTOML() ([]byte, error) {
	switch {
	case c.All:
		return tomltext.Inline(all)
	case !c.Given:
		return tomltext.Inline(auto)
	}
	return tomltext.Inline(c.N)
}

// MarshalTOML writes v as a number, a list, or a table on one line.
func (v Values) MarshalTOML() ([]byte, error) {
	if v.ByVariable == nil {
		return v.List.MarshalTOML()
	}
	return inlineTable(slices.Sorted(maps.Keys(v.ByVariable)), func(name string) any { return v.ByVariable[name] })
}

// MarshalTOML writes s as a list of numbers, or as a table on one line.
func (s Start) MarshalTOML() ([]byte, error) {
	if s.Dist == "" {
		return tomltext.Inline([]float64(s.Mean.List))
	}
	given := map[string]any{"dist": s.Dist}
	for name, v := range map[string]Values{"mean": s.Mean, "median": s.Median, "sd": s.SD, "low": s.Low, "high": s.High} {
		if !v.IsZero() {
			given[name] = v
		}
	}
	for name, v := range map[string]string{"around": s.Around, "file": s.File} {
		if v != "" {
			given[name] = v
		}
	}
	if s.Columns != nil {
		given["columns"] = columnNames(s.Columns)
	}
	for _, part := range []any{s.Dialect, s.Choice} {
		for f, v := range reflect.ValueOf(part).Fields() {
			if !v.IsZero() {
				name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
				given[name] = v.Interface()
			}
		}
	}
	order := append([]string{"dist", "mean", "median", "around", "sd", "low", "high", "file", "cycle", "stage", "ignore", "columns"}, names(memberDialect)...)
	order = slices.DeleteFunc(order, func(name string) bool { return given[name] == nil })
	return inlineTable(order, func(name string) any { return given[name] })
}

// columnNames are names of columns by variable.
type columnNames map[string][]string

// MarshalTOML writes c as a table on one line.
func (c columnNames) MarshalTOML() ([]byte, error) {
	return inlineTable(slices.Sorted(maps.Keys(c)), func(name string) any { return c[name] })
}

// inlineTable writes keys with their values as a table on one line.
func inlineTable(keys []string, value func(string) any) ([]byte, error) {
	var parts []string
	for _, k := range keys {
		v, err := tomltext.Inline(value(k))
		if err != nil {
			return nil, err
		}
		name := []byte(k)
		if !slug.rule.MatchString(k) {
			if name, err = tomltext.Inline(k); err != nil { // in quotes
				return nil, err
			}
		}
		parts = append(parts, fmt.Sprintf("%s = %s", name, v))
	}
	return fmt.Appendf(nil, "{ %s }", strings.Join(parts, ", ")), nil
}
