package diag

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text renders fs for people, with the line in question and a caret under the
// place; colour adds terminal colours.
func (fs Findings) Text(colour bool) string { return fs.TextWithin(0, colour) }

// TextWithin is Text for a terminal of some columns, in which the lines in question are cut
// around the caret; 0: not known.
func (fs Findings) TextWithin(columns int, colour bool) string {
	var b strings.Builder
	for i, f := range fs {
		if i > 0 {
			b.WriteByte('\n')
		}
		f.text(&b, columns, palette(colour))
	}
	return b.String()
}

// JSON renders fs as one JSON object a line.
func (fs Findings) JSON() string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, f := range fs {
		if err := e.Encode(f); err != nil {
			panic(err) // a struct of strings and numbers can be encoded
		}
	}
	return b.String()
}

// GitHub renders fs as workflow commands, which GitHub shows next to the lines of
// a change.
func (fs Findings) GitHub() string {
	var b strings.Builder
	for _, f := range fs {
		where := ""
		if f.File != "" {
			where = fmt.Sprintf(" file=%s,line=%d,col=%d,endColumn=%d,title=%s", property(f.File), f.Line, f.Column, f.Column+f.Width, f.Code)
		}
		message := f.Message
		if f.Layer != FileLayer {
			message += " (" + f.Layer + ")"
		}
		if f.Help != "" {
			message += "\nhelp: " + f.Help
		}
		fmt.Fprintf(&b, "::error%s::%s\n", where, data.Replace(message))
	}
	return strings.ToValidUTF8(b.String(), string(unicode.ReplacementChar))
}

var data = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data.Replace(s))
}

// colours are the escape sequences of a rendering; all empty without colour.
type colours struct{ red, blue, bold, off string }

func palette(colour bool) colours {
	if !colour {
		return colours{}
	}
	return colours{"\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"}
}

func (f *Finding) text(b *strings.Builder, columns int, c colours) {
	number := strconv.Itoa(f.Line)
	if f.File == "" {
		number = ""
	}
	gutter := strings.Repeat(" ", max(2, len(number)))
	bar := c.blue + gutter + " |" + c.off
	fmt.Fprintf(b, "%serror[%s]%s%s: %s%s\n", c.red, f.Code, c.off, c.bold, printable(f.Message), c.off)
	fmt.Fprintf(b, "%s%s-->%s %s\n", c.blue, gutter, c.off, printable(f.Where()))
	if f.excerpt != "" {
		most := maxExcerpt
		if columns > 0 {
			most = max(leastExcerpt, min(most, columns-len(gutter)-len(" | "))-2) // two signs of what is cut
		}
		label := printable(f.Label)
		before, marked, line := f.window(most, columns > 0, utf8.RuneCountInString(label))
		fmt.Fprintf(b, "%s\n%s%*s |%s %s\n", bar, c.blue, len(gutter), number, c.off, line)
		caret := strings.Repeat("^", marked)
		if columns > 0 && len(before)+marked+1+utf8.RuneCountInString(label) > columns-len(gutter)-len(" | ") { // below the caret
			fmt.Fprintf(b, "%s %s%s%s%s\n", bar, before, c.red, caret, c.off)
			before, caret = "", ""
		}
		fmt.Fprintf(b, "%s %s%s%s%s\n", bar, before, c.red, strings.TrimSpace(caret+" "+label), c.off)
	}
	if f.excerpt != "" && len(f.Notes)+len(f.Help) > 0 {
		fmt.Fprintln(b, bar)
	}
	for _, n := range f.Notes {
		fmt.Fprintf(b, "%s%s =%s %s\n", c.blue, gutter, c.off, printable(n))
	}
	if f.Help != "" {
		fmt.Fprintf(b, "%s%s =%s %shelp%s: %s\n", c.blue, gutter, c.off, c.bold, c.off, printable(f.Help))
	}
}

// Where names file, line, column and layer.
func (s Span) Where() string {
	switch {
	case s.File == "":
		return s.Layer
	case s.Line == 0:
		return s.File
	case s.Layer == FileLayer:
		return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Column)
	}
	return fmt.Sprintf("%s:%d:%d (%s)", s.File, s.Line, s.Column, s.Layer)
}

// maxExcerpt bounds how many characters of a line are shown, and leastExcerpt how few in a
// narrow terminal.
const maxExcerpt, leastExcerpt = 120, 20

// window returns the part of the line to show, of at most this many characters, the blanks
// in front of the caret, and the width of the caret in terminal cells. If narrow, the caret
// is so far to the left that a label fits behind it.
func (s Span) window(most int, narrow bool, label int) (before string, marked int, line string) {
	runes := []rune(s.excerpt)
	start, end := min(s.Column-1, len(runes)), min(s.Column-1+s.Width, len(runes))
	from := 0
	if len(runes) > most {
		from = start - most/2
	}
	if narrow {
		from = max(from, end+1+label-most)
	}
	from = max(0, min(from, start))
	to := min(len(runes), from+most)
	end = min(end, to)
	var pad strings.Builder
	if from > 0 {
		pad.WriteByte(' ')
		line = "…"
	}
	for _, r := range runes[from:start] {
		if r == '\t' { // as wide as in the line above
			pad.WriteByte('\t')
			continue
		}
		pad.WriteString(strings.Repeat(" ", cells(r)))
	}
	for _, r := range runes[start:end] {
		marked += cells(r)
	}
	line += printable(string(runes[from:to]))
	if to < len(runes) {
		line += "…"
	}
	return pad.String(), max(1, marked), line
}

// cells returns how many columns of a terminal r takes. It knows the blocks of
// wide characters, not every character.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// printable replaces control characters, which could move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Shorten returns the part of a user's text that a message repeats.
func Shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
