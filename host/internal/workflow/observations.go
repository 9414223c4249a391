package workflow

import (
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// observationKeys are the keys of one stream of observations.
var observationKeys = component("observation operator", `"NAME"`, retry, replicas,
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
		doc: "file with real observations, relative to the workflow's folder: .csv, .parquet or .arrow. Without one the truth is observed"},
	key{name: "delimiter", kind: text, doc: "between the columns of a .csv file, one character; a comma when left out"},
	key{name: "comment", kind: text, doc: "what lines of a .csv file that are to be skipped begin with, one character"},
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
	key{name: "missing", kind: words, blank: true, doc: `what stands for no value; "", "NA", "NaN", "nan" and "null" when left out`},
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
)

// Observations is one stream of observations: an operator, the law of its errors,
// and when or from which file there are any.
type Observations struct {
	Label string `toml:"label,omitempty"`
	Component
	Replicas int      `toml:"replicas"` // as of Model
	Error    ErrorLaw `toml:"error"`
	Every    int      `toml:"every,omitzero"`  // cycles from one observation to the next; 0: 1
	Offset   int      `toml:"offset,omitzero"` // first cycle observed; 0: cycle Every

	File      string    `toml:"file,omitempty"` // empty: the truth is observed
	Delimiter string    `toml:"delimiter,omitempty"`
	Comment   string    `toml:"comment,omitempty"`
	Time      RowTime   `toml:"time,omitempty"`
	Long      *Long     `toml:"long"` // nil: one column per component
	Missing   []string  `toml:"missing,omitempty"`
	Location  *Location `toml:"location"` // nil: see Map.Index
	Map       []Map     `toml:"map,omitempty"`
	QC        QC        `toml:"qc,omitempty"`
	HoldOut   *HoldOut  `toml:"hold_out"` // nil: none
}

// RowTime says how a file tells time.
type RowTime struct {
	Column   string `toml:"column"`
	Format   string `toml:"format,omitempty"` // empty: number or iso, as time.start is
	Timezone string `toml:"timezone,omitempty"`
	Calendar string `toml:"calendar,omitempty"` // standard, noleap or 360_day
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
	SD       string  `toml:"sd,omitempty"`    // column; empty: the law's
}

// QC says which values are rejected.
type QC struct {
	Background float64 `toml:"background,omitzero"` // in standard deviations of the innovation; 0: no check
	Duplicates string  `toml:"duplicates,omitempty"`
	Early      string  `toml:"early,omitempty"`
}

// HoldOut says which values are never assimilated. One of the three is given.
type HoldOut struct {
	Fraction float64 `toml:"fraction,omitzero"`
	Every    int     `toml:"every,omitzero"`
	Column   string  `toml:"column,omitempty"`
}

// Real says whether the observations come from files.
func (w *Workflow) Real() bool { return len(w.Observations) > 0 && w.Observations[0].File != "" }

// Path returns the path of a file of observations: a relative one starts at the
// folder of the text it stands in.
func (w *Workflow) Path(file string) string {
	for i, o := range w.Observations {
		if o.File == file {
			return w.resolve(file, "observations", i, "file")
		}
	}
	return w.resolve(file)
}

// complete fills in what has a default only when there is a file.
func (o *Observations) complete() {
	if o.File == "" {
		o.QC = QC{Background: o.QC.Background}
		return
	}
	if o.Delimiter == "" {
		o.Delimiter = ","
	}
	if o.Missing == nil {
		o.Missing = []string{"", "NA", "NaN", "nan", "null"}
	}
	if o.Time.Timezone == "" {
		o.Time.Timezone = "UTC"
	}
	for i := range o.Map {
		if o.Map[i].Variable == "" {
			o.Map[i].Variable = o.Map[i].Column
		}
	}
}

// fileKeys are the keys that only a stream with a file may have.
var fileKeys = []string{"delimiter", "comment", "time", "long", "missing", "location", "map", "hold_out"}

func (w *Workflow) judgeObservations(found *diag.Findings) {
	seen := map[string]int{}
	for i := range w.Observations {
		o, n := &w.Observations[i], w.root.Table["observations"].Items[i]
		if first, taken := seen[o.Label]; taken && o.Label != "" {
			found.Add(codeDuplicate, w.At("observations", i, "label"), "two streams have the label %q", o.Label).WithLabel("the second one").
				WithNote("the first one is at %s", w.At("observations", first, "label").Where()).WithHelp("choose another label")
		}
		seen[o.Label] = i
		if len(w.Observations) > 1 && n.Table["label"] == nil {
			(&checker{found: found}).missing(n, "observations", lookup(observationKeys, "label"))
		}
		if o.File == "" {
			w.judgeSimulated(found, i)
		} else {
			w.judgeFile(found, i)
		}
	}
	w.judgeTruth(found)
}

// judgeSimulated is for a stream whose observations are made of the truth.
func (w *Workflow) judgeSimulated(found *diag.Findings, i int) {
	o, n := &w.Observations[i], w.root.Table["observations"].Items[i]
	for _, name := range fileKeys {
		if n.Table[name] != nil && !n.Bad {
			found.Add(codeConflict, w.KeyAt("observations", i, name), "`%s` is about a file, but the stream has none", name).
				WithLabel("only with file").WithHelp("add file = ..., or remove `%s`", name)
		}
	}
	if o.Offset > 0 && o.Offset >= max(1, o.Every) {
		found.Add(codeConflict, w.At("observations", i, "offset"), "`offset` must be less than `every`, %d, but is %d", max(1, o.Every), o.Offset).
			WithLabel("less than %d", max(1, o.Every)).WithHelp("lower offset, or raise every")
	}
	if w.Real() {
		found.Add(codeConflict, w.At("observations", i), "a stream without a file beside one with a file").WithLabel("no file").
			WithNote("observations are either all of the truth or all real").WithHelp("add file = ... to this stream")
	}
}

// judgeFile is for a stream with a file.
func (w *Workflow) judgeFile(found *diag.Findings, i int) {
	o, n := &w.Observations[i], w.root.Table["observations"].Items[i]
	if n.Table["time"] == nil {
		found.Add(codeMissing, n.Place(), "a stream with a file needs `time`").WithLabel("time is missing").
			WithHelp("add time = { column = \"time\" }")
	}
	for _, name := range []string{"every", "offset"} {
		if n.Table[name] != nil {
			found.Add(codeConflict, w.KeyAt("observations", i, name), "`%s` is for observations of the truth; a file says itself when there are any", name).
				WithLabel("not with file").WithHelp("remove `%s`", name)
		}
	}
	for _, name := range []string{"delimiter", "comment"} {
		value := map[string]string{"delimiter": o.Delimiter, "comment": o.Comment}[name]
		if n.Table[name] != nil && (len(value) != 1 || strings.ContainsAny(value, "\"\r\n")) {
			found.Add(codeRange, w.At("observations", i, name), "`%s` must be one ASCII character, but is %s", name, tomltext.Show(value)).WithLabel("one character").WithHelp("write one such as \";\"")
		}
	}
	for j, m := range o.Map {
		if m.Range != nil && (len(m.Range) != 2 || m.Range[0] > m.Range[1]) {
			found.Add(codeRange, w.At("observations", i, "map", j, "range"), "`range` must be two numbers, the smaller one first").WithLabel("[smallest, largest]").WithHelp("write them in this order")
		}
	}
	if _, err := time.LoadLocation(o.Time.Timezone); err != nil || o.Time.Timezone == "Local" {
		found.Add(codeChoice, w.At("observations", i, "time", "timezone"), "there is no time zone %s", tomltext.Show(o.Time.Timezone)).
			WithLabel("an IANA name").WithHelp("write a name such as Europe/Oslo, or UTC")
	}
	if o.Time.Calendar != "standard" && o.Time.Timezone != "" && o.Time.Timezone != "UTC" {
		found.Add(codeConflict, w.At("observations", i, "time", "timezone"), "times of the calendar %s have no time zone", o.Time.Calendar).
			WithLabel("no clock shows them").WithHelp("remove timezone")
	}
	if h := o.HoldOut; h != nil && h.Fraction >= 1 {
		found.Add(codeRange, w.At("observations", i, "hold_out", "fraction"), "`fraction` must be below 1, but is %s", tomltext.Show(h.Fraction)).WithLabel("below 1").WithHelp("write a share such as 0.1")
	}
}

// judgeTruth wants no truth where observations come from files.
func (w *Workflow) judgeTruth(found *diag.Findings) {
	if !w.Real() {
		return
	}
	if w.Truth != nil {
		found.Add(codeConflict, w.At("truth"), "observations come from a file, but the workflow has a [truth]").WithLabel("no truth is made").
			WithNote("the file is given at %s", w.At("observations", 0, "file").Where()).WithHelp("remove [truth], or file")
	}
	for name, e := range w.Model.Estimate {
		if e.Init.Around != "" {
			found.Add(codeConflict, w.At("model", "estimate", name, "init", "around"), "`%s` cannot start around the truth: there is none", name).
				WithLabel("observations come from a file").WithHelp("write mean = ... in the place of around")
		}
	}
	if around := w.Ensemble.Init.Around; around != "" {
		found.Add(codeConflict, w.At("ensemble", "init", "around"), "the members cannot start around the truth: there is none").
			WithLabel("observations come from a file").WithHelp("write mean = ... in the place of around")
	}
}
