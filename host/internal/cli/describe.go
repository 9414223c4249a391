package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/plume-da/plume/sdk"
)

// describeText writes what a manifest says, for people.
func describeText(w io.Writer, m *sdk.Manifest) {
	fmt.Fprintf(w, "%s %s, a %s plugin\n%s\n", m.Name, m.Version, m.Role, m.Summary)
	if m.Step != 0 {
		fmt.Fprintf(w, "\ntime.step: default %g\n", m.Step)
	}
	if len(m.Errors) > 0 {
		fmt.Fprintf(w, "\nobservations.error.dist: %s\n", strings.Join(m.Errors, ", "))
	}
	if len(m.Params) > 0 {
		fmt.Fprintln(w, "\nparameters")
	}
	for _, p := range m.Params {
		fmt.Fprintf(w, "  %s\n      %s; %s%s\n", p.Name, p.Wants(), defaultOf(&p), unitOf(&p))
		fmt.Fprintf(w, "      %s\n", p.Doc)
	}
	if len(m.Citations) > 0 {
		fmt.Fprintln(w, "\nreferences")
	}
	for _, c := range m.Citations {
		fmt.Fprintf(w, "  %s%s\n", c.Text, doiOf(c))
	}
}

// describeMarkdown writes the parameter table of a plugin's README.
func describeMarkdown(w io.Writer, m *sdk.Manifest) {
	fmt.Fprintln(w, "| parameter | values | default | unit | meaning |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, p := range m.Params {
		def := "required"
		if !p.Required {
			def = "`" + literal(p.Default) + "`"
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s |\n", p.Name, p.Wants(), def, p.Unit, strings.ReplaceAll(p.Doc, "|", `\|`))
	}
}

func defaultOf(p *sdk.Param) string {
	if p.Required {
		return "required"
	}
	return "default " + literal(p.Default)
}

func unitOf(p *sdk.Param) string {
	if p.Unit == "" {
		return ""
	}
	return "; unit " + p.Unit
}

func doiOf(c sdk.Citation) string {
	if c.DOI == "" {
		return ""
	}
	return ", doi:" + c.DOI
}

// literal writes a parameter value as TOML would.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []float64:
		return list(v)
	case []int64:
		return list(v)
	case []string:
		return list(v)
	}
	return fmt.Sprint(v)
}

func list[T any](values []T) string {
	items := make([]string, len(values))
	for i, v := range values {
		items[i] = literal(v)
	}
	return "[" + strings.Join(items, ", ") + "]"
}
