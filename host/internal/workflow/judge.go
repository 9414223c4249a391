package workflow

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// The estimates that do not use observations, and the members that filters are compared with, as
// workflows name them next to the labels of filters.
const (
	Climatology  = "climatology"
	Persistence  = "persistence"
	TheReference = "reference"
)

// reserved are the rows of the result tables that do not belong to a filter. A score may
// be expected of them, and no filter may have their names.
var reserved = []string{Climatology, Persistence, TheReference}

// judge reports values that are right by themselves but not together. A field that is
// zero has a finding of its own.
func (w *Workflow) judge(found *diag.Findings) {
	w.judgeTime(found)
	w.judgeForecast(found)
	w.judgeObservations(found)
	w.judgeDialect(found, w.Ensemble.Init.Dialect, "ensemble", "init")
	w.judgeEvery(found)
	w.judgeLabels(found)
	w.judgeExpect(found)
	w.judgeMetrics(found)
	w.judgeFailures(found)
	w.judgeOutput(found)
	w.judgeNoise(found, w.Model.Noise, "model")
	if w.Truth != nil {
		w.judgeNoise(found, w.Truth.Noise, "truth")
	}
	if r := w.Reference; r != nil && r.Store > r.Size && r.Size > 0 {
		found.Add(codeConflict, w.At("reference", "store"), "`reference.store` must be at most `reference.size`, %d, but is %d", r.Size, r.Store).
			WithLabel("at most %d", r.Size).WithHelp("lower store, or raise size")
	}
}

func (w *Workflow) judgeOutput(found *diag.Findings) {
	for i, name := range w.Output.Only {
		if at := slices.Index(w.Output.Only, name); at < i && name != "" {
			found.Add(codeDuplicate, w.At("output", "ensemble_variables", i), "`output.ensemble_variables` names %q twice", name).
				WithLabel("the second one").WithNote("the first one is at %s", w.At("output", "ensemble_variables", at).Where()).WithHelp("remove one of them")
		}
	}
}

func (w *Workflow) judgeNoise(found *diag.Findings, n *Noise, of string) {
	if n != nil && n.Memory >= 1 {
		found.Add(codeRange, w.At(of, "noise", "memory"), "`memory` must be below 1, but is %g", n.Memory).
			WithLabel("below 1").WithHelp("write a correlation such as 0.9; noise that never changes is a wrong parameter, see truth.params")
	}
}

// afterDates is the first second after the year 9999, the last one of ISO 8601.
var afterDates = float64(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Unix())

func (w *Workflow) judgeTime(found *diag.Findings) {
	t, n := w.Time, w.root.Table["time"]
	if t.Cycles > 0 && t.BurnIn >= t.Cycles {
		found.Add(codeConflict, w.At("time", "burn_in"), "`time.burn_in` must be less than `time.cycles`, %d, but is %d", t.Cycles, t.BurnIn).
			WithLabel("nothing is left to average").WithNote("time.cycles is given at %s", w.At("time", "cycles").Where()).
			WithHelp("lower burn_in, or raise cycles")
	}
	if n == nil || n.Table == nil {
		return
	}
	durations := t.Start.Dated || t.Window.Wall > 0
	for _, path := range modelTimes {
		of, _ := w.root.Find(path)
		_, isDuration := of.Value.(time.Duration)
		durations = durations || isDuration
	}
	w.judgeUntil(found, n)
	if t.Unit == 0 && n.Table["unit"] == nil && durations {
		(&checker{found: found}).missing(n, "time", lookup(lookup(schema.keys, "time").keys, "unit"))
	}
	start := n.Table["start"]
	if start == nil {
		return // probably misspelt, which has a finding
	}
	date, _ := start.Value.(time.Time)
	if length := float64(t.Cycles) * t.Interval * t.Unit.Seconds(); t.Start.Dated && float64(t.Start.Date.Unix())+length >= afterDates {
		found.Add(codeConflict, start.Place(), "the last cycle is after the year 9999, beyond which dates are not written").WithLabel("too late").
			WithHelp("write an earlier date, fewer time.cycles or a shorter time.unit, or start = 0 for model times without dates")
	}
	if at, err := w.instant(date); err != nil {
		found.Add(codeConflict, start.Place(), "`time.start` has no offset: %v", err).WithLabel("which instant?").
			WithHelp("write it with its offset, such as %s", at.Format("2006-01-02T15:04:05-07:00"))
	}
}

// judgeUntil reports an end of time that does not fit the rest of n, the table of times.
func (w *Workflow) judgeUntil(found *diag.Findings, n *tomltext.Node) {
	until := n.Table["until"]
	if until == nil || until.Bad || w.bad("time", "interval") || w.bad("time", "start") || w.bad("time", "unit") {
		return
	}
	_, dated := until.Value.(time.Time)
	conflict := func(label, help, format string, args ...any) {
		found.Add(codeConflict, until.Place(), format, args...).WithLabel("%s", label).WithHelp("%s", help)
	}
	switch t := w.Time; {
	case n.Table["cycles"] != nil:
		conflict("not with cycles", "remove one of them", "`time.until` and `time.cycles` both say when the cycles end")
	case dated && !t.Start.Dated:
		conflict("a date", "write a date in time.start, or a number here", "`time.until` is a date, but `time.start` is a number")
	case dated && slices.ContainsFunc(w.Observations, func(o Observations) bool { return o.Time.Calendar != "" && o.Time.Calendar != "standard" }):
		conflict("a date of another calendar", "write cycles, or a number here", "`time.until` cannot be a date of a calendar that is not the standard one")
	case t.Interval > 0 && t.Cycles < 1:
		conflict("no cycle", "write a later time", "there is no cycle until `time.until`")
	case t.Interval > 0 && float64(t.Cycles) > *mostCycles:
		conflict("too far", "write an earlier time, or a longer interval", "there would be %d cycles until `time.until`; at most %.0f are possible", t.Cycles, *mostCycles)
	}
}

// judgeForecast reports lead times that are missing, or that lie between cycles.
func (w *Workflow) judgeForecast(found *diag.Findings) {
	f := w.Forecast
	if f == nil || w.bad("forecast", "step") || w.bad("forecast", "horizon") || w.bad("time", "interval") {
		return
	}
	interval := w.Time.Interval
	switch step := cmp.Or(f.Step, interval); {
	case step == 0 && f.Horizon > 0:
		found.Add(codeMissing, w.At("forecast"), "`forecast.step` is missing: without time.interval, lead times follow from nothing else").
			WithLabel("step is missing").WithHelp("add step, such as step = \"1h\"")
	case f.Horizon > 0 && f.Horizon < step*(1-1e-9):
		found.Add(codeConflict, w.At("forecast", "horizon"), "`forecast.horizon` is shorter than its step: %g and %g", f.Horizon, step).
			WithLabel("no lead time").WithHelp("raise horizon, or lower step")
	case interval > 0 && math.Abs(step/interval-math.Round(step/interval)) > 1e-9*step/interval:
		found.Add(codeConflict, w.At("forecast", "step"), "`forecast.step` must be a multiple of time.interval, but %g / %g = %.6g", step, interval, step/interval).
			WithLabel("between cycles").WithHelp("write a multiple of %g", interval)
	}
}

// judgeEvery reports filters that make no analysis in the cycles that there are.
func (w *Workflow) judgeEvery(found *diag.Findings) {
	for i, f := range w.Filters {
		if n := w.Time.Cycles; f.Every > n && n > 0 && !w.Real() {
			found.Add(codeConflict, w.At("filter", i, "every"), "there is no analysis: one in %d cycles, but there are %d", f.Every, n).
				WithLabel("at most %d", n).WithHelp("lower every, or raise time.cycles")
		}
	}
}

func (w *Workflow) judgeLabels(found *diag.Findings) {
	seen := map[string]int{}
	for i, f := range w.Filters {
		at := w.At("filter", i, "label")
		first, taken := seen[f.Label]
		switch {
		case f.Label == "":
		case slices.Contains(reserved, f.Label):
			found.Add(codeName, at, "`filter.label` must not be %q", f.Label).
				WithLabel("a name in the result tables").WithHelp("choose another label")
		case taken:
			found.Add(codeDuplicate, at, "two filters have the label %q", f.Label).WithLabel("the second one").
				WithNote("the first one is at %s", w.At("filter", first, "label").Where()).WithHelp("choose another label")
		default:
			seen[f.Label] = i
		}
	}
	if w.Sweep != nil {
		for i, label := range w.Sweep.Filters {
			if at := slices.Index(w.Sweep.Filters, label); at < i {
				found.Add(codeDuplicate, w.At("sweep", "filter", i), "`sweep.filter` names %q twice", label).WithLabel("the second one").
					WithNote("the first one is at %s", w.At("sweep", "filter", at).Where()).WithHelp("remove one of them")
			}
			if !slices.Contains(w.Labels(), label) {
				unknownLabel(found, w.At("sweep", "filter", i), "filter", label, w.Labels())
			}
		}
	}
	if b := w.Verify.Baseline; b != "" && !slices.Contains(w.Labels(), b) {
		unknownLabel(found, w.At("verify", "baseline"), "filter", b, w.Labels())
	}
}

func (w *Workflow) judgeExpect(found *diag.Findings) {
	rows := append(w.Labels(), reserved...)
	judge := func(filter, what string, i int) {
		at := w.At(what, "score", i, "filter")
		switch {
		case filter == "":
		case filter == "reference" && w.Reference == nil:
			found.Add(codeReference, at, "there is a score of the reference in [%s], but the workflow has none", what).
				WithLabel("no [reference]").WithHelp("add [reference], or remove this score")
		case !slices.Contains(rows, filter):
			unknownLabel(found, at, "filter", filter, rows)
		}
	}
	if w.Expect != nil {
		for i, s := range w.Expect.Scores {
			judge(s.Filter, "expect", i)
		}
	}
	if w.Published != nil {
		for i, s := range w.Published.Scores {
			judge(s.Filter, "published", i)
		}
	}
}

// judgeFailures reports keys about failures that contradict each other.
func (w *Workflow) judgeFailures(found *diag.Findings) {
	w.eachComponent(func(c *Component, path ...any) { w.judgeRetries(found, c, path...) })
	if w.bad("model", "on_failure") || w.bad("model", "max_failed") {
		return
	}
	switch on := w.Ensemble.OnDivergence; {
	case on == "climatology" && w.Real():
		found.Add(codeConflict, w.At("ensemble", "on_divergence"), "there is no truth to take states from").
			WithLabel("observations come from a file").WithHelp("write on_divergence = \"restart\"")
	case on != "fail" && on != "" && w.Model.OnFailure == "drop_member":
		found.Add(codeConflict, w.At("ensemble", "on_divergence"), "`on_divergence = %q` cannot be combined with `model.on_failure = \"drop_member\"`", on).
			WithLabel("members are dropped instead").WithHelp("remove one of them")
	}
	switch m := w.Model; {
	case m.OnFailure == "drop_member" && m.MaxFailed == 0:
		found.Add(codeMissing, w.At("model", "on_failure"), "`model.max_failed` is missing: dropping members needs a limit").
			WithLabel("drops members").WithHelp("add max_failed, such as max_failed = 5")
	case m.OnFailure != "drop_member" && m.MaxFailed > 0:
		found.Add(codeConflict, w.At("model", "max_failed"), "`model.max_failed` has no effect with `on_failure = %q`", m.OnFailure).
			WithLabel("no member is dropped").WithHelp("remove max_failed, or write on_failure = \"drop_member\"")
	}
}

func (w *Workflow) judgeRetries(found *diag.Findings, c *Component, path ...any) {
	if c.OnFailure == "fail" && c.Retries > 0 && !w.bad(append(path, "on_failure")...) {
		found.Add(codeConflict, w.At(append(path, "retries")...), "`%s.retries` has no effect with `on_failure = \"fail\"`", path[0]).
			WithLabel("nothing is repeated").WithHelp("remove retries, or write on_failure = \"retry\"")
	}
}
