package workflow

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

func load(t *testing.T, opt Options) *Workflow {
	t.Helper()
	w, found := Load("testdata/good/full.toml", opt)
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	return w
}

func TestFull(t *testing.T) {
	w := load(t, Options{})
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	want := &Workflow{
		Format: 1,
		Experiment: Experiment{Name: "full", Seed: 42,
			Description: "every key of the language: ünïcode, “quotes” and 日本語"},
		Time: Time{Cycles: 80, Interval: 0.25, Step: 0.01, Start: Moment{Model: 1}, BurnIn: 10},
		Plugins: map[string]Plugin{
			"lake": {Command: []string{filepath.Join(dir, "sim"), "--serve"}, Network: "unix", SHA256: strings.Repeat("0123456789abcdef", 4)},
			"pond": {Command: []string{"python3", "pond.py"}, Network: "tcp"},
		},
		Model: Model{Replicas: 2, MaxFailed: 5, Precision: "float64", Component: Component{Plugin: "lorenz63", Timeout: 90 * time.Second, OnFailure: "drop_member", Retries: 1, Params: map[string]any{
			"beta": 8.0 / 3, "rho": int64(28), "list": []any{int64(1), 2 * math.Pi, []any{3.5, -2.0}},
			"nested": map[string]any{"deep": map[string]any{"value": 1.0}},
			"when":   time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), "scheme": "rk4",
		}}},
		Truth: &Truth{SpinUp: 20, Init: Start{Dist: "normal", Mean: Values{List: Numbers{1.5, -1.5, 25}}, SD: Values{List: Numbers{math.Sqrt2}}},
			Params: map[string]any{"rho": 28.5}},
		Observations: []Observations{{
			Replicas: 3,
			Component: Component{Plugin: "obs-nonlinear", OnFailure: "retry", Retries: 2,
				Params: map[string]any{"operator": "arctan", "variables": []any{"x", "y"}}},
			Error: ErrorModel{Dist: "student_t", Variance: Numbers{1, 2}, DF: 4},
		}},
		Ensemble: Ensemble{Size: 100, Init: Start{Dist: "normal", Around: "truth", SD: Values{List: Numbers{2}}}},
		Filters: []Filter{
			{Label: "diffusion", Component: Component{Plugin: "filter-diffusion", OnFailure: "fail"}, Size: 100},
			{Label: "enkf", Component: Component{Plugin: "filter-enkf", OnFailure: "retry", Retries: 7,
				Params: map[string]any{"scheme": "stochastic", "inflation": 1.02}}, Size: 20},
		},
		Reference: &Reference{Component: Component{Plugin: "filter-pf", OnFailure: "fail",
			Params: map[string]any{"jitter": 0.5}}, Size: 100_000, Store: 500},
		Verify: Verify{Metrics: []string{"rmse", "crps_fair"}, Baseline: "enkf"},
		Output: Output{Ensemble: "both", Precision: "float64", Variables: 3},
		Expect: &Expect{Source: "Sakov, Oliver & Bertino 2012, table 1", Scores: []Score{
			{Filter: "enkf", Metric: "rmse", Value: 0.56, Tolerance: 0.03, Note: "three standard errors over four seeds"},
			{Filter: "climatology", Metric: "rmse", Value: 7.6, Relative: 0.05},
		}},
		Published: &Published{Source: "Sakov, Oliver & Bertino 2012, table 1", Differs: "100,000 cycles", Scores: []PublishedScore{
			{Filter: "enkf", Metric: "rmse", Value: 0.56}, {Method: "iEnKF", Size: 10, Metric: "rmse", Value: 0.31},
		}},
		File: "testdata/good/full.toml", root: w.root,
	}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("got  %+v\nwant %+v", w, want)
	}
}

func TestDefaults(t *testing.T) {
	w, found := Parse("w.toml", []byte(minimal), Options{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	switch {
	case w.Time != Time{Cycles: 10, Interval: 1}:
		t.Errorf("time %+v", w.Time)
	case w.Observations[0].Error.Dist != "normal" || w.Output.Ensemble != "analysis" || w.Filters[0].Size != 20:
		t.Errorf("%+v %+v %+v", w.Observations[0].Error, w.Output, w.Filters[0])
	case w.Reference != nil || w.Expect != nil || !reflect.DeepEqual(w.Truth.Init, Start{Mean: Values{List: Numbers{1, 2}}}):
		t.Errorf("%+v %+v %+v", w.Reference, w.Expect, w.Truth)
	}
	reload(t, w)
	w, found = Parse("w.toml", []byte(minimal), Options{Set: []string{"reference.plugin=filter-pf", "reference.size=5000"}})
	if len(found) > 0 || w.Reference.Store != 1000 {
		t.Error("a reference keeps", w.Reference, found.Text(false))
	}
}

const minimal = `format = 1
experiment = { name = "m", seed = 0 }
time = { cycles = 10, interval = 1 }
model.plugin = "a"
truth.init = [1, 2]
observations = { plugin = "b", error.sd = 1 }
ensemble = { size = 20, init = { dist = "normal", mean = 0, sd = 1 } }
filter = [{ label = "f", plugin = "c" }]
`

func TestLayers(t *testing.T) {
	w := load(t, Options{Profile: "quick"})
	if w.Time.Cycles != 50 || w.Filters[1].Size != 10 || w.Filters[1].Params["inflation"] != 1.02 || w.Profile != "quick" {
		t.Errorf("quick: %+v %+v", w.Time, w.Filters)
	}
	w = load(t, Options{Profile: "wide", Set: []string{"ensemble.size=50", "filter.enkf.params.inflation==21/20", `filter.enkf.params.scheme="etkf"`,
		"filter.particle.params.resampling=systematic", "model.params.list=[1, 2]"}})
	if labels := w.Labels(); !slices.Equal(labels, []string{"diffusion", "enkf", "particle"}) {
		t.Errorf("wide: labels %v", labels)
	}
	if w.Ensemble.Size != 50 || w.Filters[0].Size != 50 || w.Filters[1].Size != 20 || w.Filters[2].Size != 50 {
		t.Errorf("wide: sizes %+v", w.Filters)
	}
	if p := w.Filters[1].Params; p["inflation"] != 1.05 || p["scheme"] != "etkf" {
		t.Errorf("wide: params %v", p)
	}
	if p := w.Filters[2].Params; p["resampling"] != "systematic" {
		t.Errorf("wide: params %v", p)
	}
	if len(w.Expect.Scores) != 1 || w.Expect.Scores[0].Filter != "particle" {
		t.Errorf("wide: a list without labels must be replaced: %+v", w.Expect.Scores)
	}
	if l := w.Model.Params["list"]; !reflect.DeepEqual(l, []any{int64(1), int64(2)}) {
		t.Errorf("wide: list %v", l)
	}
}

func TestAt(t *testing.T) {
	w := load(t, Options{Profile: "quick", Set: []string{"model.params.rho=30"}})
	for _, c := range []struct {
		path       []any
		key, value string // line:column+width, or the layer
	}{
		{[]any{"model", "params", "beta"}, "28:1+4", "28:10+6"},
		{[]any{"model", "params", "list", 2, 1}, "30:29+9", "30:29+9"},
		{[]any{"filter", 1, "params", "inflation"}, "63:35+9", "63:47+4"},
		{[]any{"filter", 1}, "57:3+6", "57:1+10"},
		{[]any{"model"}, "20:2+5", "20:1+7"},
		{[]any{"observations", 0, "error", "variance"}, "46:1+8", "46:12+8"},
		{[]any{"filter", 0, "params", "steps"}, "53:1+10", "53:1+10"}, // not written: the table that would hold it
		{[]any{"filter", 0, "timeout"}, "53:1+10", "53:1+10"},
		{[]any{"nowhere"}, "1:1+1", "1:1+1"},
		{[]any{"time", "cycles"}, "profile quick", "profile quick"},
		{[]any{"model", "params", "rho"}, "--set model.params.rho=30", "--set model.params.rho=30"},
	} {
		if got := brief(w.KeyAt(c.path...)); got != c.key {
			t.Errorf("key of %v is at %s, want %s", c.path, got, c.key)
		}
		if got := brief(w.At(c.path...)); got != c.value {
			t.Errorf("%v is at %s, want %s", c.path, got, c.value)
		}
	}
}

func brief(s diag.Span) string {
	if s.Layer != diag.FileLayer {
		return s.Layer
	}
	return strings.TrimPrefix(s.Where(), s.File+":") + "+" + tomltext.Show(int64(s.Width))
}

func TestResolved(t *testing.T) {
	for _, opt := range []Options{{}, {Profile: "quick"}, {Profile: "wide", Set: []string{"truth.init=[1, 2, 3]", "ensemble.init={dist='normal', mean=[1, 2, 3], sd=0}"}}} {
		w := load(t, opt)
		text := reload(t, w)
		if opt.Profile == "" {
			folder, err := filepath.Abs("testdata/good")
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "testdata/good/full.resolved.txt", strings.ReplaceAll(text, folder, "FOLDER"))
		}
	}
}

// reload writes w and loads it again, from another folder: it must be the same.
func reload(t *testing.T, w *Workflow) string {
	t.Helper()
	text, err := w.Resolved()
	if err != nil {
		t.Fatal(err)
	}
	again, found := Parse("/elsewhere/workflow.resolved.toml", text, Options{})
	if len(found) > 0 {
		t.Fatalf("%s\n%s", text, found.Text(false))
	}
	second, err := again.Resolved()
	if err != nil || string(second) != string(text) {
		t.Fatalf("%v\n%s\nloaded again is\n%s", err, text, second)
	}
	return string(text)
}

// Every way to start comes back from the resolved workflow, files by absolute paths.
func TestStarts(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Start{
		`{ dist = "uniform", low = 0, high = { x = [1, 2], "a b" = "=1/2" } }`: {Dist: "uniform", Low: Values{List: Numbers{0}},
			High: Values{ByVariable: map[string]Numbers{"x": {1, 2}, "a b": {0.5}}}},
		`{ dist = "lognormal", median = 2, sd = [0.1, 0.2] }`:     {Dist: "lognormal", Median: Values{List: Numbers{2}}, SD: Values{List: Numbers{0.1, 0.2}}},
		`{ dist = "lognormal", around = "truth_init", sd = 0.5 }`: {Dist: "lognormal", Around: "truth_init", SD: Values{List: Numbers{0.5}}},
		`{ dist = "samples", file = "m.csv" }`:                    {Dist: "samples", File: filepath.Join(here, "m.csv")},
		`{ dist = "samples", file = "/m.arrow", columns = { x = "a", y = ["b", "c"] } }`: {Dist: "samples", File: "/m.arrow",
			Columns: map[string][]string{"x": {"a"}, "y": {"b", "c"}}},
	} {
		w, found := Parse("w.toml", []byte(minimal), Options{Set: []string{"ensemble.init=" + text}})
		if len(found) > 0 {
			t.Error(found.Text(false))
			continue
		}
		if !reflect.DeepEqual(w.Ensemble.Init, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", text, w.Ensemble.Init, want)
		}
		reload(t, w)
	}
	w, _ := Parse("w.toml", []byte(minimal), Options{})
	if w.ModelDir() != here || w.Path("d.csv") != filepath.Join(here, "d.csv") {
		t.Errorf("folder %s, path %s", w.ModelDir(), w.Path("d.csv"))
	}
}

// A profile may change one key of a distribution: it is checked against the distribution of the file.
func TestProfileOfDistribution(t *testing.T) {
	text := minimal + "[profile.wide]\nensemble.init.sd = 3\n"
	w, found := Parse("w.toml", []byte(text), Options{Profile: "wide"})
	if len(found) > 0 || !reflect.DeepEqual(w.Ensemble.Init.SD.List, Numbers{3}) {
		t.Errorf("%+v\n%s", w, found.Text(false))
	}
	text = minimal + "[profile.wide]\nensemble.init.median = 3\n"
	if _, found := Parse("w.toml", []byte(text), Options{}); len(found) != 1 || found[0].Code != codeUnknown || found[0].Layer != "profile wide" {
		t.Errorf("a key of another distribution: %s", found.Text(false))
	}
}

// The truth may start from one number for all values, as the members may.
func TestTruthFromOneNumber(t *testing.T) {
	for given, want := range map[string]string{"20": "[20.0]", `"=4 * 5"`: "[20.0]", "[1, 2]": "[1.0, 2.0]", `"warm"`: "", "true": ""} {
		w, found := Parse("w.toml", []byte(strings.Replace(minimal, "truth.init = [1, 2]", "truth.init = "+given, 1)), Options{})
		if want == "" {
			if len(found) != 1 || found[0].Code != codeType || !strings.Contains(found.Text(false), "must be a number, a list of numbers or a table") {
				t.Errorf("%s: %s", given, found.Text(false))
			}
			continue
		}
		if len(found) > 0 {
			t.Errorf("%s: %s", given, found.Text(false))
		} else if text, err := w.Truth.Init.MarshalTOML(); err != nil || string(text) != want {
			t.Errorf("%s: got %s, %v, want %s", given, text, err, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, found := Load("testdata/none.toml", Options{}); len(found) != 1 || found[0].Code != tomltext.CodeUnreadable ||
		found.Text(false) != "error[E104]: cannot read the workflow: no such file or directory\n  --> testdata/none.toml\n   = help: check that the file exists and that you may read it; `plume init` writes a workflow to start from\n" {
		t.Error(found.Text(false))
	}
	dir := t.TempDir()
	inside := filepath.Join(dir, "workflow.toml")
	if err := os.WriteFile(inside, []byte(minimal), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, found := Load(dir, Options{}); len(found) != 1 || !strings.Contains(found.Text(false), "= help: this is a folder; the workflow in it is "+inside) {
		t.Error(found.Text(false))
	}
	long := filepath.Join(t.TempDir(), "long.toml")
	if err := os.WriteFile(long, make([]byte, 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, found := Load(long, Options{}); len(found) != 1 || found[0].Code != tomltext.CodeTooLarge {
		t.Error(found.Text(false))
	}
}

// TestSchema holds the table of the language to its own rules and to the structs.
func TestSchema(t *testing.T) {
	checkSchema(t, "", &settings, reflect.TypeFor[Workflow]())
	if doc := lookup(schema.keys, "profile").doc; doc == "" {
		t.Error("profile has no doc")
	}
}

func checkSchema(t *testing.T, path string, k *key, typ reflect.Type) {
	t.Helper()
	if got, want := tags(typ), slices.Sorted(slices.Values(names(k.keys))); !slices.Equal(got, want) {
		t.Errorf("%s: the struct has %v, the schema %v", path, got, want)
	}
	for i := range k.keys {
		c := &k.keys[i]
		full := tomltext.Dotted(path, c.name)
		if c.doc == "" {
			t.Errorf("%s has no doc", full)
		}
		if c.required && c.example == "" && c.keys == nil {
			t.Errorf("%s is required, but has no example", full)
		}
		if c.required && c.def != nil {
			t.Errorf("%s is required, but has a default", full)
		}
		f, ok := fieldByTag(typ, c.name)
		if !ok {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || c.kind == named {
			inner = inner.Elem()
		}
		if c.keys != nil && inner != reflect.TypeFor[Start]() {
			checkSchema(t, full, c, inner)
		}
	}
}

func tags(typ reflect.Type) []string {
	var out []string
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get("toml"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func fieldByTag(typ reflect.Type, name string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(typ) {
		if tag, _, _ := strings.Cut(f.Tag.Get("toml"), ","); tag == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// What a sweep asks of memory grows with its trials, not with their square.
func TestSweepMemory(t *testing.T) {
	text, err := os.ReadFile("testdata/good/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	allocated := func(trials int) float64 {
		values := make([]string, trials)
		for i := range values {
			values[i] = strconv.Itoa(10 + i)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w, found := Parse("w.toml", text, Options{Sweep: []string{"ensemble.size=[" + strings.Join(values, ",") + "]"}})
		runtime.ReadMemStats(&after)
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		return float64(after.TotalAlloc-before.TotalAlloc) / float64(len(w.Settings()))
	}
	if few, many := allocated(200), allocated(1600); many > 2*few {
		t.Errorf("%g bytes a setting of 1600, %g of 200", many, few)
	}
}

// A misspelt key is found, whatever the key: its default is not filled in then, and
// nothing may count on it.
func TestMisspeltKeys(t *testing.T) {
	key := regexp.MustCompile(`(?m)^[a-z_]+ = `)
	for _, pattern := range []string{"testdata/good/*.toml", "../../../workflows/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			w, found := Load(file, Options{})
			if len(found) > 0 {
				t.Fatal(found.Text(false))
			}
			text := reload(t, w)
			for _, at := range key.FindAllStringIndex(text, -1) {
				misspelt := text[:at[0]] + text[at[0]+1:at[1]-len(" = ")] + "q = " + text[at[1]:]
				if w, found := Parse(file, []byte(misspelt), Options{}); w != nil && !insideParams(text[:at[0]]) {
					t.Errorf("%s: %q is not found in\n%s", file, misspelt[at[0]:at[1]], found.Text(false))
				}
			}
		}
	}
}

// insideParams reports whether text ends in a table whose names are free.
func insideParams(text string) bool {
	header := regexp.MustCompile(`(?m)^\[+([^\]]*)\]`).FindAllStringSubmatch(text, -1)
	return len(header) > 0 && regexp.MustCompile(`params|axes|profile|estimate`).MatchString(header[len(header)-1][1])
}
