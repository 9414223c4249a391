package sdk

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// Params holds the value of every parameter of a plugin in its own Go type, as
// [Manifest.Resolve] returns them.
type Params map[string]any

// Resolve checks given against m and fills in the defaults. All faults are
// reported together: parameters m does not have, values of the wrong type or
// outside their range, required parameters that are missing. It checks each parameter by
// itself; see [Manifest.CheckWhen].
func (m *Manifest) Resolve(given map[string]any) (Params, error) {
	var faults []error
	out := Params{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		p := m.Param(name)
		if p == nil {
			faults = append(faults, Errorf(KindConfig, name, "%s has no such parameter", m.Name))
			continue
		}
		v, err := p.Check(given[name])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		out[name] = v
	}
	for _, p := range m.Params {
		_, isGiven := given[p.Name]
		switch {
		case isGiven:
		case p.Required:
			faults = append(faults, Errorf(KindConfig, p.Name, "is required: %s", p.Wants()))
		default:
			out[p.Name] = p.Default
		}
	}
	return out, errors.Join(faults...)
}

// accept is [Manifest.Resolve] for parameters that must all apply.
func (m *Manifest) accept(given map[string]any) (Params, error) {
	params, err := m.Resolve(given)
	faults := []error{err}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		faults = append(faults, m.CheckWhen(name, given))
	}
	return params, errors.Join(faults...)
}

// Decode stores the parameters in the struct that dst points to, by the names in its
// `param:"..."` tags; embedded structs are included. Fields are of type float64,
// int, bool, string, []float64, []int, []string or a named type of these; "auto" becomes
// a float64 for which [IsAuto] is true. Decode panics if a tag and the manifest disagree:
// that is a bug in the plugin, found by its first test.
func (p Params) Decode(dst any) {
	v := reflect.ValueOf(dst).Elem()
	seen := 0
	for _, f := range reflect.VisibleFields(v.Type()) {
		name := f.Tag.Get("param")
		if name == "" {
			continue
		}
		value, ok := p[name]
		if !ok {
			panic(fmt.Sprintf("sdk: the manifest has no parameter %q", name))
		}
		assign(v.FieldByIndex(f.Index), reflect.ValueOf(value), name)
		seen++
	}
	if seen != len(p) {
		panic(fmt.Sprintf("sdk: %T takes %d parameters, the manifest has %d", dst, seen, len(p)))
	}
}

// IsAuto reports whether the value of a parameter is "auto", so that the plugin must choose
// the number.
func IsAuto(value float64) bool { return math.IsNaN(value) }

func assign(dst, src reflect.Value, name string) {
	if dst.Kind() == reflect.Float64 && src.Kind() == reflect.String && src.String() == auto {
		dst.SetFloat(math.NaN()) // ranges exclude NaN for all other parameters
		return
	}
	if dst.Kind() == reflect.Slice && src.Kind() == reflect.Slice {
		out := reflect.MakeSlice(dst.Type(), src.Len(), src.Len())
		for i := range src.Len() {
			assign(out.Index(i), src.Index(i), name)
		}
		dst.Set(out)
		return
	}
	same := dst.Kind() == src.Kind() || dst.Kind() == reflect.Int && src.Kind() == reflect.Int64
	if !same {
		panic(fmt.Sprintf("sdk: parameter %q is %s in the manifest and %s in the struct", name, src.Type(), dst.Type()))
	}
	dst.Set(src.Convert(dst.Type()))
}
