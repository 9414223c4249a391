package sdk

import (
	"math"
	"strings"
	"testing"
)

const sound = `
name = "lake"
version = "0.1.0"
role = "model"
summary = "a lake"
step = 0.5

[[param]]
name = "area"
type = "float"
default = 2        # an integer where a float is wanted
above = 0.0
unit = "m2"
doc = "surface"

[[param]]
name = "scheme"
type = "string"
default = "rk4"
choices = ["rk4", "euler"]
doc = "integrator"

[[param]]
name = "depths"
type = "floats"
required = true
min = 0.0
doc = "of the layers"

[[param]]
name = "layers"
type = "int"
default = 3
min = 1
max = 9
doc = "their number"
`

func parse(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Large ensembles are split over calls, but not those of programs and servers, which may have more
// cores than this machine.
func TestMembersPerCall(t *testing.T) {
	const head = "name = \"a\"\nversion = \"1\"\nrole = \"model\"\nsummary = \"s\"\n"
	for _, c := range []struct {
		manifest      string
		values, cores int
		want          int
	}{
		{"", 1 << 20, 2, 4},
		{"", 1 << 20, 64, 64},
		{"", 1 << 30, 2, 2},
		{"", 0, 2, 4 << 20},
		{"[threading]\nmax_members_per_call = 3", 1 << 20, 2, 3},
		{"[threading]\nindependent_members = false", 1 << 20, 2, 0},
		{"external = true", 1 << 20, 2, 0},
		{"external = true\n[threading]\nmax_members_per_call = 10", 1 << 20, 2, 10},
	} {
		m, err := ParseManifest(head + c.manifest)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Threading.MembersPerCall(c.values, c.cores); got != c.want {
			t.Errorf("%q, %d values, %d cores: got %d, want %d", c.manifest, c.values, c.cores, got, c.want)
		}
	}
}

func TestManifestRefusals(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"syntax", `name = "lake"`, `name = lake`, "plugin.toml: toml: line 2"},
		{"unknown key", "step = 0.5", "stepp = 0.5", "unknown key stepp"},
		{"name", `name = "lake"`, `name = "My Lake"`, `name: got "My Lake", want lower-case letters`},
		{"version", `version = "0.1.0"`, ``, "version is missing"},
		{"role", `role = "model"`, `role = "modell"`, `role: got "modell", want model, operator or filter`},
		{"summary", `summary = "a lake"`, ``, "summary is missing"},
		{"doc", `doc = "surface"`, ``, "param area: doc is missing"},
		{"type", `type = "floats"`, `type = "vector"`, `param depths: type: got "vector", want float`},
		{"default out of range", "default = 3", "default = 10", "param layers: default: layers: must be an integer in [1, 9], but is 10"},
		{"default of another type", `default = "rk4"`, `default = 4`, "must be one of rk4, euler, but is 4"},
		{"neither default nor required", "required = true", "", "param depths: want either a default or required = true"},
		{"repeated", `name = "layers"`, `name = "area"`, "param area is repeated"},
		{"use of a path", `doc = "surface"`, `doc = "surface"` + "\n" + `path = "in"`, `param area: path: got "in", want input, program or output`},
		{"path of a number", `doc = "surface"`, `doc = "surface"` + "\n" + `path = "input"`, "param area: path is for strings without choices"},
		{"path with choices", `default = "rk4"`, `default = "rk4"` + "\n" + `path = "input"`, "param scheme: path is for strings without choices"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(sound, tt.old, tt.new, 1)
			if text == sound {
				t.Fatalf("%q does not stand in the sound manifest", tt.old)
			}
			_, err := ParseManifest(text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	m := parse(t, sound)
	params, err := m.Resolve(map[string]any{"depths": []any{int64(1), 2.5}, "layers": 2.0})
	if err != nil {
		t.Fatal(err)
	}
	type scheme string
	type Shared struct {
		Scheme scheme `param:"scheme"`
	}
	var got struct {
		Shared
		Area   float64   `param:"area"`
		Depths []float64 `param:"depths"`
		Layers int       `param:"layers"`
	}
	params.Decode(&got)
	if got.Area != 2 || got.Scheme != "rk4" || len(got.Depths) != 2 || got.Depths[1] != 2.5 || got.Layers != 2 {
		t.Errorf("got %+v", got)
	}
}

// A time in seconds may be written as durations are elsewhere in workflows.
func TestDurationsInSeconds(t *testing.T) {
	seconds, metres := &Param{Name: "timeout", Type: Float, Unit: "s", Min: new(float64)}, &Param{Name: "depth", Type: Float, Unit: "m"}
	for text, want := range map[string]float64{"2s": 2, "1m30s": 90, "250ms": 0.25} {
		if got, err := seconds.Check(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %g", text, got, err, want)
		}
		if got, err := metres.Check(text); err == nil {
			t.Errorf("%s for metres: got %v", text, got)
		}
	}
	for _, text := range []string{"-2s", "2", "two"} {
		if got, err := seconds.Check(text); err == nil {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestResolveRefusals(t *testing.T) {
	m := parse(t, sound)
	depths := []any{1.0}
	tests := []struct {
		name  string
		given map[string]any
		want  string
	}{
		{"missing", nil, "depths: is required: a list of numbers >= 0"},
		{"unknown", map[string]any{"depths": depths, "aera": 1.0}, "aera: lake has no such parameter"},
		{"type", map[string]any{"depths": depths, "area": "big"}, `area: must be a number > 0, but is the string "big"`},
		{"range", map[string]any{"depths": depths, "area": 0.0}, "area: must be a number > 0, but is 0"},
		{"infinite", map[string]any{"depths": depths, "area": math.Inf(1)}, "area: must be a number > 0, but is +Inf"},
		{"fraction", map[string]any{"depths": depths, "layers": 2.5}, "layers: must be an integer in [1, 9], but is 2.5"},
		{"choice", map[string]any{"depths": depths, "scheme": "rk5"}, `scheme: must be one of rk4, euler, but is the string "rk5"`},
		{"item", map[string]any{"depths": []any{1.0, -1.0}}, "depths: must be a list of numbers >= 0, but item 2 is -1"},
		{"no list", map[string]any{"depths": 1.0}, "depths: must be a list of numbers >= 0, but is 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := m.Resolve(tt.given)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if KindOf(err) != KindConfig {
				t.Errorf("kind %q, want %q", KindOf(err), KindConfig)
			}
		})
	}
}

func TestDecodePanicsWhenStructAndManifestDisagree(t *testing.T) {
	params, err := parse(t, sound).Resolve(map[string]any{"depths": []any{1.0}})
	if err != nil {
		t.Fatal(err)
	}
	for name, dst := range map[string]any{
		"missing field": &struct {
			Area float64 `param:"area"`
		}{},
		"unknown field": &struct {
			Volume float64 `param:"volume"`
		}{},
		"other type": &struct {
			Area string `param:"area"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			params.Decode(dst)
		})
	}
}

func TestResolveStep(t *testing.T) {
	m := parse(t, sound)
	if step, err := m.ResolveStep(0); step != 0.5 || err != nil {
		t.Errorf("default: got %v, %v", step, err)
	}
	if _, err := m.ResolveStep(-1); err == nil {
		t.Error("a negative step is accepted")
	}
	m.Step = 0
	if _, err := m.ResolveStep(0.1); err == nil || !strings.Contains(err.Error(), "lake has no time step, but 0.1 was given; remove the step") {
		t.Errorf("got %v", err)
	}
}

func TestCheckError(t *testing.T) {
	m := &Manifest{Errors: []string{"normal", "student_t"}}
	tests := []struct {
		e    ErrorModel
		want string // "": accepted
	}{
		{ErrorModel{Dist: "normal", SD: []float64{1, 2}}, ""},
		{ErrorModel{Dist: "cauchy", SD: []float64{1}}, `error.dist: must be one of normal, student_t, but is "cauchy"`},
		{ErrorModel{Dist: "normal"}, "error.sd: is missing"},
		{ErrorModel{Dist: "normal", SD: []float64{1, 0}}, "error.sd: must be above 0 and finite, but is 0"},
		{ErrorModel{Dist: "student_t", SD: []float64{1}, DF: 2}, "error.df: must be above 2"},
	}
	for _, tt := range tests {
		err := m.CheckError(tt.e)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: got %v, want %q", tt.e, err, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := Errorf(KindShape, "params.n", "got %d, want at least 4", 3).WithHint("use a longer ring")
	if got, want := err.Error(), "params.n: got 3, want at least 4; use a longer ring"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The first memory that applies counts.
func TestMemory(t *testing.T) {
	const filter = `name = "f"
version = "1"
role = "filter"
summary = "a filter"
[[param]]
name = "scheme"
type = "string"
default = "a"
choices = ["a", "b"]
doc = "a scheme"
`
	m, err := ParseManifest(filter + "[[memory]]\nwhen = { scheme = [\"b\"] }\nstate = 2.0\n[[memory]]\nobserved = 1.5\n")
	if err != nil {
		t.Fatal(err)
	}
	for scheme, want := range map[string][2]float64{"a": {0, 1.5}, "b": {2, 0}} {
		if got := m.MemoryWith(Params{"scheme": scheme}); [2]float64{got.State, got.Observed} != want {
			t.Errorf("%s: got %+v, want %v", scheme, got, want)
		}
	}
	for text, want := range map[string]string{
		"state = -1.0":                "memory 1: want numbers >= 0, got -1",
		"observed = inf":              "memory 1: want numbers >= 0, got +Inf",
		"members = -2.0":              "memory 1: want numbers >= 0, got -2",
		"core = nan":                  "memory 1: want numbers >= 0, got NaN",
		"when = { scheme = [\"c\"] }": "memory 1: when: scheme has no choice \"c\", it has a, b",
		"size = 3":                    "unknown key memory.size",
	} {
		if _, err := ParseManifest(filter + "[[memory]]\n" + text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
