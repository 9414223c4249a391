package workflow

import (
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
)

// remedies says what to do about what the TOML decoder says.
var remedies = []struct{ says, help string }{
	{"expected value but found \"", "text goes in quotes: \"...\"; true and false do not"},
	{"expected value but found '\\n'", "write a value after the ="},
	{"unexpected EOF; expected value", "write a value after the ="},
	{"expected '.' or '='", "a line is a [table], or key = value; a key with other characters than letters, digits, - and _ goes in quotes"},
	{"to end with a newline", "write one key = value a line; text goes in quotes, and a number has no spaces, units or commas in it"},
	{"cannot contain newlines", "close the quotes on the same line; text of several lines goes in \"\"\"...\"\"\""},
	{"unexpected EOF; expected '", "close the quotes"},
	{"invalid escape", "write \\\\ for a backslash, or put the text in single quotes: '...'"},
	{"hexadecimal digits", "write \\\\ for a backslash, or put the text in single quotes: '...'"},
	{"leading zeroes", "write the number without the zeros in front"},
	{"must start with a digit", "write 0 before the point: 0.5"},
	{"must be followed by one or more digits", "write a digit after the point: 1.0"},
	{"underscores must be", "an underscore stands between two digits: 1_000"},
	{"expected a comma", "separate items with commas"},
	{"unexpected comma", "remove one comma"},
	{"delimiter ']'", "close an array of tables with two brackets: [[filter]]"},
	{"to end table name", "close the table name with a bracket: [model]"},
	{"cannot be empty", "write a name between the brackets: [model]"},
	{"key name appears blank", "write a key before the ="},
	{"invalid datetime", "write a date as 2026-01-31, a time as 12:00:00, both as 2026-01-31T12:00:00Z; text goes in quotes"},
	{"out of range", "write a number that fits in 64 bits"},
	{"as a hash", "a key has one value: a table or something else"},
	{"used as an array", "write the table everywhere as [name], or everywhere as [[name]]"},
	{"already been defined", "remove one of them; settings of one table stand together"},
}

// syntax reports that src is not TOML. repeats are the keys the scanner saw
// defined twice: the decoder only says where the second one is.
func (ds *Diagnostics) syntax(src *source, err error, repeats []repeat) {
	var e toml.ParseError
	if !errors.As(err, &e) {
		ds.add(CodeSyntax, src.locate(span{}, src.layer), "%v", err)
		return
	}
	start := e.Position.Start
	for _, r := range repeats {
		if src.locate(r.second, "").Line == src.locate(span{start, start}, "").Line && strings.Contains(e.Message, "already") {
			ds.add(CodeRepeated, src.locate(r.second, src.layer), "`%s` is defined twice", shorten(src.text[r.second.start:r.second.end])).
				WithLabel("the second one").WithNote("the first one is at %s", src.locate(r.first, src.layer).where()).
				WithHelp("remove one of them")
			return
		}
	}
	d := ds.add(CodeSyntax, src.locate(span{start, start + max(1, e.Position.Len)}, src.layer), "not valid TOML: %s", lowerFirst(e.Message)).
		WithLabel("here")
	for _, r := range remedies {
		if strings.Contains(e.Message, r.says) {
			d.WithHelp("%s", r.help)
			return
		}
	}
}

func lowerFirst(s string) string {
	if s == "" || strings.HasPrefix(s, "TOML") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
