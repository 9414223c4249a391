package tomltext

import (
	"errors"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/plume-da/plume/host/internal/diag"
)

// remedies says what to do about the messages of the TOML decoder.
var remedies = []struct{ says, help string }{
	{"expected value but found \"", "text goes in quotes: \"...\"; true and false do not"},
	{"expected value but found '\\n'", "write a value after the ="},
	{"unexpected EOF; expected value", "write a value after the ="},
	{"expected '.' or '='", "a line is a [table], or key = value; a key with characters other than letters, digits, - and _ goes in quotes"},
	{"to end with a newline", "write one key = value per line; text goes in quotes, and a number contains no spaces, units or commas"},
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
	{"to end table name", "close the name of the table with a bracket, as in [model]"},
	{"cannot be empty", "write a name between the brackets: [model]"},
	{"key name appears blank", "write a key before the ="},
	{"invalid datetime", "write a date as 2026-01-31, a time as 12:00:00, both as 2026-01-31T12:00:00Z; text goes in quotes"},
	{"out of range", "write a number that fits in 64 bits"},
	{"as a hash", "a key has one value: a table or something else"},
	{"used as an array", "write the table everywhere as [name], or everywhere as [[name]]"},
	{"already been defined", "remove one of them, or put their keys into one table"},
}

// closers say what ends a value that may span lines, by its first character.
var closers = map[byte]string{'[': "]", '{': "}", '"': `"""`, '\'': "'''"}

// reportSyntax reports that src is not TOML. The decoder says where it noticed the
// fault; the marks know more about where it began.
func (r *Reader) reportSyntax(src *diag.Source, err error, marks *scanner) {
	found := r.Found
	var e toml.ParseError
	if !errors.As(err, &e) {
		found.Add(CodeSyntax, src.Locate(0, 0), "not valid TOML: %v", err)
		return
	}
	at := src.Locate(e.Position.Start, e.Position.Start+max(1, e.Position.Len))
	if src.Secret { // the decoder quotes it
		found.Add(CodeSyntax, at, "not valid TOML").WithHelp("put the file into the folder of the %s, and the line is shown", r.Noun)
		return
	}
	for _, r := range marks.repeats {
		if second := r.second.in(src); second.Line == at.Line && strings.Contains(e.Message, "already") {
			found.Add(CodeRepeated, second, "`%s` is defined twice", diag.Shorten(src.Text[r.second.start:r.second.end])).
				WithLabel("the second one").WithNote("the first one is at %s", r.first.in(src).Where()).
				WithHelp("remove one of them")
			return
		}
	}
	d := found.Add(CodeSyntax, at, "not valid TOML: %s", reword(e.Message))
	if began := src.Locate(marks.open, marks.open); marks.stopped && marks.open > 0 && began.Line < at.Line {
		what := closers[src.Text[marks.open]]
		d.WithNote("the value that is not closed begins at %s", began.Where()).WithHelp("close it with %s", what)
		return
	}
	for _, r := range remedies {
		if strings.Contains(e.Message, r.says) {
			d.WithHelp("%s", r.help)
			return
		}
	}
}

// reword rewrites a message of the decoder in our style.
func reword(s string) string {
	if _, got, ok := strings.Cut(s, "or EOF, but got "); ok {
		return "the value ends here, but the line continues with " + strings.TrimSuffix(got, " instead")
	}
	s = strings.ReplaceAll(s, "unexpected EOF; expected", "the file ends before")
	s = strings.ReplaceAll(strings.TrimSuffix(s, "."), `'\n'`, "the end of the line")
	return strings.ToLower(s[:min(1, len(s))]) + s[min(1, len(s)):]
}
