package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/tomltext"
)

// table checks the keys of n, whose path is path, against those of t.
func (c *checker) table(n *tomltext.Node, path string, t *key) {
	meant := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		if k := lookup(t.keys, name); k != nil {
			c.value(n.Table[name], tomltext.Dotted(path, name), k)
		} else if child := n.Table[name]; !child.Bad {
			meant[c.unknown(child, name, path, t)] = true
		}
	}
	if c.partial {
		return
	}
	for i := range t.keys {
		c.complete(n, path, &t.keys[i], meant)
	}
	for _, group := range t.oneOf {
		c.oneOf(n, path, t, group, meant)
	}
}

// complete fills in the default of k if n does not have it, or reports it as missing.
// meant holds the keys that were probably meant by unknown ones.
func (c *checker) complete(n *tomltext.Node, path string, k *key, meant map[string]bool) {
	switch {
	case n.Table[k.name] != nil || meant[k.name]:
	case k.required || k.twin && !c.real && n.Table[k.or] == nil:
		c.missing(n, path, k)
	case k.def != nil:
		n.Table[k.name] = &tomltext.Node{Value: k.def}
		c.value(n.Table[k.name], tomltext.Dotted(path, k.name), k)
	case k.kind == table && hasDefaults(k):
		n.Table[k.name] = &tomltext.Node{Table: map[string]*tomltext.Node{}}
		c.table(n.Table[k.name], tomltext.Dotted(path, k.name), k)
	}
}

// hasDefaults reports whether an absent table is the same as an empty one.
func hasDefaults(k *key) bool {
	return len(k.oneOf) == 0 && !slices.ContainsFunc(k.keys, func(k key) bool { return k.required }) &&
		slices.ContainsFunc(k.keys, func(k key) bool { return k.def != nil })
}

// value checks n against k.
func (c *checker) value(n *tomltext.Node, path string, k *key) {
	if n.Bad {
		return
	}
	switch k.kind {
	case table:
		if k.auto && n.Value == auto {
			n.Value, n.Table = nil, map[string]*tomltext.Node{}
			for _, inner := range k.keys {
				n.Table[inner.name] = &tomltext.Node{Value: auto}
			}
		}
		if c.is(n, path, k, n.Table != nil) {
			c.table(n, path, k)
		}
	case tables:
		c.tables(n, path, k)
	case named:
		c.named(n, path, k)
	case overrides:
		c.overrides(n, path, k)
	case replicates:
		c.replicates(n, path, k)
	case axes:
		c.axes(n, path, k)
	case exclusions:
		c.exclusions(n, path, k)
	case start, distribution:
		c.start(n, path, k)
	case values, columns:
		c.valuesOf(n, path, k)
	case params:
		if c.is(n, path, k, n.Table != nil) {
			c.params(n, path)
		}
	case words, numbers:
		c.list(n, path, k)
	default:
		c.scalar(n, path, k)
	}
}

func (c *checker) tables(n *tomltext.Node, path string, k *key) {
	if k.lone && n.Table != nil && !(c.partial && labelled(c.base.Table[path])) {
		c.table(n, path, k)
		return
	}
	if c.partial && n.Table != nil {
		c.byLabel(n, path, k)
		return
	}
	ok := n.Items != nil && !slices.ContainsFunc(n.Items, func(c *tomltext.Node) bool { return c.Table == nil })
	if !c.is(n, path, k, ok) {
		return
	}
	if len(n.Items) == 0 {
		n.Bad = true
		c.found.Add(codeRange, n.Place(), "`%s` must have at least one table, but is empty", path).WithLabel("add one").
			WithHelp("write [[%s]] with %s", path, list(requiredOf(k), "and"))
	}
	for _, item := range n.Items {
		name := path
		if label := label(item); slug.rule.MatchString(label) {
			name = tomltext.Dotted(path, label)
		}
		c.table(item, name, k)
	}
}

// byLabel checks overrides of an array of tables, which are a table by label.
func (c *checker) byLabel(n *tomltext.Node, path string, k *key) {
	labels := labels(c.base.Table[path])
	for _, label := range slices.Sorted(maps.Keys(n.Table)) {
		child := n.Table[label]
		if !slices.Contains(labels, label) {
			child.Bad = true
			unknownLabel(c.found, child.KeyPlace(), path, label, labels)
		} else if c.is(child, tomltext.Dotted(path, label), &key{kind: table, doc: k.doc}, child.Table != nil) {
			c.table(child, tomltext.Dotted(path, label), k)
		}
	}
}

func (c *checker) named(n *tomltext.Node, path string, k *key) {
	if !c.is(n, path, k, n.Table != nil) {
		return
	}
	inner := *k
	inner.kind = table
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		child := n.Table[name]
		if !k.form.fits(name) {
			c.misnamed(child, child.KeyPlace(), "a name in `"+path+"`", path, name, k)
		}
		if c.is(child, tomltext.Dotted(path, name), &inner, child.Table != nil) {
			c.table(child, tomltext.Dotted(path, name), &inner)
		}
	}
}

func (c *checker) overrides(n *tomltext.Node, path string, k *key) {
	if !c.is(n, path, k, n.Table != nil) {
		return
	}
	partial := &checker{found: c.found, partial: true, base: c.base}
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		child := n.Table[name]
		if c.is(child, tomltext.Dotted(path, name), &key{kind: table, doc: k.doc}, child.Table != nil) {
			partial.table(child, "", &settings)
		}
	}
}

// start checks a distribution or, where k allows it, a list of numbers. A table without any
// key of a distribution is probably meant to have a number for each variable.
func (c *checker) start(n *tomltext.Node, path string, k *key) {
	known := k.under("").keys
	byName := k.kind == start && len(n.Table) > 0 && !slices.ContainsFunc(known, func(t key) bool { return n.Table[t.name] != nil })
	switch {
	case byName:
		n.Bad = true
		c.found.Add(codeType, n.Place(), "%s must be a list of numbers or a distribution, but has values by name", k.subject(path)).
			WithLabel("a number for each value, in the order of the variables").WithNote("%s: %s", path, k.doc).WithHelp("write %s = %s", k.name, k.example)
	case n.Table != nil:
		c.distribution(n, path, k)
	case c.is(n, path, k, k.kind == start && (n.Items != nil || numeric(n))):
		c.list(n, path, &key{kind: numbers, doc: k.doc})
	}
}

// numeric reports whether n is a number, or arithmetic.
func numeric(n *tomltext.Node) bool {
	text, _ := n.Value.(string)
	return isNumber(n) || strings.HasPrefix(text, "=")
}

// valuesOf checks values that may be given by variable.
func (c *checker) valuesOf(n *tomltext.Node, path string, k *key) {
	switch {
	case n.Table != nil:
		c.byVariable(n, path, k)
	case c.is(n, path, k, k.kind == values):
		all := *k
		all.kind = numbers
		c.list(n, path, &all)
	}
}

// distribution checks a table against the keys of the distribution that it names.
func (c *checker) distribution(n *tomltext.Node, path string, k *key) {
	name := ""
	if d := n.Table["dist"]; d != nil {
		name, _ = d.Value.(string)
	} else if base := distAt(c.base, path); base != nil {
		name, _ = base.Value.(string)
	}
	t := k.under(name)
	c.foreign(n, path, t, k)
	c.table(n, path, t)
}

// foreign looks for keys of n that belong to another distribution of k than t. A key of
// a lower layer than dist was meant for the distribution that dist has replaced, and is
// removed; any other is reported.
func (c *checker) foreign(n *tomltext.Node, path string, t, k *key) {
	d := n.Table["dist"]
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		child := n.Table[name]
		if lookup(t.keys, name) != nil || lookup(k.under("").keys, name) == nil {
			continue
		}
		if d != nil && !c.partial && child.Height() < d.Height() {
			delete(n.Table, name)
			continue
		}
		child.Bad = true
		c.found.Add(codeUnknown, child.KeyPlace(), "`%s` does not belong to the distribution of [%s]", name, path).
			WithLabel("not a key of this distribution").WithHelp("this distribution takes %s", list(backquoted(names(t.keys)), "and"))
	}
}

// distAt returns the dist of the distribution at path, or nil.
func distAt(n *tomltext.Node, path string) *tomltext.Node {
	for part := range strings.SplitSeq(path, ".") {
		if n == nil {
			return nil
		}
		n = n.Table[part]
	}
	if n == nil {
		return nil
	}
	return n.Table["dist"]
}

// byVariable checks a table of values by variable.
func (c *checker) byVariable(n *tomltext.Node, path string, k *key) {
	for _, name := range slices.Sorted(maps.Keys(n.Table)) {
		child, one := n.Table[name], *k
		one.def = nil
		switch {
		case k.kind == values:
			one.kind = numbers
		case child.Items != nil:
			one.kind, one.min = words, bound(1)
		default:
			one.kind, one.required = text, true
		}
		c.value(child, tomltext.Dotted(path, name), &one)
		n.Bad = n.Bad || child.Bad
	}
	if len(n.Table) == 0 {
		n.Bad = true
		c.found.Add(codeRange, n.Place(), "`%s` must not be empty", path).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).
			WithHelp("name at least one variable, such as { x = 1.0 }")
	}
}
