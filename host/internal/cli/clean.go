package cli

import (
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// cleaned is a writer for text to people. It replaces characters that a terminal would act
// on, because much of the text comes from others: errors and manifests of plugins, names
// in run directories. The only escape sequences that pass are plume's own colours.
type cleaned struct {
	to io.Writer

	mu   sync.Mutex
	left []byte // the first bytes of a character that the next write completes
}

// clean returns a writer to w that cleans what is written.
func clean(w io.Writer) io.Writer { return &cleaned{to: w} }

// raw returns the writer below a cleaned one.
func raw(w io.Writer) io.Writer {
	if c, ok := w.(*cleaned); ok {
		return c.to
	}
	return w
}

// Write implements io.Writer. It is safe for concurrent use.
func (c *cleaned) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := append(c.left, p...)
	whole := len(text)
	for start := max(0, whole-utf8.UTFMax); start < whole; start++ {
		if utf8.RuneStart(text[start]) && !utf8.FullRune(text[start:]) {
			whole = start
		}
	}
	c.left = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(c.to, printable(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// own are plume's escape sequences.
var own = []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[1;34m"}

// printable returns text with U+FFFD in place of bytes that are not UTF-8 and of
// characters that a terminal acts on.
func printable(text string) string {
	if !strings.ContainsFunc(text, isControl) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for text != "" {
		if text[0] == '\x1b' {
			if sequence := prefixOf(text, own); sequence != "" {
				b.WriteString(sequence)
				text = text[len(sequence):]
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(text)
		if isControl(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		text = text[n:]
	}
	return b.String()
}

// prefixOf returns the first of prefixes that text begins with; empty if there is none.
func prefixOf(text string, prefixes []string) string {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return p
		}
	}
	return ""
}

// isControl reports whether a terminal may act on r: a control character other than newline
// and tab, or a character that changes the direction of text.
func isControl(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// oneLine returns text for a cell of a table, or for another place that has one line: with
// blanks instead of line breaks and tabs.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, text)
}
