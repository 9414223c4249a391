package workflow

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Settings returns the settings of a run of w: one if it has no axes. The first axis in
// the order of their names varies most slowly.
func (w *Workflow) Settings() []Setting {
	if w.settings != nil {
		return w.settings
	}
	s := Setting{Workflow: w}
	for i, f := range w.Filters {
		if w.Runs(f.Label) {
			s.Variants = append(s.Variants, Variant{w, i, nil})
		}
	}
	return []Setting{s}
}

// Fingerprint returns a text that is the same for two workflows that mean the same.
func (w Workflow) Fingerprint() string {
	text, err := json.Marshal(w)
	if err != nil { // a parameter is infinite
		return fmt.Sprintf("%p", w.root)
	}
	return string(text)
}

// maxTrials bounds the trials of a sweep.
const maxTrials = 100_000

// sweepable are the tables that the key of an axis may lead into; experiment.seed is
// allowed too.
var sweepable = []string{"time", "model", "truth", "observations", "ensemble", "filter", "reference"}

// axis is a key and the values it takes.
type axis struct {
	key    string
	filter string // label of the filter it concerns; empty: all
	list   *tomltext.Node
}

// combination is an index into the values of every axis.
type combination []int

// expand makes the settings of w. given is its tree before defaults were filled in, so
// that every value is judged as if it were written in the file.
func (w *Workflow) expand(given *tomltext.Node) diag.Findings {
	var found diag.Findings
	common, own := w.axes(&found)
	w.judgeExclude(&found)
	if len(found) > 0 || len(w.Axes()) == 0 {
		return found
	}
	if n := w.countTrials(common, own); n > maxTrials {
		found.Add(tomltext.CodeTooLarge, w.KeyAt("sweep"), "the sweep has %d trials; plume runs at most %d", n, maxTrials).WithHelp("shorten the axes, or split the sweep")
		return found
	}
	delete(given.Table, "sweep") // every setting would hold all values of all others
	for c := range combinations(common) {
		shared, values := w.with(given, common, c, &found)
		s := Setting{Workflow: shared}
		for i, f := range w.Filters {
			if w.Runs(f.Label) {
				w.variants(&s, i, given, common, c, own[f.Label], values, &found)
			}
		}
		if len(s.Variants) > 0 {
			w.settings = append(w.settings, s)
		}
	}
	if len(found) == 0 && len(w.settings) == 0 {
		found.Add(codeConflict, w.KeyAt("sweep", "exclude"), "the exclusions leave no trial").WithHelp("remove one")
	}
	return found.Distinct()
}

// variants adds the variants of filter i to s.
func (w *Workflow) variants(s *Setting, i int, given *tomltext.Node, common []axis, c combination, own []axis, shared map[string]any, found *diag.Findings) {
	if len(own) == 0 {
		if !w.excluded(shared) {
			s.Variants = append(s.Variants, Variant{s.Workflow, i, shared})
		}
		return
	}
	all := slices.Concat(common, own)
	for o := range combinations(own) {
		if v, values := w.with(given, all, slices.Concat(c, o), found); !w.excluded(values) {
			s.Variants = append(s.Variants, Variant{v, i, values})
		}
	}
}

// axes returns the axes of all filters, and those of single filters by label.
func (w *Workflow) axes(found *diag.Findings) (common []axis, own map[string][]axis) {
	own = map[string][]axis{}
	for _, key := range w.Axes() {
		list, _ := w.root.Find([]any{"sweep", "axes", key})
		a := axis{key: key, list: list}
		if a.judge(found); strings.HasPrefix(key, "filter.") {
			a.filter = strings.Split(key, ".")[1]
			own[a.filter] = append(own[a.filter], a)
			if labels := w.Labels(); !slices.Contains(labels, a.filter) {
				unknownLabel(found, list.KeyPlace(), "filter", a.filter, labels)
			}
			continue
		}
		common = append(common, a)
	}
	return common, own
}

func (a axis) judge(found *diag.Findings) {
	parts := strings.Split(a.key, ".")
	atLeast := 2
	if parts[0] == "filter" {
		atLeast = 3
	}
	good := slices.Contains(sweepable, parts[0]) && len(parts) >= atLeast && !slices.Contains(parts, "") && parts[len(parts)-1] != "label"
	if !good && a.key != "experiment.seed" {
		found.Add(codeUnknown, a.list.KeyPlace(), "`%s` cannot be an axis", diag.Shorten(a.key)).WithLabel("not a key of an axis").
			WithHelp("an axis is a key such as ensemble.size, model.params.NAME or filter.LABEL.params.NAME")
	}
	for i, item := range a.list.Items {
		for _, other := range a.list.Items[:i] {
			if same(item.Plain(), other.Plain()) {
				found.Add(codeDuplicate, item.Place(), "`%s` has the value %s twice", a.key, showValue(item.Plain())).WithLabel("the second one").
					WithNote("the first one is at %s", other.Place().Where()).WithHelp("remove one of them")
			}
		}
	}
}

func (w *Workflow) judgeExclude(found *diag.Findings) {
	if w.Sweep == nil {
		return
	}
	for i, e := range w.Sweep.Exclude {
		for _, key := range slices.Sorted(maps.Keys(e)) {
			at := []any{"sweep", "exclude", i, key}
			values, ok := w.Sweep.Axes[key].([]any)
			if !ok {
				d := found.Add(codeReference, w.KeyAt(at...), "there is no axis `%s`", diag.Shorten(key)).WithHelp("the axes are %s", list(backquoted(w.Axes()), "and"))
				if meant := diag.Suggest(key, w.Axes()); meant != "" {
					d.WithLabel("did you mean `%s`?", meant)
				}
				continue
			}
			if !slices.ContainsFunc(values, func(v any) bool { return same(v, e[key]) }) {
				found.Add(codeReference, w.At(at...), "the axis `%s` has no value %s", key, showValue(e[key])).
					WithNote("the axis is at %s", w.KeyAt("sweep", "axes", key).Where()).WithHelp("name one of its values")
			}
		}
	}
}

func (w *Workflow) countTrials(common []axis, own map[string][]axis) int {
	product := func(axes []axis) int {
		n := 1
		for _, a := range axes {
			n = min(n*len(a.list.Items), maxTrials+1)
		}
		return n
	}
	n := 0
	for _, f := range w.Filters {
		if w.Runs(f.Label) {
			n += product(own[f.Label])
		}
	}
	return n * product(common) * len(w.Replicates())
}

// combinations yields all combinations of the values of axes; the first axis
// varies most slowly.
func combinations(axes []axis) func(yield func(combination) bool) {
	return func(yield func(combination) bool) {
		c := make(combination, len(axes))
		for {
			if !yield(slices.Clone(c)) {
				return
			}
			i := len(axes) - 1
			for ; i >= 0; i-- {
				if c[i]++; c[i] < len(axes[i].list.Items) {
					break
				}
				c[i] = 0
			}
			if i < 0 {
				return
			}
		}
	}
}

// with returns the workflow of given with one combination of values in it, and the
// values in the form that was accepted.
func (w *Workflow) with(given *tomltext.Node, axes []axis, c combination, found *diag.Findings) (*Workflow, map[string]any) {
	root := given.Clone()
	leaves := make([]*tomltext.Node, len(axes))
	for i, a := range axes {
		var over *tomltext.Node
		over, leaves[i] = a.overlay(c[i])
		tomltext.Merge(rule{found}, root, over)
	}
	v := build(found, root, w.File, w.Profile)
	v.Sweep = w.Sweep
	values := make(map[string]any, len(axes))
	for i, a := range axes {
		values[a.key] = leaves[i].Plain()
	}
	return v, values
}

// overlay returns a tree that holds only the value with index i, and the node of that value.
// Findings about it are shown in the list of values.
func (a axis) overlay(i int) (root, leaf *tomltext.Node) {
	leaf = a.list.Pick(i)
	root = leaf
	for _, name := range slices.Backward(strings.Split(a.key, ".")) {
		root = a.list.Wrap(name, root)
	}
	return root, leaf
}

// excluded reports whether an exclusion matches a trial with these values.
func (w *Workflow) excluded(values map[string]any) bool {
	if w.Sweep == nil {
		return false
	}
	return slices.ContainsFunc(w.Sweep.Exclude, func(e map[string]any) bool {
		for key, v := range e {
			if got, ok := values[key]; !ok || !same(got, v) {
				return false
			}
		}
		return true
	})
}

// same compares two values as a workflow does: 1 and 1.0 are the same.
func same(a, b any) bool {
	x, okX := convert(a, number)
	y, okY := convert(b, number)
	if okX && okY {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func showValue(v any) string {
	if text, err := tomltext.Inline(v); err == nil {
		return diag.Shorten(string(text))
	}
	return diag.Shorten(fmt.Sprint(v))
}
