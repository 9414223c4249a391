package workflow

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
	"github.com/plume-da/plume/host/internal/zone"
)

// fileKeys are the keys that only a stream with a file may have, and twinKeys those that
// only one without may have.
var (
	fileKeys = append([]string{"time", "long", "location", "map", "late", "hold_out"}, names(streamDialect)...)
	twinKeys = []string{"every", "offset", "from", "until", "true_error", "outliers", "dropout"}
)

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
		w.judgeError(found, &o.Error, i, "error")
		if o.TrueError != nil {
			w.judgeError(found, o.TrueError, i, "true_error")
		}
		w.judgeOver(found, i)
		if o.File == "" {
			w.judgeSimulated(found, i)
		} else {
			w.judgeFile(found, i)
		}
	}
	w.judgeIntervals(found)
	w.judgeTruth(found)
	w.judgeSeen(found)
}

// judgeSeen reports a twin experiment that ends before anything is observed. A stream of
// several may begin later: runs are shortened to be tried.
func (w *Workflow) judgeSeen(found *diag.Findings) {
	if w.Real() || w.Time.Cycles == 0 {
		return
	}
	earliest := math.MaxInt
	for _, o := range w.Observations {
		every := max(1, o.Every)
		if o.Over != nil {
			every = cmp.Or(o.Every, o.Over.Cycles)
		}
		first := cmp.Or(o.Offset, every)
		if o.From > first {
			first += (o.From - first + every - 1) / every * every
		}
		if first <= cmp.Or(o.Until, math.MaxInt) {
			earliest = min(earliest, first)
		}
	}
	if earliest > w.Time.Cycles && earliest < math.MaxInt {
		found.Add(codeConflict, w.At("time", "cycles"), "nothing is observed in %d cycles: the first observed one is cycle %d", w.Time.Cycles, earliest).
			WithLabel("at least %d", earliest).
			WithHelp("raise cycles, or lower `every`, `offset` or `from` in [observations]")
	}
}

// The limits of the standard deviation of an observation error: computations with its
// square, and with quotients by it, must not leave the range of numbers.
const (
	LeastSD = 1e-100
	MostSD  = 1e100
)

// judgeError reports standard deviations and variances that cannot be computed with.
func (w *Workflow) judgeError(found *diag.Findings, e *ErrorModel, i int, key string) {
	w.judgeCorrelation(found, i, e, key)
	w.judgeRelative(found, i, e, key)
	for name, of := range map[string]struct {
		values      Numbers
		least, most float64
	}{"sd": {e.SD, LeastSD, MostSD}, "variance": {e.Variance, LeastSD * LeastSD, MostSD * MostSD}} {
		if slices.ContainsFunc(of.values, func(v float64) bool { return v < of.least || v > of.most }) {
			found.Add(codeRange, w.At("observations", i, key, name), "`%s.%s` must be a number that can be computed with", key, name).
				WithLabel("from %g to %g", of.least, of.most).WithHelp("write it in another unit")
		}
	}
}

// judgeCorrelation reports correlations that do not fit the rest of the stream.
func (w *Workflow) judgeCorrelation(found *diag.Findings, i int, e *ErrorModel, key string) {
	c, at := e.Correlation, []any{"observations", i, key, "correlation"}
	switch {
	case c == nil:
	case e.Dist != "normal" && e.Dist != "":
		found.Add(codeConflict, w.At(at...), "only normal errors can be correlated, but they are %s", e.Dist).
			WithLabel("not with this distribution").WithHelp("remove correlation, or dist")
	case w.Observations[i].Repeats > 0:
		found.Add(codeConflict, w.At(at...), "`correlation` cannot be combined with `repeats`, which estimates error variances alone").
			WithLabel("not with repeats").WithHelp("remove correlation, or repeats")
	}
}

// judgeRelative reports relative errors that do not fit the rest of the stream.
func (w *Workflow) judgeRelative(found *diag.Findings, i int, e *ErrorModel, key string) {
	o := &w.Observations[i]
	conflict := func(with, why, help string) {
		found.Add(codeConflict, w.KeyAt("observations", i, key, "relative"), "`relative` cannot be combined with `%s`: %s", with, why).
			WithLabel("not with %s", with).WithHelp("remove relative, or %s", help)
	}
	switch {
	case e.Relative == 0:
	case e.Dist != "normal" && e.Dist != "":
		conflict("dist", "only normal errors can be relative, but they are "+e.Dist, "dist")
	case e.Correlation != nil:
		conflict("correlation", "the errors of each member have a size of their own", "correlation")
	case o.Repeats > 0:
		conflict("repeats", "it estimates the error variance from readings", "repeats")
	case slices.ContainsFunc(o.Map, func(m Map) bool { return m.SD != "" }):
		conflict("map.sd", "a standard deviation in the file is that of the whole error", "map.sd")
	}
}

// judgeOver reports what does not fit the mean or the sum over several cycles that a stream observes.
func (w *Workflow) judgeOver(found *diag.Findings, i int) {
	o := &w.Observations[i]
	if o.Over == nil || o.Over.Cycles < 2 {
		return
	}
	conflict := func(key, label, help, format string, args ...any) {
		found.Add(codeConflict, w.At("observations", i, key), format, args...).WithLabel("%s", label).WithHelp("%s", help)
	}
	dist := o.Error.Dist
	if o.TrueError != nil && dist == "normal" {
		dist = o.TrueError.Dist
	}
	switch n := o.Over.Cycles; {
	case dist != "normal" && dist != "":
		conflict("over", "only with normal errors", "remove over, or dist", "a %s over several cycles has normal errors, but they are %s", o.Over.Take, dist)
	case o.Repeats > 0:
		conflict("over", "not with repeats", "remove over, or repeats", "`over` cannot be combined with `repeats`: readings are of one time")
	case o.Every%n > 0:
		conflict("every", "not at an end", "write a multiple, or remove every", "`every` must be a multiple of `over.cycles`, %d, but is %d", n, o.Every)
	case o.Offset%n > 0:
		conflict("offset", "not at an end", "write a multiple, or remove offset", "`offset` must be a multiple of `over.cycles`, %d, but is %d", n, o.Offset)
	}
}

// judgeIntervals reports what does not fit a workflow in which a mean or a sum over several cycles is observed.
func (w *Workflow) judgeIntervals(found *diag.Findings) {
	i := slices.IndexFunc(w.Observations, func(o Observations) bool { return o.Over != nil })
	if i < 0 {
		return
	}
	conflict := func(key, why string, path ...any) {
		found.Add(codeConflict, w.At(path...), "%s cannot be combined with `over`: %s", key, why).WithLabel("not with over").
			WithNote("`over` is given at %s", w.At("observations", i, "over").Where()).WithHelp("remove it, or over")
	}
	if w.Time.Interval == 0 && !w.bad("time", "interval") {
		found.Add(codeMissing, w.At("observations", i, "over"), "`over` needs `time.interval`: without it, cycles are at the times of the observations, and nothing is predicted in between").
			WithLabel("over which cycles?").WithHelp("add interval = ... to [time]")
	}
	if first := w.Time.First; first != nil && *first == 0 {
		conflict("`first = 0`", "the first cycle has no forecast that could count", "time", "first")
	}
	if on := w.Ensemble.OnDivergence; on != "" && on != "fail" {
		conflict("`on_divergence`", "new members have no mean of earlier cycles", "ensemble", "on_divergence")
	}
	const late = "it is added after the state has been observed"
	if n := w.Model.Noise; n != nil && n.Memory > 0 {
		conflict("noise with a memory", late, "model", "noise", "memory")
	}
	if w.Truth != nil && w.Truth.Noise != nil && w.Truth.Noise.Memory > 0 {
		conflict("noise with a memory", late, "truth", "noise", "memory")
	}
}

// judgeSimulated judges a stream whose observations are simulated from the truth.
func (w *Workflow) judgeSimulated(found *diag.Findings, i int) {
	o, n := &w.Observations[i], w.root.Table["observations"].Items[i]
	for _, name := range fileKeys {
		if n.Table[name] != nil && !n.Bad {
			found.Add(codeConflict, w.KeyAt("observations", i, name), "`%s` applies to a file, but the stream has none", name).
				WithLabel("only with file").WithHelp("add file = ..., or remove `%s`", name)
		}
	}
	if o.Offset > 0 && o.Offset >= max(1, o.Every) {
		found.Add(codeConflict, w.At("observations", i, "offset"), "`offset` must be less than `every`, %d, but is %d", max(1, o.Every), o.Offset).
			WithLabel("less than %d", max(1, o.Every)).WithHelp("lower offset, or raise every")
	}
	if o.Until > 0 && o.Until < o.From {
		found.Add(codeConflict, w.At("observations", i, "until"), "`until` must not be before `from`, %d, but is %d", o.From, o.Until).
			WithLabel("nothing is observed").WithHelp("lower from, or raise until")
	}
	w.judgeFractions(found, i)
	if w.Real() {
		found.Add(codeConflict, w.At("observations", i), "this stream has no file, but another one has").WithLabel("no file").
			WithNote("the observations of all streams are simulated, or all are real").WithHelp("add file = ... to this stream")
	}
}

// judgeFractions judges what happens to simulated observations at random.
func (w *Workflow) judgeFractions(found *diag.Findings, i int) {
	whole := func(fraction float64, name string) bool {
		if fraction >= 1 {
			found.Add(codeRange, w.At("observations", i, name, "fraction"), "`fraction` must be below 1, but is %s", tomltext.Show(fraction)).
				WithLabel("below 1").WithHelp("write a fraction such as 0.1")
		}
		return fraction >= 1
	}
	o := &w.Observations[i]
	if o.Outliers != nil {
		whole(o.Outliers.Fraction, "outliers")
	}
	d := o.Dropout
	if d == nil || whole(d.Fraction, "dropout") || d.Outage == 0 {
		return
	}
	if least := d.Fraction / (1 - d.Fraction); d.Outage < least {
		found.Add(codeConflict, w.At("observations", i, "dropout", "outage"), "outages of %g cycles are too short for a `fraction` of %g", d.Outage, d.Fraction).
			WithLabel("at least %.6g", least).WithNote("values are present for at least one cycle between two outages").WithHelp("raise outage, or lower fraction")
	}
}

// judgeFile judges a stream with a file.
func (w *Workflow) judgeFile(found *diag.Findings, i int) {
	o, n := &w.Observations[i], w.root.Table["observations"].Items[i]
	if n.Table["time"] == nil {
		found.Add(codeMissing, n.Place(), "a stream with a file needs `time`").WithLabel("time is missing").
			WithHelp("add time = { column = \"time\" }")
	}
	for _, name := range twinKeys {
		if n.Table[name] != nil {
			found.Add(codeConflict, w.KeyAt("observations", i, name), "`%s` is for simulated observations, but the stream has a file", name).
				WithLabel("not with file").WithHelp("remove `%s`", name)
		}
	}
	w.judgeDialect(found, o.Dialect, "observations", i)
	for j, m := range o.Map {
		if m.SD != "" && o.Repeats > 0 {
			found.Add(codeConflict, w.KeyAt("observations", i, "map", j, "sd"), "`sd` cannot be combined with `repeats`, which estimates one error variance for all rows").
				WithLabel("not with repeats").WithHelp("remove sd, or remove repeats")
		}
		if m.Range != nil && (len(m.Range) != 2 || m.Range[0] > m.Range[1]) {
			found.Add(codeRange, w.At("observations", i, "map", j, "range"), "`range` must be two numbers, the smaller one first").WithLabel("[smallest, largest]").WithHelp("write two numbers in this order")
		}
	}
	if _, err := zone.Load(o.Time.Timezone); err != nil {
		found.Add(codeChoice, w.At("observations", i, "time", "timezone"), "there is no time zone %s", tomltext.Show(o.Time.Timezone)).
			WithLabel("an IANA name, or an offset").WithHelp("%v", err)
	}
	if f := o.Time.Format; len(o.Time.Columns) > 0 && f != "" && f != "iso" && !strings.Contains(f, "%") {
		found.Add(codeConflict, w.At("observations", i, "time", "format"), "the format %s is for one column, but `columns` are joined", tomltext.Show(f)).
			WithLabel("iso, or a pattern").WithHelp("write column = ..., or a pattern such as %%d.%%m.%%Y %%H:%%M")
	}
	if o.Time.Calendar != "standard" && o.Time.Timezone != "" && o.Time.Timezone != "UTC" {
		found.Add(codeConflict, w.At("observations", i, "time", "timezone"), "times of the calendar %s have no time zone", o.Time.Calendar).
			WithLabel("not with this calendar").WithHelp("remove timezone")
	}
	w.judgeFlags(found, i)
	w.judgeMean(found, i)
	if h := o.HoldOut; h != nil && h.Fraction >= 1 {
		found.Add(codeRange, w.At("observations", i, "hold_out", "fraction"), "`fraction` must be below 1, but is %s", tomltext.Show(h.Fraction)).WithLabel("below 1").WithHelp("write a fraction such as 0.1")
	}
}

// judgeFlags reports columns of flags without flags to accept, and the reverse.
func (w *Workflow) judgeFlags(found *diag.Findings, i int) {
	o := &w.Observations[i]
	flagged := slices.IndexFunc(o.Map, func(m Map) bool { return m.Flag != "" })
	switch f := o.QC.Flag; {
	case f == nil && flagged >= 0:
		found.Add(codeMissing, w.At("observations", i, "map", flagged, "flag"), "`map.flag` needs `qc.flag`, which says what flags good values have").
			WithLabel("which are good?").WithHelp("add qc.flag.accept = [\"A\"]")
	case f != nil && f.Column == "" && flagged < 0 && !w.bad("observations", i, "qc", "flag"):
		found.Add(codeMissing, w.At("observations", i, "qc", "flag"), "`qc.flag` has no column").
			WithLabel("column is missing").WithHelp("add column = \"flag\", or flag to the entries of `map`")
	}
	if o.QC.Flag != nil {
		w.judgePatterns(found, o.QC.Flag.Accept, []any{"observations", i, "qc", "flag", "accept"})
	}
}

// judgeMean reports errors of means that cannot be computed.
func (w *Workflow) judgeMean(found *diag.Findings, i int) {
	o := &w.Observations[i]
	c, at := o.QC.Correlation, w.KeyAt("observations", i, "qc", "correlation")
	switch {
	case c == nil:
	case o.QC.Duplicates != "mean" && !w.bad("observations", i, "qc", "duplicates"):
		found.Add(codeConflict, at, "`qc.correlation` has no effect with `qc.duplicates = %q`: no values are averaged", o.QC.Duplicates).
			WithLabel("nothing is averaged").WithHelp("write duplicates = \"mean\", or remove correlation")
	case *c == 1:
	case o.Error.Dist != "normal" && o.Error.Dist != "":
		found.Add(codeConflict, at, "the mean of values with %s errors has none of that distribution, unless they share one", o.Error.Dist).
			WithLabel("only with normal errors").WithHelp("remove correlation, or dist")
	case o.Error.Relative > 0:
		found.Add(codeConflict, at, "`qc.correlation` cannot be combined with `error.relative`: the error of a mean would not be known before the prediction").
			WithLabel("not with relative").WithHelp("remove one of them")
	case o.Repeats > 0:
		found.Add(codeConflict, at, "`qc.correlation` cannot be combined with `repeats`, which estimates one error variance for all rows").
			WithLabel("not with repeats").WithHelp("remove one of them")
	}
}

// judgeTruth reports a truth where observations come from files.
func (w *Workflow) judgeTruth(found *diag.Findings) {
	if !w.Real() {
		return
	}
	if w.Time.First != nil {
		found.Add(codeConflict, w.KeyAt("time", "first"), "`first` is for twin experiments, but observations come from a file").
			WithLabel("not with file").WithHelp("remove `first`")
	}
	if w.Truth != nil {
		found.Add(codeConflict, w.At("truth"), "observations come from a file, but the workflow has a [truth]").WithLabel("no truth is simulated").
			WithNote("the file is given at %s", w.At("observations", 0, "file").Where()).WithHelp("remove [truth], or file")
	}
	for name, e := range w.Model.Estimate {
		if e.Init != nil && e.Init.Around != "" {
			found.Add(codeConflict, w.At("model", "estimate", name, "init", "around"), "`%s` cannot start around the truth: there is none", name).
				WithLabel("observations come from a file").WithHelp("write mean = ... instead of around")
		}
	}
	if around := w.Ensemble.Init.Around; around != "" {
		found.Add(codeConflict, w.At("ensemble", "init", "around"), "the members cannot start around the truth: there is none").
			WithLabel("observations come from a file").WithHelp("write mean = ... instead of around")
	}
}
