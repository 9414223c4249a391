package process

import (
	"os"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

func TestLayout(t *testing.T) {
	m := configured(t, params{"command": []string{"true"}, "variables": []string{"h(y, x)", "v( x,y )"}, "dimensions": []string{"y = 2", "x=3"},
		"units": []string{"m", "m/s"}, "spacing": []float64{10, 0.5}, "period": []float64{0, 1.5}})
	l := m.Layout()
	if err := l.Check(); err != nil {
		t.Fatal(err)
	}
	if l.Size() != 12 || l.Variables[0].Unit != "m" || l.Variables[1].Shape[0] != 3 || l.Variables[1].Dims[1] != "y" {
		t.Errorf("got %+v", l.Variables)
	}
	c := l.Coordinates
	if c.Dims[0] != "y" || c.Period[1] != 1.5 {
		t.Errorf("got %+v", c)
	}
	for _, tt := range []struct {
		name  string
		value int // h[1][2], v[2][1]: both at y = 10, x = 1
	}{{"h[1][2]", 5}, {"v[2][1]", 6 + 5}} {
		if valueNames(l)[tt.value] != tt.name || c.Points.At(tt.value, 0) != 10 || c.Points.At(tt.value, 1) != 1 {
			t.Errorf("%s is %s at %v", tt.name, valueNames(l)[tt.value], mat.Row(nil, tt.value, c.Points))
		}
	}
}

func TestPointsFromAFile(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(dir+"/points.csv", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := func() params {
		return scalars(params{"command": []string{"true"}, "points": "points.csv", "period": []float64{360, 0}})
	}
	write("lon, lat\n10.5,60\n355,-3\n")
	m, err := configureIn(dir, p())
	if err != nil {
		t.Fatal(err)
	}
	c := m.Layout().Coordinates
	if c.Dims[1] != "lat" || c.Points.At(1, 0) != 355 || c.Period[0] != 360 {
		t.Errorf("got %+v", c)
	}
	for text, want := range map[string]string{
		"lon,lat\n1,2\n":        "got 2 lines, want a header and one for each of 2 values",
		"lon,lat\n1,2\n3,x\n":   `line 3: column 2: got "x"`,
		"lon,lat\n1,2\n3\n":     "wrong number of fields",
		"lon,lat\n1,2\n3,NaN\n": "line 3: lat is not finite",
		"lon\n1\n3\n":           "period: got 2, want one for each of lon",
		"a,b,c\n1,2,3\n3,4,5\n": "period: got 2, want one for each of a, b, c",
	} {
		write(text)
		if _, err := configureIn(dir, p()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// Every refusal of a configuration names its parameter and is the user's to mend.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/bad.template", []byte("{{.state.q}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		where, want string
		given       params
	}{
		{"command", "is empty", params{"command": []string{}}},
		{"command", "cannot run \"no-such-program\"", params{"command": []string{"no-such-program"}}},
		{"command", "make it executable with chmod +x", params{"command": []string{"./bad.template"}}},
		{"command", `each argument is an item of the list: ["sh", "./run.sh"]`, params{"command": []string{"sh ./run.sh"}}},
		{"command", "relative to " + dir, params{"command": []string{"./no-such-program"}}},
		{"command", "there is no {{.imput}}; there are .cycle", params{"command": []string{"true", "{{.imput}}"}}},
		{"command", "there is no {{.member}}; there are .cycle, .from, .input, .interval, .output, .to, .members, and in {{range .members}} ... {{end}} .member, .seed, .state.x", params{"command": []string{"true", "{{.member}}"}, "mode": "batch"}},
		{"command", "unclosed action", params{"command": []string{"true", "{{.input"}}},
		{"variables", "no variables", params{"variables": []string{}}},
		{"variables", `got "2x"`, params{"variables": []string{"2x"}}},
		{"variables", `got "h(y"`, params{"variables": []string{"h(y"}}},
		{"variables", "name is repeated", params{"variables": []string{"x", "x"}}},
		{"variables", "h has the dimension y, whose length", params{"variables": []string{"h(y)"}}},
		{"variables", "h has the dimension y twice", params{"variables": []string{"h(y, y)"}, "dimensions": []string{"y = 2"}}},
		{"variables", "more than", params{"variables": []string{"h(y, x)"}, "dimensions": []string{"y = 100000", "x = 100000"}}},
		{"dimensions", `got "y"`, params{"dimensions": []string{"y"}}},
		{"dimensions", `got "y = 0"`, params{"dimensions": []string{"y = 0"}}},
		{"dimensions", "y is repeated", params{"dimensions": []string{"y = 1", "y = 2"}}},
		{"units", "got 1, want one for each of 2 variables", params{"units": []string{"m"}}},
		{"spacing", "got 1, want one for each of 0 dimensions", params{"spacing": []float64{1}}},
		{"spacing", "y lacks some of the dimensions i", params{"variables": []string{"x(i)", "y"}, "dimensions": []string{"i = 2"}, "spacing": []float64{1}}},
		{"points", "cannot be combined with spacing", params{"points": "p.csv", "spacing": []float64{1}}},
		{"points", "no such file", params{"points": "p.csv"}},
		{"period", "is set without coordinates", params{"period": []float64{1}}},
		{"env", `got "A B", want NAME=value`, params{"env": []string{"A B"}}},
		{"env", "there is no {{.b}}; there are", params{"env": []string{"A={{.b}}"}}},
		{"input", "a file in the working directory", params{"input": "../state.csv"}},
		{"input", `the name "stderr.txt" is taken`, params{"input": "stderr.txt", "template": "{{.state.x}} {{.state.y}}"}},
		{"output", `the name "./state.csv" is taken by input`, params{"output": "./state.csv"}},
		{"files", "no such file", params{"files": []string{"grid.nc"}}},
		{"files", "the name out is taken by output", params{"files": []string{"out"}, "output": "out/result.csv"}},
		{"copies", "no such file", params{"copies": []string{"grid.nc"}}},
		{"copies", "the name bad.template is taken by files", params{"files": []string{"bad.template"}, "copies": []string{"bad.template"}}},
		{"carry", "the name \"bad.template\" is taken by files", params{"files": []string{"bad.template"}, "carry": []string{"bad.template"}}},
		{"carry", "the name \"state.csv\" is taken by input", params{"carry": []string{"state.csv"}}},
		{"carry", "the name \"a\" is taken by carry", params{"carry": []string{"a", "a"}}},
		{"carry", "got \"out/a\", which is in the original of out, a link from files", params{"files": []string{"out"}, "carry": []string{"out/a"}}},
		{"carry", "a file in the working directory", params{"carry": []string{"../restart"}}},
		{"parameters", "neither command nor env contains k, so the program cannot depend on it; write {{.param.k}}", params{"parameters": []string{"k = 1"}}},
		{"parameters", `must be a list of "NAME = NUMBER", but item 1 is "k"`, params{"parameters": []string{"k"}}},
		{"parameters", "process has a parameter mode already", params{"parameters": []string{"mode = 1"}}},
		{"command", ".state.x, .state.y, .param.k", params{"parameters": []string{"k = 1"}, "command": []string{"true", "{{.param.q}}"}}},
		{"template", "does not contain y, k, so the program cannot depend on them; write {{.state.y}}", params{"parameters": []string{"k = 1"}, "template": "{{.state.x}}\n", "input": "run.nml"}},
		{"carry", "applies only with mode", params{"carry": []string{"restart"}, "mode": "batch"}},
		{"template", "is missing: run.nml needs one", params{"input": "run.nml"}},
		{"template", "has a format of its own", params{"template": "bad.template"}},
		{"template", "line 1: there is no {{.state.q}}; there are .cycle, .from, .interval, .member, .seed, .to, .state.x, .state.y", params{"template": "bad.template", "input": "run.nml"}},
		{"command", "there is no function interval; write {{.NAME}}", params{"command": []string{"true", "{{interval}}"}}},
		{"command", "got {.interval}, want {{.interval}}", params{"command": []string{"true", "{.interval}"}}},
		{"template", "got {.state.y}, want {{.state.y}}", params{"template": "{{.state.x}}\n{.state.y}\n", "input": "run.nml"}},
		{"template", "line 2: unclosed action", params{"template": "{{.state.x}}\n{{.state.y", "input": "run.nml"}},
		{"template", `line 1: {{join .state.x ","}}: error calling join: got 0, want a field`, params{"template": `{{join .state.x ","}}`, "input": "run.nml"}},
		{"template", "does not contain x, y, so the program cannot depend on them", params{"template": "{{.from}} {{.seed}}\n", "input": "run.nml"}},
		{"template", "does not contain y, so the program cannot depend on it; write {{.state.y}}", params{"template": "{{.state.x}}", "input": "run.nml"}},
		{"template", "does not contain y, so the program cannot depend on it; write {{range .members}}{{.state.y}}{{end}}",
			params{"template": "{{range .members}}{{.state.x}}{{end}}", "input": "run.nml", "mode": "batch"}},
		{"template", "template is the name of a file, or a text with {{", params{"template": "none.template", "input": "run.nml"}},
		{"template", "no such file", params{"template": "none.template", "input": "run.nml"}},
		{"work_dir", "not a directory", params{"work_dir": "bad.template"}},
	} {
		if err := os.MkdirAll(dir+"/out", 0o755); err != nil {
			t.Fatal(err)
		}
		p := scalars(params{"command": []string{"true"}})
		for k, v := range tt.given {
			p[k] = v
		}
		_, err := configureIn(dir, p)
		if err == nil || sdk.KindOf(err) != sdk.KindConfig || !strings.HasPrefix(err.Error(), tt.where+": ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %s: ... %s", tt.given, err, tt.where, tt.want)
		}
	}
}
