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
		if len(p.Command) > 0 {
			p.Command[0] = w.resolve(p.Command[0])
		}
		if p.Python != "" && !filepath.IsAbs(p.Python) {
			p.Python = w.resolve("./" + p.Python)
		}
		w.Plugins[name] = p
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

// resolve returns a relative path as an absolute one from the workflow's folder.
// A bare name is left to be found on the search path.
func (w *Workflow) resolve(program string) string {
	if filepath.IsAbs(program) || !strings.ContainsRune(program, filepath.Separator) {
		return program
	}
	abs, err := filepath.Abs(filepath.Join(filepath.Dir(w.File), program))
	if err != nil { // the working directory is gone
		return program
	}
	return abs
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
	case *map[string]any:
		*p = n.plainTable()
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

func (n *node) start() Start {
	if n.table == nil {
		return Start{Mean: n.numbers()}
	}
	var s Start
	if d := n.table["dist"]; d != nil && !d.bad {
		s.Dist = d.value.(string)
	}
	if a := n.table["around"]; a != nil && !a.bad {
		s.Around = a.value.(string)
	}
	s.Mean, s.SD = n.table["mean"].numbers(), n.table["sd"].numbers()
	return s
}
