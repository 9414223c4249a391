package workflow

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// checker holds a tree against the schema. It evaluates arithmetic in place and,
// unless partial, fills in defaults. Nodes with findings are marked bad and not
// looked at again.
type checker struct {
	found *Diagnostics
	// partial: the tree only holds overrides of base, so nothing is missing from it.
	partial bool
	base    *node
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
		k := &t.keys[i]
		switch {
		case n.table[k.name] != nil || meant[k.name]:
		case k.required:
			c.missing(n, path, k)
		case k.def != nil:
			n.table[k.name] = &node{value: k.def}
			c.value(n.table[k.name], "", k)
		case k.kind == table && len(k.keys) > 0 && hasDefaults(k):
			n.table[k.name] = &node{table: map[string]*node{}}
			c.table(n.table[k.name], "", k)
		}
	}
	for _, group := range t.oneOf {
		c.oneOf(n, path, t, group, meant)
	}
}

// hasDefaults says whether an absent table is the same as an empty one.
func hasDefaults(k *key) bool {
	return !slices.ContainsFunc(k.keys, func(k key) bool { return k.required }) &&
		slices.ContainsFunc(k.keys, func(k key) bool { return k.def != nil })
}

// tableName says which table a path leads to, for messages.
func tableName(path string) string {
	if path == "" {
		return "the workflow"
	}
	k := &schema
	for part := range strings.SplitSeq(path, ".") {
		if k.kind == tables {
			return k.name + " `" + part + "`"
		}
		next := lookup(k.keys, part)
		if next == nil {
			break
		}
		k = next
	}
	if k.kind == tables {
		return "[[" + path + "]]"
	}
	return "[" + path + "]"
}

// unknown reports a key that t does not have and returns the key that was
// probably meant, or "".
func (c *checker) unknown(n *node, name, path string, t *key) string {
	n.bad = true
	where := " in " + tableName(path)
	if path == "" {
		where = ""
	}
	d := c.found.add(CodeUnknown, n.keyPlace(), "unknown key `%s`%s", shorten(name), where)
	meant := Suggest(name, names(t.keys))
	if meant != "" {
		d.WithLabel("did you mean `%s`?", meant)
	} else {
		d.WithLabel("not a key of the workflow language")
	}
	switch home := homes(name); {
	case meant == "" && lookup(t.keys, "params") != nil:
		d.WithNote("%s takes %s", tableName(path), list(names(t.keys), "and"))
		d.WithHelp("a parameter of the plugin belongs in its params: params = { %s = ... }", shorten(name))
	case meant == "" && len(home) > 0:
		d.WithHelp("`%s` belongs in %s", name, list(home, "or"))
	default:
		d.WithHelp("%s takes %s", tableName(path), list(names(t.keys), "and"))
	}
	return meant
}

// homes returns the top-level tables that have a key called name.
func homes(name string) []string {
	var out []string
	for i := range schema.keys {
		k := &schema.keys[i]
		if k.name == name {
			return []string{"the top of the file, before the first [table]"}
		}
		if (k.kind == table || k.kind == tables) && lookup(k.keys, name) != nil {
			out = append(out, "["+k.name+"]")
		}
	}
	return out
}

func (c *checker) missing(n *node, path string, k *key) {
	full := dotted(path, k.name)
	what, help := "`"+k.name+"`", "add "+k.name+" = "+k.example
	switch {
	case k.kind == table && k.example == "":
		what = "a table [" + full + "]"
		help = "add [" + full + "] with " + list(requiredOf(k), "and")
	case k.kind == tables:
		what = "at least one [[" + full + "]]"
		help = "add [[" + full + "]] with " + list(requiredOf(k), "and")
	}
	c.found.add(CodeMissing, n.place(), "%s needs %s", tableName(path), what).
		WithLabel("%s is missing", k.name).WithNote("%s: %s", full, k.doc).WithHelp("%s", help)
}

func requiredOf(t *key) []string {
	var out []string
	for i := range t.keys {
		if t.keys[i].required {
			out = append(out, "`"+t.keys[i].name+"`")
		}
	}
	for _, group := range t.oneOf {
		out = append(out, list(backquoted(group), "or"))
	}
	return out
}

// oneOf reports when not exactly one of the keys of group is given.
func (c *checker) oneOf(n *node, path string, t *key, group []string, meant map[string]bool) {
	var given []string
	for _, name := range group {
		if n.table[name] != nil || meant[name] {
			given = append(given, name)
		}
	}
	choice := list(backquoted(group), "or")
	switch {
	case len(given) == 0:
		k := lookup(t.keys, group[0])
		c.found.add(CodeOneOf, n.place(), "%s needs %s", tableName(path), choice).
			WithLabel("%s is missing", list(group, "or")).WithHelp("add %s = %s", k.name, k.example)
	case len(given) > 1:
		first, second := n.table[given[0]], n.table[given[1]]
		if first == nil || second == nil {
			return
		}
		d := c.found.add(CodeOneOf, second.keyPlace(), "%s has both %s", tableName(path), list(backquoted(given), "and")).
			WithLabel("only one of %s can be given", list(group, "and"))
		d.WithNote("`%s` is given at %s", given[0], first.keyPlace().where()).WithHelp("remove one of them")
	}
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
	case named, overrides:
		c.named(n, path, k)
	case start:
		c.start(n, path, k)
	case params:
		if c.is(n, path, k, n.table != nil) {
			c.params(n, path)
		}
	case words:
		c.words(n, path, k)
	case numbers:
		c.numbers(n, path, k)
	default:
		c.scalar(n, path, k)
	}
}

// is reports n as of the wrong type unless ok.
func (c *checker) is(n *node, path string, k *key, ok bool) bool {
	if ok {
		return true
	}
	n.bad = true
	d := c.found.add(CodeType, n.place(), "`%s` must be %s, but is %s", path, k.noun(), describe(n)).
		WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
	if help := remedy(n, path, k); help != "" {
		d.WithHelp("%s", help)
	}
	return false
}

// remedy says how to write what was probably meant, or "".
func remedy(n *node, path string, k *key) string {
	s, isText := n.value.(string)
	switch k.kind {
	case tables:
		if n.table != nil {
			return "write [[" + path + "]], with two brackets"
		}
	case table:
		if n.items != nil {
			return "write [" + path + "], with one bracket and only once"
		}
	case number, integer, numbers:
		if v, err := arithmetic(s); isText && err == nil && (k.kind != integer || v == math.Trunc(v)) {
			return "write it without quotes: " + show(v)
		}
	case text:
		if v, ok := n.value.(bool); ok {
			return "write it in quotes: \"" + show(v) + `"`
		}
		if isNumber(n) {
			return "write it in quotes: \"" + show(n.value) + `"`
		}
	case duration:
		if isNumber(n) {
			return "write the unit: \"" + show(n.value) + `s"`
		}
	case words:
		if isText {
			return "write a list: [" + show(s) + "]"
		}
	}
	return ""
}

func isNumber(n *node) bool {
	switch n.value.(type) {
	case int64, float64:
		return true
	}
	return false
}

func (c *checker) tables(n *node, path string, k *key) {
	if c.partial && n.table != nil { // by label
		for _, label := range slices.Sorted(maps.Keys(n.table)) {
			child := n.table[label]
			if labels := c.base.table[path].labels(); !slices.Contains(labels, label) {
				child.bad = true
				c.found.unknownLabel(child.keyPlace(), path, label, labels)
				continue
			}
			if c.is(child, dotted(path, label), &key{kind: table, doc: k.doc}, child.table != nil) {
				c.table(child, dotted(path, label), k)
			}
		}
		return
	}
	ok := n.items != nil && !slices.ContainsFunc(n.items, func(c *node) bool { return c.table == nil })
	if !c.is(n, path, k, ok) {
		return
	}
	if len(n.items) == 0 {
		n.bad = true
		c.found.add(CodeRange, n.place(), "`%s` must have at least one table, but is empty", path).WithLabel("add one").
			WithHelp("write [[%s]] with %s", path, list(requiredOf(k), "and"))
	}
	for _, item := range n.items {
		name := path
		if label := item.label(); label != "" {
			name = dotted(path, label)
		}
		c.table(item, name, k)
	}
}

func (c *checker) named(n *node, path string, k *key) {
	if !c.is(n, path, k, n.table != nil) {
		return
	}
	inner := *k
	inner.kind = table
	if k.kind == overrides {
		inner = schema
		inner.keys = slices.DeleteFunc(slices.Clone(schema.keys), func(k key) bool { return k.kind == overrides })
	}
	inner.doc = k.doc
	for _, name := range slices.Sorted(maps.Keys(n.table)) {
		child := n.table[name]
		if k.form != nil && !k.form.rule.MatchString(name) {
			c.misnamed(child, child.keyPlace(), path, name, k.form)
		}
		if !c.is(child, dotted(path, name), &inner, child.table != nil) {
			continue
		}
		if k.kind == overrides {
			(&checker{found: c.found, partial: true, base: c.base}).table(child, "", &inner)
			continue
		}
		c.table(child, dotted(path, name), &inner)
	}
}

func (c *checker) start(n *node, path string, k *key) {
	if n.table != nil {
		c.table(n, path, k)
		if !c.partial && n.table["mean"] == nil {
			c.missing(n, path, lookup(k.keys, "mean"))
		}
		return
	}
	if c.is(n, path, k, n.items != nil) {
		c.numbers(n, path, &key{kind: numbers, doc: k.doc})
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
		at := n.inside(s, 1+err.(*arithmeticError).offset)
		c.found.add(CodeArithmetic, at, "`%s`: %v", path, err).WithLabel("here").
			WithHelp("arithmetic has numbers, + - * / ( ), pi, sqrt, exp, log, sin and cos")
		return false
	}
	n.value = v
	return true
}

func (c *checker) words(n *node, path string, k *key) {
	ok := n.items != nil && !slices.ContainsFunc(n.items, func(c *node) bool { _, ok := c.value.(string); return !ok })
	if c.is(n, path, k, ok) && k.min != nil && float64(len(n.items)) < *k.min {
		n.bad = true
		c.found.add(CodeRange, n.place(), "`%s` must be a list %s, but is empty", path, k.limits()).
			WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).WithHelp("write %s = %s", k.name, k.example)
	}
}

func (c *checker) numbers(n *node, path string, k *key) {
	if n.items == nil {
		c.scalar(n, path, k)
		return
	}
	if len(n.items) == 0 {
		n.bad = true
		c.found.add(CodeRange, n.place(), "`%s` must not be an empty list", path).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
	}
	item := *k
	item.kind = number
	for _, child := range n.items {
		c.scalar(child, path, &item)
		n.bad = n.bad || child.bad
	}
}

// scalar checks a single value and stores it in its final Go type.
func (c *checker) scalar(n *node, path string, k *key) {
	if k.kind == number || k.kind == numbers || k.kind == integer {
		if !c.evaluate(n, path) {
			return
		}
	}
	v, ok := convert(n.value, k.kind)
	if !c.is(n, path, k, ok) {
		return
	}
	n.value = v
	switch v := v.(type) {
	case string:
		c.checkText(n, path, v, k)
	case int64:
		c.inRange(n, path, float64(v), k)
	case float64:
		c.inRange(n, path, v, k)
	case time.Duration:
		c.inRange(n, path, float64(v), &key{kind: duration, above: zero, def: k.def, doc: k.doc})
	}
}

// convert returns v in the Go type of k. An integer is taken for a number, and a
// number without a fraction for an integer.
func convert(v any, k kind) (any, bool) {
	switch v := v.(type) {
	case string:
		if k == duration {
			d, err := time.ParseDuration(v)
			return d, err == nil
		}
		return v, k == text
	case time.Duration: // checked before
		return v, k == duration
	case int64:
		if k == integer {
			return v, true
		}
		return float64(v), k == number || k == numbers
	case float64:
		if k == integer {
			return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
		}
		return v, k == number || k == numbers
	}
	return v, false
}

func (c *checker) inRange(n *node, path string, v float64, k *key) {
	finite := !math.IsNaN(v) && !math.IsInf(v, 0)
	ok := finite && (k.min == nil || v >= *k.min) && (k.max == nil || v <= *k.max) && (k.above == nil || v > *k.above)
	if ok {
		return
	}
	n.bad = true
	limits := strings.TrimPrefix(k.limits(), "of ")
	if !finite {
		limits = "finite"
	}
	c.found.add(CodeRange, n.place(), "`%s` must be %s, but is %s", path, limits, show(n.value)).
		WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
}

func (c *checker) checkText(n *node, path, s string, k *key) {
	switch {
	case len(k.choices) > 0 && !slices.Contains(k.choices, s):
		n.bad = true
		d := c.found.add(CodeChoice, n.place(), "`%s` must be %s, but is %s", path, k.noun(), show(s)).
			WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
		if meant := Suggest(s, k.choices); meant != "" {
			d.WithHelp("did you mean %q?", meant)
		}
	case k.form != nil && !k.form.rule.MatchString(s):
		c.misnamed(n, n.place(), path, s, k.form)
	case k.required && strings.TrimSpace(s) == "":
		n.bad = true
		c.found.add(CodeRange, n.place(), "`%s` must not be empty", path).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
	}
}

func (c *checker) misnamed(n *node, at Span, path, s string, f *form) {
	n.bad = true
	d := c.found.add(CodeName, at, "`%s` must be of %s, but is %s", path, f.says, show(s)).WithLabel("%s", f.says)
	if name := slugOf(s); f == slug && name != "" {
		d.WithHelp("write %q", shorten(name))
	}
}
