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
	"github.com/plume-da/plume/host/internal/remote"
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
				if err := a.explainCode(strings.ToUpper(code), i > 0); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// explainCode prints what there is to say about a code, below a line if it is not the first.
func (a *app) explainCode(code string, below bool) error {
	text := explanation(code)
	switch {
	case text == "":
		return usage("there is no code %q; plume explain lists all codes", code)
	case a.json:
		return a.printJSON(struct {
			Code string `json:"code"`
			Text string `json:"text"`
		}{code, text})
	case below:
		text = "\n" + text
	}
	_, err := fmt.Fprint(a.stdout, text)
	return err
}

// codes returns the codes of all findings, in order.
func codes() []diag.Entry {
	list := slices.Concat(workflow.Codes(), plan.Codes(), observations.Codes(), experiment.Codes(), remote.Codes())
	slices.SortFunc(list, func(a, b diag.Entry) int { return strings.Compare(string(a.Code), string(b.Code)) })
	return list
}

func codeNames() []string {
	var names []string
	for _, c := range codes() {
		names = append(names, string(c.Code))
	}
	return names
}

func (a *app) listCodes() error {
	for _, c := range codes() {
		var err error
		if a.json {
			err = a.printJSON(struct {
				Code  diag.Code `json:"code"`
				Means string    `json:"means"`
			}{c.Code, c.Means})
		} else {
			_, err = fmt.Fprintf(a.stdout, "%s  %s\n", c.Code, c.Means)
		}
		if err != nil {
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
