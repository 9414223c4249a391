package observations

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/rows"
)

// maxFindings is how many faults of one file are reported.
const maxFindings = 20

// Value is one value of a file.
type Value struct {
	Time      float64 // model time
	Y         float64 // NaN when missing
	SD        float64 // of its error; 0: what the stream's law says
	Stream    int32
	Row       int32 // line of a text file, or row of another; from 1
	Column    int32 // of the file
	Component int32 // of the joint observation vector; -1: none
	Cycle     int32 // 0: none
	Status    Status
}

// Status says what became of a value.
type Status uint8

// What becomes of a value.
const (
	Assimilated Status = iota
	HeldOut
	Missing    // there is no value
	Unmapped   // a long file names what the workflow does not
	OutOfRange // outside the range believed
	Elsewhere  // too far from every place
	Early      // not after the start
	Late       // after the last cycle
	OffWindow  // in no cycle's window
	Duplicate  // another value stands for the component in its cycle
	Background // too far from the forecast
)

var statusNames = []string{"assimilated", "held_out", "missing", "unmapped", "range", "location", "early", "late", "window", "duplicate", "background"}

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

	source  source
	columns []int           // of the file, that are read
	cells   []rows.Cell     // of them
	missing map[string]bool // texts
	absent  []float64       // numbers
	targets []target        // of a wide file by map, of a long one by name
	names   map[string]int  // long: targets by name
	places  map[place]int   // nearest value, of places seen
	values  []Value
	row     int32 // current
}

// target is what a column is mapped to.
type target struct {
	value, sd   int // among cells; sd -1: none
	first, size int // values of the variable, within the stream
	index       int // among them, when there is no location
	low, high   float64
}

// place is a position, and where the variable that is looked for there begins.
type place struct {
	at    [maxAxes]float64
	first int
}

// maxAxes bounds the axes of positions.
const maxAxes = 4

// read returns the values of stream i, in the order of the file, with statuses up
// to Early. What is wrong with the file or with what the workflow says about it is
// found.
func read(w *workflow.Workflow, i int, layout *sdk.Layout, first int) ([]Value, diag.Findings) {
	r := &reader{w: w, o: &w.Observations[i], stream: i, first: first, layout: layout, path: w.Path(w.Observations[i].File),
		missing: map[string]bool{}, names: map[string]int{}, places: map[place]int{}}
	for _, text := range r.o.Missing {
		r.missing[text] = true
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
			r.absent = append(r.absent, v)
		}
	}
	var err error
	if r.clock, err = newClock(w.Time, r.o.Time); err != nil {
		d := r.add(codeTime, r.at("time", "format"), "`time.format`: %v", err)
		d.WithHelp("write a pattern such as %%d.%%m.%%Y %%H:%%M, or number, unix or iso")
		if w.Time.Start.Date.IsZero() {
			d.WithHelp("write time.start as a date, such as 2026-01-01T00:00:00Z, and time.unit")
		}
		return nil, r.found
	}
	if !r.open() {
		return nil, r.found
	}
	defer func() { _ = r.source.Close() }() // it was only read
	if r.resolve(); len(r.found) > 0 {
		return nil, r.found
	}
	r.readAll()
	return r.values, r.found
}

func (r *reader) at(path ...any) []any { return append([]any{"observations", r.stream}, path...) }

func (r *reader) add(code diag.Code, at []any, format string, args ...any) *diag.Finding {
	return r.found.Add(code, r.w.At(at...), format, args...)
}

func (r *reader) open() bool {
	var err error
	switch ext := filepath.Ext(r.path); {
	case ext == ".csv":
		r.source, err = openCSV(r.path, r.o.Delimiter, r.o.Comment)
	case slices.Contains(rows.Extensions, ext):
		r.source, err = rows.Open(r.path)
	default:
		r.add(codeFile, r.at("file"), "%q: files of observations end with .csv, %s", r.o.File, strings.Join(rows.Extensions, ", ")).
			WithLabel("of no known kind").WithHelp("export the data as one of these")
		return false
	}
	if err == nil {
		return true
	}
	if d := r.badLine(err); d == nil {
		var e *fs.PathError
		help := "see that it is whole, and what its name says it is"
		if errors.As(err, &e) {
			err, help = e.Err, "paths are relative to the workflow's folder"
		}
		r.add(codeFile, r.at("file"), "cannot read %s: %v", r.path, err).WithLabel("this file").WithHelp("%s", help)
	}
	return false
}

// badLine reports a line that is no CSV.
func (r *reader) badLine(err error) *diag.Finding {
	var e *csv.ParseError
	if !errors.As(err, &e) {
		return nil
	}
	at := diag.InFile(r.path, lineOf(r.path, e.Line), e.Line, max(0, e.Column-1), 1)
	return r.found.Add(codeFile, at, "the line cannot be read: %v", e.Err).
		WithHelp("every line has as many columns as the first, and quotes come in pairs")
}

// column returns where the cells of a column will be; at is where the workflow
// names it.
func (r *reader) column(name string, at []any) int {
	names := r.source.Names()
	i := slices.Index(names, name)
	switch {
	case i < 0:
		d := r.add(codeColumn, at, "%s has no column %q", r.path, name).WithLabel("no such column")
		if near := diag.Suggest(name, names); near != "" {
			d.WithHelp("did you mean %q?", near)
		} else {
			d.WithHelp("it has %s", strings.Join(names[:min(len(names), 12)], ", "))
		}
		return 0
	case slices.Contains(names[i+1:], name):
		r.add(codeColumn, at, "%s has two columns %q", r.path, name).WithLabel("which one?").WithHelp("rename one of them")
		return 0
	}
	if k := slices.Index(r.columns, i); k >= 0 {
		return k
	}
	r.columns = append(r.columns, i)
	return len(r.columns) - 1
}

// resolve finds columns and what they are mapped to. The first column is the time.
func (r *reader) resolve() {
	r.column(r.o.Time.Column, r.at("time", "column"))
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
		r.column(r.o.Long.Name, r.at("long", "name"))
	}
	if l := r.o.Location; l != nil {
		r.location(l)
	}
	if h := r.o.HoldOut; h != nil && h.Column != "" {
		r.column(h.Column, r.at("hold_out", "column"))
	}
	if len(r.found) > 0 {
		return
	}
	if err := r.source.Select(r.columns); err != nil {
		r.add(codeFile, r.at("file"), "cannot read %s: %v", r.path, err).WithLabel("this file").WithHelp("see that it is whole")
	}
	r.cells = make([]rows.Cell, len(r.columns))
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
	t := target{first: offset, index: m.Index, sd: -1, low: math.Inf(-1), high: math.Inf(1)}
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
		if _, taken := r.names[m.Column]; taken {
			r.add(codeMap, r.at("map", j, "column"), "%q is mapped twice", m.Column).WithLabel("the second one").WithHelp("remove one of them")
		}
		r.names[m.Column] = len(r.targets)
	} else {
		t.value = r.column(m.Column, r.at("map", j, "column"))
	}
	if m.SD != "" {
		t.sd = r.column(m.SD, r.at("map", j, "sd"))
	}
	r.targets = append(r.targets, t)
}

func (r *reader) location(l *workflow.Location) {
	if l.Index != "" {
		r.column(l.Index, r.at("location", "index"))
		return
	}
	c := r.layout.Coordinates
	if c == nil {
		r.add(codeMap, r.at("location"), "%s gives its observations no positions, so that rows cannot be placed", r.o.Plugin).
			WithLabel("no positions").WithHelp("use location.index or map.index")
		return
	}
	if len(l.Coordinates) != len(c.Dims) || len(c.Dims) > maxAxes {
		r.add(codeMap, r.at("location", "coordinates"), "%d columns for positions on %d axes: %s", len(l.Coordinates), len(c.Dims), strings.Join(c.Dims, ", ")).
			WithLabel("one column per axis, at most %d", maxAxes).WithHelp("name as many columns as there are axes")
		return
	}
	for _, name := range l.Coordinates {
		r.column(name, r.at("location", "coordinates"))
	}
}

// cell returns the cell of a column that has been resolved.
func (r *reader) cell(name string) (rows.Cell, int) {
	k := slices.Index(r.columns, slices.Index(r.source.Names(), name))
	return r.cells[k], k
}

func (r *reader) readAll() {
	for len(r.found) < maxFindings {
		ok, err := r.source.Next(r.cells)
		if err != nil {
			if r.badLine(err) == nil {
				r.add(codeFile, r.at("file"), "cannot read %s after row %d: %v", r.path, r.row, err).WithLabel("this file").WithHelp("see that it is whole")
			}
			return
		}
		if !ok {
			return
		}
		r.row++
		if c, ok := r.source.(*csvFile); ok {
			r.row = int32(min(c.line(), math.MaxInt32))
		}
		r.readRow()
	}
	r.found[len(r.found)-1].WithNote("reading stopped after %d faults", maxFindings)
}

// fault reports what is wrong with cell k of the current row.
func (r *reader) fault(code diag.Code, k int, format string, args ...any) *diag.Finding {
	name := r.source.Names()[r.columns[k]]
	what := fmt.Sprintf("column %q ", name) + fmt.Sprintf(format, args...)
	if c, ok := r.source.(*csvFile); ok {
		line, from, width := c.field(r.columns[k])
		text := lineOf(r.path, line)
		from = min(from, len(text))
		before, field := text[:from], text[from:min(len(text), from+width)]
		at := diag.InFile(r.path, text, line, utf8.RuneCountInString(before), utf8.RuneCountInString(field))
		return r.found.Add(code, at, "%s", what)
	}
	return r.found.Add(code, diag.InFile(r.path, "", 0, 0, 0), "row %d, %s", r.row, what)
}

// readRow adds the values of the current row.
func (r *reader) readRow() {
	at, err := r.clock.model(r.cells[0])
	if err != nil {
		r.fault(codeTime, 0, "is no time: %v", err).WithLabel("%s, %s", r.clock.format, r.clock.where()).WithHelp("mend the row, or write another time.format, time.timezone or time.calendar")
		return
	}
	early := at <= r.w.Time.Start.Model
	if early && r.o.QC.Early != "reject" {
		r.fault(codeEarly, 0, "is not after the start").WithLabel("model time %g; the start is %g", at, r.w.Time.Start.Model).
			WithHelp("let time.start be earlier, or write qc.early = \"reject\"")
		return
	}
	held, ok := r.heldOut()
	if !ok {
		return
	}
	targets := r.targets
	if r.o.Long != nil {
		name, _ := r.cell(r.o.Long.Name)
		i, ok := r.names[textOf(name)]
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

// value reads what t is mapped from; ok is false after a finding.
func (r *reader) value(t *target) (v Value, ok bool) {
	v = Value{Stream: int32(r.stream), Row: r.row, Column: int32(r.columns[t.value]), Component: -1}
	if v.Y, ok = r.number(t.value); !ok {
		return v, false
	}
	if math.IsNaN(v.Y) {
		v.Status = Missing
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
	if t.sd < 0 || v.Status == Missing {
		return v, true
	}
	sd, ok := r.number(t.sd)
	switch {
	case !ok:
		return v, false
	case math.IsNaN(sd): // what the law says
	case sd <= 0:
		r.fault(codeValue, t.sd, "is %g, but a standard deviation is above 0", sd).WithLabel("above 0").WithHelp("mend it, or leave it empty where error.sd holds")
		return v, false
	default:
		v.SD = sd
	}
	return v, true
}

// number reads a cell; NaN when it is missing.
func (r *reader) number(k int) (float64, bool) {
	c := r.cells[k]
	v := c.Number
	switch c.Kind {
	case rows.Null:
		return math.NaN(), true
	case rows.Text:
		if r.missing[c.Text] {
			return math.NaN(), true
		}
		var err error
		if v, err = strconv.ParseFloat(c.Text, 64); err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			r.fault(codeValue, k, "is %q, which is no finite number", shorten(c.Text)).WithLabel("a number").
				WithHelp("if it stands for no value, add it to `missing`")
			return 0, false
		}
	case rows.Instant, rows.Wall:
		r.fault(codeValue, k, "is a time, but a number is wanted").WithHelp("map another column")
		return 0, false
	}
	if math.IsNaN(v) || slices.Contains(r.absent, v) {
		return math.NaN(), true
	}
	if math.IsInf(v, 0) {
		r.fault(codeValue, k, "is %g, which is no finite number", v).WithHelp("mend it, or make it null")
		return 0, false
	}
	return v, true
}

// place returns which of the values of t's variable the current row is about; -1
// when it is too far from all.
func (r *reader) place(t *target) (index int, ok bool) {
	l := r.o.Location
	if l == nil {
		return t.index, true
	}
	if l.Index != "" {
		_, k := r.cell(l.Index)
		v, ok := r.number(k)
		if ok && !(v >= 0 && v < float64(t.size) && v == math.Trunc(v)) {
			r.fault(codeValue, k, "is %g, but is to be a whole number from 0 to %d", v, t.size-1).WithLabel("0 to %d", t.size-1).WithHelp("places are counted from 0")
			ok = false
		}
		return int(v), ok
	}
	var at [maxAxes]float64
	for axis, name := range l.Coordinates {
		_, k := r.cell(name)
		v, ok := r.number(k)
		if ok && math.IsNaN(v) {
			r.fault(codeValue, k, "is missing, but says where the row was observed").WithLabel("a position").WithHelp("remove the row, or say where it is")
			ok = false
		}
		if !ok {
			return 0, false
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

// nearest returns which of the size values from first on is nearest to a position, or
// -1 when none is within location.within.
func (r *reader) nearest(at [maxAxes]float64, first, size int) int {
	c, best, least := r.layout.Coordinates, -1, math.Inf(1)
	if r.o.Location.Within > 0 {
		least = r.o.Location.Within * r.o.Location.Within * (1 + 1e-12)
	}
	for j := range size {
		var sum float64
		for axis, p := range c.Points.RawRowView(first + j) {
			d := math.Abs(p - at[axis])
			if period := c.Period[axis]; period > 0 {
				d = math.Mod(d, period)
				d = min(d, period-d)
			}
			sum += d * d
		}
		if sum < least || sum == least && best < 0 {
			best, least = j, sum
		}
	}
	return best
}

// heldOut says whether the current row is marked as held out.
func (r *reader) heldOut() (held, ok bool) {
	h := r.o.HoldOut
	if h == nil || h.Column == "" {
		return false, true
	}
	c, k := r.cell(h.Column)
	switch strings.ToLower(textOf(c)) {
	case "1", "true", "yes":
		return true, true
	case "", "0", "false", "no":
		return false, true
	}
	r.fault(codeValue, k, "is %q, but is to say whether the row is held out", shorten(textOf(c))).WithLabel("true, false, yes, no, 1 or 0").WithHelp("write one of these")
	return false, false
}

func textOf(c rows.Cell) string {
	switch c.Kind {
	case rows.Text:
		return c.Text
	case rows.Number:
		return strconv.FormatFloat(c.Number, 'g', -1, 64)
	}
	return ""
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
