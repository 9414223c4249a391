package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/tomltext"
)

const spreadDoc = "; one for all values, a list with one for each, or a table by variable"

// The laws of initial states, of independent values.
var (
	normal          = key{name: "normal", keys: []key{required(meanKey), sdKey}}
	normalAround    = key{name: "normal", keys: []key{meanKey, aroundKey, sdKey}, oneOf: [][]string{{"mean", "around"}}}
	lognormal       = key{name: "lognormal", keys: []key{required(medianKey), logSDKey}}
	lognormalAround = key{name: "lognormal", keys: []key{medianKey, aroundKey, logSDKey}, oneOf: [][]string{{"median", "around"}}}
	uniform         = key{name: "uniform", keys: []key{
		{name: "low", kind: values, required: true, example: "0.0", doc: "lower end" + spreadDoc},
		{name: "high", kind: values, required: true, example: "1.0", doc: "upper end, not below the lower one" + spreadDoc},
	}}
	samples = key{name: "samples", keys: []key{
		{name: "file", kind: text, required: true, example: `"members.csv"`,
			doc: "a .csv file with a header, or an .arrow file, with one member a row; the first rows are taken"},
		{name: "columns", kind: columns, doc: "column of each variable that is called otherwise; a list of columns for a variable of several values"},
	}}

	meanKey   = key{name: "mean", kind: values, example: "0.0", doc: "mean" + spreadDoc}
	medianKey = key{name: "median", kind: values, above: zero, example: "1.0", doc: "median" + spreadDoc}
	sdKey     = key{name: "sd", kind: values, required: true, min: zero, example: "1.0", doc: "standard deviation" + spreadDoc}
	logSDKey  = key{name: "sd", kind: values, required: true, min: zero, example: "0.1", doc: "standard deviation of the logarithm" + spreadDoc}
	aroundKey = key{name: "around", kind: text, choices: []string{"truth", "truth_init"}, example: `"truth"`,
		doc: "the middle is the truth at the start, or the truth before its spin-up"}
)

func required(k key) key {
	k.required = true
	return k
}

// The keys of noise that the host adds.
var (
	noiseKeys = []key{
		{name: "sd", kind: values, min: zero, example: "0.1", doc: "standard deviation" + spreadDoc},
		{name: "variance", kind: values, min: zero, example: "0.01", doc: "variance, instead of sd"},
		{name: "per", kind: text, def: "cycle", choices: []string{"cycle", "sqrt_time"},
			doc: "what sd refers to: one cycle whatever its length, or the square root of model time; variance is then per unit of time"},
	}
	oneSpread = [][]string{{"sd", "variance"}}
)

// dist returns the key that says which law it is.
func (k *key) dist() key {
	return key{name: "dist", kind: text, required: true, choices: names(k.laws), example: `"` + k.laws[0].name + `"`, doc: "which law"}
}

// under returns the keys of a law called name: those of all laws when there is
// none of that name.
func (k *key) under(name string) *key {
	t := key{name: k.name, kind: table, doc: k.doc, keys: []key{k.dist()}}
	for _, l := range k.laws {
		if l.name == name {
			t.keys, t.oneOf = append(t.keys, l.keys...), l.oneOf
			return &t
		}
	}
	for _, l := range k.laws {
		for _, c := range l.keys {
			if lookup(t.keys, c.name) == nil {
				c.required = false
				t.keys = append(t.keys, c)
			}
		}
	}
	return &t
}

// law checks a table against the keys of the law it names.
func (c *checker) law(n *tomltext.Node, path string, k *key) {
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

// foreign looks at the keys of n that belong to another law of k than t. What is of
// a lower layer than dist was meant for the law that dist has replaced, and is left
// out; anything else is reported.
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
		c.found.Add(codeUnknown, child.KeyPlace(), "`%s` does not belong to the law of [%s]", name, path).
			WithLabel("not a key of this law").WithHelp("this law takes %s", list(backquoted(names(t.keys)), "and"))
	}
}

// distAt returns the dist of the law at path, or nil.
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

// byVariable checks a table of what one variable has, by variable.
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
