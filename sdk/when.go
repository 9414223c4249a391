package sdk

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// CheckWhen returns an error unless the parameter called name applies to params, given or
// resolved: each parameter that its when names must have one of the choices listed there.
// A parameter at its default always passes, and missing parameters are at their defaults.
func (m *Manifest) CheckWhen(name string, params map[string]any) error {
	p := m.Param(name)
	if p == nil {
		return nil // for Resolve to refuse
	}
	v, err := p.Check(params[name])
	if err != nil || reflect.DeepEqual(v, p.Default) {
		return nil //nolint:nilerr // Resolve refuses a value that is not valid
	}
	for _, q := range m.Params {
		choices, named := p.When[q.Name]
		value, given := params[q.Name]
		standing := "is"
		if !given {
			value, standing = q.Default, "is by default"
		}
		if v, ok := value.(string); named && ok && slices.Contains(q.Choices, v) && !slices.Contains(choices, v) {
			want := q.Name + " = " + either(choices, `"`)
			return Errorf(KindConfig, name, "applies only with %s, but %s %s %q", want, q.Name, standing, v).
				WithHint("leave it at its default, %s, or set %s", literal(p.Default), want)
		}
	}
	return nil
}

// When says in words when p applies, such as "scheme = letkf or serial"; empty if it always
// does.
func (m *Manifest) When(p *Param) string {
	var all []string
	for _, q := range m.Params { // in their order, which the map lacks
		if choices := p.When[q.Name]; len(choices) > 0 {
			all = append(all, q.Name+" = "+either(choices, ""))
		}
	}
	return strings.Join(all, " and ")
}

// either returns choices as words, such as "ode, heun or sde", each between two quotes.
func either(choices []string, quote string) string {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = quote + c + quote
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// whenFaults returns the faults of the when of a parameter, given the parameters before it.
// A parameter can name neither itself nor one after it.
func (p *Param) whenFaults(before []Param) []string {
	faults := whenFaults(p.When, before)
	if p.Required && len(p.When) > 0 {
		faults = append(faults, "when requires a default, which the parameter has where it does not apply")
	}
	return faults
}

// whenFaults returns the faults of a when that can name the parameters before.
func whenFaults(when map[string][]string, before []Param) []string {
	var faults []string
	add := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(when)) {
		of := slices.IndexFunc(before, func(q Param) bool { return q.Name == name })
		switch {
		case of < 0:
			add("when: %s is not a parameter listed before it", name)
			continue
		case before[of].Type != String || len(before[of].Choices) == 0:
			add("when: %s has no choices", name)
			continue
		case len(when[name]) == 0:
			add("when: want a list of choices for %s", name)
		}
		for _, c := range when[name] {
			if !slices.Contains(before[of].Choices, c) {
				add("when: %s has no choice %q, it has %s", name, c, strings.Join(before[of].Choices, ", "))
			}
		}
	}
	return faults
}

// group is the parameters that apply under the same conditions.
type group struct {
	when   string // see [Manifest.When]
	params []*Param
}

// groups returns the parameters grouped by the conditions under which they apply, in the
// order in which the conditions first appear. The first group always applies: there is no
// parameter before its first one to name.
func (m *Manifest) groups() []group {
	var groups []group
	for i := range m.Params {
		p := &m.Params[i]
		when := m.When(p)
		at := slices.IndexFunc(groups, func(g group) bool { return g.when == when })
		if at < 0 {
			at, groups = len(groups), append(groups, group{when: when})
		}
		groups[at].params = append(groups[at].params, p)
	}
	return groups
}
