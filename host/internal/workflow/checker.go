package workflow

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// checker checks a tree against the schema. It evaluates arithmetic in place and,
// unless partial, fills in defaults. Nodes with findings are marked bad and not
// checked again.
type checker struct {
	found *diag.Findings
	// partial means that the tree holds only overrides of base, so that no key is missing.
	partial bool
	base    *tomltext.Node
	site    bool // the tree is that of a site file
	real    bool // observations come from files
}

// tableName returns the name of the table at a path, for messages.
func (c *checker) tableName(path string) string {
	k := &schema
	if c.site {
		k = &siteSchema
	}
	if path == "" && c.site {
		return "the site file"
	}
	if path == "" {
		return "the workflow"
	}
	for part := range strings.SplitSeq(path, ".") {
		if k.kind == tables && !(k.lone && lookup(k.keys, part) != nil) {
			return k.name + " `" + part + "`"
		}
		next := lookup(k.keys, part)
		if next == nil {
			break
		}
		k = next
	}
	if k.kind == tables && !k.lone {
		return "[[" + path + "]]"
	}
	return "[" + path + "]"
}

// unknown reports a key that t does not have and returns the key that was
// probably meant, or "".
func (c *checker) unknown(n *tomltext.Node, name, path string, t *key) string {
	n.Bad = true
	where := " in " + c.tableName(path)
	if path == "" {
		where = ""
	}
	d := c.found.Add(codeUnknown, n.KeyPlace(), "unknown key `%s`%s", diag.Shorten(name), where)
	takes := c.tableName(path) + " takes " + list(names(t.keys), "and")
	meant := diag.Suggest(name, names(t.keys))
	if meant != "" {
		d.WithLabel("did you mean `%s`?", meant).WithHelp("%s", takes)
		return meant
	}
	if c.site {
		d.WithLabel("not a key of site files").WithHelp("%s", takes)
		return ""
	}
	d.WithLabel("not a key of the workflow language")
	switch home := c.homes(name); {
	case lookup(t.keys, "params") != nil:
		d.WithNote("%s", takes).WithHelp("a parameter of the plugin belongs in its params: params = { %s = ... }", diag.Shorten(name))
	case len(home) > 0:
		d.WithHelp("`%s` belongs %s", name, list(home, "or"))
	default:
		d.WithHelp("%s", takes)
	}
	return ""
}

// homes returns the places, among the tables at the top, where a key called name belongs.
func (c *checker) homes(name string) []string {
	var out []string
	for i := range settings.keys {
		k := &settings.keys[i]
		if k.name == name {
			return []string{"at the top of the file, before the first [table]"}
		}
		if (k.kind == table || k.kind == tables) && lookup(k.keys, name) != nil {
			out = append(out, "in "+c.tableName(k.name))
		}
	}
	return out
}

// missing reports that n lacks k. A key that the whole workflow lacks has no place, so
// no line is shown.
func (c *checker) missing(n *tomltext.Node, path string, k *key) {
	full := tomltext.Dotted(path, k.name)
	what, help := "`"+k.name+"`", "add "+k.name+" = "+k.example
	switch {
	case (k.kind == table || k.lone) && k.example == "":
		what = "a table [" + full + "]"
		help = "add [" + full + "] with " + list(requiredOf(k), "and")
	case k.kind == tables:
		what = "at least one [[" + full + "]]"
		help = "add [[" + full + "]] with " + list(requiredOf(k), "and")
	}
	at := n.Place()
	if path == "" {
		at = at.WithoutExcerpt()
	}
	c.found.Add(codeMissing, at, "%s needs %s", c.tableName(path), what).
		WithLabel("%s is missing", k.name).WithNote("%s: %s", full, k.doc).WithHelp("%s", help)
}

func requiredOf(t *key) []string {
	var out []string
	for i := range t.keys {
		if t.keys[i].required || t.keys[i].twin {
			out = append(out, "`"+t.keys[i].name+"`")
		}
	}
	for _, group := range t.oneOf {
		out = append(out, list(backquoted(group), "or"))
	}
	return out
}

// oneOf reports if not exactly one of the two keys of group is given. A key of a
// higher layer replaces the other one of a lower layer.
func (c *checker) oneOf(n *tomltext.Node, path string, t *key, group []string, meant map[string]bool) {
	var given, examples []string
	for _, name := range group {
		if n.Table[name] != nil || meant[name] {
			given = append(given, name)
		}
		examples = append(examples, name+" = "+lookup(t.keys, name).example)
	}
	switch {
	case len(given) == 0:
		c.found.Add(codeOneOf, n.Place(), "%s needs %s", c.tableName(path), list(backquoted(group), "or")).
			WithLabel("%s is missing", list(group, "or")).WithHelp("add %s", list(examples, "or"))
	case len(given) > 1:
		first, second := n.Table[given[0]], n.Table[given[1]]
		switch {
		case first == nil || second == nil: // a misspelled key was probably meant
			return
		case first.Height() > second.Height():
			delete(n.Table, given[1])
			return
		case first.Height() < second.Height():
			delete(n.Table, given[0])
			return
		}
		c.found.Add(codeOneOf, second.KeyPlace(), "%s has both %s", c.tableName(path), list(backquoted(given), "and")).
			WithLabel("only one of %s can be given", list(group, "and")).
			WithNote("`%s` is given at %s", given[0], first.KeyPlace().Where()).WithHelp("remove one of them")
	}
}

// is reports that n has the wrong type unless ok. It returns ok.
func (c *checker) is(n *tomltext.Node, path string, k *key, ok bool) bool {
	if ok {
		return true
	}
	n.Bad = true
	d := c.found.Add(codeType, n.Place(), "%s must be %s, but %s %s", k.subject(path), k.noun(), k.is(), describe(n)).
		WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
	help := remedy(n, path, k)
	switch {
	case help != "":
	case k.example != "":
		help = "write " + k.name + " = " + k.example
	default:
		help = "write " + k.asked()
	}
	d.WithHelp("%s", help)
	return false
}

func (c *checker) misnamed(n *tomltext.Node, at diag.Span, subject, path, s string, k *key) {
	n.Bad = true
	if k.form.tooLong(s) {
		c.found.Add(codeName, at, "%s must have at most %d characters, but has %d", subject, k.form.most, len(s)).
			WithLabel("too long").WithNote("%s: %s", path, k.doc).WithHelp("shorten it")
		return
	}
	d := c.found.Add(codeName, at, "%s must consist of %s, but is %s", subject, k.form.says, tomltext.Show(s)).
		WithLabel("%s", k.form.says).WithNote("%s: %s", path, k.doc)
	d.WithHelp("write %s", k.form.says)
	if name := slugOf(s); k.form == slug && name != "" {
		d.WithHelp("write %q", diag.Shorten(name))
	}
}

// remedy says how to write the value that was probably meant, or returns "".
func remedy(n *tomltext.Node, path string, k *key) string {
	s, isText := n.Value.(string)
	_, isBool := n.Value.(bool)
	number := isNumber(n)
	switch {
	case k.kind == tables && n.Table != nil:
		return "write [[" + path + "]], with two brackets"
	case k.kind == table && n.Items != nil:
		return "write [" + path + "], with one bracket and only once"
	case k.kind == table && isText && lookup(k.keys, "plugin") != nil:
		return "write [" + path + "] and below it plugin = " + tomltext.Show(s)
	case k.kind == text && len(k.choices) == 0 && (isBool || number):
		return "write it in quotes: \"" + tomltext.Show(n.Value) + `"`
	case k.kind == duration && number:
		return "write the unit: \"" + tomltext.Show(n.Value) + `s"`
	case k.kind == duration && isText:
		return durationRemedy(s)
	case k.kind == extent && isText:
		return cmp.Or(numberRemedy(s, k), durationRemedy(s))
	case k.kind == words && isText:
		return "write a list: [" + list(quoted(strings.Fields(s)), ",") + "]"
	case isText:
		return numberRemedy(s, k)
	}
	return ""
}

func durationRemedy(s string) string {
	for _, unit := range []string{"", "s"} {
		tight := strings.ReplaceAll(s, " ", "") + unit
		if _, err := parseDuration(tight); err == nil {
			return "write \"" + tight + `"`
		}
	}
	return ""
}

func numberRemedy(s string, k *key) string {
	v, fault := tomltext.Arithmetic(s)
	if fault != nil || k.kind == integer && v != math.Trunc(v) || k.kind != number && k.kind != integer && k.kind != numbers && k.kind != extent {
		return ""
	}
	if k.kind == integer && math.Abs(v) >= 1<<63 {
		return "write a number that fits in 64 bits"
	}
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		return "arithmetic starts with an equals sign: \"=" + diag.Shorten(s) + `"`
	}
	return "write it without quotes: " + tomltext.Show(v)
}

func isNumber(n *tomltext.Node) bool {
	switch n.Value.(type) {
	case int64, float64:
		return true
	}
	return false
}
