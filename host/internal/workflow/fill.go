package workflow

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/tomltext"
	"github.com/plume-da/plume/host/internal/zone"
)

// fill sets the fields of w from its tree. Fields of values that are missing or bad stay
// zero; there are findings about these.
func (w *Workflow) fill() {
	w.inModelTime()
	fillStruct(reflect.ValueOf(w).Elem(), w.root)
	for name, p := range w.Plugins {
		if len(p.Command) > 0 && strings.ContainsRune(p.Command[0], filepath.Separator) { // else a name on the search path
			p.Command[0] = w.resolve(p.Command[0], "plugins", name, "command", 0)
		}
		if p.Python != "" {
			p.Python = w.resolve(p.Python, "plugins", name, "python")
		}
		w.Plugins[name] = p
	}
	if w.Model.Dir != "" {
		w.Model.Dir = w.resolve(w.Model.Dir, "model", "dir")
	}
	if f := &w.Ensemble.Init.File; *f != "" {
		*f = w.resolve(*f, "ensemble", "init", "file")
		if trial := &w.Ensemble.Init.Trial; *trial > 0 {
			*f, *trial = filepath.Join(*f, "ensemble", fmt.Sprintf("trial=%04d", *trial), "part-00000.arrow"), 0
		}
	}
	if t := w.Truth; t != nil && t.Plugin != "" && t.Timeout == 0 {
		t.Timeout = w.Model.Timeout
	}
	for i := range w.Filters {
		if w.Filters[i].Size == 0 {
			w.Filters[i].Size = w.Ensemble.Size
		}
	}
	for i := range w.Observations {
		w.Observations[i].complete()
		w.Observations[i].settle(w.Observations[i].Replicas)
	}
	w.Time.Start.Date, _ = w.instant(w.Time.Start.Date) // see judgeTime
	w.endTime()
	if r := w.Reference; r != nil && r.Store == 0 {
		r.Store = min(r.Size, 1000)
	}
	w.Model.settle(w.Model.Replicas)
	for i := range w.Filters {
		w.Filters[i].settle(1)
	}
	if w.Reference != nil {
		w.Reference.settle(1)
	}
}

// modelTimes are the paths of the durations that are stored in model time.
var modelTimes = [][]any{{"time", "interval"}, {"time", "first"}, {"time", "step"}, {"truth", "spin_up"}, {"truth", "step"}, {"forecast", "horizon"}, {"forecast", "step"}}

// inModelTime replaces durations by model times. Without time.unit, whose absence judgeTime
// reports, they are bad.
func (w *Workflow) inModelTime() {
	unit, _ := w.root.Find([]any{"time", "unit"})
	for _, path := range modelTimes {
		n, given := w.root.Find(path)
		d, isDuration := n.Value.(time.Duration)
		if !given || n.Bad || !isDuration {
			continue
		}
		if one, known := unit.Value.(time.Duration); known && !unit.Bad {
			n.Value = d.Seconds() / one.Seconds()
		} else {
			n.Bad = true
		}
	}
}

// endTime replaces time.until by a number of cycles, or by a model time if cycles are at the
// times of files. See judgeUntil.
func (w *Workflow) endTime() {
	t := &w.Time
	if t.Until == nil {
		return
	}
	end := t.Until.Model
	if t.Until.Dated {
		date, _ := w.instant(t.Until.Date)
		if !t.Start.Dated || t.Unit == 0 {
			return
		}
		end = secondsFrom(t.Start.Date, date) / t.Unit.Seconds()
	}
	if t.Interval == 0 {
		t.Until = &Moment{Model: end}
		return
	}
	first := t.Interval
	if t.First != nil {
		first = *t.First
	}
	cycles := 1 + math.Floor((end-t.Start.Model-first)/t.Interval+1e-9+t.Rounding(end)/t.Interval)
	t.Cycles, t.Until = int(min(max(cycles, 0), 1e9)), nil
}

// secondsFrom returns the seconds from one instant to another, which may be more than the 292 years of a
// [time.Duration].
func secondsFrom(a, b time.Time) float64 {
	return float64(b.Unix()-a.Unix()) + float64(b.Nanosecond()-a.Nanosecond())/1e9
}

// instant returns the instant of a date. Without an offset it is a local time in the zone of
// the observations, whose zones must then be the same.
func (w *Workflow) instant(date time.Time) (time.Time, error) {
	if date.Location() != unzoned {
		return date, nil
	}
	date = time.Date(date.Year(), date.Month(), date.Day(), date.Hour(), date.Minute(), date.Second(), date.Nanosecond(), time.UTC)
	home, name := time.UTC, "UTC"
	for i, o := range w.Observations {
		if o.File == "" {
			continue
		}
		loc, err := zone.Load(o.Time.Timezone)
		if err != nil {
			return date, nil //nolint:nilerr // judgeFile reports the zone
		}
		if i > 0 && o.Time.Timezone != name {
			return date, fmt.Errorf("it could be in %s or in %s, which are zones of observations", name, o.Time.Timezone)
		}
		home, name = loc, o.Time.Timezone
	}
	at, err := zone.Instant(date, home)
	if err != nil {
		return date, err
	}
	return at.UTC(), nil
}

// defaultRetries is how often a call is repeated if the workflow does not say.
const defaultRetries = 2

// settle fills in the defaults of the keys about failures, which depend on other keys.
func (c *Component) settle(replicas int) {
	if c.OnFailure == "" {
		c.OnFailure = "fail"
		if replicas > 1 {
			c.OnFailure = "retry"
		}
	}
	if c.OnFailure != "fail" && c.Retries == 0 {
		c.Retries = defaultRetries
	}
}

// complete fills in the keys that have a default only if there is a file.
func (o *Observations) complete() {
	if o.File == "" {
		o.QC = QC{Background: o.QC.Background}
		return
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

func fillStruct(dst reflect.Value, n *tomltext.Node) {
	for i := range dst.NumField() {
		field := dst.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		switch {
		case field.Anonymous:
			fillStruct(dst.Field(i), n)
		case name == "" || name == "-":
		case n.Table[name] != nil:
			fillValue(dst.Field(i), n.Table[name])
		}
	}
}

func fillValue(dst reflect.Value, n *tomltext.Node) {
	if n.Bad {
		return
	}
	switch p := dst.Addr().Interface().(type) {
	case *Start:
		*p = startOf(n)
	case *Numbers:
		*p = numbersOf(n)
	case *Moment:
		p.Date, p.Dated = n.Value.(time.Time)
		p.Model, _ = n.Value.(float64)
	case *Extent:
		p.Wall, _ = n.Value.(time.Duration)
		p.Model, _ = n.Value.(float64)
	case *Count:
		v, given := n.Value.(int64)
		*p = Count{given || n.Value == all, n.Value == all, int(v)}
	case *Values:
		*p = valuesOf(n)
	case *map[string]any:
		*p = n.PlainTable()
	case *Replicates:
		*p = n.Value.(Replicates)
	case *time.Duration:
		*p = n.Value.(time.Duration)
	default:
		fillKind(dst, n)
	}
}

func fillKind(dst reflect.Value, n *tomltext.Node) {
	switch dst.Kind() {
	case reflect.Struct:
		fillStruct(dst, n)
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		fillValue(dst.Elem(), n)
	case reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), len(n.Items), len(n.Items)))
		for i, item := range n.Items {
			fillValue(dst.Index(i), item)
		}
	case reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for name, child := range n.Table {
			item := reflect.New(dst.Type().Elem()).Elem()
			fillValue(item, child)
			dst.SetMapIndex(reflect.ValueOf(name), item)
		}
	default:
		dst.Set(reflect.ValueOf(n.Value).Convert(dst.Type()))
	}
}

// numbersOf returns a number or a list of them; nil if one of them is bad.
func numbersOf(n *tomltext.Node) Numbers {
	if n == nil || n.Bad {
		return nil
	}
	if n.Items == nil {
		return Numbers{n.Value.(float64)}
	}
	out := make(Numbers, len(n.Items))
	for i, item := range n.Items {
		out[i] = item.Value.(float64)
	}
	return out
}

// valuesOf returns numbers for a state; none if one of them is bad.
func valuesOf(n *tomltext.Node) Values {
	if n == nil || n.Bad {
		return Values{}
	}
	if n.Table == nil {
		return Values{List: numbersOf(n)}
	}
	v := Values{ByVariable: map[string]Numbers{}}
	for name, c := range n.Table {
		v.ByVariable[name] = numbersOf(c)
	}
	return v
}

func startOf(n *tomltext.Node) Start {
	if n.Table == nil {
		return Start{Mean: valuesOf(n)}
	}
	s := Start{
		Dist: textOf(n.Table["dist"]), Around: textOf(n.Table["around"]), File: textOf(n.Table["file"]),
		Mean: valuesOf(n.Table["mean"]), Median: valuesOf(n.Table["median"]), SD: valuesOf(n.Table["sd"]),
		Low: valuesOf(n.Table["low"]), High: valuesOf(n.Table["high"]), Columns: columnsOf(n.Table["columns"]),
	}
	fillStruct(reflect.ValueOf(&s.Dialect).Elem(), n)
	fillStruct(reflect.ValueOf(&s.Choice).Elem(), n)
	return s
}

// textOf returns a string; "" if it is bad.
func textOf(n *tomltext.Node) string {
	if n == nil || n.Bad {
		return ""
	}
	return n.Value.(string)
}

// columnsOf returns names of columns by variable; nil if one of them is bad.
func columnsOf(n *tomltext.Node) map[string][]string {
	if n == nil || n.Bad {
		return nil
	}
	out := map[string][]string{}
	for name, c := range n.Table {
		if c.Items == nil {
			out[name] = []string{textOf(c)}
		}
		for _, item := range c.Items {
			out[name] = append(out[name], textOf(item))
		}
	}
	return out
}
