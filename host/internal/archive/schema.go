package archive

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The columns of the tables. The variables of the model or of the observations
// follow where a file says so.
var (
	trialColumn     = table.Column{Name: "trial", Type: table.Int32, About: "number of the trial, from 1"}
	replicateColumn = table.Column{Name: "replicate", Type: table.Int32, About: "number of the replicate, from 1; all random numbers differ between replicates"}
	truthColumn     = table.Column{Name: "truth", Type: table.Int32, About: "number of the truth among those of the replicate, from 0: more than one when an axis of the sweep changes it"}
	filterColumn    = table.Column{Name: "filter", Type: table.Text, About: "the filter's label in the workflow"}
	cycleColumn     = table.Column{Name: "cycle", Type: table.Int32, About: "number of the cycle; observations begin with 1"}
	timeColumn      = table.Column{Name: "time", Type: table.Float64, About: "model time at the end of the cycle"}
	stageColumn     = table.Column{Name: "stage", Type: table.Text, About: "`forecast` or `analysis`"}

	clockColumns = []table.Column{cycleColumn, timeColumn}

	trialsColumns = []table.Column{trialColumn, replicateColumn, truthColumn,
		{Name: "reference", Type: table.Int32, Nullable: true, About: "number of the reference among those of the replicate, from 0; null without reference"},
		filterColumn,
		{Name: "plugin", Type: table.Text, About: "the filter's plugin"},
		{Name: "size", Type: table.Int32, About: "number of members, N"},
		{Name: "status", Type: table.Text, About: "`ok`, `diverged` (an error not finite, or above the truth's spread in time for 50 cycles in a row), `failed` or `interrupted`"},
		{Name: "cycles", Type: table.Int32, About: "completed"},
		{Name: "error", Type: table.Text, Nullable: true, About: "what stopped it"},
	}

	metricsColumns = []table.Column{
		{Name: "trial", Type: table.Int32, Nullable: true, About: "number of the trial; null for a baseline"},
		replicateColumn, truthColumn,
		{Name: "filter", Type: table.Text, About: "the filter's label, `climatology` or `persistence`"},
		{Name: "metric", Type: table.Text, About: "name of a score, see [Scores](#scores)"},
		stageColumn,
		{Name: "value", Type: table.Float64, About: "over the cycles after `burn_in`"},
		{Name: "se", Type: table.Float64, About: "standard error, allowing for autocorrelation (AR(1)); NaN when not known, 0 when exact"},
		{Name: "cycles", Type: table.Int32, About: "how many cycles it is taken over"},
		{Name: "status", Type: table.Text, About: "of the trial"},
	}

	variablesColumns = slices.Concat([]table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn, stageColumn,
		{Name: "variable", Type: table.Text, About: "of the model"},
		{Name: "index", Type: table.Int32, About: "of the value in the variable, row-major from 0; 0 for a scalar"},
		{Name: "truth", Type: table.Float64, Nullable: true, About: "null when it is not known"},
		{Name: "mean", Type: table.Float64, About: "of the members, weighted"},
		{Name: "spread", Type: table.Float64, About: "standard deviation of the members, N - 1; weighted, 1 - Σw²"},
	}, quantileColumns())

	innovationsColumns = []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn,
		{Name: "nis", Type: table.Float64, About: "normalised innovation squared per observation, 1 on average when spread and observation error explain the innovations; NaN when the operator gives no error variance"},
		{Name: "rms_expected", Type: table.Float64, About: "what the root mean square of the innovations should be on average"},
	}

	heldOutColumns = []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn, stageColumn,
		{Name: "variable", Type: table.Text, About: "observed variable"},
		{Name: "index", Type: table.Int32, About: "of the value in the variable, row-major from 0; 0 for a scalar"},
		{Name: "value", Type: table.Float64, About: "what was observed"},
		{Name: "mean", Type: table.Float64, About: "what was predicted, mean of the members"},
		{Name: "spread", Type: table.Float64, About: "standard deviation of the prediction, that of the observation error included"},
		{Name: "crps_fair", Type: table.Float64, Nullable: true, About: "of members with errors drawn by the operator; null when it draws none"},
	}

	rejectionsColumns = []table.Column{
		{Name: "trial", Type: table.Int32, Nullable: true, About: "number of the trial; null when rejected for all"},
		replicateColumn,
		{Name: "stream", Type: table.Text, About: "label of the stream; empty when it has none"},
		{Name: "row", Type: table.Int32, Nullable: true, About: "line of a text file, from 1, or row of another, from 1; null when the truth is observed"},
		{Name: "cycle", Type: table.Int32, Nullable: true, About: "null when in none"},
		timeColumn,
		{Name: "variable", Type: table.Text, Nullable: true, About: "observed variable; null when it is none"},
		{Name: "index", Type: table.Int32, Nullable: true, About: "of the value in the variable"},
		{Name: "value", Type: table.Float64, Nullable: true, About: "null when missing"},
		{Name: "reason", Type: table.Text, About: "`missing`, `unmapped`, `range`, `location`, `early`, `late` (after the last cycle), `window`, `duplicate` or `background` (too far from the forecast)"},
	}

	rankHistogramColumns = []table.Column{trialColumn, replicateColumn, filterColumn, stageColumn,
		{Name: "rank", Type: table.Int32, About: "number of members below the truth, 0 to N"},
		{Name: "count", Type: table.Float64, About: "how often, over the state's values and the cycles after `burn_in`; ties count in parts"},
	}

	diagnosticsColumns = []table.Column{trialColumn, filterColumn, cycleColumn,
		{Name: "name", Type: table.Text, About: "of the diagnostic; the filter's README says what it means"},
		{Name: "value", Type: table.Float64, About: "as the filter reports it"},
	}

	timingsColumns = []table.Column{trialColumn, filterColumn, cycleColumn,
		{Name: "forecast_s", Type: table.Float64, About: "wall time of the forecast, in seconds"},
		{Name: "observe_s", Type: table.Float64, About: "of the predicted and simulated observations"},
		{Name: "analyse_s", Type: table.Float64, About: "of the analysis"},
	}

	failuresColumns = []table.Column{
		{Name: "trial", Type: table.Int32, About: "number of the trial, from 1; 0 for the reference"}, replicateColumn, filterColumn, cycleColumn,
		{Name: "call", Type: table.Text, About: "`forecast`, `observe` or `analyse`"},
		{Name: "member", Type: table.Int32, About: "the first member concerned: its row, from 0, in the analysis of the cycle before"},
		{Name: "members", Type: table.Int32, About: "how many members are concerned, from that one"},
		{Name: "reason", Type: table.Text, About: "what the plugin said of them, or how its process ended"},
		{Name: "action", Type: table.Text, About: "`repeated`: the same call was made again; `dropped`: the member left the ensemble for the rest of the trial; `ended`: the trial ended"},
	}

	observationsColumns = []table.Column{replicateColumn, truthColumn, cycleColumn, timeColumn}

	membersColumns = packed(cycleColumn, timeColumn, stageColumn,
		table.Column{Name: "member", Type: table.Int32, About: "from 0"},
		table.Column{Name: "log_weight", Type: table.Float64, About: "normalised: the weights of a cycle and stage sum to 1"},
		table.Column{Name: "parent", Type: table.Int32, Nullable: true, About: "the forecast member it descends from; null when the filter moves its members"},
	)
)

// cyclesColumns returns the columns of cycles.arrow when those variables have scores of
// their own.
func cyclesColumns(scored []string) []table.Column {
	columns := []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn, stageColumn}
	for _, s := range score.OfCycles(scored) {
		columns = append(columns, table.Column{Name: s.Name, Type: table.Float64, Nullable: s.Needs != 0, About: s.About})
	}
	return columns
}

// packed says of columns that they are compressed; decision 12.
func packed(columns ...table.Column) []table.Column {
	for i := range columns {
		columns[i].Packed = true
	}
	return columns
}

// SeedAxis is the column of trials.arrow that an axis of seeds has. Trials that differ in
// it alone are one experiment repeated, as replicates are.
const SeedAxis = "experiment.seed"

// file is one table of a run directory.
type file struct {
	path, about string
	columns     []table.Column
	variables   string // whose variables follow
}

var files = []file{
	{"trials.arrow", "one row per trial; a column for every axis of the sweep, named by its key, follows: int64, float64 or utf8, null where the axis does not concern the filter", trialsColumns, ""},
	{"metrics.arrow", "one row per trial or baseline, stage and metric", metricsColumns, ""},
	{"cycles.arrow", "one row per trial, cycle and stage, with the scores of cycles, see [Scores](#scores)", cyclesColumns([]string{"NAME"}), ""},
	{"variables.arrow", "one row per trial, cycle, stage and value of the state: of a variable of up to `output.variables` values all of them, of a longer one so many at even distances", variablesColumns, ""},
	{"innovations.arrow", "one row per trial and cycle: observation minus the mean prediction of the forecast; no rows when the operator predicts nothing", innovationsColumns, "observed"},
	{"rank_histogram.arrow", "one row per trial, stage and rank", rankHistogramColumns, ""},
	{"held_out.arrow", "one row per trial, cycle, stage and value held out; only with `hold_out`", heldOutColumns, ""},
	{"rejections.arrow", "one row per value of a file that was not used, and one per trial and value that the background check rejected", rejectionsColumns, ""},
	{"diagnostics.arrow", "one row per number a filter reports", diagnosticsColumns, ""},
	{"timings.arrow", "one row per trial and cycle; it differs between identical runs", timingsColumns, ""},
	{"failures.arrow", "one row per failure of a plugin or a member of which `on_failure` decided; what was repeated may differ between identical runs", failuresColumns, ""},
	{"observations.arrow", "one row per truth and cycle; what was not observed is null", observationsColumns, "observed"},
	{"truth/replicate=001/part-00000.arrow", "one row per cycle, from cycle 0; none when observations come from files; the part is the number of the truth in the replicate", clockColumns, "model"},
	{"ensemble/trial=0001/part-00000.arrow", "one row per cycle, stage and member, of the stages that `output.ensemble` names", membersColumns, "model"},
	{"reference/replicate=001/part-00000.arrow", "one row per cycle and member kept of the brute-force posterior; the part is the number of the reference in the replicate", membersColumns, "model"},
}

// typeNames says what a column holds as Arrow names it.
var typeNames = map[table.Type]string{table.Int32: "int32", table.Int64: "int64", table.Float64: "float64", table.Text: "utf8"}

// inputsText says what run.json has of inputs.
const inputsText = `
## run.json

` + "`inputs`" + ` lists what the results depend on outside of the run: files of observations and members, files that the workflow includes, and what parameters of
the model name as paths (` + "`path` in a plugin's manifest" + `), such as program and ` + "`files`" + ` of process. Each has the key that names it, its absolute path, its bytes and its sha256, taken
when the run began; of a directory that of the names of its files with theirs. ` + "`plume resume`" + ` refuses when one has changed, ` + "`plume verify`" + ` names it.
` + "`accepted`" + ` lists those that had changed when the run was resumed with ` + "`--accept-changed`" + `, before and after, and when: trials that had ended by then are of
the old ones, all others of the new ones.
`

// Markdown returns the description of a run directory: docs/run-directory.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# The run directory

<!-- Made from host/internal/archive/schema.go; go test ./host/internal/archive -run Documented -update writes it. -->

` + "`plume run` leaves a directory `runs/<name>/<UTC start>-<4 hex>/`. All tables are Arrow IPC files." + `
Null means not applicable, NaN computed and undefined. While a table is written it is called ` + "`NAME.part`" + ` and has no footer;
it can be read as an Arrow stream from byte 8, and a crash costs at most the batch under way. Tables of several trials are written as
one part per trial, ` + "`cycles/trial=0001.arrow`" + `, and put together when the run ends; those that differ in their
columns, because an axis of the sweep changes what is observed, stay parts.

Tables are uncompressed, but for those of members, in ` + "`ensemble/` and `reference/`" + `: the columns before the values are compressed there (LZ4),
where that makes them shorter. The values are stored as they are, so that pyarrow maps them into memory without a copy:
` + "`pa.ipc.open_file(pa.memory_map(file)).read_all()`" + `. What reads them has to know Arrow's buffers that a compressed table leaves as they are: polars does from
1.34 on, pyarrow in all versions we support.

[examples/analysis](../examples/analysis) shows how pyarrow, pandas, polars, DuckDB, xarray and plume's own reader open them; ` + "`plume export`" + ` copies
them as Parquet, CSV and netCDF.

| file | |
|---|---|
| ` + "`run.json`" + ` | manifest: versions, plugins with checksums, status, inputs, sha256 of every file; see below |
| ` + "`workflow.toml`" + ` | as given |
| ` + "`workflow.resolved.toml`" + ` | with every default filled in; can be run again |
| ` + "`log.jsonl`" + ` | what plugins had to say, one JSON object a line |
| ` + "`checkpoint/`" + ` | what ` + "`plume resume`" + ` needs, until all trials have ended |
| ` + "`report.html`, `figures/`" + ` | what ` + "`plume report`" + ` made of it; not results, without checksums |
`)
	for _, f := range files {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.path, f.about)
	}
	b.WriteString(inputsText)
	for _, f := range files {
		f.markdown(&b)
	}
	b.WriteString(scores)
	for _, s := range score.Catalogue() {
		less := ""
		if s.Loss {
			less = "less"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Name, s.About, s.Unit, s.Mean, less)
	}
	return b.String()
}

// scores is the text above the catalogue of scores.
const scores = `
## Scores

Every score is described once, in host/internal/score/catalogue.go. Those whose number is a mean are scores of cycles: their values are in
` + "`cycles.arrow`, `innovations.arrow` or `held_out.arrow`" + `, their means over the cycles after ` + "`burn_in`" + `, by trial and stage, in ` + "`metrics.arrow`" + `.
Those of a whole series are in ` + "`metrics.arrow`" + ` alone. A score that needs the truth, a reference, values held out or the ancestors of members is
null, or has no row, where there are none. Where less is better filters win and lose; all others describe, or are best near a value, as ` + "`spread_skill`" + ` and ` + "`nis`" + ` near 1.

` + "`plume run`, `compare`, `verify` and `report`" + ` show means over the trials that differ in the replicate or the seed alone. A trial that diverged or failed is in no mean,
and has none of its own. ` + "`rank_flatness_p`" + ` is not averaged: of several trials they show the p-value of their rank histograms together.

` + "`rmse_NAME` and `spread_NAME`" + ` are there for every parameter that is estimated, for every variable of a model whose variables have different units,
and for every variable whose score a workflow names in ` + "`verify.metrics` or `[[expect.score]]`" + `. A variable whose name would make that of another score,
` + "`total` of `rmse_total`, has `rmse_total_`" + `.

A mean over values of different units means nothing. Of a model whose variables have different units, scores of the whole state are therefore of
values divided by the standard deviation in time of the truth, one for each variable (the root of the mean of the variances of its values); their unit is then 1,
and an rmse of 1 is that of a filter that knows no more than the climatology. A variable that stays constant is left out of them. Parameters that are estimated
are in none. Without a truth there is nothing to divide by: ` + "`spread`" + ` is then over values as they are, and ` + "`spread_NAME`" + ` says more. Scores of values held
out and ` + "`innovation_rms`" + ` are likewise of values divided by the standard deviation in time of what is assimilated of their variable, when the observed
variables have different units. ` + "`notes` in `run.json`" + ` says so of a run.

| score | | unit | number of a trial | better |
|---|---|---|---|---|
`

func (f file) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s%s.\n\n| column | type | |\n|---|---|---|\n", f.path, strings.ToUpper(f.about[:1]), f.about[1:])
	for _, c := range f.columns {
		kind := typeNames[c.Type]
		if c.Nullable {
			kind += ", nullable"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", c.Name, kind, c.About)
	}
	if f.variables != "" {
		fmt.Fprintf(b, "| one per %s variable | float64, or fixed_size_list of float64 | its values; unit, shape and dimensions are in the field's metadata |\n", f.variables)
	}
}
