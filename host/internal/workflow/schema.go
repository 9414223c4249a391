package workflow

import "slices"

// These bounds catch slips of the pen: trajectories and ensembles are held in memory,
// and every replica is a process.
var (
	mostCycles, mostMembers, mostReplicas = bound(10_000_000), bound(10_000_000), bound(1000)
	longestWindow, mostPasses             = bound(100), bound(100)
	mostRepeats, mostOver                 = bound(10_000), bound(100_000)
)

// component returns the keys of a table that configures a plugin, then others. The
// remedies are the values of on_failure in addition to fail.
func component(role, example string, remedies []string, others ...key) []key {
	return append([]key{
		{name: "plugin", kind: text, form: slug, required: true, example: example,
			doc: "name of the " + role + " plugin: one of [plugins], or one on the plugin path"},
		{name: "params", kind: params, doc: "parameters of the plugin; see its own reference"},
		{name: "timeout", kind: duration, above: zero, example: `"10m"`, doc: "how long one call of the plugin, which is for all members, may take; if omitted, 60s for up to a million values, members times size of the state, and for up to 100 million values times time steps of a model that has steps, and in proportion longer for more"},
		{name: "on_failure", kind: text, choices: append([]string{"fail"}, remedies...),
			doc: "what to do if the plugin dies or fails for a reason that may be temporary: fail ends the trial, retry repeats the call, drop_member repeats it and then " +
				"drops the members that still fail; if omitted, retry with replicas and fail without"},
		{name: "retries", kind: integer, min: one, doc: "how many times a call is repeated; if omitted, 2"},
		{name: "executor", kind: text, form: slug, example: `"hpc"`, doc: "where the processes of the plugin run: the name of an executor of the site file or of an engine, or local; if omitted, on this machine. Results do not depend on it"},
	}, others...)
}

// The remedies for the failures of a part: members of an ensemble can be lost one by
// one where they are forecast, and nowhere else.
var (
	retry       = []string{"retry"}
	retryOrDrop = []string{"retry", "drop_member"}
)

var replicas = key{name: "replicas", kind: integer, def: int64(1), min: one, max: mostReplicas,
	doc: "number of processes of the plugin, which share the members; results do not depend on it"}

// errorKeys are the keys of the distribution of observation errors.
var errorKeys = []key{
	{name: "dist", kind: text, form: slug, def: "normal", doc: "a distribution that the operator supports"},
	{name: "sd", kind: numbers, above: zero, example: "1.0", doc: "standard deviation: one number, or one per observed component"},
	{name: "variance", kind: numbers, above: zero, example: "1.0", doc: "variance, instead of sd"},
	{name: "relative", kind: number, above: zero, example: "0.1", doc: "the standard deviation is this fraction of the predicted value, at least `sd`, which is the floor; errors are normal"},
	{name: "df", kind: number, above: two, doc: "degrees of freedom of student_t"},
	{name: "correlation", kind: table, oneOf: [][]string{{"length", "lags"}}, doc: "correlations of the errors of a stream in one cycle, which are normal. Filters that localize cannot use them", keys: []key{
		{name: "length", kind: number, above: zero, example: "2.0", doc: "the correlation is exp(-d/length) for observations at a distance of d"},
		{name: "lags", kind: numbers, example: "[0.5, 0.2]", doc: "correlations of values that are one, two and so on places apart in the order of the components; 0 beyond"},
	}},
}

// observationKeys are the keys of one stream of observations.
var observationKeys = append(component("observation operator", `"NAME"`, retry, replicas,
	key{name: "label", kind: text, form: slug, example: `"gauges"`, doc: "name of the stream; required in [[observations]]"},
	key{name: "error", kind: table, required: true, doc: "distribution of the observation error", oneOf: oneSpread, keys: errorKeys},
	key{name: "over", kind: table, example: "{ cycles = 24 }", doc: "the mean or the sum of the predictions in several cycles is observed, such as the daily mean of hourly states; if omitted, the state at one time is", keys: []key{
		{name: "cycles", kind: integer, required: true, min: two, max: mostOver, example: "24", doc: "cycles of an interval. Intervals follow each other from the start; an observation is that of the interval that ends in its cycle"},
		{name: "take", kind: text, choices: []string{"mean", "sum"}, def: "mean", doc: "what is observed: the mean of the predictions in these cycles, or their sum"},
	}},
	key{name: "true_error", kind: table, doc: "distribution of the errors of simulated observations, if it is not `error`, which is what filters believe", oneOf: oneSpread, keys: errorKeys},
	key{name: "outliers", kind: table, doc: "gross errors that plume adds to simulated observations", keys: []key{
		{name: "fraction", kind: number, required: true, above: zero, example: "0.02", doc: "fraction of the values that have one; must be below 1"},
		{name: "sd", kind: number, required: true, above: zero, example: "10.0", doc: "standard deviation of these normal errors, which add to the other error"},
	}},
	key{name: "dropout", kind: table, doc: "simulated observations that are missing at random", keys: []key{
		{name: "fraction", kind: number, required: true, above: zero, example: "0.2", doc: "fraction of the values that are missing in the long run; must be below 1"},
		{name: "outage", kind: number, min: one, doc: "mean number of cycles that a value is missing for; at least fraction / (1 - fraction). If omitted, cycles are independent"},
		{name: "per", kind: text, choices: []string{"value", "stream"}, def: "value", doc: "what drops out: each value by itself, or all of the stream's values together"},
	}},
	key{name: "from", kind: integer, min: one, doc: "first cycle in which the truth may be observed; if omitted, 1"},
	key{name: "until", kind: integer, min: one, doc: "last cycle in which the truth may be observed; if omitted, the last one"},
	key{name: "repeats", kind: integer, min: one, max: mostRepeats, example: "5", doc: "number of simulated observations of each member in a cycle, for an operator that only simulates. What is to be expected of a state is learnt from " +
		"the readings of all members in the latest cycles, and the error variance from what they scatter, so that filters that need these can be used; if omitted, nothing is learnt, and filters get a single one"},
	key{name: "cutoff", kind: number, above: zero, example: "5.0", doc: "distance at which the weight of these observations is 0, in the unit of the coordinates, for filters that localize, in place of their own cutoff, which applies where this is omitted. " +
		"Filters that do not localize use all observations"},
	key{name: "every", kind: integer, min: one, doc: "number of cycles from one observation to the next; if omitted, 1, or that of an interval of `over`"},
	key{name: "offset", kind: integer, min: zero, doc: "first observed cycle, if it is not cycle `every`; must be less than `every`"},
	key{name: "file", kind: text, example: `"data/gauges.csv"`,
		doc: "file with real observations, relative to the workflow's folder; its extension determines the format. Without a file the truth is observed"},
	key{name: "time", kind: table, doc: "when each row was observed", oneOf: [][]string{{"column", "columns"}}, keys: []key{
		{name: "column", kind: text, example: `"time"`, doc: "column of the file with the times"},
		{name: "columns", kind: words, min: one, example: `["date", "time"]`, doc: "columns of the file whose texts, joined by blanks, are the times: date and time of day, or a time and its zone"},
		{name: "format", kind: text, doc: "`iso`, with an offset or a zone if there is one; a pattern such as %d.%m.%Y %H:%M; `number` for model time; `unix`, `unix_ms`, `unix_us` or `unix_ns` " +
			"for seconds and their parts since 1970; or `excel` for days as Excel counts them. If omitted, number when time.start is a number and iso when it is a date"},
		{name: "timezone", kind: text, example: `"Europe/Oslo"`, doc: "time zone of times without an offset, and of abbreviations such as EST: an IANA name such as Europe/Oslo, or an offset such as -08:00; if omitted, UTC"},
		{name: "calendar", kind: text, def: "standard", choices: []string{"standard", "noleap", "360_day"},
			doc: "calendar of the times: Gregorian, Gregorian without 29 February, or twelve months of 30 days; climate models use the last two, whose times have no time zone"},
	}},
	key{name: "long", kind: table, doc: "for files with one value per row: the columns with the names and the values. `map.column` then is one of these names", keys: []key{
		{name: "name", kind: text, required: true, example: `"sensor"`, doc: "column with the name of what was observed"},
		{name: "value", kind: text, required: true, example: `"value"`, doc: "column with the observed value"},
	}},
	key{name: "location", kind: table, doc: "where each row was observed: one of the locations of the observed variable", oneOf: [][]string{{"coordinates", "index"}}, keys: []key{
		{name: "coordinates", kind: words, min: one, example: `["x"]`, doc: "columns with the coordinates, one per axis; the nearest location is taken"},
		{name: "within", kind: number, above: zero, doc: "values further than this from every location are rejected"},
		{name: "index", kind: text, example: `"site"`, doc: "column with the number of the location, from 0"},
	}},
	key{name: "map", kind: tables, doc: "which column holds which observed value; if omitted, every observed variable is read from the column of its name", keys: []key{
		{name: "column", kind: text, required: true, example: `"stage_m"`, doc: "column of the file; in a long file, the name of what was observed"},
		{name: "variable", kind: text, doc: "name of the observed variable in the operator; if omitted, the name of the column"},
		{name: "index", kind: integer, min: zero, doc: "which of the variable's values, from 0; if omitted, the one at the location of the row, or 0 without `location`"},
		{name: "range", kind: numbers, doc: "smallest and largest plausible value; others are rejected"},
		{name: "sd", kind: text, doc: "column with the standard deviation of the error of each value, instead of error.sd"},
		{name: "flag", kind: text, example: `"stage_flag"`, doc: "column with the flag of each value, instead of qc.flag.column"},
	}},
	key{name: "qc", kind: table, doc: "quality control: which values are rejected", keys: []key{
		{name: "background", kind: number, above: zero, example: "4.0", doc: "reject a value if |innovation| exceeds this times sqrt(S), where S is the variance of the innovation: forecast and error variance. 4 is a good choice if members start near the truth; if omitted, no value is rejected"},
		{name: "duplicates", kind: text, choices: []string{"refuse", "first", "last", "mean"}, def: "refuse",
			doc: "several values for one component in one cycle: refuse the file, or keep the first, the last or their mean, weighted by 1/sd²; those held out are settled apart"},
		{name: "correlation", kind: number, min: zero, max: one, example: "0.0", doc: "correlation of the errors of the values that duplicates = \"mean\" averages: 1 if they share one error, which the mean then has too; " +
			"0 if they are independent, so that the mean of n has that of one divided by sqrt(n); if omitted, 1"},
		{name: "flag", kind: table, doc: "values that the file marks as good; others are rejected", keys: []key{
			{name: "column", kind: text, example: `"flag"`, doc: "column with the flags; if omitted, only columns with a flag in `map` have flags"},
			{name: "accept", kind: words, min: one, blank: true, required: true, example: `["A"]`, doc: "flags of good values: texts, or patterns such as '/A.*/'"},
		}},
		{name: "early", kind: text, choices: []string{"refuse", "reject"}, def: "refuse", doc: "values at or before time.start: refuse the file, or reject these values"},
	}},
	key{name: "late", kind: text, choices: []string{"refuse", "ignore", "rerun"},
		doc: "what plume continue does with rows that arrive when later ones have been assimilated: refuse them, leave them out, or go back to their cycle; if omitted, refuse. With rerun, it also goes back to rows that have changed"},
	key{name: "hold_out", kind: table, doc: "values that are never assimilated, only used for scores", oneOf: [][]string{{"fraction", "every", "column"}}, keys: []key{
		{name: "fraction", kind: number, above: zero, example: "0.1", doc: "fraction of the values, drawn at random with the seed; must be below 1"},
		{name: "every", kind: integer, min: two, example: "10", doc: "hold out one value in this many, in order of time"},
		{name: "column", kind: text, example: `"held_out"`, doc: "column that is true, yes or 1 in the rows that are held out"},
	}},
), streamDialect...)

var streamDialect = dialectKeys(`texts, numbers or patterns, such as '/.*\*/', that mean a missing value; if omitted, "", "NA", "NaN", "nan" and "null"`)

// schema is the workflow language.
var schema = key{kind: table, keys: []key{
	{name: "format", kind: integer, required: true, min: one, max: one, example: "1", doc: "version of the workflow language; this plume reads 1"},
	{name: "include", kind: words, min: one, example: `["base.toml"]`,
		doc: "files whose values this file overrides; a later file overrides those before it. Tables merge key by key, arrays of tables by label. A relative path starts at the folder of the file that contains it"},
	{name: "experiment", kind: table, required: true, doc: "name and seed of the experiment", keys: []key{
		{name: "name", kind: text, form: slug, required: true, example: `"my-experiment"`, doc: "name of the folder of the results"},
		{name: "seed", kind: integer, required: true, min: zero, example: "42", doc: "seed of all random numbers of the run"},
		{name: "description", kind: text, doc: "description in one line"},
	}},
	{name: "time", kind: table, required: true, doc: "when observations are made", keys: []key{
		{name: "cycles", kind: integer, twin: true, or: "until", min: one, max: mostCycles, example: "1000", doc: "number of assimilation cycles"},
		{name: "until", kind: moment, example: "2026-03-22T00:00:00Z", doc: "model time, or a date if time.start is one, that no cycle is after, in place of cycles"},
		{name: "interval", kind: extent, twin: true, above: zero, example: "0.1", doc: "model time between observations"},
		{name: "first", kind: extent, min: zero, example: "0.0", doc: "model time from the start to the first cycle of a twin experiment; if omitted, interval. With 0 the initial ensemble is analysed before any forecast"},
		{name: "step", kind: extent, above: zero, doc: "time step of the model; if omitted, the default of the plugin"},
		{name: "start", kind: moment, def: 0.0, doc: "model time of the initial ensemble, or the date that is model time 0; without an offset, a date is in observations.time.timezone"},
		{name: "unit", kind: duration, above: zero, example: `"1h"`, doc: "duration of one unit of model time; required with dates and durations"},
		{name: "window", kind: extent, min: zero, doc: "observations from files that are at most this far apart form one cycle; with interval, how long before a cycle its observations may be"},
		{name: "burn_in", kind: integer, def: int64(0), min: zero, doc: "number of first cycles that are excluded from every time mean; must be less than cycles"},
	}},
	{name: "plugins", kind: named, form: slug, doc: "plugins that are not on the plugin path, by name; checks start them too, except for plume validate --offline", oneOf: [][]string{{"command", "python"}}, keys: []key{
		{name: "command", kind: words, min: one, example: `["./sim", "--serve"]`,
			doc: "program and its arguments; a relative program path starts at the workflow's folder"},
		{name: "python", kind: text, example: `"sim/lake.py"`, doc: "Python script, relative to the workflow's folder"},
		{name: "network", kind: text, def: "unix", choices: []string{"unix", "tcp"},
			doc: "where the plugin listens: on a Unix socket of this machine, or on TCP with mutual TLS, for a command that starts it on another machine"},
		{name: "sha256", kind: text, form: sha256, doc: "SHA-256 checksum that the program must have"},
	}},
	{name: "model", kind: table, required: true, doc: "the model that makes the forecasts", keys: component("model", `"NAME"`, retryOrDrop, replicas,
		key{name: "max_failed", kind: integer, min: one, example: "5", doc: "with drop_member: how many members a trial may lose before it fails"},
		key{name: "dir", kind: text, doc: "folder at which relative paths in params start; if omitted, that of the file that names the plugin"},
		key{name: "precision", kind: text, def: "float64", choices: []string{Float32, "float64"},
			doc: "of the states that go to the model and come back: with float32 each value is rounded to 24 bits, about 7 digits, in both directions, wherever the model runs, and large states take half the bytes on their way. " +
				"Filters, noise, parameters, scores and the truth have float64"},
		key{name: "noise", kind: table, oneOf: oneSpread, keys: noiseKeys,
			doc: "normal noise that plume adds to every forecast member of any model, in addition to the noise of the model itself. For a variable in [model.bounds] it is a step of its logarithm or log-odds that has the stated length near the value, so that it stays inside"},
		key{name: "estimate", kind: named, form: slug, doc: "parameters of the model to estimate: each becomes a variable of the state with the name of the parameter", keys: []key{
			{name: "init", kind: distribution, dists: []key{normalAround, lognormalAround, uniform},
				example: `{ dist = "normal", mean = 8.0, sd = 0.5 }`, doc: "distribution that its initial values are drawn from. If omitted, the file of ensemble.init has a column with the name of the parameter"},
			{name: "walk_sd", kind: number, def: 0.0, min: zero, doc: "standard deviation of the random step that the parameter takes in every cycle"},
		}},
		key{name: "bounds", kind: named, form: anyOne, doc: "bounds of variables of the state, estimated parameters among them: filters get such a variable as the logarithm of its distance from the bound, " +
			"or as log-odds between two bounds, so that analyses stay inside", keys: []key{
			{name: "lower", kind: number, doc: "values are above this; if omitted, the limit of the parameter, which is 0 if its `init` is lognormal, and otherwise none"},
			{name: "upper", kind: number, doc: "values are below this; if omitted, the limit of the parameter, or none"},
			{name: "transform", kind: text, def: "auto", choices: []string{"auto", "none"}, doc: "auto, or none: a parameter is not transformed although it has limits"},
		}})},
	{name: "truth", kind: table, twin: true, doc: "the true trajectory of the twin experiment", keys: []key{
		{name: "init", kind: start, required: true, example: "[1.0, 1.0, 1.0]",
			dists: []key{normal, lognormal, uniform},
			doc:   "initial state: a number for each value, or one for all, the same in every replicate; or the distribution that it is drawn from"},
		{name: "spin_up", kind: extent, def: 0.0, min: zero, doc: "model time to integrate before the start"},
		{name: "params", kind: params, doc: "parameters of the model that differ for the truth (model error); if the truth has its own plugin, all parameters of that plugin"},
		{name: "plugin", kind: text, form: slug, doc: "another model plugin that simulates the truth; its state must have the same variables"},
		{name: "step", kind: extent, above: zero, doc: "time step of the truth; if omitted, that of the model, or the default of the truth's own plugin"},
		{name: "timeout", kind: duration, above: zero, doc: "how long one call of the truth's own plugin may take; if omitted, the timeout of the model"},
		{name: "noise", kind: table, oneOf: oneSpread, keys: noiseKeys, doc: "normal noise that plume adds to the truth, within [model.bounds] as that of the model; if omitted, none"},
	}},
	{name: "observations", kind: tables, lone: true, required: true, doc: "what is observed, and with which error",
		keys: observationKeys},
	{name: "ensemble", kind: table, required: true, doc: "the members and their initial states", keys: []key{
		{name: "size", kind: integer, required: true, min: two, max: mostMembers, example: "100", doc: "number of members"},
		{name: "init", kind: distribution, required: true, dists: []key{normalAround, lognormalAround, uniform, samples},
			example: `{ dist = "normal", around = "truth", sd = 1.0 }`, doc: "distribution that the members are drawn from, or file that they are read from"},
		{name: "on_divergence", kind: text, choices: []string{"fail", "restart", "climatology"}, doc: "what to do if the model cannot integrate a member, or a filter cannot compute with the numbers: " +
			"fail, as without it, ends the trial; restart draws new members as at the start in place of the forecast; climatology takes states of the truth at random times. The score divergences counts the restarts"},
	}},
	{name: "filter", kind: tables, required: true, doc: "the filters to compare", keys: append([]key{
		{name: "label", kind: text, form: slug, required: true, example: `"enkf"`, doc: "name of the filter in results and in --set filter.LABEL.size=10"},
	}, component("filter", `"NAME"`, retry,
		key{name: "size", kind: integer, min: two, max: mostMembers, doc: "number of members; if omitted, ensemble.size"},
		key{name: "every", kind: integer, min: one, max: longestWindow, example: "6", doc: "number of cycles from one analysis to the next. It assimilates the observations of all of these cycles together, each predicted by the states at its own time " +
			"(asynchronous observations); in the cycles in between the analysis is the forecast. If omitted, 1"},
		key{name: "window", kind: table, auto: true, example: `"auto"`, doc: "the filter moves the states at the start of a window of cycles, from which the model is run again (an iterated smoother); if omitted, each observation is " +
			"used once. auto: plume chooses all of its keys", keys: []key{
			{name: "length", kind: count, choices: []string{auto, all}, min: zero, max: longestWindow, example: "2", doc: "cycles from the states that are moved to the newest observations; 0 moves those of the cycle itself, without a model run. " +
				"all: the states and parameters at the start are moved by all observations at once, and the model runs over the whole record in each pass (ES-MDA). " +
				"Each run of the model costs as much as a cycle without a window. If omitted, auto: by how fast the spread grows, and shorter where innovations do not fit"},
			{name: "scheme", kind: text, choices: []string{auto, "mda", "sda", "gauss-newton"}, doc: "mda: observations count in parts, at each shift of the window (multiple data assimilation). sda: the newest one counts in full (single). " +
				"gauss-newton, only with length = \"all\": each pass is a step of Gauss-Newton in the space of the ensemble, for models that are smooth. " +
				"If omitted, auto: mda if the filter takes fractions of the likelihood"},
			{name: "passes", kind: count, choices: []string{auto}, min: one, max: mostPasses, example: "4", doc: "calls of the filter in a cycle, each with the same fraction of the likelihood; with gauss-newton steps, each with all of it. If omitted, auto: by how many members the likelihood leaves, or by the data misfit; with gauss-newton until a step is small"},
		}},
		key{name: "smooth", kind: table, example: "{ lag = 10 }", doc: "the filter also gives the states of earlier times, stage smoothed: those in its window, and older ones that are moved along with the analysis, without " +
			"a model run (a fixed-lag smoother); if omitted, it does not", keys: []key{
			{name: "lag", kind: integer, required: true, min: one, max: longestWindow, example: "10", doc: "cycles of observations after a state that change it. The time of an analysis and its memory grow in proportion to 1 + lag"},
		}})...)},
	{name: "reference", kind: table, doc: "a brute-force filter that the others are scored against", keys: component("filter", `"NAME"`, retry,
		key{name: "size", kind: integer, required: true, min: two, max: mostMembers, example: "100_000", doc: "number of members"},
		key{name: "store", kind: integer, min: two, doc: "number of members stored for each cycle; if omitted, all, but at most 1000"})},
	{name: "forecast", kind: table, doc: "free forecasts, which assimilate nothing, from analyses after burn_in; they have tables of their own and are verified when their times come", keys: []key{
		{name: "horizon", kind: extent, required: true, above: zero, example: `"48h"`, doc: "how far each forecast goes"},
		{name: "step", kind: extent, above: zero, doc: "model time from one described lead time to the next, a multiple of time.interval if there is one; if omitted, time.interval"},
		{name: "every", kind: integer, min: one, def: int64(1), doc: "cycles from one forecast to the next; there is also one from the analysis of the last observations"},
		{name: "members", kind: integer, min: two, max: mostMembers, doc: "members of a forecast, drawn from the analysis; if omitted, all of them"},
		{name: "exceed", kind: tables, doc: "thresholds: forecasts have the probability of exceeding each", keys: []key{
			{name: "variable", kind: text, required: true, example: `"level"`, doc: "a variable of the state, or an observed one"},
			{name: "above", kind: numbers, required: true, example: "[2.5, 3.0]", doc: "thresholds"},
		}},
	}},
	{name: "verify", kind: table, doc: "what is scored", keys: []key{
		{name: "metrics", kind: words, example: `["rmse", "crps_fair"]`, doc: "scores to compute, store and show in addition to rmse; rmse_NAME is that of the variable NAME; if omitted, all that apply"},
		{name: "baseline", kind: text, doc: "label of the filter that the others are compared with"},
	}},
	{name: "output", kind: table, doc: "what is written", keys: []key{
		{name: "ensemble", kind: text, def: "analysis", choices: []string{"none", "forecast", "analysis", "both"}, doc: "ensembles to store"},
		{name: "ensemble_every", kind: integer, min: one, example: "10", doc: "store the ensembles of cycles that are multiples of it, none if it is above their number; if omitted, of every cycle"},
		{name: "ensemble_variables", kind: words, min: one, example: `["u"]`, doc: "variables whose values are stored of ensembles; if omitted, all of the state"},
		{name: "ensemble_members", kind: integer, min: one, max: mostMembers, example: "10",
			doc: "number of members to store of an ensemble: all of them if there are no more, otherwise this many at even distances; if omitted, all. They are chosen once, of the members at the start: fewer are stored when some of them are lost, as drop_member of on_failure allows"},
		{name: "precision", kind: text, def: "float64", choices: []string{Float32, "float64"},
			doc: "type of the values of ensembles in files; float32 takes half the room and rounds each value to 24 bits, about 7 digits. Scores are those of the values before, and checkpoints have them"},
		{name: "variables", kind: integer, def: int64(100), min: zero,
			doc: "number of values of each variable that variables.arrow describes: all of them if there are no more, otherwise this many at even distances"},
	}},
	{name: "expect", kind: table, doc: "the numbers that the experiment must give", keys: []key{
		{name: "source", kind: text, doc: "where the numbers come from"},
		{name: "score", kind: tables, required: true, doc: "one expected number", oneOf: [][]string{{"tolerance", "relative"}}, keys: []key{
			{name: "filter", kind: text, required: true, example: `"enkf"`, doc: "label of a filter, or climatology, persistence or reference"},
			{name: "metric", kind: text, required: true, example: `"rmse"`, doc: "a score of the result table"},
			{name: "stage", kind: text, choices: []string{"forecast", "analysis", "smoothed"}, doc: "stage of the score; if omitted, that of the result table, which is the analysis for most scores"},
			{name: "value", kind: number, required: true, example: "0.5", doc: "expected value"},
			{name: "tolerance", kind: number, above: zero, example: "0.03", doc: "largest allowed difference from value"},
			{name: "relative", kind: number, above: zero, example: "0.05", doc: "largest allowed difference from value, as a fraction of value"},
			{name: "note", kind: text, doc: "how the tolerance is derived"},
		}},
	}},
	{name: "published", kind: table, doc: "numbers that others published for the experiment; plume compare shows them next to those of the run", keys: []key{
		{name: "source", kind: text, required: true, example: `"NAMES (YEAR), doi:..."`, doc: "where the numbers come from"},
		{name: "differs", kind: text, doc: "what is different there"},
		{name: "score", kind: tables, required: true, doc: "one published number", oneOf: [][]string{{"filter", "method"}}, keys: []key{
			{name: "filter", kind: text, example: `"enkf"`, doc: "label of a filter, or climatology, persistence or reference"},
			{name: "method", kind: text, example: `"iEnKS"`, doc: "name of a method that is not run here"},
			{name: "size", kind: integer, min: two, max: mostMembers, doc: "number of members; if omitted, that of the filter"},
			{name: "metric", kind: text, def: "rmse", doc: "a score of the result table"},
			{name: "value", kind: number, required: true, example: "0.5", doc: "published value"},
		}},
	}},
	{name: "sweep", kind: table, doc: "trials in addition to one of every filter", keys: []key{
		{name: "replicate", kind: replicates, doc: "numbers of the replicates, each with a truth, observations and members of its own; if omitted, 1"},
		{name: "filter", kind: words, min: one, example: `["enkf"]`, doc: "labels of the filters that run; if omitted, all"},
		{name: "axes", kind: axes, doc: "lists of values for other keys, such as \"ensemble.size\" = [20, 50]; an axis below filter.LABEL applies to that filter alone"},
		{name: "exclude", kind: exclusions, doc: "combinations of axis values to leave out"},
	}},
	{name: "profile", kind: overrides, doc: "other values for some keys, chosen with --profile NAME"},
}}

// settings is schema without the keys that only files have: profiles and includes.
var settings = key{kind: table, keys: slices.DeleteFunc(slices.Clone(schema.keys), func(k key) bool {
	return k.kind == overrides || k.name == "include"
})}
