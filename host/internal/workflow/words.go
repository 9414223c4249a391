package workflow

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// noun says what k wants, without its range.
func (k *key) noun() string {
	if len(k.choices) == 1 {
		return strconv.Quote(k.choices[0])
	}
	if len(k.choices) > 0 {
		return list(k.choices, "or")
	}
	return [kindsNumber]string{
		text: "a string", integer: "an integer", number: "a number", numbers: "a number or a list of numbers", words: "a list of strings",
		duration: `a duration such as "60s"`, table: "a table", tables: "an array of tables", named: "a table of tables",
		start: "a list of numbers or a table", params: "a table", overrides: "a table of tables",
	}[k.kind]
}

// limits says the range of k, or "".
func (k *key) limits() string {
	switch {
	case k.kind == words && k.min != nil:
		return "with at least one item"
	case k.kind == duration:
		return "above 0"
	case k.form != nil && k.kind == text:
		return "of " + k.form.says
	case k.min != nil && k.max != nil && *k.min == *k.max:
		return "equal to " + show(*k.min)
	case k.min != nil:
		return "of at least " + show(*k.min)
	case k.above != nil:
		return "above " + show(*k.above)
	}
	return ""
}

// wants says what k may be, and its default.
func (k *key) wants() string {
	s := strings.TrimSpace(k.noun() + " " + k.limits())
	if k.def != nil {
		s += "; default " + show(k.def)
	}
	return s
}

// describe says what kind of value n is, and its value when that is short.
func describe(n *node) string {
	switch v := n.value.(type) {
	case string:
		return "the string " + strconv.Quote(shorten(v))
	case int64, float64:
		return "the number " + show(v)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date or time"
	}
	switch {
	case n.table != nil:
		return "a table"
	case len(n.items) == 0:
		return "an empty list"
	case n.items[0].table != nil:
		return "an array of tables"
	}
	return "a list"
}

// show writes a scalar as in a workflow.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(shorten(v))
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// list joins items as a sentence does, with a last word "and" or "or".
func list(items []string, last string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " " + last + " " + items[n-1]
	}
	return strings.Join(items, "")
}

// backquoted returns items in backquotes.
func backquoted(items []string) []string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = "`" + s + "`"
	}
	return out
}

// dotted returns the path of a key in a table.
func dotted(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
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
