package workflow

import (
	"fmt"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Markdown returns the reference of the language, docs/reference/workflow-language.md, from
// the table that workflows are checked with. The formats are those of files with rows, each
// an extension and its meaning; codes are those of all findings.
func Markdown(formats [][2]string, codes []diag.Entry) string {
	b := &strings.Builder{}
	b.WriteString(`# The workflow language

<!-- Made from host/internal/workflow/schema.go by plume schema --markdown; go test ./host/internal/cli -run Reference -update writes it. -->

A workflow is a TOML 1.0 file that holds only data. Unknown keys are errors. Values come in layers: the defaults below, then
included files, the file itself, the chosen profile, and each ` + "`--set KEY=VALUE`" + `. A finding names the layer and the file that it is about.

* Tables of two layers merge key by key. Arrays of tables that have labels merge by label. Anything else is replaced. The items of such an
  array can be set by label: ` + "`--set filter.enkf.size=10`" + `.
* A number may be arithmetic: ` + "`beta = \"=8/3\"`" + `, with + - * / ( ) pi sqrt exp log sin cos.
* A relative path starts at the folder of the file that contains it.
* Parameters of plugins are in ` + "`params`" + ` and are checked against the plugin: ` + "`plume plugins describe NAME`" + `.
* A workflow runs programs: those of [plugins], and those that parameters name, such as ` + "`command`" + ` of process. ` + "`plume validate` and `plume plan`" + `
  start its plugins as ` + "`plume run`" + ` does. Check a workflow that you do not trust with ` + "`plume validate --offline`" + `, which starts nothing.
* ` + "`plume schema`" + ` prints the language, with the parameters of the available plugins, as JSON Schema for editors.

` + "`workflow.resolved.toml`" + ` in a run directory is the workflow with all layers applied and every default filled in. It can be run from any folder.
`)
	b.WriteString("\n## Keys at the top\n")
	reference(b, "", &schema)
	b.WriteString("\n## The site file\n\nA site file says which machines there are; workflows only name its executors. It is that of `--site`, of `$PLUME_SITE`, or `plume/plume.toml` in the user's " +
		"configuration folder (`~/.config` on Linux). [Running on a cluster](../how-to/slurm.md) has examples.\n")
	reference(b, "", &siteSchema)
	b.WriteString("\n## Files with rows\n\nObservations and members are read from files. The extension of a file determines its format:\n\n| extension | file |\n|---|---|\n")
	for _, f := range formats {
		fmt.Fprintf(b, "| `%s` | %s |\n", f[0], cellText(f[1]))
	}
	b.WriteString(`
Upper-case extensions mean the same. Text is UTF-8, or UTF-16 that begins with a byte order mark. A column ` + "`u`" + ` of lists of one length
has the columns ` + "`u[0]`, `u[1]`" + ` and so on.
`)
	b.WriteString("\n## Findings\n\nA workflow with a finding is not run. E1 is about the text, E2 about keys and values, E3 about plugins, files and whether they fit together, E4 about files of observations.\n[Troubleshooting](../troubleshooting.md#codes) has a cause and an example for each, and `plume explain CODE` prints them.\n\n| code | meaning | remedy |\n|---|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(b, "| %s | %s | %s |\n", c.Code, cellText(c.Means), cellText(c.Remedy))
	}
	return b.String()
}

// reference writes the keys of t, then the tables among them.
func reference(b *strings.Builder, path string, t *key) {
	for _, group := range t.oneOf {
		fmt.Fprintf(b, "\nExactly one of %s.\n", list(backquoted(group), "and"))
	}
	rows(b, t.keys)
	for i := range t.keys {
		k := &t.keys[i]
		full := tomltext.Dotted(path, k.name)
		switch {
		case len(k.dists) > 0:
			fmt.Fprintf(b, "\n### %s\n\n%s.\n", full, sentence(k.doc))
			for _, l := range k.dists {
				fmt.Fprintf(b, "\n`dist = %q`", l.name)
				for _, group := range l.oneOf {
					fmt.Fprintf(b, ", with exactly one of %s", list(backquoted(group), "and"))
				}
				b.WriteString(":\n")
				rows(b, l.keys)
			}
		case len(k.keys) > 0:
			fmt.Fprintf(b, "\n%s %s\n\n%s.\n", strings.Repeat("#", min(4, 2+strings.Count(full, "."))), header(full, k), sentence(k.doc))
			reference(b, full, k)
		}
	}
}

func header(path string, k *key) string {
	switch {
	case k.lone:
		return "[" + path + "] or [[" + path + "]]"
	case k.kind == tables:
		return "[[" + path + "]]"
	case k.kind == named:
		return "[" + path + ".NAME]"
	}
	return "[" + path + "]"
}

func rows(b *strings.Builder, keys []key) {
	b.WriteString("\n| key | value | default | example | |\n|---|---|---|---|---|\n")
	for i := range keys {
		k := &keys[i]
		value := k.asked()
		def := ""
		switch {
		case k.required:
			def = "required"
		case k.twin:
			def = "required in a twin experiment"
		case k.def != nil:
			def = "`" + tomltext.Show(k.def) + "`"
		}
		example := k.example
		if example != "" {
			example = "`" + strings.ReplaceAll(example, "|", `\|`) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", k.name, cellText(value), def, example, cellText(k.doc))
	}
}

// cellText returns s escaped for a cell of a table.
var cellText = strings.NewReplacer("|", `\|`, `\`, `\\`, "*", `\*`).Replace

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Keys returns every key of the language by its path, such as time.cycles or
// filter.plugin, with the words that its value may be; none if it is not a choice.
func Keys() map[string][]string {
	out := map[string][]string{}
	var walk func(path string, keys []key)
	walk = func(path string, keys []key) {
		for _, k := range keys {
			full := tomltext.Dotted(path, k.name)
			out[full] = k.choices
			walk(full, k.keys)
			for _, l := range k.dists {
				out[tomltext.Dotted(full, "dist")] = append(out[tomltext.Dotted(full, "dist")], l.name)
				walk(full, l.keys)
			}
		}
	}
	walk("", schema.keys)
	return out
}
