package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// put writes files into a directory.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// Files and instructions of the manual of PEST++, and what they read.
func TestInstructions(t *testing.T) {
	for name, tt := range map[string]struct{ text, instructions, want string }{
		"fixed":       {"electrode spacing\n1.00  1.21072\n1.47 -1.51313\n", "pif @\n@electrode@\nl1 [x]7:13\nl1 [y]5:13\n", "1.21072 -1.51313"},
		"abutting":    {"1236.5678495.000-900.000\n", "pif @\nl1 [x]1:8 [y]17:24", "1236.567 -900"},
		"semi-fixed":  {"  2.09485  8.49021,9.39382\n", "pif *\nl1 (x)1:8 (y)16:17\n", "2.09485 8.49021"},
		"period":      {"PERIOD 1\nSOLUTION\n1 2\nPERIOD 2\nSOLUTION\n3 4\n", "pif *\n*PERIOD 2*\n*SOLUTION*\nl1 !x! !y!\n", "3 4"},
		"secondary":   {"DISTANCE = 20.0\nNa: 3.49868E-2 Mg: 5.9e-2 K: 9.98D-3", "pif ~\n~DISTANCE = 20.0~\nl1 ~Mg:~ !x! ~K:~ !y!\n", "0.059 0.00998"},
		"resumed":     {"STEP 10 STRESS\nX 1\nSTEP 10 STRAIN\nX = 2 E =3\n", "pif %\n%STEP 10% %STRAIN%\nl1 %=% !x!  %=% !y!", "2 3"},
		"whitespace":  {"MODEL OUTPUTS: 2.89988 4.487892   -4.59098 8.394843\n", "pif %\n%MODEL OUTPUTS:% w w w !x! !Y!\n", "-4.59098 8.394843"},
		"leading":     {"   4.33 -20.3, 23.392093\n", "pif @\nL1 !dum! w !x! !y!", "-20.3 23.392093"},
		"tab":         {"TIME(1): A = 1.3, TIME(2): A = 1.4\n", "pif %\nl1 %=% !x!\n& t19 %=% !y!\n", "1.3 1.4"},
		"unit behind": {"\n\nCONTENT (NO CORRECTION)=21.345634% and 3m\n", "pif *\nl3 *=* !x! *%* *and* !y! *m*\n", "21.345634 3"},
		"CRLF":        {"x 1\r\ny 2\r\n", "pif @\r\n@x@ !x!\r\n@y@ !y!\r\n", "1 2"},
		"JUPITER":     {"1 2\n", "jif @\nl1 !x! !y!\n", "1 2"},
	} {
		t.Run(name, func(t *testing.T) {
			m := configured(t, scalars(params{"command": []string{"true"}}))
			ins, err := newInstructions(tt.instructions, pestNames(m.layout))
			if err != nil {
				t.Fatal(err)
			}
			into := mat.NewDense(1, 2, nil)
			if err := (instructed{ins}).decode(strings.NewReader(tt.text), nil, into); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(into.At(0, 0), into.At(0, 1)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// What is wrong with instruction files, and with texts that they are for.
func TestInstructionsRefused(t *testing.T) {
	state := map[string]int{"x": 0, "y": 1}
	for instructions, want := range map[string]string{
		"":                      "line 1: want pif",
		"ptf @\nl1 !x!":         "line 1: want pif",
		"pif @\n\n!x!":          "line 3: begins with !x!, want lines forward",
		"pif @\n& !x!":          "line 2: & continues no line",
		"pif @\nl1 !z!":         "line 2: there is no variable z",
		"pif @\nl1 @x":          "line 2: @x has no second @",
		"pif @\nl1 [x]8:1":      "line 2: got [x]8:1, want",
		"pif @\nl0":             "line 2: got l0, want",
		"pif @\nl1 x":           "line 2: got x, want",
		"pif @\nl1 !x! tab !y!": "line 2: got tab, want",
		"pif @\nl1 w w w !x!":   `line 2 of its instructions, w: line 1, "a 1", has no blank after column 2`,
		"pif @\nl1 @b@ !x!":     `line 2 of its instructions, "b": line 1, "a 1", does not have it after column 0`,
		"pif @\n@b@ !x!":        `line 2 of its instructions, "b": there is no such line`,
		"pif @\nl9 !x!":         "line 2 of its instructions, l9: there are only 2 lines",
		"pif @\nl1 [x]4:9":      `line 2 of its instructions, [x]4:9: line 1, "a 1", has no number`,
		"pif @\nl1 (x)4:9":      `line 2 of its instructions, (x)4:9: line 1, "a 1", has no number`,
		"pif @\nl1 !x!":         `got "a", want a number`,
		"pif @\nl1 w !x! !y!":   `line 2 of its instructions, !y!: line 1, "a 1", has no number after column 3`,
		"pif @\nl2 t9 !x!":      "has no number",
	} {
		ins, err := newInstructions(instructions, state)
		if err == nil {
			err = instructed{ins}.decode(strings.NewReader("a 1\n2"), nil, mat.NewDense(1, 2, nil))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", instructions, err, want)
		}
	}
}

// Numbers have as many digits as there is room for.
func TestFitted(t *testing.T) {
	for _, tt := range []struct {
		value float64
		width int
		want  string
	}{
		{1.5, 8, "     1.5"},
		{-0.1, 20, "                -0.1"},
		{100, 3, "1e2"},
		{100, 5, " 100."},
		{10.5, 4, "10.5"},
		{0.123456789, 6, ".12346"},
		{-0.123456789, 6, "-.1235"},
		{1234567.891, 6, "1.23e6"},
		{1.0 / 3e-9, 9, "3.33333e8"},
		{-1.0 / 3e9, 8, "-3.3e-10"},
		{0, 2, "0."},
	} {
		got, err := fitted(plain(tt.value), tt.width)
		if err != nil || got != tt.want {
			t.Errorf("%v in %d: got %q, want %q: %v", tt.value, tt.width, got, tt.want, err)
		}
	}
	for value, width := range map[float64]int{-1234567: 3, 12345678: 3, -0.0012: 3, -1.0 / 3e9: 6, 1.25: 2} {
		want := fmt.Sprintf("= %v does not fit into %d characters; 24 hold all", plain(value), width)
		if got, err := fitted(plain(value), width); err == nil || err.Error() != want+" of any number" {
			t.Errorf("%v: got %q, %v, want %s", value, got, err, want)
		}
	}
}

// A program with two inputs and two outputs of its own, all with files of PEST: a field, a scalar
// and a parameter.
func TestPestFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"run.in.tpl":     "ptf #\nto #   to  # k # k      # member #member #\nlevel #   LEVEL                  #\n",
		"field.txt.tpl":  "ptf ~\n~ T_0                        ~,~ t_1                        ~\n",
		"second.txt.tpl": "# {{.state.level}}\n",
		"sim":            "#!/bin/sh\nawk '$1 == \"to\" { k = $4 } $1 == \"level\" { l = $2 } END { print \"the level is now \" l + k \"m\" }' run.in > log.txt\nawk -F, '{ print $2; print $1 }' field.txt > field.out\n",
		"log.txt.ins":    "pif @\n@level@ @now@ !level! @m@\n",
		"field.out.ins":  "pif @\nl1 !T_0!\nl1 !T_1!\n",
	})
	for _, mode := range []string{"member", "server"} {
		p := params{
			"command": []string{"./sim"}, "variables": []string{"level", "T(x)"}, "dimensions": []string{"x = 2"}, "parameters": []string{"k = 0.25"}, "work_dir": "work",
			"templates": []string{"run.in.tpl", "field.txt.tpl", "second.txt.tpl"}, "instructions": []string{"log.txt.ins", "field.out.ins"}, "keep": "all", "mode": mode,
		}
		if mode == "server" {
			p["command"] = shell("while read line; do " + dir + "/sim; echo {}; done")
		}
		m, err := configureIn(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		r := request(m, 2)
		r.Ensemble.SetRow(0, []float64{1.5, 2, 1e-3 / 3})
		if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
			t.Fatalf("%s: %v, %v", mode, res, err)
		}
		if got := fmt.Sprint(r.Into.RawRowView(0)); got != fmt.Sprint([]float64{1.75, 1e-3 / 3, 2}) {
			t.Errorf("%s: got %s", mode, got)
		}
		if mode == "member" {
			text, err := os.ReadFile(left(t, m)["member00040/run.in"])
			if want := "to       1.5 k       0.25 member        40\nlevel                          1.5\n"; err != nil || string(text) != want {
				t.Errorf("got %q, want %q: %v", text, want, err)
			}
		}
	}
}

// A number that does not fit into a template is a failure of its member; the others are done.
func TestPestMemberDoesNotFit(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"run.in.tpl": "ptf #\n#x #\n", "run.out.ins": "pif @\nl1 !x!\n"})
	for mode, command := range map[string][]string{"member": {"cp", "run.in", "run.out"}, "server": shell("while read line; do cp run.in run.out; echo {}; done")} {
		m, err := configureIn(dir, params{"command": command, "variables": []string{"x"}, "templates": []string{"run.in.tpl"}, "instructions": []string{"run.out.ins"}, "mode": mode, "work_dir": "work"})
		if err != nil {
			t.Fatal(err)
		}
		r := request(m, 3)
		copy(r.Ensemble.RawMatrix().Data, []float64{1.5, 1e10 / 3, 2.5})
		res, err := m.Forecast(t.Context(), r)
		if err != nil || len(res.Failures) != 1 || res.Failures[0].Member != 1 || r.Into.At(0, 0) != 1.5 || r.Into.At(2, 0) != 2.5 {
			t.Fatalf("%s: got %v, %v, %v", mode, r.Into.RawMatrix().Data, res, err)
		}
		if f := res.Failures[0]; f.Retryable || !strings.Contains(f.Reason, "run.in: line 2: x = 3333333333.3333335 does not fit into 4 characters") {
			t.Errorf("%s: got %+v", mode, f)
		}
	}
}

// A restart file of which instructions say where the state is: the state is written there before
// a run, and nothing else is changed.
func TestRestartWithInstructions(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		// the level grows by the number of runs, which only the restart file knows
		"sim":             "#!/bin/sh\n[ -n \"$SKIP\" ] || awk '$1 == \"level\" { printf \"level %.17g\\n\", $2 + runs; next } $1 == \"runs\" { runs = $2 + 1; print \"runs\", runs; next } { printf \"%8.3f rest\\n\", $1 * 2 }' model.rst > new && { [ -n \"$SKIP\" ] || mv new model.rst; }\n",
		"model.rst":       "runs 1\nlevel 0\n   0.000 rest\n",
		"model.rst.ins":   "pif @\n@level@ !x!\nl1 [y]1:8\n",
		"gone.rst.ins":    "pif @\nl1 !x! !y!\n",
		"bad.rst":         "x 1\ny 2\n",
		"bad.rst.ins":     "pif @\n@level@ !x! !y!\n",
		"no-target.ins":   "pif @\nl1 !x! !y!\n",
		"x.rst.ins":       "pif @\nl1 !x!\n",
		"instructions.in": "pif @\n",
	})
	p := func(more params) params {
		all := scalars(params{"command": []string{"./sim"}, "instructions": []string{"model.rst.ins"}, "carry": []string{"model.rst"}, "copies": []string{"model.rst"}, "work_dir": "work", "keep": "all"})
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	m, err := configureIn(dir, p(nil))
	if err != nil {
		t.Fatal(err)
	}
	r := request(m, 1)
	r.Ensemble.SetRow(0, []float64{1.0 / 3, 123.4567})
	var carry [][]byte
	for run, want := range []string{"[2.3333333333333335 246.913]", "[3.3333333333333335 246.913]"} {
		r.Carry = carry
		res, err := m.Forecast(t.Context(), r)
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(res, err)
		}
		carry = res.Carry
		if got := fmt.Sprint(r.Into.RawRowView(0)); got != want {
			t.Errorf("run %d: got %s, want %s", run, got, want)
		}
	}
	for _, tt := range []struct {
		more params
		want string
	}{
		{params{"copies": []string{}}, "model.rst holds the state, and there is none for the first run; name one in copies"},
		{params{"instructions": []string{"bad.rst.ins"}, "carry": []string{"bad.rst"}, "copies": []string{"bad.rst"}}, `copies: bad.rst: line 2 of its instructions, "level": there is no such line`},
		{params{"instructions": []string{"gone.rst.ins"}, "carry": []string{"gone.rst"}, "copies": []string{"gone.rst"}}, filepath.Join(dir, "gone.rst") + ": no such file"},
		{params{"instructions": []string{"none.rst.ins"}}, filepath.Join(dir, "none.rst.ins") + ": no such file"},
		{params{"output": "a.txt"}, "instructions: cannot be combined with output"},
		{params{"instructions": []string{"instructions.in"}}, `got "instructions.in", want the name of a file that ends in .ins`},
		{params{"instructions": []string{"x.rst.ins"}}, "instructions: y is read 0 times, want once"},
		{params{"instructions": []string{"x.rst.ins", "no-target.ins"}}, "instructions: x is read 2 times, want once"},
		{params{"mode": "batch", "carry": []string{}}, "instructions: read one member"},
		{params{"instructions": []string{}, "output": "model.rst"}, "carry: model.rst is the output too"},
		{params{"instructions": []string{}, "output": "model.rst", "mode": "server"}, "carry: model.rst is the output too"},
	} {
		if _, err := configureIn(dir, p(tt.more)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %s", tt.more, err, tt.want)
		}
	}
	m, err = configureIn(dir, p(params{"env": []string{"SKIP=1"}}))
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.Forecast(t.Context(), request(m, 1))
	if err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "has not written model.rst, which still holds the state before it") {
		t.Errorf("a program that does nothing: got %v, %v", res, err)
	}
}

// A number in columns has as many digits as these have room for, also where the one before it was shorter and ended its line.
func TestRestartAtTheEndOfALine(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a.rst": "at 1.5\r\nrest\n", "a.rst.ins": "pif @\nl1 [x]4:11\n"})
	m, err := configureIn(dir, params{"command": shell("cat a.rst > seen; touch a.rst"), "variables": []string{"x"}, "instructions": []string{"a.rst.ins"}, "carry": []string{"a.rst"}, "copies": []string{"a.rst"}, "work_dir": "work", "keep": "all"})
	if err != nil {
		t.Fatal(err)
	}
	r := request(m, 1)
	r.Ensemble.Set(0, 0, -12.3456)
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 || r.Into.At(0, 0) != -12.3456 {
		t.Fatalf("got %v, %v, %v", r.Into.At(0, 0), res, err)
	}
	r.Ensemble.Set(0, 0, -1e-200/3)
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "a.rst: x = -3.3333333333333335e-201 does not fit into 8") {
		t.Errorf("got %v, %v", res, err)
	}
	text, err := os.ReadFile(left(t, m)["member00040/seen"])
	if want := "at -12.3456\r\nrest\n"; err != nil || string(text) != want {
		t.Errorf("got %q, want %q: %v", text, want, err)
	}
}

// Mistakes in templates of PEST.
func TestPestTemplatesRefused(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"ptf ~\n~ x  ~ ~ y ":   "templates: in.tpl: line 2: has a ~ without a second one",
		"ptf ~\n\n~ x ~ ~ z ~": "templates: in.tpl: line 3: there is no z; there are variables and parameters",
		"ptf ~\n~ x ~":         "do not contain y, so the program cannot depend on it",
		"{{.state.x}}":         "do not contain y, so the program cannot depend on it",
		"~ x ~ y ~":            "or let the file begin with ptf and the character around its markers",
		"{{.state.x}}\n{{.z}}": "templates: in.tpl: line 2: there is no {{.z}}",
		"{{.state.x}\n{{.z}}":  "templates: in.tpl: line 1: ",
	} {
		put(t, dir, map[string]string{"in.tpl": text})
		_, err := configureIn(dir, scalars(params{"command": []string{"true"}, "templates": []string{"in.tpl"}, "output": "a.txt"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// Whatever instructions and text are, values are found in order, within the text, or there is an error.
func FuzzInstructions(f *testing.F) {
	f.Add("pif @\n@a@ @b@ !x! w\n& (y)3:9 @m@\nl2 t4 [x]1:8", "a, b 1 2.5 3m\n\n  12\n")
	f.Add("pif *\nl1 !dum! *=* !x! *%*\n", "1 =2%\r\n")
	f.Fuzz(func(t *testing.T, instructions, text string) {
		ins, err := newInstructions(instructions, map[string]int{"x": 0, "y": 1})
		if err != nil {
			return
		}
		found, err := ins.find(text)
		if err != nil {
			return
		}
		if len(found) != len(ins.values) {
			t.Fatalf("%d values of %d", len(found), len(ins.values))
		}
		end := 0
		for _, at := range found {
			if at.from < end || at.to <= at.from || at.to > len(text) {
				t.Fatalf("%v of %d bytes, after %d", at, len(text), end)
			}
			end = at.to
		}
	})
}
