package sdk

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Describe returns the manifest as text for people: lines of at most 80 columns, the
// parameters grouped by the conditions under which they apply.
func (m *Manifest) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, a %s plugin\n%s\n", m.Name, m.Version, m.Role, wrap("", m.Summary))
	if m.Step != 0 {
		fmt.Fprintf(&b, "\ntime.step: default %g\n", m.Step)
	}
	if len(m.Errors) > 0 {
		fmt.Fprintf(&b, "\n%s\n", wrap("", "observations.error.dist: "+strings.Join(m.Errors, ", ")))
	}
	for _, g := range m.groups() {
		fmt.Fprintf(&b, "\n%s\n", wrap("", "parameters"+suffix(" with ", g.when)))
		for _, p := range g.params {
			values := p.Wants() + "; " + p.standing() + p.inUnit()
			fmt.Fprintf(&b, "  %s\n%s\n%s\n", p.Name, wrap("      ", values), wrap("      ", p.meaning()))
		}
	}
	if len(m.Example.Params) > 0 {
		fmt.Fprintf(&b, "\nexample\n%s", m.example())
	}
	if len(m.Citations) > 0 {
		fmt.Fprintln(&b, "\nreferences")
	}
	for _, c := range m.Citations {
		fmt.Fprintln(&b, "  "+strings.TrimSpace(wrap("      ", c.Text+suffix(", doi:", c.DOI))))
	}
	return b.String()
}

// example returns the parameters of the example as in a workflow, in the order of the
// manifest.
func (m *Manifest) example() string {
	var b strings.Builder
	for _, p := range m.Params {
		v, given := m.Example.Params[p.Name]
		text := literal(v)
		if s, ok := v.(string); ok && strings.Contains(s, "\n") {
			text = "\"\"\"\n" + s + "\"\"\""
		}
		if given {
			fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(p.Name+" = "+text, "\n", "\n  "))
		}
	}
	return b.String()
}

// wrap returns text in lines of at most 80 columns, each preceded by indent. A longer word
// has a line of its own.
func wrap(indent, text string) string {
	var lines []string
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && utf8.RuneCountInString(line+" "+word) > 80 {
			lines, line = append(lines, line), indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

// Markdown returns the parameters as the table in the README of a plugin, grouped by the
// conditions under which they apply.
func (m *Manifest) Markdown() string {
	var b strings.Builder
	fmt.Fprintln(&b, "| parameter | values | default | unit | meaning |")
	fmt.Fprintln(&b, "|---|---|---|---|---|")
	for _, g := range m.groups() {
		if g.when != "" {
			fmt.Fprintf(&b, "| **with %s** | | | | |\n", g.when)
		}
		for _, p := range g.params {
			value := "required"
			if !p.Required {
				value = "`" + literal(p.Default) + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", p.Name, p.Wants(), value, p.Unit, strings.ReplaceAll(p.meaning(), "|", `\|`))
		}
	}
	return b.String()
}

func (p *Param) standing() string {
	if p.Required {
		return "required"
	}
	return "default " + literal(p.Default)
}

// suffix returns prefix and text, or nothing if text is empty.
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

// inUnit returns the unit in words, to follow the values and the default.
func (p *Param) inUnit() string {
	if p.Unit == "1" {
		return "; dimensionless"
	}
	return suffix("; unit: ", p.Unit)
}

// meaning describes the parameter, and says whether it can be estimated.
func (p *Param) meaning() string {
	if p.PerMember {
		return p.Doc + "; may differ by member"
	}
	return p.Doc
}
