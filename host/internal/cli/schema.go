package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

func (a *app) schema() *cobra.Command {
	var markdown bool
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the workflow language as JSON Schema, for editors",
		Long: `Schema prints the workflow language with the parameters of the plugins on the
plugin path as JSON Schema, draft 2020-12. Editors use it to complete and check
workflows that have the first line

  #:schema ./plume.schema.json`,
		Example: `  plume schema > plume.schema.json
  plume schema --markdown`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if markdown {
				_, err := fmt.Fprint(a.stdout, referenceText())
				return err
			}
			params, err := paramSchemas(c.Context(), launch.DefaultPath().List())
			if err != nil {
				return err
			}
			e := json.NewEncoder(a.stdout)
			e.SetIndent("", " ")
			e.SetEscapeHTML(false)
			return e.Encode(workflow.JSONSchema(params))
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "print the reference of the language as Markdown instead")
	return c
}

// referenceText returns docs/reference/workflow-language.md.
func referenceText() string {
	return workflow.Markdown(tabular.Formats(), codes())
}

// paramSchemas returns the schemas of the parameters of plugins, by role and name.
func paramSchemas(ctx context.Context, names []string) (map[string]map[string]any, error) {
	params := map[string]map[string]any{}
	for _, name := range names {
		err := withPlugin(ctx, name, callTimeout, func(p *sdk.Plugin) error {
			role := string(p.Manifest.Role)
			if params[role] == nil {
				params[role] = map[string]any{}
			}
			params[role][name] = paramsSchema(p.Manifest)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return params, nil
}

func paramsSchema(m *sdk.Manifest) map[string]any {
	properties, conditions := map[string]any{}, []any{}
	for i := range m.Params {
		p := &m.Params[i]
		s := paramSchema(p)
		if when := m.When(p); when != "" {
			s["description"] = "with " + when + ": " + p.Doc
		}
		properties[p.Name] = s
		for _, name := range slices.Sorted(maps.Keys(p.When)) {
			conditions = append(conditions, unlessSchema(name, p.When[name], p))
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(conditions) > 0 {
		s["allOf"] = conditions
	}
	return s
}

// unlessSchema says that p stays at its default if the parameter called name is given and
// is none of choices. If that one is not given, an axis or a profile may set it.
func unlessSchema(name string, choices []string, p *sdk.Param) map[string]any {
	others := map[string]any{"not": map[string]any{"enum": choices}}
	return map[string]any{
		"if":   map[string]any{"required": []string{name}, "properties": map[string]any{name: others}},
		"then": map[string]any{"properties": map[string]any{p.Name: map[string]any{"const": p.Default}}},
	}
}

// paramSchema returns the schema of a parameter in a workflow, where a number may be
// arithmetic.
func paramSchema(p *sdk.Param) map[string]any {
	kind := map[sdk.ParamType]string{
		sdk.Float: "number", sdk.Floats: "number", sdk.Int: "integer", sdk.Ints: "integer",
		sdk.Bool: "boolean", sdk.String: "string", sdk.Strings: "string",
	}[p.Type]
	s := map[string]any{"type": kind}
	if kind == "number" || kind == "integer" {
		s["type"], s["pattern"] = []string{kind, "string"}, "^="
		if p.Auto {
			s["pattern"] = "^(=|auto$)"
		}
		if p.Unit == "s" { // or a duration
			s["pattern"] = `^(=|([0-9.]+(ms|s|m|h))+$)`
		}
	}
	for name, limit := range map[string]*float64{"minimum": p.Min, "maximum": p.Max, "exclusiveMinimum": p.Above, "exclusiveMaximum": p.Below} {
		if limit != nil {
			s[name] = *limit
		}
	}
	if len(p.Choices) > 0 {
		s["enum"] = p.Choices
	}
	if p.Type == sdk.Floats || p.Type == sdk.Ints || p.Type == sdk.Strings {
		s = map[string]any{"type": "array", "items": s}
	}
	s["description"] = p.Doc
	if p.Default != nil {
		s["default"] = p.Default
	}
	return s
}
