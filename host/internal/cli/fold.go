package cli

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	colouring = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	excerpt   = regexp.MustCompile(`^ *[0-9]* \|`) // a line of a workflow in a finding
)

// fold breaks lines that are longer than width at blanks, for a terminal that would break
// them in the middle of a word. What is left of a line is indented. Lines of workflows stay
// as they are; width 0 means that lines may have any length.
func fold(text string, width int) string {
	if width <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		plain := colouring.ReplaceAllString(line, "")
		if utf8.RuneCountInString(plain) > width && !excerpt.MatchString(plain) {
			lines[i] = foldLine(line, width, len(plain)-len(strings.TrimLeft(plain, " "))+2)
		}
	}
	return strings.Join(lines, "\n")
}

// foldLine breaks one line; all but the first are indented by this many blanks.
func foldLine(line string, width, indent int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.SplitAfter(line, " ") {
		n := utf8.RuneCountInString(strings.TrimRight(colouring.ReplaceAllString(word, ""), " "))
		if i > 0 && n > 0 && at > indent && at+n > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		}
		b.WriteString(word)
		at += utf8.RuneCountInString(colouring.ReplaceAllString(word, ""))
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}
