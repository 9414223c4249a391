package export

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/names"
)

// origins say what the arrays of a run come from: its trials, and where its variables are.
type origins struct {
	every      []attribute // of all files and groups
	axes       []string
	trials     map[int]*archive.TrialRow   // by their numbers
	replicates map[int][]*archive.TrialRow // by those of their replicates
	places     places
}

// originsOf reads them. While a run is running, nothing says what the truth and the settings of a
// trial are.
func originsOf(r *archive.Reader, source string) (*origins, error) {
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return nil, err
	}
	o := &origins{every: []attribute{{"Conventions", "CF-1.11"}, {"title", r.Info.Name}, {"source", source},
		{"history", r.Info.Started.UTC().Format(time.RFC3339) + " plume run"}, {"run", filepath.Base(dir)}}}
	if o.places, err = placesOf(r); err != nil {
		return nil, err
	}
	var trials []archive.TrialRow
	if trials, o.axes, err = r.Trials(); err == nil && len(trials) == 0 {
		trials, err = r.Begun()
		for i := range trials {
			trials[i].Truth = -1
		}
	}
	o.trials, o.replicates = map[int]*archive.TrialRow{}, map[int][]*archive.TrialRow{}
	for i := range trials {
		t := &trials[i]
		o.trials[t.Trial] = t
		o.replicates[t.Replicate] = append(o.replicates[t.Replicate], t)
	}
	return o, err
}

var numbered = regexp.MustCompile(`^(?:(truth|reference)/replicate=(\d+)/part-(\d+)|(?:ensemble|smoothed)/trial=(\d+)/.*)$`)

// origin is what a table, or a grid of it, comes from. A number that is not known is -1.
type origin struct {
	trial, replicate, truth, reference int
}

// of returns the origin of a table by its name.
func (o *origins) of(name string) origin {
	found := origin{-1, -1, -1, -1}
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return found
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	switch m[1] {
	case "truth":
		found.replicate, found.truth = number(m[2]), number(m[3])
	case "reference":
		found.replicate, found.reference = number(m[2]), number(m[3])
	default:
		found.trial = number(m[4])
	}
	return o.known(found)
}

// known returns f with the truth and the replicate of its trials, unless it has a truth.
func (o *origins) known(f origin) origin {
	if own := o.trialsOf(f); f.truth < 0 && len(own) > 0 {
		f.truth, f.replicate = own[0].Truth, own[0].Replicate
	}
	return f
}

// trialsOf returns the trials that an origin belongs to.
func (o *origins) trialsOf(f origin) (own []*archive.TrialRow) {
	if t := o.trials[f.trial]; t != nil {
		return []*archive.TrialRow{t}
	}
	for _, t := range o.replicates[f.replicate] {
		if (f.truth < 0 || t.Truth == f.truth) && (f.reference < 0 || t.Reference == f.reference) {
			own = append(own, t)
		}
	}
	return own
}

// attributes returns what is said of an origin: its numbers, the filter of a trial, and values of
// the sweep, by the keys of its axes: those that all trials of a truth have.
func (o *origins) attributes(f origin) []attribute {
	list := slices.Clone(o.every)
	for _, n := range []struct {
		name  string
		value int
	}{{"trial", f.trial}, {"replicate", f.replicate}, {"truth", f.truth}, {"reference", f.reference}} {
		if n.value >= 0 {
			list = append(list, attribute{n.name, int32(n.value)})
		}
	}
	own := o.trialsOf(f)
	if len(own) == 0 {
		return list
	}
	if f.trial >= 0 {
		list = append(list, attribute{"filter", own[0].Filter})
		if own[0].Plugin != "" {
			list = append(list, attribute{"plugin", own[0].Plugin})
		}
	}
	for _, axis := range o.axes {
		value := settingOf(own[0].Values[axis])
		same := !slices.ContainsFunc(own, func(t *archive.TrialRow) bool { return settingOf(t.Values[axis]) != value })
		if value != nil && same {
			list = append(list, attribute{names.Array(axis), value})
		}
	}
	return list
}

// settingOf returns the value of an axis as attributes have it; nil: it has none.
func settingOf(v any) any {
	switch v := v.(type) {
	case nil, string, int32:
		return v
	case int64:
		if v == int64(int32(v)) {
			return int32(v)
		}
		return fmt.Sprint(v)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
	return fmt.Sprint(v)
}
