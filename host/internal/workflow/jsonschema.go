package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/tomltext"
)

// JSONSchema returns the language as JSON Schema, draft 2020-12, for editors that
// complete and check TOML. params holds the schemas of the parameters of plugins, by
// role (model, operator or filter) and name. A file that includes others may omit
// required keys.
//
// A value with several forms, such as a number that may be arithmetic, has one schema with
// several types rather than a choice of schemas, so that an editor says which limit it
// misses.
//
// Editors complete keys from the part of the schema that holds for every file. What a file
// must have unless it includes others is a part of its own, without values.
func JSONSchema(params map[string]map[string]any) map[string]any {
	g := &generator{plugins: params}
	defs := object{"file": g.table("", &schema), "profile": g.table("", &settings), "axes": axesSchema()}
	for role, plugins := range params {
		for name, s := range plugins {
			defs[role+"-"+name] = s
		}
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "plume workflow",
		"$defs": defs,
		"allOf": []any{ref("file")},
		"if":    object{"not": object{"required": []string{"include"}}},
		"then":  needs(&schema),
	}
}

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

// axesSchema returns the schema of a table of lists by dotted key: a key without quotes
// is a table in tables.
func axesSchema() object {
	return object{"type": []string{"array", "object"}, "minItems": 1, "minProperties": 1, "additionalProperties": ref("axes")}
}

// generator makes schemas of tables in which no key is required.
type generator struct {
	plugins map[string]map[string]any
}

// roleAt holds the roles of the plugins that the tables of a workflow name.
var roleAt = map[string]string{"model": "model", "truth": "model", "observations": "operator", "filter": "filter", "reference": "filter"}

type object = map[string]any

func (g *generator) table(path string, t *key) object {
	properties := object{}
	for i := range t.keys {
		k := &t.keys[i]
		properties[k.name] = g.described(tomltext.Dotted(path, k.name), k)
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	var all, offered []any
	for _, name := range slices.Sorted(maps.Keys(g.plugins[roleAt[path]])) {
		params := ref(roleAt[path] + "-" + name)
		all = append(all, object{
			"if":   object{"properties": object{"plugin": object{"const": name}}, "required": []string{"plugin"}},
			"then": object{"properties": object{"params": params}},
		})
		offered = append(offered, params)
	}
	if len(all) > 0 {
		s["allOf"] = all
		properties["params"].(object)["anyOf"] = append(offered, true) // refuses nothing; editors complete from it
	}
	return s
}

// needs returns the schema of what t must have: keys, exactly one of some keys, and of a
// distribution its own keys. It is nil if that is nothing.
func needs(t *key) object {
	s, properties := object{}, object{}
	var required []string
	for i := range t.keys {
		k := &t.keys[i]
		if k.required {
			required = append(required, k.name)
		}
		var inner object
		switch k.kind {
		case table:
			inner = needs(k)
		case tables:
			inner = object{"items": needs(k)}
			if k.lone {
				maps.Copy(inner, needs(k))
			} else {
				inner["type"] = "array" // rather than a table by label
			}
		case named:
			if n := needs(k); n != nil {
				inner = object{"additionalProperties": n}
			}
		case distribution, start:
			inner = needsOfDistribution(k)
		}
		if inner != nil {
			properties[k.name] = inner
		}
	}
	if len(required) > 0 {
		s["required"] = required
	}
	if len(properties) > 0 {
		s["properties"] = properties
	}
	var groups []any
	for _, group := range t.oneOf {
		var one []any
		for _, name := range group {
			one = append(one, object{"required": []string{name}})
		}
		groups = append(groups, object{"oneOf": one})
	}
	if len(groups) > 0 {
		s["allOf"] = groups
	}
	if len(s) == 0 {
		return nil
	}
	return s
}

// needsOfDistribution is needs for a table whose keys depend on dist.
func needsOfDistribution(k *key) object {
	var each []any
	for _, l := range k.dists {
		one := k.under(l.name)
		var names []string
		for _, c := range one.keys {
			names = append(names, c.name)
		}
		then := object{"propertyNames": object{"enum": names}}
		maps.Copy(then, needs(one))
		each = append(each, object{"if": object{"properties": object{"dist": object{"const": l.name}}, "required": []string{"dist"}}, "then": then})
	}
	return object{"required": []string{"dist"}, "allOf": each}
}

// described returns the schema of k with its description and default.
func (g *generator) described(path string, k *key) object {
	s := g.of(path, k)
	s["description"] = k.doc
	if k.def != nil {
		s["default"] = k.def
	}
	return s
}

func (g *generator) of(path string, k *key) object {
	item := *k
	switch k.kind {
	case table:
		s := g.table(path, k)
		if k.auto {
			s["type"], s["pattern"] = []string{"object", "string"}, "^auto$"
		}
		return s
	case tables:
		return oneOrMore(g.table(path, k))
	case named:
		item.kind = table
		return object{"type": "object", "additionalProperties": g.table(path, &item), "propertyNames": object{"pattern": k.form.rule.String()}}
	case numbers:
		return numberOrList(k)
	case values:
		s := numberOrList(k)
		s["type"], s["additionalProperties"], s["minProperties"] = []string{"number", "string", "array", "object"}, numberOrList(k), 1
		return s
	case columns:
		return object{"type": "object", "additionalProperties": object{"type": []string{"string", "array"}, "items": object{"type": "string"}}}
	case distribution:
		return g.table(path, k.under(""))
	case start:
		s := g.table(path, k.under(""))
		s["type"], s["pattern"], s["items"], s["minItems"] = []string{"number", "string", "array", "object"}, "^=", arithmetic("number"), 1
		return s
	case overrides:
		return object{"type": "object", "additionalProperties": ref("profile")}
	case exclusions:
		return object{"type": "array", "items": object{"type": "object"}}
	case axes:
		return object{"type": "object", "additionalProperties": ref("axes")}
	}
	return simple(k)
}

// oneOrMore returns the schema of an array of tables such as one, or one of them, or a table
// of them by label. What is neither has keys of no table.
func oneOrMore(one object) object {
	keys := object{"enum": slices.Sorted(maps.Keys(one["properties"].(object)))}
	s := maps.Clone(one)
	delete(s, "additionalProperties")
	s["type"], s["items"], s["minItems"] = []string{"array", "object"}, one, 1
	byLabel := object{"not": object{"propertyNames": keys}, "type": "object", "additionalProperties": object{"type": "object"}}
	s["if"], s["then"], s["else"] = byLabel, object{"additionalProperties": one}, object{"propertyNames": keys}
	return s
}

// simple returns the schema of a value that is not a table.
func simple(k *key) object {
	switch k.kind {
	case integer:
		return limited(k, arithmetic("integer"))
	case count:
		s := limited(k, arithmetic("integer"))
		s["pattern"] = "^((" + strings.Join(k.choices, "|") + ")$|=)"
		return s
	case number:
		return limited(k, arithmetic("number"))
	case words:
		return object{"type": "array", "items": object{"type": "string"}}
	case moment:
		return limited(k, object{"type": []string{"number", "string"}})
	case extent:
		return limited(k, object{"type": []string{"number", "string"}, "pattern": `^[=.0-9]`})
	case replicates:
		return object{"type": []string{"array", "string"}, "items": object{"type": "integer"}}
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

// arithmetic returns the schema of a number of a type, which may be arithmetic: a text that
// begins with an equals sign.
func arithmetic(kind string) object {
	return object{"type": []string{kind, "string"}, "pattern": "^="}
}

// numberOrList returns the schema of a number or a list of numbers within the limits of k.
func numberOrList(k *key) object {
	s := limited(k, arithmetic("number"))
	s["type"], s["items"], s["minItems"] = []string{"number", "string", "array"}, limited(k, arithmetic("number")), 1
	return s
}

// limited adds the limits of k to s; they concern numbers only.
func limited(k *key, s object) object {
	for name, limit := range map[string]*float64{"minimum": k.min, "exclusiveMinimum": k.above, "maximum": k.max} {
		if limit != nil {
			s[name] = *limit
		}
	}
	return s
}
