package workflow

import "slices"

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
	doc: "processes of the plugin over which members are distributed; results do not depend on it"}

// observationKeys are the keys of one stream of observations.
var observationKeys = append(component("observation operator", `"NAME"`, retry, replicas,
	key{name: "label", kind: text, form: slug, example: `"gauges"`, doc: "names the stream; needed in [[observations]]"},
	key{name: "error", kind: table, required: true, doc: "law of the observation error", oneOf: [][]string{{"sd", "variance"}}, keys: []key{
		{name: "dist", kind: text, form: slug, def: "normal", doc: "a distribution the operator knows"},
		{name: "sd", kind: numbers, above: zero, example: "1.0", doc: "standard deviation; one, or one per observed component"},
		{name: "variance", kind: numbers, above: zero, example: "1.0", doc: "variance, instead of sd"},
		{name: "df", kind: number, above: two, doc: "degrees of freedom of student_t"},
	}},
	key{name: "every", kind: integer, min: one, doc: "observe only every so many cycles; 1 when left out"},
	key{name: "offset", kind: integer, min: zero, doc: "the first cycle observed, instead of cycle `every`; less than every"},
	key{name: "file", kind: text, example: `"data/gauges.csv"`,
		doc: "file with real observations, relative to the workflow's folder; its format is known by its ending. Without one the truth is observed"},
	key{name: "time", kind: table, doc: "when each row was observed", keys: []key{
		{name: "column", kind: text, required: true, example: `"time"`, doc: "column of the file that says when"},
		{name: "format", kind: text, doc: "`number` for model time, `unix` for seconds since 1970, `iso`, or a pattern such as %d.%m.%Y %H:%M. " +
			"Left out: number when time.start is one, iso when it is a date"},
		{name: "timezone", kind: text, doc: "IANA zone of times without an offset, such as Europe/Oslo; UTC when left out"},
		{name: "calendar", kind: text, def: "standard", choices: []string{"standard", "noleap", "360_day"},
			doc: "which days there are: those of the Gregorian calendar, these without 29 February, or twelve months of 30 days; the last two are of climate models, and their times have no zone"},
	}},
	key{name: "long", kind: table, doc: "for files with one value a row: the columns with names and values. The names are then what `map` calls columns", keys: []key{
		{name: "name", kind: text, required: true, example: `"sensor"`, doc: "column that names what was observed"},
		{name: "value", kind: text, required: true, example: `"value"`, doc: "column with its value"},
	}},
	key{name: "location", kind: table, doc: "where each row was observed: one of the places of the observed variable", oneOf: [][]string{{"coordinates", "index"}}, keys: []key{
		{name: "coordinates", kind: words, min: one, example: `["x"]`, doc: "columns with the position, one per axis; the nearest place counts"},
		{name: "within", kind: number, above: zero, doc: "values further than this from every place are rejected"},
		{name: "index", kind: text, example: `"site"`, doc: "column with the number of the place, from 0"},
	}},
	key{name: "map", kind: tables, doc: "which column is which observed value; the columns named like the observed variables when left out", keys: []key{
		{name: "column", kind: text, required: true, example: `"stage_m"`, doc: "column of the file; in a long file, the name of what was observed"},
		{name: "variable", kind: text, doc: "observed variable, as the operator calls it; the column's name when left out"},
		{name: "index", kind: integer, min: zero, doc: "which of the variable's values, from 0; 0 when left out and no location is given"},
		{name: "range", kind: numbers, doc: "smallest and largest value believed; others are rejected"},
		{name: "sd", kind: text, doc: "column with the standard deviation of each value's error, in the place of error.sd"},
	}},
	key{name: "qc", kind: table, doc: "quality control: what is rejected", keys: []key{
		{name: "background", kind: number, above: zero, doc: "reject where |innovation| exceeds this times sqrt(S), S the variance of the innovation"},
		{name: "duplicates", kind: text, choices: []string{"refuse", "first", "last", "mean"}, def: "refuse",
			doc: "of several values for one component in one cycle: a fault of the file, or keep the first, the last or their mean"},
		{name: "early", kind: text, choices: []string{"refuse", "reject"}, def: "refuse", doc: "values not after time.start: a fault of the file, or rejected"},
	}},
	key{name: "hold_out", kind: table, doc: "values that are never assimilated, to score with", oneOf: [][]string{{"fraction", "every", "column"}}, keys: []key{
		{name: "fraction", kind: number, above: zero, example: "0.1", doc: "share of the values, drawn at random with the seed; below 1"},
		{name: "every", kind: integer, min: two, example: "10", doc: "every so many of the values, in the order of time"},
		{name: "column", kind: text, example: `"held_out"`, doc: "column that is true, yes or 1 where a row is held out"},
	}},
), streamDialect...)

var streamDialect = dialectKeys(`what stands for no value, texts or numbers; "", "NA", "NaN", "nan" and "null" when left out`)

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
		{name: "metrics", kind: words, example: `["rmse", "crps_fair"]`, doc: "scores to compute, store and show in addition to rmse, with rmse_NAME of the variable NAME; all that apply when left out"},
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
