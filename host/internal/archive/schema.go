package archive

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The columns of the tables. The variables of the model or of the observations
// follow if the entry of the file says so.
var (
	trialColumn     = table.Column{Name: "trial", Type: table.Int32, About: "number of the trial, from 1"}
	replicateColumn = table.Column{Name: "replicate", Type: table.Int32, About: "number of the replicate, from 1; replicates have different random numbers"}
	truthColumn     = table.Column{Name: "truth", Type: table.Int32, About: "number of the truth among those of the replicate, from 0; there is more than one if an axis of the sweep changes the truth"}
	filterColumn    = table.Column{Name: "filter", Type: table.Text, About: "label of the filter in the workflow"}
	cycleColumn     = table.Column{Name: "cycle", Type: table.Int32, About: "number of the cycle; observations start with cycle 1"}
	timeColumn      = table.Column{Name: "time", Type: table.Float64, About: "model time at the end of the cycle"}
	stageColumn     = table.Column{Name: "stage", Type: table.Text, About: "`forecast`, `analysis` or, for a filter with `smooth`, `smoothed`"}

	clockColumns = []table.Column{cycleColumn, timeColumn}

	issueColumn         = table.Column{Name: "cycle", Type: table.Int32, About: "cycle of the analysis that the forecast starts from"}
	issuedColumn        = table.Column{Name: "time", Type: table.Float64, About: "model time of this analysis"}
	leadColumn          = table.Column{Name: "lead", Type: table.Float64, About: "lead time: model time from the analysis to what is forecast"}
	validColumn         = table.Column{Name: "valid", Type: table.Float64, About: "model time of what is forecast, time + lead"}
	ofColumn            = table.Column{Name: "of", Type: table.Text, About: "`state`, or `observed` for a predicted observation"}
	aheadVariableColumn = table.Column{Name: "variable", Type: table.Text, About: "variable of the state, or observed variable"}
	indexColumn         = table.Column{Name: "index", Type: table.Int32, About: "index of the value in the variable, row-major from 0; 0 for a scalar"}

	trialsColumns = []table.Column{trialColumn, replicateColumn, truthColumn,
		{Name: "reference", Type: table.Int32, Nullable: true, About: "number of the reference among those of the replicate, from 0; null without a reference"},
		filterColumn,
		{Name: "plugin", Type: table.Text, About: "plugin of the filter"},
		{Name: "size", Type: table.Int32, About: "number of members, N"},
		{Name: "status", Type: table.Text, About: "`ok`, `diverged` (see [Scores](#scores)), `failed`, `interrupted`, or `waiting` (it had not begun when the run was stopped)"},
		{Name: "cycles", Type: table.Int32, About: "completed"},
		{Name: "error", Type: table.Text, Nullable: true, About: "the error that stopped it"},
	}

	metricsColumns = []table.Column{
		{Name: "trial", Type: table.Int32, Nullable: true, About: "number of the trial; null for a baseline"},
		replicateColumn, truthColumn,
		{Name: "filter", Type: table.Text, About: "label of the filter, `climatology` or `persistence`"},
		{Name: "metric", Type: table.Text, About: "name of a score, see [Scores](#scores)"},
		stageColumn,
		{Name: "value", Type: table.Float64, About: "mean over the cycles after `burn_in`, or the number that follows from all of them"},
		{Name: "se", Type: table.Float64, About: "standard error, corrected for autocorrelation (AR(1)); NaN if not known, 0 if exact"},
		{Name: "cycles", Type: table.Int32, About: "number of cycles that the value is taken over"},
		{Name: "status", Type: table.Text, About: "status of the trial"},
	}

	variablesColumns = slices.Concat([]table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn, stageColumn,
		{Name: "variable", Type: table.Text, About: "variable of the model"},
		{Name: "index", Type: table.Int32, About: "index of the value in the variable, row-major from 0; 0 for a scalar"},
		{Name: "truth", Type: table.Float64, Nullable: true, About: "true value; null if it is not known"},
		{Name: "mean", Type: table.Float64, About: "weighted mean of the members"},
		{Name: "spread", Type: table.Float64, About: "standard deviation of the members, with N - 1 or, for weights, 1 - Σw²"},
	}, quantileColumns())

	innovationsColumns = []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn,
		{Name: "nis", Type: table.Float64, About: "normalised innovation squared per observation, 1 on average if spread and observation error explain the innovations; NaN if the operator gives no error variance"},
		{Name: "rms_expected", Type: table.Float64, About: "expected root mean square of the innovations"},
	}

	heldOutColumns = []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn, stageColumn,
		{Name: "variable", Type: table.Text, About: "observed variable"},
		{Name: "index", Type: table.Int32, About: "index of the value in the variable, row-major from 0; 0 for a scalar"},
		{Name: "value", Type: table.Float64, About: "observed value"},
		{Name: "mean", Type: table.Float64, About: "predicted value, mean of the members"},
		{Name: "spread", Type: table.Float64, About: "standard deviation of the prediction, which includes the observation error"},
		{Name: "crps_fair", Type: table.Float64, Nullable: true, About: "score of members with errors drawn by the operator; null if it draws none"},
	}

	rejectionsColumns = []table.Column{
		{Name: "trial", Type: table.Int32, Nullable: true, About: "number of the trial; null if rejected for all"},
		replicateColumn,
		{Name: "stream", Type: table.Text, About: "label of the stream; empty if it has none"},
		{Name: "row", Type: table.Int32, Nullable: true, About: "line of a text file or row of any other file, from 1; null if the truth is observed"},
		{Name: "cycle", Type: table.Int32, Nullable: true, About: "number of the cycle; null if the value is not in a cycle"},
		timeColumn,
		{Name: "variable", Type: table.Text, Nullable: true, About: "observed variable; null if it is not one"},
		{Name: "index", Type: table.Int32, Nullable: true, About: "index of the value in the variable"},
		{Name: "value", Type: table.Float64, Nullable: true, About: "rejected value; null if missing"},
		{Name: "reason", Type: table.Text, About: "`missing`, `unmapped`, `flag` (marked as not good), `range`, `location`, `early`, `late` (after the last cycle), `window`, `duplicate`, `belated` (arrived when its cycle had been assimilated) or `background` (too far from the forecast)"},
	}

	observedColumns = []table.Column{trialColumn, replicateColumn, filterColumn,
		{Name: "variable", Type: table.Text, About: "observed variable"},
		{Name: "index", Type: table.Int32, About: "index of the value in the variable, row-major from 0; 0 for a scalar"},
		{Name: "count", Type: table.Int32, About: "number of innovations in the cycles after `burn_in`"},
		{Name: "spread", Type: table.Float64, About: "root mean variance of the members' predictions in these cycles; NaN without any"},
		{Name: "error", Type: table.Float64, About: "root mean variance of the observation error in these cycles; NaN without any"},
		{Name: "first", Type: table.Float64, About: "first innovation of all, divided by its expected standard deviation; NaN without any"},
		{Name: "largest", Type: table.Float64, About: "innovation after `burn_in` that is the largest in absolute value, likewise"},
		{Name: "largest_cycle", Type: table.Int32, About: "its cycle; 0 without any"},
	}

	forecastColumns = slices.Concat([]table.Column{trialColumn, replicateColumn, filterColumn, issueColumn, issuedColumn, leadColumn, validColumn, ofColumn, aheadVariableColumn, indexColumn,
		{Name: "mean", Type: table.Float64, About: "mean of the members; of what is observed, that of their predictions without errors"},
		{Name: "spread", Type: table.Float64, About: "standard deviation of the members; of what is observed, it includes the observation error"},
	}, quantileColumns())

	exceedColumns = []table.Column{trialColumn, replicateColumn, filterColumn, issueColumn, issuedColumn, leadColumn, validColumn, ofColumn, aheadVariableColumn, indexColumn,
		{Name: "above", Type: table.Float64, About: "threshold"},
		{Name: "probability", Type: table.Float64, About: "weight of the members that exceed it; of what is observed, with observation errors if the operator draws them"},
	}

	verificationColumns = []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn,
		{Name: "issued", Type: table.Int32, About: "cycle of the analysis that the forecast starts from"},
		leadColumn, ofColumn, aheadVariableColumn, indexColumn,
		{Name: "value", Type: table.Float64, About: "true value, or observed value, assimilated or held out"},
		{Name: "mean", Type: table.Float64, About: "as in forecasts.arrow"},
		{Name: "spread", Type: table.Float64, About: "likewise"},
		{Name: "crps_fair", Type: table.Float64, Nullable: true, About: "score of the members; of what is observed, with errors drawn by the operator; null if it draws none"},
		{Name: "rank", Type: table.Float64, About: "weight of the members below the value, half of those equal to it included; uniform from 0 to 1 for a calibrated forecast"},
		{Name: "persistence", Type: table.Float64, Nullable: true, About: "true value at the time of the analysis, or the last value observed by then; null if there is none"},
	}

	forecastScoresColumns = []table.Column{trialColumn, replicateColumn, filterColumn, leadColumn, ofColumn, aheadVariableColumn,
		{Name: "metric", Type: table.Text, About: "`rmse`, `bias`, `spread`, `crps_fair`, `coverage_50`, `coverage_90`, and `persistence_rmse`, `persistence_crps`, `climatology_rmse` and `climatology_crps`, those of two forecasts without a model: the last value observed by the time of the analysis, or of the state the true one at that time, and all values that verify forecasts of this lead time, as a distribution or by their mean: not of a value that only one forecast is of"},
		{Name: "value", Type: table.Float64, About: "over the values of the variable and all forecasts that were verified"},
		{Name: "se", Type: table.Float64, About: "standard error, corrected for the autocorrelation of forecasts in order of time (AR(1)); NaN if not known"},
		{Name: "count", Type: table.Int32, About: "number of forecasts that were verified"},
	}

	reliabilityColumns = []table.Column{trialColumn, replicateColumn, filterColumn, leadColumn, ofColumn, aheadVariableColumn,
		{Name: "above", Type: table.Float64, About: "threshold"},
		{Name: "bin", Type: table.Int32, About: "number of a tenth of probabilities, from 0; -1: all of them"},
		{Name: "probability", Type: table.Float64, About: "mean of the forecast probabilities"},
		{Name: "frequency", Type: table.Float64, About: "fraction of the values that exceeded the threshold"},
		{Name: "brier", Type: table.Float64, About: "Brier score: mean square of probability minus outcome, which is 0 or 1"},
		{Name: "count", Type: table.Int32, About: "number of values"},
	}

	rankHistogramColumns = []table.Column{trialColumn, replicateColumn, filterColumn, stageColumn,
		{Name: "rank", Type: table.Int32, About: "number of members below the truth, 0 to N"},
		{Name: "count", Type: table.Float64, About: "how often the truth had this rank, over the state's values and the cycles after `burn_in`; ties are counted in fractions"},
	}

	diagnosticsColumns = []table.Column{trialColumn, filterColumn, cycleColumn,
		{Name: "name", Type: table.Text, About: "name of the diagnostic; the README of the filter explains it, and docs/windows.md those that begin with window_"},
		{Name: "value", Type: table.Float64, About: "value that the filter reports"},
	}

	timingsColumns = []table.Column{trialColumn, filterColumn, cycleColumn,
		{Name: "forecast_s", Type: table.Float64, About: "wall time of the forecast, in seconds"},
		{Name: "observe_s", Type: table.Float64, About: "wall time of the predicted and simulated observations, in seconds"},
		{Name: "analyse_s", Type: table.Float64, About: "wall time of the analysis, in seconds"},
		{Name: "score_s", Type: table.Float64, About: "wall time of the scores, in seconds"},
		{Name: "archive_s", Type: table.Float64, About: "wall time of writing tables, and of the checkpoint after the cycle before, if there is one, in seconds"},
		{Name: "wait_s", Type: table.Float64, About: "what else passed from the end of the last cycle to that of this one, in seconds"},
	}

	failuresColumns = []table.Column{
		{Name: "trial", Type: table.Int32, About: "number of the trial, from 1; 0 for the reference"}, replicateColumn, filterColumn, cycleColumn,
		{Name: "call", Type: table.Text, About: "`forecast`, `observe` or `analyse`"},
		{Name: "member", Type: table.Int32, About: "number of the first of the members, from 0, which it keeps when others are dropped"},
		{Name: "members", Type: table.Int32, About: "number of members, from that one on, without those that have been dropped"},
		{Name: "reason", Type: table.Text, About: "the plugin's message about them, or how its process ended"},
		{Name: "action", Type: table.Text, About: "`repeated`: the same call was made again; `dropped`: the member left the ensemble for the rest of the trial; `restarted`: the trial went on with new members; `ended`: the trial ended"},
	}

	lagsColumns = []table.Column{trialColumn, replicateColumn, filterColumn,
		{Name: "lag", Type: table.Int32, About: "cycles of later observations that have changed the states; 0: those of the analysis"},
		{Name: "metric", Type: table.Text, About: "`rmse`, `spread` or `crps_fair`, see [Scores](#scores)"},
		{Name: "value", Type: table.Float64, About: "mean over the cycles after `burn_in` whose states have this lag"},
		{Name: "se", Type: table.Float64, About: "standard error, corrected for autocorrelation (AR(1)); NaN if not known"},
		{Name: "cycles", Type: table.Int32, About: "number of cycles that the value is taken over"},
	}

	observationsColumns = []table.Column{replicateColumn, truthColumn, cycleColumn, timeColumn}

	smoothedColumns = slices.Concat(membersColumns, packed(table.Column{Name: "lag", Type: table.Int32, About: "cycles of later observations that have changed the states: those of `smooth`, or fewer at the end of the trial and where a window began again"}))

	membersColumns = packed(cycleColumn, timeColumn, stageColumn,
		table.Column{Name: "member", Type: table.Int32, About: "number of the member, from 0, which it keeps when others are dropped"},
		table.Column{Name: "log_weight", Type: table.Float64, About: "logarithm of the weight; the weights of all members of a cycle and stage, stored or not, sum to 1"},
		table.Column{Name: "parent", Type: table.Int32, Nullable: true, About: "number of the forecast member that it descends from; null if the filter moves its members"},
	)
)

// cyclesColumns returns the columns of cycles.arrow if the scored variables have scores of
// their own.
func cyclesColumns(scored []string) []table.Column {
	columns := []table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn, stageColumn}
	for _, s := range score.OfCycles(scored) {
		columns = append(columns, table.Column{Name: s.Name, Type: table.Float64, Nullable: s.Needs != 0, About: s.About})
	}
	return columns
}

// packed marks columns as compressed; see decision 12.
func packed(columns ...table.Column) []table.Column {
	for i := range columns {
		columns[i].Packed = true
	}
	return columns
}

// SeedAxis is the column of trials.arrow for an axis of seeds. Trials that differ only in
// it are repetitions of one experiment, as replicates are.
const SeedAxis = "experiment.seed"

// file is one table of a run directory.
type file struct {
	path, about string
	columns     []table.Column
	variables   string // whose variables follow
	single      bool   // whose values output.precision is about
}

var files = []file{
	{"trials.arrow", "one row per trial; after these columns every axis of the sweep has one, named by its key: int64, float64 or utf8, null if the axis does not apply to the filter", trialsColumns, "", false},
	{"metrics.arrow", "one row per trial or baseline, stage and metric", metricsColumns, "", false},
	{"lags.arrow", "one row per trial, lag and metric; only with `smooth`", lagsColumns, "", false},
	{"cycles.arrow", "one row per trial, cycle and stage, with the scores by cycle, see [Scores](#scores); of the stage `smoothed` the cycles whose states have the whole lag", cyclesColumns([]string{"NAME"}), "", false},
	{"variables.arrow", "one row per trial, cycle, stage and value of the state: all values of a variable with up to `output.variables` values, this many at even distances of a longer one", variablesColumns, "", false},
	{"innovations.arrow", "one row per trial and cycle: observation minus the mean prediction of the forecast; no rows if the operator makes no predictions", innovationsColumns, "observed", false},
	{"observed.arrow", "one row per trial and observed value: how large its innovations are expected to be, from the members and the observation error. `position` and `period` are its coordinates and the periods of their axes, 0 if they have none; absent if the observations have no coordinates. No rows if the operator gives no error variance", observedColumns, "", false},
	{"rank_histogram.arrow", "one row per trial, stage and rank", rankHistogramColumns, "", false},
	{"held_out.arrow", "one row per trial, cycle, stage and held-out value; only with `hold_out`", heldOutColumns, "", false},
	{"rejections.arrow", "one row per value of a file that was not used, and one per trial and value that the background check rejected", rejectionsColumns, "", false},
	{"forecasts.arrow", "one row per trial, free forecast, lead time and value of the state or of the observations, as many as `output.variables` says; only with `[forecast]`. Forecasts are in no other table, and in no score of it", forecastColumns, "", false},
	{"exceedances.arrow", "one row per trial, free forecast, lead time, value and threshold; only with `forecast.exceed`", exceedColumns, "", false},
	{"verification.arrow", "one row per trial, value that was forecast, and forecast of it, in the cycle of the value; only with `[forecast]`", verificationColumns, "", false},
	{"forecast_scores.arrow", "one row per trial, lead time, variable and score of free forecasts; only with `[forecast]`", forecastScoresColumns, "", false},
	{"reliability.arrow", "one row per trial, lead time, threshold and tenth of forecast probabilities; only with `forecast.exceed`", reliabilityColumns, "", false},
	{"passes.arrow", "one row per trial over a whole record and run of the model; only with `window = { length = \"all\" }`, as the next two", passesColumns, "", false},
	{"start.arrow", "one row per trial over a whole record, run of the model and value of the state at its start, initial states and estimated parameters: prior, posterior and what is between. Values as in variables.arrow", startColumns, "", false},
	{"fit.arrow", "one row per trial over a whole record, cycle, stage and observed value: what prior and posterior predict of it", fitColumns, "", false},
	{"diagnostics.arrow", "one row per number that a filter reports. If model times are dates, the column `time` follows `cycle`", diagnosticsColumns, "", false},
	{"timings.arrow", "one row per trial and cycle; it differs between identical runs. If model times are dates, the column `time` follows `cycle`", timingsColumns, "", false},
	{"failures.arrow", "one row per failure of a plugin or a member that `on_failure` applied to; the repeated calls may differ between identical runs. If model times are dates, the column `time` follows `cycle`", failuresColumns, "", false},
	{"observations.arrow", "one row per truth and cycle; values that were not observed are null", observationsColumns, "observed", false},
	{"coordinates/part-00000.arrow", "one row per value of the state or of the observations and axis; absent if they have no coordinates. The part is the number of the truth; coordinates are the same for all replicates", coordinatesColumns, "", false},
	{"truth/replicate=001/part-00000.arrow", "one row per cycle, from cycle 0; absent if observations come from files; the part is the number of the truth in the replicate", clockColumns, "model", false},
	{"ensemble/trial=0001/part-00000.arrow", "one row per cycle, stage and member, for the stages that `output.ensemble` names, the cycles of `output.ensemble_every`, the variables of `output.ensemble_variables` and the members of `output.ensemble_members`", membersColumns, "model", true},
	{"smoothed/trial=0001/part-00000.arrow", "one row per cycle and member of the stage smoothed, if `output.ensemble` names the analysis and the filter has `smooth`, as in `ensemble/`", smoothedColumns, "model", true},
	{"reference/replicate=001/part-00000.arrow", "one row per cycle and stored member of the brute-force posterior; the part is the number of the reference in the replicate", membersColumns, "model", false},
}

// typeNames holds Arrow's names of the types of columns.
var typeNames = map[table.Type]string{table.Int32: "int32", table.Int64: "int64", table.Float64: "float64", table.Text: "utf8"}

// inputsText describes the inputs in run.json.
const inputsText = `
## run.json

` + "`inputs`" + ` lists everything outside of the run that the results depend on: files of observations and members, files that the workflow includes, and files that
parameters of the model name as paths (` + "`path` in a plugin's manifest" + `), such as program and ` + "`files`" + ` of process. Each has the key that names it, its absolute path, its size in bytes and
its sha256 at the start of the run; the sha256 of a directory is that of the names and checksums of its files. If one has changed, ` + "`plume resume`" + ` refuses and
` + "`plume verify`" + ` names it. ` + "`accepted`" + ` lists the inputs that had changed when the run was resumed with ` + "`--accept-changed`" + `, with the checksums before and after and the time:
trials that had ended by then used the old inputs, all others the new ones.

` + "`arrivals`" + ` lists how far the files of observations had been read when the run began and each time it was continued: the number of the last row with values, by stream, the sha256 of the
values up to there, the model time up to which a later row is late, the last cycle with observations, and what was done with late rows.

` + "`dates`" + ` is there if ` + "`time.start`" + ` is a date: the date that is model time 0, the seconds in a unit of model time, and the calendar in the CF conventions. ` + "`plume export`" + ` and the readers for Python and R add the dates to tables, as the column ` + "`date`" + ` after ` + "`time`" + ` and ` + "`valid_date`" + ` after ` + "`valid`" + `.

` + "`replicas`" + ` lists the replicas of plugins, and the workers, that ran on other machines: node, job, cores and memory that were granted, calls (of a worker: trials), seconds, of which ` + "`busy`" + ` in calls, and calls that were lost and made again.
` + "`usage`" + ` says how many of them were busy on average in each interval of so many seconds (` + "`every`" + `).
` + "`retryable`" + ` says that trials have failed that ` + "`plume resume --retry-failed`" + ` continues once the cause is fixed; what they need is kept until then.
` + "`seal`" + `, the last key, is the sha256 of the file itself with 64 zeros in place of the seal. Remove it if you edit the file.
`

// Markdown returns the description of a run directory: docs/reference/run-directory.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# The run directory

<!-- Made from host/internal/archive/schema.go; go test ./host/internal/archive -run Documented -update writes it. -->

` + "`plume run` writes a directory `runs/<name>/<UTC start>-<4 hex>/`. All tables are Arrow IPC files." + `
Null means not applicable, NaN means computed but undefined. While a table is being written it is called ` + "`NAME.part`" + ` and has no footer;
it can be read as an Arrow stream from byte 8, and a crash loses at most the batch being written. Tables of several trials are written as
one part per trial, ` + "`cycles/trial=0001.arrow`" + `, and joined when the run ends. Parts whose columns differ, because an axis of the sweep
changes what is observed, are not joined.

Tables are uncompressed, except for those of coordinates, which are compressed (LZ4), and of members, in ` + "`ensemble/`, `smoothed/` and `reference/`" + `: there the columns before the values are compressed
if that makes them shorter. The values are stored uncompressed, so that pyarrow maps them into memory without a copy:
` + "`pa.ipc.open_file(pa.memory_map(file)).read_all()`" + `. A reader must support uncompressed buffers in a compressed Arrow table: polars does since
1.34, pyarrow in all versions we support.

With ` + "`output.precision = \"float32\"` the values of members in `ensemble/` and `smoothed/`" + ` are float32. Each is the nearest one to the value of the run, ties to even: its relative error is
at most 6e-8 (2^-24), or its absolute error at most 7e-46 for values nearer to 0 than 1.2e-38. So a temperature of 300 K has an error of up to 1.5e-5 K, and a difference of two values that are nearly equal loses
as many digits as in any other float32. A finite value beyond the range of float32, 3.4e38, is null, and the end of the run says how many there are; values that are infinite or NaN stay. All other numbers are float64: scores, descriptions, truth,
observations, reference and checkpoints are the same for both, and so is a run that is resumed.

[examples/analysis](../../examples/analysis) shows how to open them with pyarrow, pandas, polars, DuckDB, xarray and plume's own reader; ` + "`plume export`" + ` copies
them to Parquet, CSV, netCDF and Zarr.

| file | |
|---|---|
| ` + "`run.json`" + ` | manifest: versions, plugins with checksums, status, inputs, sha256 of every file; see below |
| ` + "`workflow.toml`" + ` | the workflow as given |
| ` + "`workflow.resolved.toml`" + ` | the workflow with every default filled in; can be run again |
| ` + "`log.jsonl`" + ` | messages of plugins, one JSON object per line; of each plugin at most 16 MiB, of each message 8 KiB |
| ` + "`checkpoint/`" + ` | the data that ` + "`plume resume`" + ` needs, until all trials have ended; if observations come from files, the data that ` + "`plume continue`" + ` needs, with the parts of the tables. Without it a run can be read, but not continued |
| ` + "`report.html`, `figures/`" + ` | output of ` + "`plume report`" + `; not results, without checksums |
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

Every score is described once, in host/internal/score/catalogue.go. Scores whose number is a mean are computed for every cycle: their values are in
` + "`cycles.arrow`, `innovations.arrow` or `held_out.arrow`" + `, and their means over the cycles after ` + "`burn_in`" + `, by trial and stage, in ` + "`metrics.arrow`" + `.
Scores of a whole series are only in ` + "`metrics.arrow`" + `. A score that needs the truth, a reference, held-out values or the ancestors of members is
null, or has no row, if these are missing. Filters win and lose by scores for which less is better; the other scores describe, or are best near a value, as ` + "`spread_skill`" + ` and ` + "`nis`" + ` near 1.

` + "`plume run`, `compare`, `verify` and `report`" + ` show means over the trials that differ only in the replicate or the seed. A trial that diverged or failed is not part of any mean,
and has no mean of its own. ` + "`rank_flatness_p`" + ` is not averaged: for several trials it is the p-value of the sum of their rank histograms.

` + "`crps_reliability` and `crps_potential`" + ` are the parts of ` + "`crps`" + ` by the decomposition of Hersbach (2000, doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2), over the state's values and
the cycles after ` + "`burn_in`" + `; their sum is ` + "`crps`" + `. The uncertainty of that decomposition is the ` + "`crps` of `climatology`" + `: the distribution in time of each true value,
against the value itself. If a single cycle is scored there is no climatology: its scores are NaN, and ` + "`notes`" + ` in run.json say so. The resolution is the uncertainty minus the potential. There is a bin of probabilities for each member, but at most 100; with weights, or more members, what varies within a bin
counts as potential.

A trial has diverged if an error is not finite or if the rmse of the analysis was above the spread of the truth in time for 50 cycles in a row. Without a truth
it has diverged if an analysis is not finite, or if the mean square of the innovations over 50 cycles with observations in a row was above 1.5; each innovation is
divided by the standard deviation of its assimilated observations in time. The mean of the observations would have 1 as a forecast, and a filter that follows
another trajectory of the same model has 2. The run is ` + "`ok`" + ` all the same, because a filter that diverges is a result; ` + "`trials` in `run.json`" + ` counts trials by status.

` + "`rmse_NAME` and `spread_NAME`" + ` exist for every estimated parameter, for every variable of a model whose variables have different units,
and for every variable whose score a workflow names in ` + "`verify.metrics` or `[[expect.score]]`" + `. If the result would be the name of another score, an underscore
is appended: a variable ` + "`total` has `rmse_total_`" + `.

A mean over values of different units is meaningless. If the variables of a model have different units, the values are therefore divided by the standard
deviation in time of the truth of their variable (the root of the mean of the variances of its values) before scores of the whole state are computed. The unit of these
scores is then 1, and an rmse of 1 is that of a filter that knows no more than the climatology. Variables that stay constant are excluded from these scores, and so are
estimated parameters. Without a truth there is nothing to divide by: ` + "`spread`" + ` is then that of the unscaled values, and ` + "`spread_NAME`" + ` says more. Likewise, if the observed
variables have different units, the values for scores of held-out values and for ` + "`innovation_rms`" + ` are divided by the standard deviation in time of the assimilated
values of their variable. ` + "`notes` in `run.json`" + ` mentions this for a run.

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
	kind := "float64"
	if f.single {
		kind += ", or float32 with `output.precision = \"float32\"`"
	}
	if f.variables != "" {
		fmt.Fprintf(b, "| one per %s variable | %s, or fixed_size_list of it | values of the variable; unit, shape and dimensions are in the metadata of the field |\n", f.variables, kind)
	}
}
