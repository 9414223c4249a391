package sdk

import (
	"fmt"
	"strings"
)

// Describe returns what the manifest says, for people.
func (m *Manifest) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, a %s plugin\n%s\n", m.Name, m.Version, m.Role, m.Summary)
	if m.Step != 0 {
		fmt.Fprintf(&b, "\ntime.step: default %g\n", m.Step)
	}
	if len(m.Errors) > 0 {
		fmt.Fprintf(&b, "\nobservations.error.dist: %s\n", strings.Join(m.Errors, ", "))
	}
	if len(m.Params) > 0 {
		fmt.Fprintln(&b, "\nparameters")
	}
	for _, p := range m.Params {
		fmt.Fprintf(&b, "  %s\n      %s; %s%s\n      %s\n", p.Name, p.Wants(), p.standing(), suffix("; unit ", p.Unit), p.meaning())
	}
	if len(m.Citations) > 0 {
		fmt.Fprintln(&b, "\nreferences")
	}
	for _, c := range m.Citations {
		fmt.Fprintf(&b, "  %s%s\n", c.Text, suffix(", doi:", c.DOI))
	}
	return b.String()
}

// Markdown returns the parameters as the table that stands in a plugin's README.
func (m *Manifest) Markdown() string {
	var b strings.Builder
	fmt.Fprintln(&b, "| parameter | values | default | unit | meaning |")
	fmt.Fprintln(&b, "|---|---|---|---|---|")
	for _, p := range m.Params {
		value := "required"
		if !p.Required {
			value = "`" + literal(p.Default) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", p.Name, p.Wants(), value, p.Unit, strings.ReplaceAll(p.meaning(), "|", `\|`))
	}
	return b.String()
}

func (p *Param) standing() string {
	if p.Required {
		return "required"
	}
	return "default " + literal(p.Default)
}

// suffix returns prefix and text, or nothing when there is no text.
func suffix(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// literal writes a parameter value as TOML does.
func literal(v any) string {
	if items, ok := anySlice(v); ok {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = literal(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}

// meaning says what the parameter is, and whether it can be estimated.
func (p *Param) meaning() string {
	if p.PerMember {
		return p.Doc + "; may differ by member"
	}
	return p.Doc
}
