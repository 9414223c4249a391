package observations

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/pattern"
	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"golang.org/x/text/unicode/norm"
)

// maxFindings is the number of faults of one file that are reported.
const maxFindings = 20

// mostValue bounds the values, as [workflow.MostSD] does their errors.
const mostValue = 1e100

// Value is one value of a file.
type Value struct {
	Time      float64 // model time
	Y         float64 // NaN when missing
	SD        float64 // of its error; 0: that of the stream's error model
	Stream    int32
	Row       int32 // line of a text file, or row of another; from 1
	Column    int32 // index among the columns that are read
	Component int32 // of the joint observation vector; -1: none
	Cycle     int32 // 0: none
	Status    Status
}

// Status says what happened to a value.
type Status uint8

// What can happen to a value.
const (
	Assimilated Status = iota
	HeldOut
	Missing    // there is no value
	Unmapped   // its name in a long file is not in the workflow
	Flagged    // marked by the file as not good
	OutOfRange // outside the plausible range
	Elsewhere  // too far from every location, or without one
	Early      // not after the start
	Late       // after the last cycle
	OffWindow  // not in the window of any cycle
	Duplicate  // another value of its component is used in its cycle
	Belated    // arrived when its cycle had been assimilated
	Background // too far from the forecast
)

var statusNames = []string{"assimilated", "held_out", "missing", "unmapped", "flag", "range", "location", "early", "late", "window", "duplicate", "belated", "background"}

func (s Status) String() string { return statusNames[s] }

// reader reads the values of one stream.
type reader struct {
	w      *workflow.Workflow
	o      *workflow.Observations
	stream int
	first  int // of the stream's components among all
	layout *sdk.Layout
	path   string
	clock  *clock
	found  diag.Findings

	table   *tabular.Table
	when    []int          // cells of time
	where   []int          // cells of location
	name    int            // cell of long.name
	holdOut int            // cell of hold_out.column
	good    *pattern.Set   // flags of good values
	targets []target       // of a wide file by map, of a long one by name
	names   map[string]int // long: targets by name
	places  map[place]int  // nearest value, by the places seen so far
	values  []Value
	row     int32 // current
	arrived *arriving
}

// target is what a column is mapped to.
type target struct {
	value       int // among cells, as the next two
	sd, flag    int // -1: none
	first, size int // values of the variable, within the stream
	index       int // among them, if there is no location
	low, high   float64
}

// place is a position, and the first value of the variable that is observed there.
type place struct {
	at    [maxAxes]float64
	first int
}

// maxAxes bounds the axes of positions.
const maxAxes = 4

// read returns the values of stream i, in the order of the file, with statuses up to
// Early, or Belated, and the names of the columns that are read. Faults of the file, and of
// what the workflow says about it, are in the findings.
func read(w *workflow.Workflow, i int, layout *sdk.Layout, first int, arrived *arriving) ([]Value, []string, diag.Findings) {
	r := open(w, i, layout, first, arrived)
	if len(r.found) > 0 {
		return nil, nil, r.found
	}
	defer func() { _ = r.table.Close() }() // it was only read
	r.readAll()
	return r.values, r.table.Selected(), r.found
}

// open returns a reader of stream i, whose table is open unless there are findings.
func open(w *workflow.Workflow, i int, layout *sdk.Layout, first int, arrived *arriving) *reader {
	r := &reader{w: w, o: &w.Observations[i], stream: i, first: first, layout: layout, path: w.Path(w.Observations[i].File),
		names: map[string]int{}, places: map[place]int{}, arrived: arrived}
	var err error
	if r.clock, err = newClock(w.Time, r.o.Time, tabular.Dialect(r.o.Dialect)); err != nil {
		if errors.As(err, new(startError)) {
			r.add(codeTime, []any{"time", "start"}, "`time.start`: %v", err).WithNote("the calendar is given at %s", w.At(r.at("time", "calendar")...).Where()).
				WithHelp("write a date that the calendar has, or another time.calendar")
			return r
		}
		d := r.add(codeTime, r.at("time", "format"), "`time.format`: %v", err)
		d.WithHelp("write a pattern such as %%d.%%m.%%Y %%H:%%M, or iso, number, unix, unix_ms or excel")
		if !w.Time.Start.Dated {
			d.WithHelp("write time.start as a date, such as 2026-01-01T00:00:00Z, and time.unit")
		}
		return r
	}
	var bytes int64
	if arrived.bytes != nil {
		bytes = arrived.bytes[i]
	}
	if r.table, err = tabular.OpenBytes(r.path, tabular.Dialect(r.o.Dialect), bytes); err != nil {
		r.unreadable(err)
		return r
	}
	if r.resolve(); len(r.found) > 0 {
		_ = r.table.Close() // it was only read
	}
	return r
}

func (r *reader) at(path ...any) []any { return append([]any{"observations", r.stream}, path...) }

func (r *reader) add(code diag.Code, at []any, format string, args ...any) *diag.Finding {
	return r.found.Add(code, r.w.At(at...), format, args...)
}

// fault reports what is wrong with the file: at its line if err is about one, and
// otherwise at a place, with the text before in front of it.
func (r *reader) fault(code diag.Code, at diag.Span, before string, err error) *diag.Finding {
	var e *tabular.Error
	errors.As(err, &e) // every error of package tabular is one
	if e.Line > 0 {
		at, before = diag.InFile(r.path, e.Text, e.Line, e.Before, e.Width), ""
	}
	return r.found.Add(code, at, "%s%s", before, e.What).WithLabel("%s", e.Label).WithHelp("%s", e.Hint)
}

// unreadable reports why the file cannot be read, or cannot be read further.
func (r *reader) unreadable(err error) {
	at := r.w.At(r.at("file")...)
	d := r.fault(codeFile, at, fmt.Sprintf("cannot read %s: ", r.path), err)
	if d.Span != at {
		return
	}
	help := "check that it is complete and has the format of its extension"
	if errors.As(err, new(*fs.PathError)) {
		help = "paths are relative to the workflow's folder"
	}
	d.WithLabel("%s", cmp.Or(d.Label, "this file")).WithHelp("%s", cmp.Or(d.Help, help))
}

// column returns the index of the cell of a column; at is the path in the workflow where
// it is named.
func (r *reader) column(name string, at []any) int {
	k, err := r.table.Column(name)
	if err == nil {
		return k
	}
	d := r.fault(codeColumn, r.w.At(at...), r.path+" ", err)
	near := diag.Suggest(name, r.table.Names())
	switch {
	case near == "" || !errors.Is(err, tabular.ErrNoColumn):
	case !utf8.ValidString(near):
		d.WithHelp("%q is not UTF-8: convert the file, as with iconv -f latin1 -t utf-8", near)
	default:
		d.WithHelp("did you mean %q?", near)
	}
	return 0
}

// cellFault reports what is wrong with a cell.
func (r *reader) cellFault(code diag.Code, err error) *diag.Finding {
	return r.fault(code, diag.InFile(r.path, "", 0, 0, 0), "", err)
}

// resolve finds the columns and the values that they are mapped to.
func (r *reader) resolve() {
	if f := r.o.QC.Flag; f != nil {
		r.good, _ = pattern.New(f.Accept) // package workflow has checked it
	}
	if r.o.Time.Column != "" {
		r.when = []int{r.column(r.o.Time.Column, r.at("time", "column"))}
	}
	for i, name := range r.o.Time.Columns {
		r.when = append(r.when, r.column(name, r.at("time", "columns", i)))
	}
	entries := r.o.Map
	if len(entries) == 0 {
		for _, v := range r.layout.Variables {
			entries = append(entries, workflow.Map{Column: v.Name, Variable: v.Name})
		}
	}
	for j, m := range entries {
		r.target(j, m)
	}
	if r.o.Long != nil {
		r.name = r.column(r.o.Long.Name, r.at("long", "name"))
	}
	if l := r.o.Location; l != nil {
		r.location(l)
	}
	if h := r.o.HoldOut; h != nil && h.Column != "" {
		r.holdOut = r.column(h.Column, r.at("hold_out", "column"))
	}
}

func (r *reader) target(j int, m workflow.Map) {
	offset, ok := r.layout.Offset(m.Variable)
	if !ok {
		var names []string
		for _, v := range r.layout.Variables {
			names = append(names, v.Name)
		}
		r.add(codeMap, r.at("map", j, "variable"), "column %q is mapped to %q, which %s does not observe", m.Column, m.Variable, r.o.Plugin).
			WithLabel("not observed").WithHelp("it observes %s", strings.Join(names, ", "))
		return
	}
	t := target{first: offset, index: m.Index, sd: -1, flag: -1, low: math.Inf(-1), high: math.Inf(1)}
	for _, v := range r.layout.Variables {
		if v.Name == m.Variable {
			t.size = v.Size()
		}
	}
	if m.Index >= t.size {
		r.add(codeMap, r.at("map", j, "index"), "`index` must be at most %d, since %s has %d values, but is %d", t.size-1, m.Variable, t.size, m.Index).
			WithLabel("at most %d", t.size-1).WithHelp("lower index, or choose another variable")
	}
	if len(m.Range) == 2 {
		t.low, t.high = m.Range[0], m.Range[1]
	}
	if r.o.Long != nil {
		t.value = r.column(r.o.Long.Value, r.at("long", "value"))
		name := norm.NFC.String(m.Column)
		if _, taken := r.names[name]; taken {
			r.add(codeMap, r.at("map", j, "column"), "%q is mapped twice", m.Column).WithLabel("the second one").WithHelp("remove one of them")
		}
		r.names[name] = len(r.targets)
	} else {
		t.value = r.column(m.Column, r.at("map", j, "column"))
	}
	if m.SD != "" {
		t.sd = r.column(m.SD, r.at("map", j, "sd"))
	}
	if f := r.o.QC.Flag; m.Flag != "" {
		t.flag = r.column(m.Flag, r.at("map", j, "flag"))
	} else if f != nil && f.Column != "" {
		t.flag = r.column(f.Column, r.at("qc", "flag", "column"))
	}
	r.targets = append(r.targets, t)
}

func (r *reader) location(l *workflow.Location) {
	if l.Index != "" {
		r.where = []int{r.column(l.Index, r.at("location", "index"))}
		return
	}
	c := r.layout.Coordinates
	if c == nil {
		r.add(codeMap, r.at("location"), "%s has no coordinates for its observations, so rows cannot be assigned to locations", r.o.Plugin).
			WithLabel("no coordinates").WithHelp("use location.index or map.index")
		return
	}
	if len(l.Coordinates) != len(c.Dims) || len(c.Dims) > maxAxes {
		r.add(codeMap, r.at("location", "coordinates"), "%d columns for coordinates on %d axes: %s", len(l.Coordinates), len(c.Dims), strings.Join(c.Dims, ", ")).
			WithLabel("one column per axis, at most %d", maxAxes).WithHelp("name as many columns as there are axes")
		return
	}
	for _, name := range l.Coordinates {
		r.where = append(r.where, r.column(name, r.at("location", "coordinates")))
	}
}

func (r *reader) readAll() {
	for r.table.Next() {
		r.row = int32(min(r.table.Row(), math.MaxInt32))
		if r.readRow(); len(r.found) >= maxFindings {
			r.found[len(r.found)-1].WithNote("reading stopped after %d faults", maxFindings)
			return
		}
	}
	if err := r.table.Err(); err != nil {
		r.unreadable(err)
		return
	}
	if d := r.arrived.end(r.stream); d != "" {
		r.add(codeChanged, r.at("file"), "%s: %s", r.path, d).WithLabel("has changed").
			WithHelp("restore the rows, or run the workflow again; late = \"rerun\" goes back to before them")
	}
}

// readRow adds the values of the current row.
func (r *reader) readRow() {
	cell, k := r.time()
	at, err := r.clock.model(cell)
	if err != nil {
		help := "fix the row, or write another time.format, time.timezone or time.calendar"
		var known *remedyError
		switch {
		case errors.As(err, &known):
			help = known.remedy
		case len(r.values)+len(r.found) == 0:
			help = "if the first rows have no values, write skip_rows; otherwise " + help
		}
		r.cellFault(codeTime, r.table.Errorf(k, "is not a valid time: %v", err)).WithLabel("%s, %s", r.clock.format, r.clock.where()).WithHelp("%s", help)
		return
	}
	early := at <= r.w.Time.Start.Model
	if early && r.o.QC.Early != "reject" {
		r.cellFault(codeEarly, r.table.Errorf(k, "is not after the start")).WithLabel("model time %g; the start is %g", at, r.w.Time.Start.Model).
			WithHelp("choose an earlier time.start, or write qc.early = \"reject\"")
		return
	}
	held, ok := r.heldOut()
	if !ok {
		return
	}
	first := len(r.values)
	defer func() { r.arrive(k, r.values[first:]) }()
	targets := r.targets
	if r.o.Long != nil {
		i, ok := r.names[norm.NFC.String(textOf(r.table.Cell(r.name)))]
		if !ok {
			r.values = append(r.values, Value{Time: at, Y: math.NaN(), Stream: int32(r.stream), Row: r.row, Component: -1, Status: Unmapped})
			return
		}
		targets = targets[i : i+1]
	}
	for i := range targets {
		v, ok := r.value(&targets[i])
		if !ok {
			continue
		}
		v.Time = at
		switch {
		case v.Status != Assimilated:
		case early:
			v.Status = Early
		case held:
			v.Status = HeldOut
		}
		r.values = append(r.values, v)
	}
}

// arrive settles the values of the current row, whose time is in cell k: whether they arrived
// when their cycles had been assimilated.
func (r *reader) arrive(k int, values []Value) {
	for i := range values {
		v := &values[i]
		policy := r.arrived.add(v)
		if !usable(v) || policy == "" {
			continue
		}
		if policy == "ignore" {
			v.Status = Belated
			continue
		}
		r.cellFault(codeBelated, r.table.Errorf(k, "is too late: the run has assimilated later observations")).
			WithLabel("model time %.6g; the run is past %.6g", v.Time, r.arrived.closed()).
			WithHelp("late = \"ignore\" leaves such rows out, late = \"rerun\" goes back to their cycle; so does --late for once")
		return
	}
}

// time returns the time of the current row and the index of its cell. The texts of several
// cells are joined by blanks, unless one of them is empty.
func (r *reader) time() (tabular.Cell, int) {
	first := r.when[0]
	if len(r.when) == 1 {
		return r.table.Cell(first), first
	}
	texts := make([]string, len(r.when))
	for i, k := range r.when {
		if texts[i] = textOf(r.table.Cell(k)); texts[i] == "" {
			return tabular.Cell{}, k
		}
	}
	return tabular.Cell{Kind: tabular.Text, Text: strings.Join(texts, " ")}, first
}

// named matches names of columns that probably have flags.
var named = regexp.MustCompile(`(?i)(^|[^a-z])(flags?|qc|quality|qualifier|cd)([^a-z]|$)`)

// flags returns the name of a column that probably has flags, which nobody has named; empty
// if there is none.
func (r *reader) flags() string {
	if i := slices.IndexFunc(r.table.Names(), named.MatchString); i >= 0 && r.o.QC.Flag == nil {
		return r.table.Names()[i]
	}
	return ""
}

// value reads the value of t; ok is false after a finding.
func (r *reader) value(t *target) (v Value, ok bool) {
	v = Value{Stream: int32(r.stream), Row: r.row, Column: int32(t.value), Component: -1}
	flagged := t.flag >= 0 && !r.good.Has(textOf(r.table.Cell(t.flag)))
	var err error
	switch v.Y, err = r.table.Number(t.value); {
	case err != nil && flagged: // whatever it says
		v.Y, v.Status = math.NaN(), Flagged
	case err != nil:
		d := r.cellFault(codeValue, err)
		if f := r.flags(); f != "" {
			d.WithHelp("%s; if %s has flags: qc.flag = { column = %q, accept = [...] }", d.Help, f, f)
		}
		return v, false
	case math.IsNaN(v.Y):
		v.Status = Missing
	case flagged:
		v.Status = Flagged
	}
	index, ok := r.place(t)
	switch {
	case !ok:
		return v, false
	case index >= 0:
		v.Component = int32(r.first + t.first + index)
	case v.Status == Assimilated:
		v.Status = Elsewhere
	}
	if v.Status == Assimilated && (v.Y < t.low || v.Y > t.high) {
		v.Status = OutOfRange
	}
	if v.Status == Assimilated && math.Abs(v.Y) > mostValue {
		r.cellFault(codeValue, r.table.Errorf(t.value, "is %g, which is too large to compute with", v.Y)).WithLabel("at most %g", float64(mostValue)).
			WithHelp("fix it, or write a plausible range; if it means a missing value, add it to `missing`")
		return v, false
	}
	if t.sd < 0 || v.Status != Assimilated {
		return v, true
	}
	sd, ok := r.number(t.sd)
	switch {
	case !ok:
		return v, false
	case math.IsNaN(sd): // that of the error model
	case sd <= 0:
		r.cellFault(codeValue, r.table.Errorf(t.sd, "is %g, but a standard deviation must be > 0", sd)).WithLabel("> 0").WithHelp("fix it, or leave it empty where error.sd applies")
		return v, false
	case sd < workflow.LeastSD || sd > workflow.MostSD:
		r.cellFault(codeValue, r.table.Errorf(t.sd, "is %g, but the variance of an error must be a number that can be computed with", sd)).
			WithLabel("from %g to %g", workflow.LeastSD, workflow.MostSD).WithHelp("fix it, or leave it empty where error.sd applies")
		return v, false
	default:
		v.SD = sd
	}
	return v, true
}

// number reads a cell; NaN if it is missing.
func (r *reader) number(k int) (float64, bool) {
	v, err := r.table.Number(k)
	if err != nil {
		r.cellFault(codeValue, err)
	}
	return v, err == nil
}

// place returns the index, among the values of t's variable, of the value that the
// current row is about; -1 if the row is too far from all of them, or nowhere.
func (r *reader) place(t *target) (index int, ok bool) {
	l := r.o.Location
	if l == nil {
		return t.index, true
	}
	if l.Index != "" {
		k := r.where[0]
		v, ok := r.number(k)
		if math.IsNaN(v) {
			return -1, ok
		}
		if ok && !(v >= 0 && v < float64(t.size) && v == math.Trunc(v)) {
			r.cellFault(codeValue, r.table.Errorf(k, "is %g, but must be a whole number from 0 to %d", v, t.size-1)).WithLabel("0 to %d", t.size-1).WithHelp("locations are counted from 0")
			ok = false
		}
		return int(v), ok
	}
	var at [maxAxes]float64
	for axis, k := range r.where {
		v, ok := r.number(k)
		if !ok || math.IsNaN(v) {
			return -1, ok
		}
		at[axis] = v
	}
	key := place{at, t.first}
	index, seen := r.places[key]
	if !seen {
		index = r.nearest(at, t.first, t.size)
		r.places[key] = index
	}
	return index, true
}

// nearest returns the index, among the size values from first on, of the one that is
// nearest to a position; -1 if none is within location.within.
func (r *reader) nearest(at [maxAxes]float64, first, size int) int {
	c, best, least := r.layout.Coordinates, -1, math.Inf(1)
	if r.o.Location.Within > 0 {
		least = r.o.Location.Within * r.o.Location.Within * (1 + 1e-12)
	}
	for j := range size {
		var sum float64
		for axis, period := range c.Period {
			d := sdk.Separation(c.Points.At(first+j, axis), at[axis], period)
			sum += d * d
		}
		if sum < least || sum == least && best < 0 {
			best, least = j, sum
		}
	}
	return best
}

// heldOut reports whether the current row is marked as held out.
func (r *reader) heldOut() (held, ok bool) {
	h := r.o.HoldOut
	if h == nil || h.Column == "" {
		return false, true
	}
	text := textOf(r.table.Cell(r.holdOut))
	switch strings.ToLower(text) {
	case "1", "true", "yes":
		return true, true
	case "", "0", "false", "no":
		return false, true
	}
	r.cellFault(codeValue, r.table.Errorf(r.holdOut, "is %q, but must say whether the row is held out", diag.Shorten(text))).WithLabel("true, false, yes, no, 1 or 0").WithHelp("write one of these values")
	return false, false
}

// textOf returns the text of a cell: of a time at midnight its date alone, so that a time of
// day can follow.
func textOf(c tabular.Cell) string {
	switch c.Kind {
	case tabular.Text:
		return c.Text
	case tabular.Number:
		return strconv.FormatFloat(c.Number, 'f', -1, 64)
	case tabular.Wall:
		return strings.TrimSuffix(c.Time.Format("2006-01-02 15:04:05.999999999"), " 00:00:00")
	case tabular.Instant:
		return c.Time.Format(time.RFC3339Nano)
	}
	return ""
}
