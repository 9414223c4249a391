package workflow

import (
	"regexp"
	"slices"
)

// kind is the type of a value in a workflow.
type kind int

const (
	text        kind = iota
	integer          // a whole number
	number           // arithmetic is allowed, as in the next
	numbers          // a number, or a list of them
	values           // a number, a list of them, or a table of either by variable
	words            // a list of strings
	duration         // a string such as "60s"
	table            // of keys
	tables           // an array of tables of keys
	named            // a table of tables of keys, by name
	moment           // a number, or a date
	extent           // a number, or a duration
	columns          // a table of column names, or lists of them, by variable
	law              // a table of the keys of one of its laws, by its key dist
	start            // a list of numbers, or a law
	params           // a table that belongs to a plugin
	overrides        // a table of tables with the keys of the whole workflow, by name
	replicates       // a list of whole numbers, or "1..10"
	axes             // a table of lists, by dotted key
	axisValues       // one of these lists
	exclusions       // an array of tables of values, by dotted key
	kindsNumber      // how many kinds there are
)

// key describes one key of the language. From it the text is checked, defaults
// are filled in, and messages and the reference are written.
type key struct {
	name     string
	kind     kind
	doc      string
	required bool
	twin     bool     // required unless observations come from files
	def      any      // default, as in the text; nil: none
	example  string   // what to write when a required key is missing
	min      *float64 // inclusive
	above    *float64 // exclusive
	max      *float64 // inclusive; with min alone
	choices  []string
	form     *form
	item     bool       // of a list, rather than the whole
	lone     bool       // of an array of tables: a single one may be a plain table
	blank    bool       // of a list of strings: they may be empty
	keys     []key      // of a table
	oneOf    [][]string // of a table: exactly one of each must be given
	laws     []key      // of a law: tables, by the value of dist
}

// form is a rule for the characters of a name.
type form struct {
	rule *regexp.Regexp
	says string
}

var (
	slug   = &form{regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`), "lower-case letters, digits, - and _"}
	sha256 = &form{regexp.MustCompile(`^[0-9a-f]{64}$`), "64 lower-case hexadecimal digits"}
)

func bound(v float64) *float64 { return &v }

var zero, one, two = bound(0), bound(1), bound(2)

// What a slip of the pen may ask for: trajectories and ensembles stand in memory, and
// every replica is a process.
var mostCycles, mostMembers, mostReplicas = bound(10_000_000), bound(10_000_000), bound(1000)

// component returns the keys of a table that configures a plugin, then others.
// remedies are what may be done about failures beside giving up.
func component(role, example string, remedies []string, others ...key) []key {
	return append([]key{
		{name: "plugin", kind: text, form: slug, required: true, example: example,
			doc: "name of the " + role + " plugin: one of [plugins], or one on the plugin path"},
		{name: "params", kind: params, doc: "parameters of the plugin; see its own reference"},
		{name: "timeout", kind: duration, def: "60s", above: zero, doc: "how long one call of the plugin may take"},
		{name: "on_failure", kind: text, choices: append([]string{"fail"}, remedies...),
			doc: "when the plugin dies or fails for a reason that may pass: fail ends the trial, retry repeats the call, drop_member repeats it and then does without " +
				"the members that fail; retry with replicas and else fail when left out"},
		{name: "retries", kind: integer, min: one, doc: "how often a call is repeated; 2 when left out"},
	}, others...)
}

// What may be done about the failures of a part: members of an ensemble can be
// lost one by one where they are forecast, and nowhere else.
var (
	retry       = []string{"retry"}
	retryOrDrop = []string{"retry", "drop_member"}
)

var replicas = key{name: "replicas", kind: integer, def: int64(1), min: one, max: mostReplicas,
	doc: "processes of the plugin among which members are dealt out; results do not depend on it"}

// schema is the workflow language.
var schema = key{kind: table, keys: []key{
	{name: "format", kind: integer, required: true, min: one, max: one, example: "1", doc: "version of the workflow language; this plume reads 1"},
	{name: "include", kind: words, min: one, example: `["base.toml"]`,
		doc: "files this one is laid over, each over those before it; tables merge, arrays of tables merge by label; a relative path starts at the folder of the file it stands in"},
	{name: "experiment", kind: table, required: true, doc: "what the experiment is called", keys: []key{
		{name: "name", kind: text, form: slug, required: true, example: `"my-experiment"`, doc: "names the folder of the results"},
		{name: "seed", kind: integer, required: true, min: zero, example: "42", doc: "every random number of the run follows from it"},
		{name: "description", kind: text, doc: "one line for people"},
	}},
	{name: "time", kind: table, required: true, doc: "when observations are made", keys: []key{
		{name: "cycles", kind: integer, twin: true, min: one, max: mostCycles, example: "1000", doc: "number of assimilation cycles"},
		{name: "interval", kind: number, twin: true, above: zero, example: "0.1", doc: "model time between observations"},
		{name: "step", kind: number, above: zero, doc: "time step of the model; its own default when left out"},
		{name: "start", kind: moment, def: 0.0, doc: "model time of the initial ensemble, or the date that is model time 0"},
		{name: "unit", kind: duration, above: zero, example: `"1h"`, doc: "how long one unit of model time is; needed where dates are given"},
		{name: "window", kind: extent, min: zero, doc: "observations of files up to this long apart form one cycle; with interval, how long before a cycle its observations may be"},
		{name: "burn_in", kind: integer, def: int64(0), min: zero, doc: "cycles left out of every time mean; fewer than cycles"},
	}},
	{name: "plugins", kind: named, form: slug, doc: "plugins that are not on the plugin path, by name", oneOf: [][]string{{"command", "python"}}, keys: []key{
		{name: "command", kind: words, min: one, example: `["./sim", "--serve"]`,
			doc: "program and its arguments; a relative program path starts at the workflow's folder"},
		{name: "python", kind: text, example: `"sim/lake.py"`, doc: "Python script, relative to the workflow's folder"},
		{name: "network", kind: text, def: "unix", choices: []string{"unix", "tcp"},
			doc: "where it listens: on a unix socket of this machine, or on TCP with mutual TLS, for a command that runs it on another"},
		{name: "sha256", kind: text, form: sha256, doc: "checksum the program must have"},
	}},
	{name: "model", kind: table, required: true, doc: "the model that makes the forecasts", keys: component("model", `"NAME"`, retryOrDrop, replicas,
		key{name: "max_failed", kind: integer, min: one, example: "5", doc: "with drop_member: members a trial may lose before it fails"},
		key{name: "dir", kind: text, doc: "folder that relative paths among params start at; that of the file that names the plugin when left out"},
		key{name: "noise", kind: table, oneOf: oneSpread, keys: noiseKeys,
			doc: "normal noise that plume adds to every forecast member, for any model; on top of what the model has of its own"},
		key{name: "estimate", kind: named, form: slug, doc: "parameters of the model to estimate: each becomes a variable of the state, under its name", keys: []key{
			{name: "init", kind: law, required: true, laws: []key{normalAround, lognormalAround, uniform},
				example: `{ dist = "normal", mean = 8.0, sd = 0.5 }`, doc: "the law its first values are drawn from"},
			{name: "walk_sd", kind: number, def: 0.0, min: zero, doc: "standard deviation of the random step the parameter makes in every cycle"},
		}})},
	{name: "truth", kind: table, twin: true, doc: "the true trajectory of the twin experiment", keys: []key{
		{name: "init", kind: start, required: true, example: "[1.0, 1.0, 1.0]",
			laws: []key{normal, lognormal, uniform},
			doc:  "initial state: a list of numbers, the same in every replicate, or the law it is drawn from"},
		{name: "spin_up", kind: number, def: 0.0, min: zero, doc: "model time integrated before the start"},
		{name: "params", kind: params, doc: "parameters of the model that differ for the truth, which is model error; with a plugin of its own, all parameters of that"},
		{name: "plugin", kind: text, form: slug, doc: "another model plugin that makes the truth; its state has the same variables"},
		{name: "step", kind: number, above: zero, doc: "time step of the truth; that of the model when left out, with a plugin of its own the default of that"},
		{name: "timeout", kind: duration, above: zero, doc: "how long one call of the truth's own plugin may take; as long as the model's when left out"},
		{name: "noise", kind: table, oneOf: oneSpread, keys: noiseKeys, doc: "normal noise that plume adds to the truth; none when left out"},
	}},
	{name: "observations", kind: tables, lone: true, required: true, doc: "what is observed, and how well",
		keys: observationKeys},
	{name: "ensemble", kind: table, required: true, doc: "the members and where they start", keys: []key{
		{name: "size", kind: integer, required: true, min: two, max: mostMembers, example: "100", doc: "number of members"},
		{name: "init", kind: law, required: true, laws: []key{normalAround, lognormalAround, uniform, samples},
			example: `{ dist = "normal", around = "truth", sd = 1.0 }`, doc: "the law members are drawn from, or the file they are read from"},
	}},
	{name: "filter", kind: tables, required: true, doc: "the filters to compare", keys: append([]key{
		{name: "label", kind: text, form: slug, required: true, example: `"enkf"`, doc: "names the filter in results and in --set filter.LABEL.size=10"},
	}, component("filter", `"NAME"`, retry,
		key{name: "size", kind: integer, min: two, max: mostMembers, doc: "number of members; ensemble.size when left out"})...)},
	{name: "reference", kind: table, doc: "a brute-force filter the others are scored against", keys: component("filter", `"NAME"`, retry,
		key{name: "size", kind: integer, required: true, min: two, max: mostMembers, example: "100_000", doc: "number of members"},
		key{name: "store", kind: integer, min: two, doc: "members kept of each cycle; all, but at most 1000, when left out"})},
	{name: "verify", kind: table, doc: "what is scored", keys: []key{
		{name: "metrics", kind: words, example: `["rmse", "crps_fair"]`, doc: "scores to compute, store and show, beside rmse; all that apply when left out"},
		{name: "baseline", kind: text, doc: "label of the filter the others are compared with"},
	}},
	{name: "output", kind: table, doc: "what is written", keys: []key{
		{name: "ensemble", kind: text, def: "analysis", choices: []string{"none", "forecast", "analysis", "both"}, doc: "ensembles to keep"},
		{name: "variables", kind: integer, def: int64(100), min: zero,
			doc: "how many values of each variable variables.arrow describes: all when there are no more, else so many at even distances"},
	}},
	{name: "expect", kind: table, doc: "the numbers the experiment must give", keys: []key{
		{name: "source", kind: text, doc: "where the numbers come from"},
		{name: "score", kind: tables, required: true, doc: "one expected number", oneOf: [][]string{{"tolerance", "relative"}}, keys: []key{
			{name: "filter", kind: text, required: true, example: `"enkf"`, doc: "label of a filter, or climatology, persistence or reference"},
			{name: "metric", kind: text, required: true, example: `"rmse"`, doc: "a score of the result table"},
			{name: "value", kind: number, required: true, example: "0.5", doc: "what it must be"},
			{name: "tolerance", kind: number, above: zero, example: "0.03", doc: "largest difference to value"},
			{name: "relative", kind: number, above: zero, example: "0.05", doc: "largest difference to value, as a fraction of it"},
			{name: "note", kind: text, doc: "what the tolerance is derived from"},
		}},
	}},
	{name: "sweep", kind: table, doc: "which trials there are beside one of every filter", keys: []key{
		{name: "replicate", kind: replicates, doc: "numbers of the replicates, each with a truth, observations and members of its own; 1 when left out"},
		{name: "filter", kind: words, min: one, example: `["enkf"]`, doc: "labels of the filters that run; all when left out"},
		{name: "axes", kind: axes, doc: "lists of values for other keys, such as \"ensemble.size\" = [20, 50]; one below filter.LABEL concerns that filter alone"},
		{name: "exclude", kind: exclusions, doc: "combinations of axis values to leave out"},
	}},
	{name: "profile", kind: overrides, doc: "other values for some keys, chosen by --profile NAME"},
}}

// settings is schema without what only files have: profiles and includes.
var settings = key{kind: table, keys: slices.DeleteFunc(slices.Clone(schema.keys), func(k key) bool {
	return k.kind == overrides || k.name == "include"
})}

// lookup returns the key called name among keys, or nil.
func lookup(keys []key, name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

func names(keys []key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}
