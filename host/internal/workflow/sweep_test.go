package workflow

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// twoFilters is a workflow with the filters f and g, swept one with axes.
var (
	twoFilters = strings.Replace(minimal, `plugin = "c" }`, `plugin = "c" }, { label = "g", plugin = "c" }`, 1)
	swept      = twoFilters + `
[sweep]
replicate = "1..3"
[sweep.axes]
ensemble.size = [20, 30]
filter.g.params.inflation = [1.0, "=21/20"]
model.params.rho = [28]
[[sweep.exclude]]
"ensemble.size" = 30
"filter.g.params.inflation" = 1
`
)

// The axes for all filters make settings, those of one filter its variants; the first
// axis by name varies most slowly, and what is excluded is left out.
func TestSettings(t *testing.T) {
	w, found := Parse("w.toml", []byte(swept), Options{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	var got []string
	for _, s := range w.Settings() {
		line := fmt.Sprint(s.Ensemble.Size, s.Model.Params["rho"])
		for _, v := range s.Variants {
			line += fmt.Sprint(" ", v.Filters[v.Filter].Label, v.Filters[v.Filter].Size, v.Filters[v.Filter].Params["inflation"], len(v.Values))
		}
		got = append(got, line)
	}
	want := []string{"20 28 f20 <nil> 2 g20 1 3 g20 1.05 3", "30 28 f30 <nil> 2 g30 1.05 3"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := w.Replicates(); !reflect.DeepEqual(r, []int{1, 2, 3}) {
		t.Errorf("replicates %v", r)
	}
	if a := w.Axes(); !reflect.DeepEqual(a, []string{"ensemble.size", "filter.g.params.inflation", "model.params.rho"}) {
		t.Errorf("axes %v", a)
	}
	s := w.Settings()
	if a, b := s[0].Fingerprint(), s[1].Fingerprint(); a == b || a != w.Settings()[0].Fingerprint() {
		t.Error("fingerprints do not tell settings apart")
	}
	reload(t, w) // in which no size is written that an axis changes
	if text, err := w.Resolved(); err != nil || strings.Count(string(text), "size =") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
}

// Without axes there is one setting, of the filters that the sweep leaves in.
func TestSettingsWithoutAxes(t *testing.T) {
	for sweep, want := range map[string]int{"": 2, "filter=['g']": 1, "replicate=[2, 5]": 2} {
		var opt Options
		if sweep != "" {
			opt.Sweep = []string{sweep}
		}
		w, found := Parse("w.toml", []byte(twoFilters), opt)
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		s := w.Settings()
		if len(s) != 1 || s[0].Workflow != w || len(s[0].Variants) != want || s[0].Variants[want-1].Filter != 1 || w.Runs("f") != (want == 2) {
			t.Errorf("%q: %+v", sweep, s)
		}
		if len(w.Replicates()) == 0 || len(w.Axes()) > 0 {
			t.Errorf("%q: replicates %v, axes %v", sweep, w.Replicates(), w.Axes())
		}
	}
}
