package workflow

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Every key, every choice, every format and every code is in the reference.
func TestMarkdown(t *testing.T) {
	text := Markdown([][2]string{{".csv", "text"}}, Codes())
	for path, words := range Keys() {
		name := path[strings.LastIndex(path, ".")+1:]
		if name != "dist" && !strings.Contains(text, "| `"+name+"` |") {
			t.Errorf("%s is not in the reference", path)
		}
		for _, word := range words {
			if !strings.Contains(text, `"`+word+`"`) {
				t.Errorf("%q, a choice of %s, is not in the reference", word, path)
			}
		}
	}
	for _, c := range Codes() {
		if !strings.Contains(text, "| "+string(c.Code)+" | "+c.Means+" | "+cellText(c.Remedy)+" |") {
			t.Errorf("%s is not in the reference", c.Code)
		}
	}
	if !strings.Contains(text, "| `.csv` | text |") {
		t.Error("the format .csv is not in the reference")
	}
	if want := `such as '/.\*\\\*/', that mean`; !strings.Contains(text, want) { // '/.*\*/' on the page
		t.Errorf("the reference has no %s", want)
	}
	if keys := Keys(); !slices.Equal(keys["output.ensemble"], []string{"none", "forecast", "analysis", "both"}) ||
		!slices.Contains(keys["ensemble.init.dist"], "samples") || keys["time.cycles"] != nil {
		t.Errorf("choices %v, %v, %v", keys["output.ensemble"], keys["ensemble.init.dist"], keys["time.cycles"])
	}
}

// The schema takes every workflow that loads, and sees the faults a schema can see.
func TestJSONSchema(t *testing.T) {
	text, err := json.Marshal(JSONSchema(map[string]map[string]any{
		"model": {"tested": map[string]any{"type": "object", "properties": map[string]any{"rho": map[string]any{"type": "number"}}, "additionalProperties": false}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("w.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("w.json")
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(text string) error {
		t.Helper()
		var values map[string]any
		if _, err := toml.Decode(text, &values); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(doc)
	}
	files, err := filepath.Glob("../../../workflows/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	for _, file := range append(files, "testdata/good/full.toml", "testdata/include/twin.toml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := accepts(string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	known := strings.Replace(minimal, `model.plugin = "a"`, `model = { plugin = "tested", params = { rho = 28 } }`, 1)
	joined := strings.Replace(fromFile, `column = "t"`, `columns = ["d", "t"], format = "%d %H", timezone = "-08:00"`, 1)
	for _, text := range []string{minimal, known, fromFile, joined,
		minimal + "[sweep.axes]\nensemble.size = [20, 50]\nmodel.params.rho = [1]\n\"filter.f.size\" = [3]\n",
		minimal + "sweep.axes.ensemble.size = [20, 50]\n",
		strings.Replace(minimal, "interval = 1", `interval = "1h", step = "10min", unit = "1d"`, 1)} {
		if _, found := Parse("w.toml", []byte(strings.Replace(text, "rho = 28", "", 1)), Options{}); len(found) > 0 {
			t.Errorf("plume refuses %s", found.Text(false))
		}
		if err := accepts(text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	for _, fault := range [][2]string{
		{"cycles", "cycels"}, {"rho", "roh"}, {"28", `"x"`}, {`"normal"`, `"gaussian"`}, {"interval = 1", "interval = -1"}, {"interval = 1", `interval = "often"`}, {"seed = 0", `seed = "none"`},
		{"format = 1", "format = 2"}, {"error.sd = 1", "error = { sd = 1, variance = 1 }"}, {"size = 20", "size = 1"}, {`label = "f"`, `label = "F!"`},
		{"mean = 0", "average = 0"}, {`, seed = 0`, ""},
		{"format = 1", "format = 1\nsweep.axes.ensemble.size = 20"},
	} {
		bad := strings.Replace(known, fault[0], fault[1], 1)
		if bad == known {
			t.Fatalf("%q is not in the workflow", fault[0])
		}
		if accepts(bad) == nil {
			t.Errorf("%q for %q is accepted", fault[1], fault[0])
		}
	}
}

func TestProfiles(t *testing.T) {
	for file, want := range map[string][]string{
		"testdata/good/full.toml": {"quick", "wide"}, "testdata/include/twin.toml": {"quick"}, "testdata/none.toml": nil,
		"testdata/bad/syntax-unit.toml": nil, "testdata/include/filters.toml": nil,
	} {
		if got := Profiles(file); !slices.Equal(got, want) {
			t.Errorf("%s: profiles %v, want %v", file, got, want)
		}
	}
}
