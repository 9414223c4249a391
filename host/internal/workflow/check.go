package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
)

// checker holds a tree against the schema. It evaluates arithmetic in place and,
// unless partial, fills in defaults. Nodes with findings are marked bad and not
// looked at again.
type checker struct {
	found *diag.Findings
	// partial: the tree only holds overrides of base, so nothing is missing from it.
	partial bool
	base    *node
	real    bool // observations come from files
}

// table checks the keys of n, whose path is path, against those of t.
func (c *checker) table(n *node, path string, t *key) {
	meant := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		if k := lookup(t.keys, name); k != nil {
			c.value(n.table[name], dotted(path, name), k)
		} else if child := n.table[name]; !child.bad {
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

// complete fills in the default of k when n does not have it, or reports it as
// missing. meant are the keys that were probably meant by unknown ones.
func (c *checker) complete(n *node, path string, k *key, meant map[string]bool) {
	switch {
	case n.table[k.name] != nil || meant[k.name]:
	case k.required || k.twin && !c.real:
		c.missing(n, path, k)
	case k.def != nil:
		n.table[k.name] = &node{value: k.def}
		c.value(n.table[k.name], dotted(path, k.name), k)
	case k.kind == table && hasDefaults(k):
		n.table[k.name] = &node{table: map[string]*node{}}
		c.table(n.table[k.name], dotted(path, k.name), k)
	}
}

// hasDefaults says whether an absent table is the same as an empty one.
func hasDefaults(k *key) bool {
	return len(k.oneOf) == 0 && !slices.ContainsFunc(k.keys, func(k key) bool { return k.required }) &&
		slices.ContainsFunc(k.keys, func(k key) bool { return k.def != nil })
}

// value checks n against k.
func (c *checker) value(n *node, path string, k *key) {
	if n.bad {
		return
	}
	switch k.kind {
	case table:
		if c.is(n, path, k, n.table != nil) {
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
	case start, law:
		c.start(n, path, k)
	case values, columns:
		c.valuesOf(n, path, k)
	case params:
		if c.is(n, path, k, n.table != nil) {
			c.params(n, path)
		}
	case words, numbers:
		c.list(n, path, k)
	default:
		c.scalar(n, path, k)
	}
}

func (c *checker) tables(n *node, path string, k *key) {
	if k.lone && n.table != nil && !(c.partial && c.base.table[path] != nil && c.base.table[path].labelled()) {
		c.table(n, path, k)
		return
	}
	if c.partial && n.table != nil {
		c.byLabel(n, path, k)
		return
	}
	ok := n.items != nil && !slices.ContainsFunc(n.items, func(c *node) bool { return c.table == nil })
	if !c.is(n, path, k, ok) {
		return
	}
	if len(n.items) == 0 {
		n.bad = true
		c.found.Add(codeRange, n.place(), "`%s` must have at least one table, but is empty", path).WithLabel("add one").
			WithHelp("write [[%s]] with %s", path, list(requiredOf(k), "and"))
	}
	for _, item := range n.items {
		name := path
		if label := item.label(); slug.rule.MatchString(label) {
			name = dotted(path, label)
		}
		c.table(item, name, k)
	}
}

// byLabel checks overrides of an array of tables, which are a table by label.
func (c *checker) byLabel(n *node, path string, k *key) {
	labels := c.base.table[path].labels()
	for _, label := range slices.Sorted(maps.Keys(n.table)) {
		child := n.table[label]
		if !slices.Contains(labels, label) {
			child.bad = true
			unknownLabel(c.found, child.keyPlace(), path, label, labels)
		} else if c.is(child, dotted(path, label), &key{kind: table, doc: k.doc}, child.table != nil) {
			c.table(child, dotted(path, label), k)
		}
	}
}

func (c *checker) named(n *node, path string, k *key) {
	if !c.is(n, path, k, n.table != nil) {
		return
	}
	inner := *k
	inner.kind = table
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		child := n.table[name]
		if !k.form.rule.MatchString(name) {
			c.misnamed(child, child.keyPlace(), "a name in `"+path+"`", path, name, k)
		}
		if c.is(child, dotted(path, name), &inner, child.table != nil) {
			c.table(child, dotted(path, name), &inner)
		}
	}
}

func (c *checker) overrides(n *node, path string, k *key) {
	if !c.is(n, path, k, n.table != nil) {
		return
	}
	partial := &checker{found: c.found, partial: true, base: c.base}
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		child := n.table[name]
		if c.is(child, dotted(path, name), &key{kind: table, doc: k.doc}, child.table != nil) {
			partial.table(child, "", &settings)
		}
	}
}

// start checks a law, or, where k allows it, a list of numbers.
func (c *checker) start(n *node, path string, k *key) {
	switch {
	case n.table != nil:
		c.law(n, path, k)
	case c.is(n, path, k, k.kind == start && n.items != nil):
		c.list(n, path, &key{kind: numbers, doc: k.doc})
	}
}

// valuesOf checks what may be given by variable.
func (c *checker) valuesOf(n *node, path string, k *key) {
	switch {
	case n.table != nil:
		c.byVariable(n, path, k)
	case c.is(n, path, k, k.kind == values):
		all := *k
		all.kind = numbers
		c.list(n, path, &all)
	}
}

// params evaluates arithmetic, at any depth.
func (c *checker) params(n *node, path string) {
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		c.params(n.table[name], dotted(path, name))
	}
	for _, item := range n.items {
		c.params(item, path)
	}
	c.evaluate(n, path)
}

// evaluate replaces an arithmetic string by its value and says whether n may be
// looked at further.
func (c *checker) evaluate(n *node, path string) bool {
	s, ok := n.value.(string)
	if !ok || !strings.HasPrefix(s, "=") || n.bad {
		return !n.bad
	}
	v, err := arithmetic(s[1:])
	if err != nil {
		n.bad = true
		c.found.Add(codeArithmetic, n.inside(s, 1+err.offset), "`%s`: %s", path, err.what).
			WithHelp("arithmetic has numbers, + - * / ( ), pi, sqrt, exp, log, sin and cos")
		return false
	}
	n.value = v
	return true
}
