package workflow

import (
	"maps"
	"slices"

	"github.com/plume-da/plume/host/internal/tomltext"
)

// JSONSchema returns the language as JSON Schema, draft 2020-12, for editors that
// complete and check TOML. params holds the schemas of the parameters of plugins, by
// role (model, operator or filter) and name. A file that includes others may omit
// required keys.
func JSONSchema(params map[string]map[string]any) map[string]any {
	g := &generator{plugins: params}
	whole, partial := g.table("", &schema, false), g.table("", &schema, true)
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "plume workflow",
		"$defs": map[string]any{"workflow": whole, "part": partial, "axes": axesSchema()},
		"if":    map[string]any{"required": []string{"include"}},
		"then":  map[string]any{"$ref": "#/$defs/part"},
		"else":  map[string]any{"$ref": "#/$defs/workflow"},
	}
}

// generator makes schemas. Partial ones are for overrides: no key is required, and an
// array of tables may be a table by label.
type generator struct {
	plugins map[string]map[string]any
}

// roleAt holds the roles of the plugins that the tables of a workflow name.
var roleAt = map[string]string{"model": "model", "truth": "model", "observations": "operator", "filter": "filter", "reference": "filter"}

type object = map[string]any

func (g *generator) table(path string, t *key, partial bool) object {
	properties := object{}
	var required []string
	for i := range t.keys {
		k := &t.keys[i]
		properties[k.name] = g.described(tomltext.Dotted(path, k.name), k, partial)
		if k.required && !partial {
			required = append(required, k.name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	var all []any
	if !partial {
		for _, group := range t.oneOf {
			var one []any
			for _, name := range group {
				one = append(one, object{"required": []string{name}})
			}
			all = append(all, object{"oneOf": one})
		}
	}
	plugins := g.plugins[roleAt[path]]
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
		all = append(all, object{
			"if":   object{"properties": object{"plugin": object{"const": name}}, "required": []string{"plugin"}},
			"then": object{"properties": object{"params": plugins[name]}},
		})
	}
	if len(all) > 0 {
		s["allOf"] = all
	}
	return s
}

// described returns the schema of k with its description and default.
func (g *generator) described(path string, k *key, partial bool) object {
	s := g.of(path, k, partial)
	s["description"] = k.doc
	if k.def != nil {
		s["default"] = k.def
	}
	return s
}

func anyOf(schemas ...any) object { return object{"anyOf": schemas} }

func (g *generator) of(path string, k *key, partial bool) object {
	item := *k
	switch k.kind {
	case table:
		return g.table(path, k, partial)
	case tables:
		one := g.table(path, k, partial)
		many := object{"type": "array", "items": one, "minItems": 1}
		switch {
		case partial:
			return anyOf(many, object{"type": "object", "additionalProperties": g.table(path, k, true)}, g.table(path, k, true))
		case k.lone:
			return anyOf(one, many)
		}
		return many
	case named:
		item.kind = table
		return object{"type": "object", "additionalProperties": g.table(path, &item, partial), "propertyNames": object{"pattern": k.form.rule.String()}}
	case numbers:
		return anyOf(numeric(k, "number"), arithmeticText(), object{"type": "array", "items": anyOf(numeric(k, "number"), arithmeticText()), "minItems": 1})
	case values:
		item.kind = numbers
		all := g.of(path, &item, partial)
		return anyOf(all, object{"type": "object", "additionalProperties": all, "minProperties": 1})
	case columns:
		return object{"type": "object", "additionalProperties": anyOf(object{"type": "string"}, texts())}
	case distribution:
		return g.distribution(path, k, partial)
	case start:
		item.kind, item.min, item.above = numbers, nil, nil
		return anyOf(object{"type": "array", "items": anyOf(object{"type": "number"}, arithmeticText()), "minItems": 1}, g.distribution(path, k, partial))
	case overrides:
		return object{"type": "object", "additionalProperties": g.table("", &settings, true)}
	case exclusions:
		return object{"type": "array", "items": object{"type": "object"}}
	case axes:
		return axesSchema()
	}
	return simple(k)
}

// axesSchema returns the schema of the axes: lists by dotted key, whose parts are tables
// below each other if it is not in quotes.
func axesSchema() object {
	return object{"type": "object", "additionalProperties": anyOf(object{"type": "array", "minItems": 1}, object{"$ref": "#/$defs/axes"})}
}

// distribution returns the schema of a table of one of the distributions of k.
func (g *generator) distribution(path string, k *key, partial bool) object {
	if partial {
		return g.table(path, k.under(""), true)
	}
	var dists []any
	for _, l := range k.dists {
		s := g.table(path, k.under(l.name), false)
		s["properties"].(object)["dist"] = object{"const": l.name, "description": "the distribution"}
		dists = append(dists, s)
	}
	return anyOf(dists...)
}

// simple returns the schema of a value that is not a table.
func simple(k *key) object {
	switch k.kind {
	case integer, number:
		return anyOf(numeric(k, map[kind]string{integer: "integer", number: "number"}[k.kind]), arithmeticText())
	case words:
		return texts()
	case moment, extent:
		return anyOf(numeric(k, "number"), object{"type": "string"})
	case replicates:
		return anyOf(object{"type": "array", "items": object{"type": "integer"}}, object{"type": "string"})
	case params:
		return object{"type": "object"}
	case duration:
		return object{"type": "string", "pattern": `^[0-9]`}
	}
	s := object{"type": "string"}
	if len(k.choices) > 0 {
		s["enum"] = k.choices
	}
	if k.form != nil {
		s["pattern"] = k.form.rule.String()
		if k.form.most > 0 {
			s["maxLength"] = k.form.most
		}
	}
	return s
}

func texts() object { return object{"type": "array", "items": object{"type": "string"}} }

func arithmeticText() object { return object{"type": "string", "pattern": "^="} }

func numeric(k *key, kind string) object {
	s := object{"type": kind}
	for name, limit := range map[string]*float64{"minimum": k.min, "exclusiveMinimum": k.above, "maximum": k.max} {
		if limit != nil {
			s[name] = *limit
		}
	}
	return s
}
