// Package workflow is the language of workflow files: it turns their text into a typed
// [Workflow]. It is strict: unknown keys, wrong types and values out of range are
// refused, all at once, each with its place in the text. It knows no plugins: package
// plan checks the params tables and uses [Workflow.At] to say where they are.
//
// From the bottom up: key, distributions and schema are the table of the language;
// checker, value and check check a tree of values against it and fill in the defaults;
// fill makes plain structs of the tree; judge reports values that are right by themselves
// but not together; sweep makes a workflow of every combination of values; load merges
// the layers, include < file < profile < --set, and does all of this in order.
package workflow

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/tomltext"
)

// Workflow is one experiment as its author wrote it, with every default of
// the host filled in. Parameters of plugins are as they were given, with arithmetic
// evaluated: float64, int64, bool, string, time.Time, []any or map[string]any.
type Workflow struct {
	Format       int               `toml:"format"`
	Experiment   Experiment        `toml:"experiment"`
	Time         Time              `toml:"time"`
	Plugins      map[string]Plugin `toml:"plugins,omitempty"` // by name
	Model        Model             `toml:"model"`
	Truth        *Truth            `toml:"truth"`        // nil: observations come from files
	Observations []Observations    `toml:"observations"` // by stream; the label of a single one may be empty
	Ensemble     Ensemble          `toml:"ensemble"`
	Filters      []Filter          `toml:"filter"`
	Reference    *Reference        `toml:"reference"` // nil: none
	Forecast     *Forecast         `toml:"forecast"`  // nil: none
	Verify       Verify            `toml:"verify,omitempty"`
	Sweep        *Sweep            `toml:"sweep"` // nil: one trial of every filter
	Output       Output            `toml:"output"`
	Expect       *Expect           `toml:"expect"`    // nil: nothing is expected
	Published    *Published        `toml:"published"` // nil: nothing is known

	File    string `toml:"-"` // as it was named when loading
	Profile string `toml:"-"` // the profile in force; may be empty

	Included []tomltext.Included `toml:"-"` // files below this one, in the order they were read

	root     *tomltext.Node
	settings []Setting
}

// Experiment is the name of the experiment and its seed.
type Experiment struct {
	Name        string `toml:"name"`
	Description string `toml:"description,omitempty"`
	Seed        int64  `toml:"seed"`
}

// Time says when observations are made.
type Time struct {
	Cycles   int           `toml:"cycles,omitzero"`   // 0: as many as the files have observations for
	Until    *Moment       `toml:"until"`             // model time that no cycle is after; nil: any, or Cycles says it
	Interval float64       `toml:"interval,omitzero"` // model time between cycles; 0: the cycles are at the observations of files
	First    *float64      `toml:"first"`             // model time before the first cycle; nil: Interval
	Step     float64       `toml:"step,omitzero"`     // of the integrator; 0: the model's own
	Start    Moment        `toml:"start"`             // of the initial ensemble
	Unit     time.Duration `toml:"unit,omitzero"`     // duration of one unit of model time; 0: not needed
	Window   Extent        `toml:"window,omitempty"`  // how far apart observations of one cycle may be
	BurnIn   int           `toml:"burn_in"`           // first cycles, which no time mean includes
}

// Rounding bounds the error that rounding makes in the model time from the start to another. Where times are counted from
// long ago, such as Julian days, it may be more than a billionth of an interval.
func (t *Time) Rounding(at float64) float64 {
	largest := max(math.Abs(t.Start.Model), math.Abs(at))
	return 2 * (math.Nextafter(largest, math.Inf(1)) - largest)
}

// Moment is a point in model time or, if it is dated, the date that is model time 0.
type Moment struct {
	Model float64
	Date  time.Time
	Dated bool
}

// Extent is a length of model time, or a duration; Model is then 0.
type Extent struct {
	Model float64
	Wall  time.Duration
}

// Plugin says how to start a plugin that is not on the plugin path. A command
// that is a relative path starts at the workflow's folder.
type Plugin struct {
	Command []string `toml:"command,omitempty"`
	Python  string   `toml:"python,omitempty"` // a script; absolute
	Network string   `toml:"network"`          // unix or tcp
	SHA256  string   `toml:"sha256,omitempty"` // lower case
}

// Component is a plugin and its configuration.
type Component struct {
	Plugin    string         `toml:"plugin"`
	Timeout   time.Duration  `toml:"timeout,omitzero"`   // of one call; 0: as the numbers of values and of time steps
	OnFailure string         `toml:"on_failure"`         // fail, retry or drop_member
	Retries   int            `toml:"retries,omitzero"`   // 0 if OnFailure is fail
	Executor  string         `toml:"executor,omitempty"` // empty: this machine
	Params    map[string]any `toml:"params,omitempty"`
}

// Float32 is single precision, of a [Model] or of an [Output].
const Float32 = "float32"

// Model is the model that makes the forecasts.
type Model struct {
	Component
	Replicas  int                 `toml:"replicas"`            // processes over which members are distributed
	MaxFailed int                 `toml:"max_failed,omitzero"` // members a trial may lose; 0 unless OnFailure is drop_member
	Dir       string              `toml:"dir,omitempty"`       // absolute: where relative paths among Params start
	Precision string              `toml:"precision"`           // of the states that go to the model and come back: float32 or float64
	Noise     *Noise              `toml:"noise"`               // nil: only the model's own
	Estimate  map[string]Estimate `toml:"estimate,omitempty"`  // by parameter
	Bounds    map[string]Bounds   `toml:"bounds,omitempty"`    // by variable of the state
}

// Noise is normal. Either SD or Variance is given.
type Noise struct {
	SD       Values  `toml:"sd,omitempty"`
	Variance Values  `toml:"variance,omitempty"`
	Per      string  `toml:"per"`             // cycle or sqrt_time
	Memory   float64 `toml:"memory,omitzero"` // correlation from one cycle to the next
	Length   float64 `toml:"length,omitzero"` // of the correlation in space; 0: values are independent
}

// Estimate makes a parameter of the model a variable of the state.
type Estimate struct {
	Init   *Start  `toml:"init"`    // nil: the file of the ensemble has its values
	WalkSD float64 `toml:"walk_sd"` // of the random step in every cycle
}

// Bounds are those of a variable, between which analyses stay.
type Bounds struct {
	Lower     *float64 `toml:"lower,omitempty"`
	Upper     *float64 `toml:"upper,omitempty"`
	Transform string   `toml:"transform,omitempty"` // auto or none
}

// Truth says how the true trajectory is made.
type Truth struct {
	SpinUp  float64        `toml:"spin_up"` // model time integrated before the start
	Init    Start          `toml:"init"`
	Plugin  string         `toml:"plugin,omitempty"` // empty: that of the model
	Step    float64        `toml:"step,omitzero"`    // 0: see Plugin; resolved by the plan
	Timeout time.Duration  `toml:"timeout,omitzero"` // of Plugin; 0 without
	Noise   *Noise         `toml:"noise"`            // nil: only the model's own
	Params  map[string]any `toml:"params,omitempty"` // of Plugin; without, those of the model that differ
}

// Start is a distribution of initial states: exactly Mean, independent values, or the
// rows of a file.
type Start struct {
	Dist    string // normal, lognormal, uniform or samples; empty: exactly Mean
	Around  string // "truth" or "truth_init", instead of Mean or Median
	Mean    Values // of normal
	Median  Values // of lognormal
	SD      Values // of normal; of the logarithm for lognormal
	Low     Values // of uniform, as is High
	High    Values
	File    string              // of samples; absolute
	Dialect Dialect             // of File; rows with a missing value are skipped unless Missing is nil
	Columns map[string][]string // of File, by variable; the others have the name of the variable
	Choice                      // of File
}

// Choice says which rows of a file of members are taken, and which columns are not.
type Choice struct {
	Cycle  int      `toml:"cycle,omitzero"`   // -1: the last one; 0: not given
	Stage  string   `toml:"stage,omitempty"`  // empty: not given
	Ignore []string `toml:"ignore,omitempty"` // columns that no variable has
	Trial  int      `toml:"trial,omitzero"`   // of a run, whose directory was File; 0 when File is that of its members
}

// Values are numbers for the values of a state: one for all or one for each in
// List, or numbers by variable.
type Values struct {
	List       Numbers
	ByVariable map[string]Numbers // nil when List is given
}

// IsZero reports that v is not given.
func (v Values) IsZero() bool { return len(v.List) == 0 && v.ByVariable == nil }

// ErrorModel is the distribution of the observation error. Either SD or Variance is
// given; a single value applies to all components.
type ErrorModel struct {
	Dist     string  `toml:"dist"`
	SD       Numbers `toml:"sd,omitempty"`
	Variance Numbers `toml:"variance,omitempty"`
	DF       float64 `toml:"df,omitzero"`       // degrees of freedom; 0: not given
	Relative float64 `toml:"relative,omitzero"` // fraction of the predicted value, for which SD is the floor; 0: not given

	Correlation *Correlation `toml:"correlation"` // nil: errors are independent
}

// Correlation is that of the errors of a stream in one cycle. One of the two is given.
type Correlation struct {
	Length float64 `toml:"length,omitzero"` // of an exponential correlation
	Lags   Numbers `toml:"lags,omitempty"`  // by the number of places apart
}

// Numbers is a number, or a list of them. A single value applies to all.
type Numbers []float64

// At returns the number for value j.
func (n Numbers) At(j int) float64 { return n[min(j, len(n)-1)] }

// Observations is one stream of observations: an operator, the distribution of its
// errors, and the cycles that are observed or the file with the observations.
type Observations struct {
	Label string `toml:"label,omitempty"`
	Component
	Replicas int        `toml:"replicas"`         // as of Model
	Repeats  int        `toml:"repeats,omitzero"` // simulated observations of each member to learn from; 0: none
	Cutoff   float64    `toml:"cutoff,omitzero"`  // of filters that localize; 0: their own
	Error    ErrorModel `toml:"error"`
	Over     *Over      `toml:"over"`            // nil: the state at one time is observed
	Every    int        `toml:"every,omitzero"`  // cycles from one observation to the next; 0: 1
	Offset   int        `toml:"offset,omitzero"` // first cycle observed; 0: cycle Every
	From     int        `toml:"from,omitzero"`   // first cycle that may be observed
	Until    int        `toml:"until,omitzero"`  // last cycle that may be observed; 0: any

	TrueError *ErrorModel `toml:"true_error"` // of simulated observations; nil: Error
	Outliers  *Outliers   `toml:"outliers"`   // nil: none
	Dropout   *Dropout    `toml:"dropout"`    // nil: none

	File string `toml:"file,omitempty"` // empty: the truth is observed
	Dialect
	Time     RowTime   `toml:"time,omitempty"`
	Long     *Long     `toml:"long"`     // nil: one column per component
	Location *Location `toml:"location"` // nil: see Map.Index
	Map      []Map     `toml:"map,omitempty"`
	QC       QC        `toml:"qc,omitempty"`
	Late     string    `toml:"late,omitempty"` // refuse, ignore or rerun; empty: refuse
	HoldOut  *HoldOut  `toml:"hold_out"`       // nil: none
}

// Over says that a mean or a sum of the predictions in so many cycles is observed, the last of which is a
// multiple of their number.
type Over struct {
	Cycles int    `toml:"cycles"`
	Take   string `toml:"take"` // mean or sum
}

// Outliers are gross errors of some simulated observations, in addition to the others.
type Outliers struct {
	Fraction float64 `toml:"fraction"`
	SD       float64 `toml:"sd"`
}

// Dropout says which fraction of the simulated observations is missing.
type Dropout struct {
	Fraction float64 `toml:"fraction"`
	Outage   float64 `toml:"outage,omitzero"` // mean number of cycles; 0: cycles are independent
	Per      string  `toml:"per"`             // value or stream
}

// Length returns the mean number of cycles of an outage.
func (d *Dropout) Length() float64 { return cmp.Or(d.Outage, 1/(1-d.Fraction)) }

// RowTime says how a file states times.
type RowTime struct {
	Column   string   `toml:"column,omitempty"`
	Columns  []string `toml:"columns,omitempty"` // instead of Column: their texts are joined
	Format   string   `toml:"format,omitempty"`  // empty: number or iso, as time.start is
	Timezone string   `toml:"timezone,omitempty"`
	Calendar string   `toml:"calendar,omitempty"` // standard, noleap or 360_day
}

// Long names the columns of a file with one value a row.
type Long struct {
	Name  string `toml:"name"`
	Value string `toml:"value"`
}

// Location names the columns that say where a row was observed. Either
// Coordinates or Index is given.
type Location struct {
	Coordinates []string `toml:"coordinates,omitempty"`
	Within      float64  `toml:"within,omitzero"` // 0: any distance
	Index       string   `toml:"index,omitempty"`
}

// Map says which observed value a column holds.
type Map struct {
	Column   string  `toml:"column"`
	Variable string  `toml:"variable,omitempty"` // empty: Column
	Index    int     `toml:"index,omitzero"`
	Range    Numbers `toml:"range,omitempty"` // smallest and largest; nil: any
	SD       string  `toml:"sd,omitempty"`    // column; empty: that of the error model
	Flag     string  `toml:"flag,omitempty"`  // column; empty: that of QC.Flag
}

// QC says which values are rejected.
type QC struct {
	Background  float64  `toml:"background,omitzero"` // in standard deviations of the innovation; 0: no check
	Duplicates  string   `toml:"duplicates,omitempty"`
	Correlation *float64 `toml:"correlation"` // of the errors of values that are averaged; nil: 1
	Early       string   `toml:"early,omitempty"`
	Flag        *Flag    `toml:"flag"` // nil: values have no flags
}

// Flag says which values a file marks as good.
type Flag struct {
	Column string   `toml:"column,omitempty"` // empty: see Map.Flag
	Accept []string `toml:"accept"`           // texts and patterns
}

// HoldOut says which values are never assimilated. One of the three is given.
type HoldOut struct {
	Fraction float64 `toml:"fraction,omitzero"`
	Every    int     `toml:"every,omitzero"`
	Column   string  `toml:"column,omitempty"`
}

// Ensemble says how many members there are and where they start.
type Ensemble struct {
	Size         int    `toml:"size"`
	Init         Start  `toml:"init"`
	OnDivergence string `toml:"on_divergence,omitempty"` // fail, restart or climatology; empty: fail
}

// Filter is one of the filters to compare.
type Filter struct {
	Label string `toml:"label"`
	Component
	Size   int     `toml:"size,omitzero"`  // members
	Every  int     `toml:"every,omitzero"` // cycles from one analysis to the next; 0: 1
	Window *Window `toml:"window,omitempty"`
	Smooth *Smooth `toml:"smooth,omitempty"`
}

// Smooth says that the filter also gives the states of earlier times.
type Smooth struct {
	Lag int `toml:"lag"` // cycles
}

// Window says that a filter uses the observations of several cycles, in several passes.
type Window struct {
	Length Count  `toml:"length"`           // cycles; all of them: the whole record
	Scheme string `toml:"scheme,omitempty"` // auto, mda, sda or gauss-newton; empty: auto
	Passes Count  `toml:"passes"`
}

// Count is an integer, the word auto for one that plume chooses, or the word all.
type Count struct {
	Given bool // an integer or all
	All   bool
	N     int
}

// Reference is the brute-force filter that the others are scored against.
type Reference struct {
	Component
	Size  int `toml:"size"`
	Store int `toml:"store,omitzero"` // members that are stored for each cycle
}

// Forecast says which free forecasts are made.
type Forecast struct {
	Horizon float64  `toml:"horizon"`          // model time
	Step    float64  `toml:"step,omitzero"`    // likewise, from one lead to the next; 0: the interval of the cycles
	Every   int      `toml:"every"`            // cycles
	Members int      `toml:"members,omitzero"` // 0: all
	Exceed  []Exceed `toml:"exceed,omitempty"`
}

// Exceed is thresholds of a variable.
type Exceed struct {
	Variable string  `toml:"variable"`
	Above    Numbers `toml:"above"`
}

// Verify says what is scored.
type Verify struct {
	Metrics  []string `toml:"metrics,omitempty"`  // empty: all that apply
	Baseline string   `toml:"baseline,omitempty"` // label of the filter that the others are compared with
}

// Sweep says which trials a workflow has: for every replicate, all combinations
// of the values of its axes. An axis below filter.LABEL multiplies the trials of
// that filter alone.
type Sweep struct {
	Replicates Replicates       `toml:"replicate,omitempty"`
	Filters    []string         `toml:"filter,omitempty"`  // labels of the filters that run; empty: all
	Axes       map[string]any   `toml:"axes,omitempty"`    // lists of values, by dotted key
	Exclude    []map[string]any `toml:"exclude,omitempty"` // combinations that are left out
}

// Replicates are the numbers of the replicates, from 1. In a workflow they are a list,
// or "1..10".
type Replicates []int

// Setting is the workflow with one value for every axis of all filters.
type Setting struct {
	*Workflow
	Variants []Variant // in the order of the filters; at least one
}

// Variant is one filter of a setting, with one value for every axis of its own.
type Variant struct {
	*Workflow
	Filter int            // index into Filters
	Values map[string]any // of the axes that apply to the filter, by their keys
}

// Output says what is written.
type Output struct {
	Ensemble  string   `toml:"ensemble"`                     // none, forecast, analysis or both
	Every     int      `toml:"ensemble_every,omitzero"`      // cycles whose ensembles are stored: multiples of it; 0: all
	Only      []string `toml:"ensemble_variables,omitempty"` // variables whose values are stored of ensembles; nil: all
	Members   int      `toml:"ensemble_members,omitzero"`    // that are stored of each ensemble; 0: all
	Precision string   `toml:"precision"`                    // of values of ensembles in files: float32 or float64
	Variables int      `toml:"variables"`                    // values of each variable that are described
}

// Expect is the numbers that the experiment must give.
type Expect struct {
	Source string  `toml:"source,omitempty"`
	Scores []Score `toml:"score"`
}

// Score is one expected number: Value within Tolerance, or within the fraction
// Relative of Value.
type Score struct {
	Filter    string  `toml:"filter"` // a label, or climatology, persistence, reference
	Metric    string  `toml:"metric"`
	Stage     string  `toml:"stage,omitempty"` // empty: that for which the metric is shown
	Value     float64 `toml:"value"`
	Tolerance float64 `toml:"tolerance,omitzero"` // 0: see Relative
	Relative  float64 `toml:"relative,omitzero"`  // 0: see Tolerance
	Note      string  `toml:"note,omitempty"`
}

// Published is the numbers that others published for the experiment.
type Published struct {
	Source  string           `toml:"source"`
	Differs string           `toml:"differs,omitempty"` // what is different there
	Scores  []PublishedScore `toml:"score"`
}

// PublishedScore is one published number. Either Filter or Method is given.
type PublishedScore struct {
	Filter string  `toml:"filter,omitempty"` // a label, or climatology, persistence, reference
	Method string  `toml:"method,omitempty"` // one that is not run
	Size   int     `toml:"size,omitzero"`    // members; 0: those of the filter
	Metric string  `toml:"metric"`
	Value  float64 `toml:"value"`
}

// Real reports whether the observations come from files.
func (w *Workflow) Real() bool { return len(w.Observations) > 0 && w.Observations[0].File != "" }

// Labels returns the labels of the filters in their order.
func (w *Workflow) Labels() []string {
	var out []string
	for _, f := range w.Filters {
		if f.Label != "" {
			out = append(out, f.Label)
		}
	}
	return out
}

// Runs reports whether the filter with a label has trials; the sweep may leave it out.
func (w *Workflow) Runs(label string) bool {
	return w.Sweep == nil || len(w.Sweep.Filters) == 0 || slices.Contains(w.Sweep.Filters, label)
}

// Axes returns the keys of the axes, sorted.
func (w *Workflow) Axes() []string {
	if w.Sweep == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(w.Sweep.Axes))
}

// Replicates returns the numbers of the replicates: 1 without a sweep.
func (w *Workflow) Replicates() []int {
	if w.Sweep == nil || len(w.Sweep.Replicates) == 0 {
		return []int{1}
	}
	return w.Sweep.Replicates
}
