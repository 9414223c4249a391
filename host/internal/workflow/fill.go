package workflow

import (
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// fill sets the fields of w from its tree. What is missing or bad stays zero;
// findings tell of it.
func (w *Workflow) fill() {
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

// defaultRetries is how often a call is repeated when a workflow does not say.
const defaultRetries = 2

// settle fills in what to do about failures, which depends on other keys.
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

func fillStruct(dst reflect.Value, n *node) {
	for i := range dst.NumField() {
		field := dst.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		switch {
		case field.Anonymous:
			fillStruct(dst.Field(i), n)
		case name == "" || name == "-":
		case n.table[name] != nil:
			fillValue(dst.Field(i), n.table[name])
		}
	}
}

func fillValue(dst reflect.Value, n *node) {
	if n.bad {
		return
	}
	switch p := dst.Addr().Interface().(type) {
	case *Start:
		*p = n.start()
	case *Numbers:
		*p = n.numbers()
	case *Moment:
		p.Date, _ = n.value.(time.Time)
		p.Model, _ = n.value.(float64)
	case *Extent:
		p.Wall, _ = n.value.(time.Duration)
		p.Model, _ = n.value.(float64)
	case *Values:
		*p = n.values()
	case *map[string]any:
		*p = n.plainTable()
	case *Replicates:
		*p = n.value.(Replicates)
	case *time.Duration:
		*p = n.value.(time.Duration)
	default:
		fillKind(dst, n)
	}
}

func fillKind(dst reflect.Value, n *node) {
	switch dst.Kind() {
	case reflect.Struct:
		fillStruct(dst, n)
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		fillStruct(dst.Elem(), n)
	case reflect.Slice:
		dst.Set(reflect.MakeSlice(dst.Type(), len(n.items), len(n.items)))
		for i, item := range n.items {
			fillValue(dst.Index(i), item)
		}
	case reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		for name, child := range n.table {
			item := reflect.New(dst.Type().Elem()).Elem()
			fillValue(item, child)
			dst.SetMapIndex(reflect.ValueOf(name), item)
		}
	default:
		dst.Set(reflect.ValueOf(n.value).Convert(dst.Type()))
	}
}

// numbers returns a number or a list of them; nil when one of them is bad.
func (n *node) numbers() Numbers {
	if n == nil || n.bad {
		return nil
	}
	if n.items == nil {
		return Numbers{n.value.(float64)}
	}
	out := make(Numbers, len(n.items))
	for i, item := range n.items {
		out[i] = item.value.(float64)
	}
	return out
}

// values returns numbers for a state; none when one of them is bad.
func (n *node) values() Values {
	if n == nil || n.bad {
		return Values{}
	}
	if n.table == nil {
		return Values{List: n.numbers()}
	}
	v := Values{ByVariable: map[string]Numbers{}}
	for name, c := range n.table {
		v.ByVariable[name] = c.numbers()
	}
	return v
}

func (n *node) start() Start {
	if n.table == nil {
		return Start{Mean: n.values()}
	}
	return Start{
		Dist: n.table["dist"].text(), Around: n.table["around"].text(), File: n.table["file"].text(),
		Mean: n.table["mean"].values(), Median: n.table["median"].values(), SD: n.table["sd"].values(),
		Low: n.table["low"].values(), High: n.table["high"].values(), Columns: n.table["columns"].columns(),
	}
}

// text returns a string; "" when it is bad.
func (n *node) text() string {
	if n == nil || n.bad {
		return ""
	}
	return n.value.(string)
}

// columns returns names of columns by variable; nil when one of them is bad.
func (n *node) columns() map[string][]string {
	if n == nil || n.bad {
		return nil
	}
	out := map[string][]string{}
	for name, c := range n.table {
		if c.items == nil {
			out[name] = []string{c.text()}
		}
		for _, item := range c.items {
			out[name] = append(out[name], item.text())
		}
	}
	return out
}
