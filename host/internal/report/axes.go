package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/compare"
)

// axis is something in which settings of one filter differ.
type axis struct {
	name    string // as in the workflow
	label   string
	values  []string  // in order
	numbers []float64 // of values; nil if some are not numbers
}

// The axis of ensemble sizes.
const (
	sizeAxis  = "ensemble.size"
	sizeLabel = "ensemble size N"
)

// addAxes finds the axes in which settings differ, and the values of the settings on them.
func (r *Report) addAxes() {
	r.axes = nil
	for _, w := range r.rows {
		w.setting = []int{}
	}
	r.addAxis(sizeAxis, sizeLabel, func(w *row) string { return w.SizeText() })
	var keys []string
	for _, w := range r.rows {
		for _, key := range w.run.Axes {
			if key != sizeAxis && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	for _, key := range keys {
		r.addAxis(key, axisLabel(key), func(w *row) string { return w.value(key) })
	}
	for _, w := range r.baselines {
		w.setting = slices.Repeat([]int{-1}, len(r.axes))
		for i, a := range r.axes {
			w.setting[i] = slices.Index(a.values, w.value(a.name))
		}
	}
}

// value returns the value of a row on an axis of its run; empty if there is none.
func (w *row) value(axis string) string {
	if k := slices.Index(w.run.Axes, axis); k >= 0 {
		return w.Values[k]
	}
	return ""
}

// axisLabel shortens a key of the workflow: filter.enkf.params.inflation is the
// inflation of enkf.
func axisLabel(key string) string {
	words := strings.Split(strings.TrimPrefix(key, "filter."), ".")
	words = slices.DeleteFunc(words, func(w string) bool { return w == "params" })
	return strings.Join(words, " ")
}

// addAxis adds an axis unless every filter has only one value on it. A setting that the axis
// does not apply to has no value.
func (r *Report) addAxis(name, label string, value func(*row) string) {
	a, first, differs := axis{name: name, label: label}, map[string]string{}, false
	for _, w := range r.rows {
		v := value(w)
		if v == "" {
			continue
		}
		if !slices.Contains(a.values, v) {
			a.values = append(a.values, v)
		}
		if other, ok := first[w.Filter]; ok && other != v {
			differs = true
		}
		first[w.Filter] = v
	}
	if !differs {
		return
	}
	a.sort()
	r.axes = append(r.axes, a)
	for _, w := range r.rows {
		w.setting = append(w.setting, slices.Index(a.values, value(w)))
	}
}

// sort orders the values by size if they are numbers; otherwise they stay in the order of
// the trials.
func (a *axis) sort() {
	numbers := make(map[string]float64, len(a.values))
	for _, v := range a.values {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return
		}
		numbers[v] = x
	}
	slices.SortStableFunc(a.values, func(v, w string) int {
		switch x, y := numbers[v], numbers[w]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for _, v := range a.values {
		a.numbers = append(a.numbers, numbers[v])
	}
}

// at returns the value of a row on axis i; empty if there is none.
func (r *Report) at(w *row, i int) string {
	if w.setting[i] < 0 {
		return ""
	}
	return r.axes[i].values[w.setting[i]]
}

// label names a setting in a few words.
func (r *Report) label(w *row) string {
	text := w.Filter
	for i, a := range r.axes {
		if v := r.at(w, i); v != "" {
			name := strings.TrimPrefix(a.label, w.Filter+" ")
			if a.name == sizeAxis {
				name = "N"
			}
			text += ", " + name + " " + v
		}
	}
	return text
}

// labelOf names the setting of a group.
func (r *Report) labelOf(g *compare.Group) string {
	return r.label(r.rows[slices.IndexFunc(r.rows, func(w *row) bool { return w.Group == g })])
}
