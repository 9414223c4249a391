package workflow

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func included(t *testing.T, opt Options) *Workflow {
	t.Helper()
	w, found := Load("testdata/include/twin.toml", opt)
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	return w
}

// Tables merge key by key, filters by label, and of two files the later one wins;
// paths start where they are written.
func TestInclude(t *testing.T) {
	w := included(t, Options{})
	if want := map[string]any{"area": 2.0, "depth": 3.0, "wind": 0.1}; !reflect.DeepEqual(w.Model.Params, want) {
		t.Errorf("params: got %v, want %v", w.Model.Params, want)
	}
	if !slices.Equal(w.Labels(), []string{"enkf", "particle"}) ||
		!reflect.DeepEqual(w.Filters[0].Params, map[string]any{"scheme": "etkf", "inflation": 1.1}) {
		t.Errorf("filters: got %+v", w.Filters)
	}
	models, err := filepath.Abs("testdata/include/models")
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{w.Model.Dir, w.Plugins["lake"].Python, w.Plugins["rain"].Command[0]}; !slices.Equal(got,
		[]string{filepath.Join(models, "data"), filepath.Join(models, "lake.py"), filepath.Join(models, "rain")}) {
		t.Errorf("paths: got %v", got)
	}
	if w.Experiment.Description != "shared" || w.Experiment.Seed != 1 {
		t.Errorf("experiment: got %+v", w.Experiment)
	}
}

// Every value names the file and the layer it comes from.
func TestIncludeAt(t *testing.T) {
	w := included(t, Options{Profile: "quick", Set: []string{"model.params.wind=0.2"}})
	for _, c := range []struct {
		want string
		path []any
	}{
		{"testdata/include/models/lake.toml:9:9 (include)", []any{"model", "params", "area"}},
		{"testdata/include/twin.toml:18:9", []any{"model", "params", "depth"}},
		{"--set model.params.wind=0.2:1:19 (--set model.params.wind=0.2)", []any{"model", "params", "wind"}},
		{"testdata/include/models/lake.toml:12:15 (profile quick)", []any{"time", "cycles"}},
		{"testdata/include/filters.toml:4:21 (include)", []any{"filter", 0, "params", "scheme"}},
		{"testdata/include/twin.toml:1:1", []any{"nowhere"}},
	} {
		at := w.At(c.path...)
		if at.File == "" {
			at.File = at.Layer
		}
		if got := at.Where(); got != c.want {
			t.Errorf("%v is at %s, want %s", c.path, got, c.want)
		}
	}
}

// A profile's distribution replaces that of the file as a whole.
func TestIncludedProfile(t *testing.T) {
	w := included(t, Options{Profile: "quick"})
	want := Start{Dist: "normal", Mean: Values{ByVariable: map[string]Numbers{"level": {1}}}, SD: Values{List: Numbers{0.5}}}
	if w.Time.Cycles != 5 || !reflect.DeepEqual(w.Ensemble.Init, want) {
		t.Errorf("got %+v, %+v", w.Time, w.Ensemble.Init)
	}
}

// The resolved workflow stands alone: it loads again from a folder in which none of
// the included files is.
func TestIncludeResolved(t *testing.T) {
	for _, opt := range []Options{{}, {Profile: "quick"}} {
		w := included(t, opt)
		if text := reload(t, w); strings.Contains(text, "include") && !strings.Contains(text, "testdata/include") {
			t.Error(text)
		}
	}
}

// Who writes a workflow may not read every file that who checks it may: of an included file
// outside of the folder of the workflow no line is shown, and nothing is quoted.
func TestIncludeShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	secret := "root:$y$j9T$hunter2:19000:0:99999\n"
	for name, text := range map[string]string{
		"shadow": secret, "settings.toml": "token = \"hunter2\" hunter2\n", "repeated.toml": "hunter2 = 1\nhunter2 = 2\n",
		"in/below/shadow": secret,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../shadow", filepath.Join(dir, "in", "link")); err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]bool{"../shadow": false, "../settings.toml": false, "../repeated.toml": false, filepath.Join(dir, "shadow"): false, "link": false, "below/shadow": true} {
		text := strings.Replace("format = 1\ninclude = [NAME]\n", "NAME", strconv.Quote(name), 1)
		_, found := Parse(filepath.Join(dir, "in", "w.toml"), []byte(text), Options{})
		got := found.Text(false) + found.JSON() + found.GitHub()
		if len(found) != 1 || strings.Contains(got, "hunter2") != shown || !strings.Contains(got, "not valid TOML") {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}
