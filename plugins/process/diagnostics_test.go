package process

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// A program that gives a sum gets the state alone, in every mode and format, and its results have both.
func TestDiagnostics(t *testing.T) {
	const sums = `awk -F, 'NR == 1 {print $0 ",sum"; if (NF != 2) exit 3} NR > 1 {printf "%s,%s,%.17g\n", $1, $2, $1+$2}' state.csv > result.csv`
	const answers = `while read -r line; do
x=$(echo "$line" | sed 's/.*"x":\([^,}]*\).*/\1/'); y=$(echo "$line" | sed 's/.*"y":\([^,}]*\).*/\1/')
echo "$x $y" | awk '{printf "{\"state\":{\"x\":%s,\"y\":%s,\"sum\":%.17g}}\n", $1, $2, $1+$2}'; done`
	for name, p := range map[string]params{
		"csv":    {"command": shell(sums)},
		"batch":  {"command": shell(sums), "mode": "batch"},
		"server": {"command": shell(answers), "mode": "server"},
		"text": {"command": shell(`awk '{print $1, $2; printf "%.17g\n", $1+$2}' in.txt > out.txt`), "input": "in.txt", "template": "{{.state.x}} {{.state.y}}\n",
			"output": "out.txt"},
		"json": {"command": shell(`awk '{printf "{\"state\":{\"sum\":%.17g,\"x\":%s,\"y\":%s}}", $1+$2, $1, $2}' in.txt > out.json`), "input": "in.txt",
			"template": "{{.state.x}} {{.state.y}}\n", "output": "out.json"},
	} {
		t.Run(name, func(t *testing.T) {
			p["diagnostics"], p["units"] = []string{"sum"}, []string{"m", "m", "km"}
			m := configured(t, scalars(p))
			if v := m.Layout().Variables[2]; v.Name != "sum" || v.Unit != "km" || !v.Diagnostic || m.Layout().Variables[1].Diagnostic {
				t.Errorf("got %+v", m.Layout().Variables)
			}
			r := request(m, 3)
			if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
				t.Fatal(res, err)
			}
			for i := range 3 {
				x, y := r.Ensemble.At(i, 0), r.Ensemble.At(i, 1)
				if got := r.Into.RawRowView(i); got[0] != x || got[1] != y || got[2] != x+y {
					t.Errorf("member %d: got %v of %g and %g", i, got, x, y)
				}
			}
		})
	}
}

// States are written without diagnostics, and results are read with them.
func TestDiagnosticsInArrays(t *testing.T) {
	whole := &sdk.Layout{Variables: []sdk.Variable{{Name: "h", Shape: []int{2}, Dims: []string{"x"}, Unit: "1"}, {Name: "q", Unit: "1"}}}
	parted := &sdk.Layout{Variables: []sdk.Variable{whole.Variables[0], {Name: "q", Unit: "1", Diagnostic: true}}}
	for name, c := range map[string]codec{"npy": npyCodec{}, "arrows": arrowCodec{}} {
		var state, result strings.Builder
		task1 := &task{layout: parted, members: []int{0}, seeds: []int64{1}, states: mat.NewDense(1, 2, []float64{1, 2})}
		if err := c.encode(&state, task1); err != nil {
			t.Fatal(name, err)
		}
		into := mat.NewDense(1, 2, nil)
		if err := c.decode(strings.NewReader(state.String()), &task{layout: parted.Prognostic(), members: []int{0}, seeds: []int64{1}}, into); err != nil || into.At(0, 1) != 2 {
			t.Errorf("%s: got %v, %v", name, into, err)
		}
		if err := c.encode(&result, &task{layout: whole, members: []int{0}, seeds: []int64{1}, states: mat.NewDense(1, 3, []float64{1, 2, 3})}); err != nil {
			t.Fatal(name, err)
		}
		into = mat.NewDense(1, 3, nil)
		if err := c.decode(strings.NewReader(result.String()), task1, into); err != nil || into.At(0, 2) != 3 {
			t.Errorf("%s: got %v, %v", name, into, err)
		}
	}
}

// Files of PEST write the state, and instructions read diagnostics, too; a restart file keeps what the program wrote of them.
func TestDiagnosticsInFilesOfPEST(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, map[string]string{"in.txt.tpl": "ptf ~\n~  x          ~ ~  y          ~\n"})
	put(t, folder, map[string]string{"out.txt.ins": "pif @\nl1 !x! !y! !sum!\n"})
	p := scalars(params{"diagnostics": []string{"sum"}, "templates": []string{"in.txt.tpl"}, "instructions": []string{"out.txt.ins"},
		"command": shell(`awk '{printf "%s %s %.17g\n", $1, $2, $1+$2}' in.txt > out.txt`), "work_dir": folder})
	m, err := configureIn(folder, p)
	if err != nil {
		t.Fatal(err)
	}
	r := request(m, 2)
	r.Ensemble.SetRow(0, []float64{1.5, -2, 77})
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 || fmt.Sprint(r.Into.RawRowView(0)) != "[1.5 -2 -0.5]" {
		t.Errorf("got %v, %+v, %v", r.Into.RawRowView(0), res, err)
	}
	put(t, folder, map[string]string{"in.txt.tpl": "ptf ~\n~  x          ~ ~  y          ~ ~sum  ~\n"})
	if _, err := configureIn(folder, p); err == nil || !strings.Contains(err.Error(), "there is no sum") {
		t.Errorf("a template of what the program computes: %v", err)
	}
	put(t, folder, map[string]string{"out.txt": "1 2 3\n"})
	delete(p, "templates")
	p["carry"], p["copies"], p["command"] = []string{"out.txt"}, []string{"out.txt"}, shell(`awk '{printf "%s %s %.17g\n", $1, $2, $1+$2+$3}' out.txt > new.txt; mv new.txt out.txt`)
	if m, err = configureIn(folder, p); err != nil {
		t.Fatal(err)
	}
	r.Ensemble.SetRow(0, []float64{1.5, -2, 77})
	res, err := m.Forecast(t.Context(), r)
	if err != nil || len(res.Failures) > 0 || fmt.Sprint(r.Into.RawRowView(0)) != "[1.5 -2 2.5]" {
		t.Errorf("got %v, %+v, %v", r.Into.RawRowView(0), res, err)
	}
}

func TestDiagnosticsThatAreRefused(t *testing.T) {
	for where, p := range map[string]params{
		"diagnostics: got \"a b\"":                {"diagnostics": []string{"a b"}},
		"diagnostics: layout: variable 2 (\"x\")": {"diagnostics": []string{"x"}},
		"units: got 2, want one for each of 3":    {"diagnostics": []string{"z"}, "units": []string{"m", "m"}},
		"there is no {{.state.z}}; there are":     {"diagnostics": []string{"z"}, "input": "a.txt", "template": "{{.state.x}}{{.state.y}}{{.state.z}}"},
	} {
		p["command"] = shell("true")
		if _, err := configure(t, scalars(p)); err == nil || !strings.Contains(err.Error(), where) {
			t.Errorf("got %v, want %s", err, where)
		}
	}
}
