package cli

import (
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
