package workflow

const spreadDoc = "; one for all values, a list with one for each, or a table by variable"

// The distributions of initial states, of independent values.
var (
	normal          = key{name: "normal", keys: []key{required(meanKey), sdKey}}
	normalAround    = key{name: "normal", keys: []key{meanKey, aroundKey, sdKey}, oneOf: [][]string{{"mean", "around"}}}
	lognormal       = key{name: "lognormal", keys: []key{required(medianKey), logSDKey}}
	lognormalAround = key{name: "lognormal", keys: []key{medianKey, aroundKey, logSDKey}, oneOf: [][]string{{"median", "around"}}}
	uniform         = key{name: "uniform", keys: []key{
		{name: "low", kind: values, required: true, example: "0.0", doc: "lower end" + spreadDoc},
		{name: "high", kind: values, required: true, example: "1.0", doc: "upper end, not below the lower one" + spreadDoc},
	}}
	samples = key{name: "samples", keys: append([]key{
		{name: "file", kind: text, required: true, example: `"members.csv"`,
			doc: "file with one member per row, of which the first are taken; its extension determines the format. With trial, the directory of a run"},
		{name: "trial", kind: integer, min: one, example: "1", doc: "number of the trial of a run whose stored members are taken; file is then the directory of the run"},
		{name: "cycle", kind: integer, min: minusOne, example: "-1", doc: "cycle whose members are taken from a file of a run, -1 for the last one that it holds (see output.ensemble_every); required if it has several"},
		{name: "stage", kind: text, choices: []string{"forecast", "analysis"}, doc: "stage of which the members are taken; required if the file has both"},
		{name: "ignore", kind: words, example: `["station"]`, doc: "columns that are not used; any other column must be that of a variable, or one that a run writes"},
		{name: "columns", kind: columns, doc: "column of each variable whose column has another name; a list of columns for a variable of several values"},
	}, memberDialect...)}
	memberDialect = dialectKeys("texts, numbers or patterns, such as '/.*\\*/', that mean a missing value: members with a missing value are skipped; if omitted, no value may be missing")

	meanKey   = key{name: "mean", kind: values, example: "0.0", doc: "mean" + spreadDoc}
	medianKey = key{name: "median", kind: values, above: zero, example: "1.0", doc: "median" + spreadDoc}
	sdKey     = key{name: "sd", kind: values, required: true, min: zero, example: "1.0", doc: "standard deviation" + spreadDoc}
	logSDKey  = key{name: "sd", kind: values, required: true, min: zero, example: "0.1", doc: "standard deviation of the logarithm" + spreadDoc}
	aroundKey = key{name: "around", kind: text, choices: []string{"truth", "truth_init"}, example: `"truth"`,
		doc: "centre of the distribution: the truth at the start, or the truth before its spin-up"}
)

func required(k key) key {
	k.required = true
	return k
}

// The keys of the noise that the host adds.
var (
	noiseKeys = []key{
		{name: "sd", kind: values, min: zero, example: "0.1", doc: "standard deviation" + spreadDoc},
		{name: "variance", kind: values, min: zero, example: "0.01", doc: "variance, instead of sd"},
		{name: "per", kind: text, def: "cycle", choices: []string{"cycle", "sqrt_time"},
			doc: "what sd refers to: one cycle of any length, or the square root of model time; variance is then per unit of time"},
		{name: "memory", kind: number, def: 0.0, min: zero, doc: "correlation of the noise of a value from one cycle to the next (autoregression of first order), below 1; sd stays what it is. Ensemble Kalman filters do not correct what is remembered; they do where it is a variable of the model"},
		{name: "length", kind: number, above: zero, doc: "the noise of the values of a variable at a distance of d has correlation exp(-d/length), for models with coordinates; if omitted, values are independent"},
	}
	oneSpread = [][]string{{"sd", "variance"}}
)
