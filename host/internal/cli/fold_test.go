package cli

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

func TestFold(t *testing.T) {
	for _, test := range []struct {
		width      int
		text, want string
	}{
		{0, "any length is right for a file", "any length is right for a file"},
		{20, "short\nenough for this", "short\nenough for this"},
		{20, "error: the file was not found in here", "error: the file was\n  not found in here"},
		{20, "   = help: \x1b[1madd\x1b[0m a table [truth]", "   = help: \x1b[1madd\x1b[0m a\n     table [truth]"},
		{20, " 5 | a line of a workflow = \"long\"", " 5 | a line of a workflow = \"long\""},
		{20, "see /a/path/that/is/longer/than/a/line there", "see\n  /a/path/that/is/longer/than/a/line\n  there"},
		{10, "ééééé ééééé", "ééééé\n  ééééé"},
	} {
		if got := fold(test.text, test.width); got != test.want {
			t.Errorf("width %d: got\n%s\nwant\n%s", test.width, got, test.want)
		}
	}
}

// Every help text fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	var all func(c *cobra.Command)
	all = func(c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		text, _ := out(t, exitOK, args...)
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%v: a line of %d characters: %s", args, n, line)
			}
		}
		for _, below := range c.Commands() {
			all(below)
		}
	}
	all((&app{stdout: io.Discard, stderr: io.Discard}).root())
}
