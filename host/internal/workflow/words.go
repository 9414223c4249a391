package workflow

import (
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// noun says what the value of k must be, without its range.
func (k *key) noun() string {
	if k.lone {
		return "a table or an array of tables"
	}
	if k.auto {
		return `"auto" or a table`
	}
	if k.kind == count {
		return list(append(quoted(k.choices), "an integer"), "or")
	}
	if len(k.choices) > 0 {
		return list(quoted(k.choices), "or")
	}
	return [kindsNumber]string{
		text: "a string", integer: "an integer", number: "a number", numbers: "a number or a list of numbers", words: "a list of strings",
		duration: `a duration such as "60s"`, table: "a table", tables: "an array of tables", named: "a table of tables",
		values: "a number, a list of numbers, or a table of them by variable", columns: "a table of column names by variable",
		distribution: "a table", start: "a number, a list of numbers or a table", moment: "a number or a date", extent: `a number or a duration such as "10min"`, params: "a table", overrides: "a table of tables",
		replicates: `a list of integers >= 1, or a range such as "1..10"`, axes: "a table of lists", axisValues: "a list of values",
		exclusions: "an array of tables of axis values",
	}[k.kind]
}

// bounds returns the range of a number in words, or "".
func (k *key) bounds() string {
	switch {
	case k.max != nil && *k.min == *k.max:
		return tomltext.Show(*k.min)
	case k.max != nil:
		return "from " + tomltext.Show(*k.min) + " to " + strconv.FormatFloat(*k.max, 'f', -1, 64)
	case k.min != nil:
		return ">= " + tomltext.Show(*k.min)
	case k.above != nil:
		return "> " + tomltext.Show(*k.above)
	}
	return ""
}

// limits returns what k requires of a value in addition to its type, or "".
func (k *key) limits() string {
	switch {
	case k.kind == words && k.min != nil:
		return "with at least one item"
	case k.kind == duration || k.kind == words || k.item && k.kind == text:
		return ""
	case k.form != nil:
		return "of " + k.form.says
	case k.max != nil && *k.min == *k.max:
		return "equal to " + k.bounds()
	}
	return k.bounds()
}

// asked says what the value of k may be.
func (k *key) asked() string {
	switch limits := k.limits(); {
	case limits == "":
		return k.noun()
	case k.kind == numbers || k.kind == values:
		return k.noun() + ", each " + limits
	case k.kind == extent:
		return k.noun() + ", " + limits
	default:
		return k.noun() + " " + limits
	}
}

// wants says what the value of k may be, and its default.
func (k *key) wants() string {
	s := k.asked()
	if k.def != nil {
		s += "; default " + tomltext.Show(k.def)
	}
	return s
}

// subject and is return the beginning and the verb of a sentence about a value.
func (k *key) subject(path string) string {
	if k.item {
		return "every item of `" + path + "`"
	}
	return "`" + path + "`"
}

func (k *key) is() string {
	if k.item {
		return "this is"
	}
	return "is"
}

// describe says what kind of value n is, with the value itself if that is short.
func describe(n *tomltext.Node) string {
	switch v := n.Value.(type) {
	case string:
		return "the string " + strconv.Quote(diag.Shorten(v))
	case int64, float64:
		return "the number " + tomltext.Show(v)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date or time"
	}
	switch {
	case n.Table != nil:
		return "a table"
	case len(n.Items) == 0:
		return "an empty list"
	case n.Items[0].Table != nil:
		return "an array of tables"
	}
	return "a list"
}

// list joins items as in a sentence; last is "and", "or" or ",".
func list(items []string, last string) string {
	if last != "," {
		last = " " + last
	}
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + last + " " + items[n-1]
	}
	return strings.Join(items, "")
}

func backquoted(items []string) []string { return wrapped(items, "`") }
func quoted(items []string) []string     { return wrapped(items, `"`) }

func wrapped(items []string, quote string) []string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = quote + s + quote
	}
	return out
}

// slugOf returns the nearest name to s that keeps the rule of names.
func slugOf(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimRight(b.String(), "-")
}
