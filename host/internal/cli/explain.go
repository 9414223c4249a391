package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plume-da/plume/docs"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE...]",
		Short: "Explain the codes of findings, such as E404",
		Long: `Explain says what the code of a finding means, what usually causes it, how it
looks, and what to do about it. Without a code it lists all codes.`,
		Example: `  plume explain E404
  plume explain`,
		ValidArgsFunction: words(codeNames()...),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listCodes()
			}
			for i, code := range args {
				text := explanation(strings.ToUpper(code))
				if text == "" {
					return usage("there is no code %q; plume explain lists all codes", code)
				}
				if i > 0 {
					text = "\n" + text
				}
				if _, err := fmt.Fprint(a.stdout, text); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// codes returns the codes of all findings.
func codes() []diag.Entry {
	return slices.Concat(workflow.Codes(), plan.Codes(), observations.Codes(), experiment.Codes())
}

func codeNames() []string {
	var names []string
	for _, c := range codes() {
		names = append(names, string(c.Code))
	}
	slices.Sort(names)
	return names
}

func (a *app) listCodes() error {
	for _, c := range codes() {
		if _, err := fmt.Fprintf(a.stdout, "%s  %s\n", c.Code, c.Means); err != nil {
			return err
		}
	}
	return nil
}

// explanation returns the section of docs/troubleshooting.md about a code, with its block
// of code indented, for a terminal; an empty text if there is none.
func explanation(code string) string {
	_, section, found := strings.Cut(docs.Troubleshooting, "\n### "+code+"\n\n")
	if !found {
		return ""
	}
	section, _, _ = strings.Cut(section, "\n##")
	text, block := code+"\n\n", false
	for line := range strings.Lines(strings.TrimSpace(section) + "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			block = !block
		case block:
			text += "  " + line
		default:
			text += strings.ReplaceAll(line, "**", "")
		}
	}
	return text
}
