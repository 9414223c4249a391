package cli

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says what it does, shows how, and lists the exit codes.
func TestHelp(t *testing.T) {
	var all func(c *cobra.Command)
	all = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Hidden {
				continue
			}
			name := sub.CommandPath()
			for line := range strings.SplitSeq(sub.Example, "\n") {
				if !strings.Contains(line, name) {
					t.Errorf("%s: the example %q does not show it", name, line)
				}
			}
			if usage := sub.UsageString(); sub.Short == "" || !strings.Contains(usage, "Exit codes:") {
				t.Errorf("%s: %q\n%s", name, sub.Short, usage)
			}
			all(sub)
		}
	}
	all((&app{}).root())
}

// TestCommandsPage holds docs/reference/commands.md to the help of all commands; -update
// writes it.
func TestCommandsPage(t *testing.T) {
	isMade(t, "../../../docs/reference/commands.md", commandsText())
}

// commandsText returns the page of all commands.
func commandsText() string {
	root := (&app{stdout: io.Discard}).root()
	root.InitDefaultHelpFlag()
	b := &strings.Builder{}
	b.WriteString("# Commands\n\n<!-- Made from the help of the commands; go test ./host/internal/cli -run CommandsPage -update writes it. -->\n\n" +
		"`plume COMMAND --help` prints the same, and releases have it as man pages.\n\n```text" + exitCodes + "```\n")
	var section func(c *cobra.Command)
	section = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Hidden {
				continue
			}
			about := sub.Long
			if about == "" {
				about = sub.Short + "."
			}
			usage := strings.TrimSuffix(sub.UsageString(), exitCodes)
			fmt.Fprintf(b, "\n## %s\n\n%s.\n\n```text\n%s\n\n%s\n```\n", sub.CommandPath(), sub.Short, about, strings.TrimSpace(usage))
			section(sub)
		}
	}
	section(root)
	return b.String()
}
