package process

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
	"gonum.org/v1/gonum/mat"
)

// Every format in both modes, for real: cp copies what was written to where it is
// read, and must give back the same bits.
func TestEveryFormatKeepsEveryBit(t *testing.T) {
	fields := params{"variables": []string{"h(y, x)", "drag", "u(x)"}, "dimensions": []string{"y = 3", "x = 4"}}
	single := params{"variables": []string{"h(y, x)"}, "dimensions": []string{"y = 3", "x = 4"}}
	for _, format := range []string{".csv", ".npy", ".json", ".arrows"} {
		for _, mode := range []string{"member", "batch"} {
			for _, layout := range []params{fields, single, scalars(nil)} {
				p := params{"command": []string{"cp", "{{.input}}", "{{.output}}"}, "mode": mode, "input": "in" + format, "output": "out" + format}
				for k, v := range layout {
					p[k] = v
				}
				m := configured(t, p)
				r := request(m, 3)
				r.Ensemble.Set(0, 0, math.SmallestNonzeroFloat64)
				r.Ensemble.Set(1, 0, -math.MaxFloat64)
				r.Ensemble.Set(2, 0, math.Copysign(0, -1))
				res, err := m.Forecast(t.Context(), r)
				if err != nil || len(res.Failures) > 0 {
					t.Fatalf("%s, %s, %v: %v, %v", format, mode, p["variables"], res, err)
				}
				for i, v := range r.Ensemble.RawMatrix().Data {
					if math.Float64bits(v) != math.Float64bits(r.Into.RawMatrix().Data[i]) {
						t.Errorf("%s, %s, %v: value %d: %v and %v", format, mode, p["variables"], i, v, r.Into.RawMatrix().Data[i])
					}
				}
				if f := left(t, m); len(f) > 0 {
					t.Errorf("%s, %s: files stay behind: %v", format, mode, f)
				}
			}
		}
	}
}

// The suite of all plugins, over formats and modes. The program of the last row is
// random: it answers its seed.
func TestConformanceOfFormats(t *testing.T) {
	dir := t.TempDir()
	template := dir + "/state.template"
	if err := os.WriteFile(template, []byte("{{range .members}}{{.state.x}} {{.state.y}}\n{{end}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	cp := []string{"cp", "{{.input}}", "{{.output}}"}
	for name, p := range map[string]params{
		"npy":    {"command": cp, "input": "a.npy", "output": "b.npy", "mode": "batch"},
		"json":   {"command": cp, "input": "a.json", "output": "b.json"},
		"arrows": {"command": cp, "input": "a.arrows", "output": "b.arrows", "mode": "batch"},
		"text":   {"command": cp, "input": "a.txt", "output": "b.txt", "template": template, "mode": "batch"},
		"seed":   {"command": shell("echo {{.seed}} {{.member}} > b.txt"), "output": "b.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			plugin, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			plugin.Manifest.Example.Params = scalars(p)
			if err := plugintest.Check(plugin, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// Numbers as Fortran programs write them: with D or Q for E, and without a letter if the
// exponent has three digits.
func TestNumbersOfFortran(t *testing.T) {
	for file, text := range map[string]string{
		"a.txt": "  0.105000000000D+02  1.05+100\n-.5Q-01\n",
		"a.csv": "a,b,c\n  0.105000000000D+02,  1.05+100, -.5Q-01\n",
	} {
		m := configured(t, params{"command": []string{"true"}, "variables": []string{"a", "b", "c"}, "output": file})
		into := mat.NewDense(1, 3, nil)
		if err := m.outputs[0].codec.decode(strings.NewReader(text), m.tasks(request(m, 1))[0], into); err != nil {
			t.Errorf("%s: %v", file, err)
		} else if got := fmt.Sprint(into.RawMatrix().Data); got != "[10.5 1.05e+100 -0.05]" {
			t.Errorf("%s: got %s", file, got)
		}
	}
}

// What the files look like to the programs that read them.
func TestFilesAreReadable(t *testing.T) {
	layout := params{"variables": []string{"h(y, x)", "drag"}, "dimensions": []string{"y = 2", "x = 2"}, "command": []string{"true"}}
	for _, tt := range []struct{ mode, file, want string }{
		{"member", "a.csv", "h[0][0],h[0][1],h[1][0],h[1][1],drag\n1,2,3,4,0.1\n"},
		{"batch", "a.csv", "h[0][0],h[0][1],h[1][0],h[1][1],drag\n1,2,3,4,0.1\n5,6,7,8,1e-10\n"},
		{"member", "a.json", `{"cycle":7,"from":1,"interval":0.5,"member":40,"seed":SEED0,"state":{"drag":0.1,"h":[[1,2],[3,4]]},"to":1.5}` + "\n"},
		{"batch", "a.json", `{"cycle":7,"from":1,"interval":0.5,"members":[{"member":40,"seed":SEED0,"state":{"drag":0.1,"h":[[1,2],[3,4]]}},` +
			`{"member":41,"seed":SEED1,"state":{"drag":1e-10,"h":[[5,6],[7,8]]}}],"to":1.5}` + "\n"},
	} {
		layout["mode"], layout["input"] = tt.mode, tt.file
		m := configured(t, layout)
		r := request(m, 2)
		copy(r.Ensemble.RawMatrix().Data, []float64{1, 2, 3, 4, 0.1, 5, 6, 7, 8, 1e-10})
		var b bytes.Buffer
		if err := m.inputs[0].codec.encode(&b, m.tasks(r)[0]); err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer("SEED0", fmt.Sprint(r.Seed.Member(40).Int64N(1<<53)), "SEED1", fmt.Sprint(r.Seed.Member(41).Int64N(1<<53))).Replace(tt.want)
		if b.String() != want {
			t.Errorf("%s, %s: got %s, want %s", tt.file, tt.mode, b.String(), want)
		}
	}
}

// npy returns a file with so many bytes of zeros below its header.
func npy(descr, order, shape string, bytes int) string {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, order, shape)
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), 0}) + header + strings.Repeat("\x00", bytes)
}

// What a program may leave behind instead of a result, and what is said of it.
func TestWrongResults(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"r.csv", "", "is empty"},
		{"r.csv", "# nothing\n\n", `no line has the names x, y with commas between them; line 1 is "nothing"`},
		{"r.csv", "x\n1\n", `no line has the names x, y with commas between them; line 1 is "x"`},
		{"r.csv", "x;y\n1;2\n", `line 1 is "x;y"`},
		{"r.csv", "x,y\n", "holds 0 rows, want 1"},
		{"r.csv", "x,y\n1,2\n3,4\n", `holds 2 rows, want 1; rows = "last" takes the last`},
		{"r.csv", "x,y\n1\n", "line 2: has 1 column, and the header, in line 1, 2"},
		{"r.csv", "x,y\n1,2,3\n", "line 2: has 3 columns, and the header, in line 1, 2"},
		{"r.csv", "x,y,x\n1,2,3\n", "x is the name of columns 1 and 3"},
		{"r.csv", "x,y\n1,two\n", `line 2: column 2: got "two", want a number`},
		{"r.csv", "x,y\n1,1d5\n", `column 2: got "1d5", want a number`},
		{"r.csv", "x,y\n1,\n", `column 2: got "", want a number`},
		{"r.csv", "x,y\n1,\"\n", "line 2:"},
		{"r.txt", "1", "holds 1 numbers, want 2"},
		{"r.txt", "1 2 3", `holds 3 numbers, want 2; rows = "last" takes the last`},
		{"r.txt", "1 ***", `line 1: got "***", want a number`},
		{"r.txt", "1\n3,061692", `line 2: got "3,061692", want a number with a decimal point`},
		{"r.txt", "1 1e400", `got "1e400", which is out of range`},
		{"stdout.txt", "x,y\n1,2\n", `line 1: got "x,y", want a number; ` + commasHint},
		{"r.txt", "cell T\n1 2", `line 1: got "cell", want a number; columns and names can be given in read`},
		{"r.json", `{"state": {"x": 1, "y": `, "unexpected EOF"},
		{"r.json", `{"x": 1, "y": 2}`, `has no "state" with the variables`},
		{"r.json", `{"state": {"x": 1, "y": 2, "z": 3}}`, "state: z is not a variable"},
		{"r.json", `{"state": {"z": 0, "w": 0, "v": 0, "u": 0, "t": 0, "s": 0, "r": 0, "q": 0, "p": 0, "o": 0, "n": 0, "m": 0, "l": 0, "k": 0, "j": 0, "i": 0, "h": 0, "g": 0, "f": 0, "e": 0, "d": 0, "c": 0, "b": 0, "a": 0}}`, "state: a is not a variable"}, // the same one each time
		{"r.json", `{"state": {"x": 1, "y": [2]}}`, "state: y: got [2], want a number"},
		{"r.json", `{"state": {"x": 1, "y": null}}`, "state: y: got null, want a number"},
		{"r.json", `{"state": {"x": 1, "y": NaN}}`, "invalid character"},
		{"r.json", `{"state": {"x": 1, "y": 2}, "member": 3}`, "got member 3, want member 40"},
		{"r.json", `{"state": {"x": 1, "y": 2}} {}`, "continues after its object"},
		{"r.npy", "no array", "is not a .npy file"},
		{"r.npy", npy("<f4", "False", "(2,)", 8), `type "<f4", want "<f8"`},
		{"r.npy", npy("<f8", "False", "(1, 2)", 16), "has the shape (1, 2), want (2,)"},
		{"r.npy", npy("<f8", "False", "(2,)", 15), "ends after 1 of 2 values"},
		{"r.npy", npy("<f8", "False", "(2,)", 17), "continues after its 2 values"},
		{"r.npy", npy("|O", "Maybe", "(2,)", 16), "which is not that of an array of numbers"},
		{"r.npy", "\x93NUMPY\x03\x00\xff\xff\xff\xff", "has a header of 4294967295 bytes"},
		{"r.arrows", "ARROW1", "the stream is cut"},
		{"r.arrows", "ARROW1\x00\x00", "where a message starts"},
		{"r.csv", "x,y\n1,NaN\n", "gave y = NaN for member 40"},
		{"r.csv", "x,y\n1,-Inf\n", "gave y = -Inf for member 40"},
	} {
		m := configured(t, scalars(params{"command": []string{"cp", "{{.input}}", "made"}, "output": tt.file}))
		r := request(m, 1)
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/"+tt.file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		f := m.collect(dir, m.tasks(r)[0], &outcome{states: mat.NewDense(1, 2, nil)})
		if f == nil || !strings.Contains(f.what, tt.want) {
			t.Errorf("%s %q: got %+v, want %q", tt.file, tt.text, f, tt.want)
		}
	}
}

func TestFortranOrderIsRefused(t *testing.T) {
	m := configured(t, params{"variables": []string{"h(y, x)"}, "dimensions": []string{"y = 2", "x = 2"}, "command": []string{"true"}})
	err := npyCodec{}.decode(strings.NewReader(npy("<f8", "True", "(2, 2)", 32)), m.tasks(request(m, 1))[0], mat.NewDense(1, 4, nil))
	if err == nil || !strings.Contains(err.Error(), "Fortran order") {
		t.Errorf("got %v", err)
	}
}

// numpy and pyarrow read and write the files, in a program that computes.
func TestPythonReadsAndWrites(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with numpy and pyarrow; make test sets it")
	}
	const numpy = `import numpy
h = numpy.load("in.npy")
assert h.shape == (3, 2, 4) and h.dtype == "<f8", h
numpy.save("out.npy", 2 * h + 1)`
	const pyarrow = `import pyarrow, pyarrow.ipc
t = pyarrow.ipc.open_stream("in.arrows").read_all()
assert t.column_names == ["member", "h"] and t.schema.field("h").metadata[b"shape"] == b"2,4", t.schema
h = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array([2 * v + 1 for row in t["h"].to_pylist() for v in row]), 8)
t = t.set_column(1, "h", h)
with pyarrow.ipc.new_stream("out.arrows", t.schema) as out:
    out.write_table(t)`
	for ext, script := range map[string]string{".npy": numpy, ".arrows": pyarrow} {
		if out, err := exec.Command(python, "-c", "import numpy, pyarrow").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		m := configured(t, params{"variables": []string{"h(y, x)"}, "dimensions": []string{"y = 2", "x = 4"}, "mode": "batch",
			"command": []string{python, "-c", script}, "input": "in" + ext, "output": "out" + ext})
		r := request(m, 3)
		if _, err := m.Forecast(t.Context(), r); err != nil {
			t.Errorf("%s: %v", ext, err)
			continue
		}
		for i, v := range r.Ensemble.RawMatrix().Data {
			if got, want := r.Into.RawMatrix().Data[i], 2*v+1; got != want {
				t.Errorf("%s: value %d: got %v, want %v", ext, i, got, want)
			}
		}
	}
}

// csvOf returns the codec of .csv without any choice of columns.
func csvOf(l *sdk.Layout) codec {
	m := &model{layout: l, Output: "a.csv", Rows: "all"}
	c, err := m.outputCodec()
	if err != nil {
		panic(err)
	}
	return c
}

// Whatever a program leaves behind is an answer or an error, and an answer is what
// the format says it is: written again, it reads the same.
func FuzzResults(f *testing.F) {
	l := &sdk.Layout{Variables: []sdk.Variable{{Name: "x"}, {Name: "h", Shape: []int{2}, Dims: []string{"i"}}}}
	codecs := []codec{csvOf(l), npyCodec{}, jsonCodec{}, arrowCodec{}}
	one := &task{layout: l, members: []int{0}, seeds: []int64{1}, states: mat.NewDense(1, 3, []float64{1, 2.5, -3e-300})}
	for i, c := range codecs {
		var b bytes.Buffer
		if err := c.encode(&b, one); err != nil {
			f.Fatal(err)
		}
		f.Add(i, b.Bytes())
	}
	f.Fuzz(func(t *testing.T, i int, text []byte) {
		c := codecs[uint(i)%uint(len(codecs))]
		got, again := mat.NewDense(1, 3, nil), mat.NewDense(1, 3, nil)
		if err := c.decode(bytes.NewReader(text), one, got); err != nil {
			return
		}
		if _, _, bad := nonFinite(got.RawRowView(0)); bad {
			return // refused after reading
		}
		var b bytes.Buffer
		if err := c.encode(&b, &task{layout: l, members: []int{0}, seeds: []int64{1}, states: got}); err != nil {
			t.Fatal(err)
		}
		if err := c.decode(&b, one, again); err != nil || !mat.Equal(got, again) {
			t.Errorf("%T: got %v, then %v: %v", c, got, again, err)
		}
	})
}

func BenchmarkCodecs(b *testing.B) {
	l := &sdk.Layout{Variables: []sdk.Variable{{Name: "h", Shape: []int{100_000}, Dims: []string{"i"}}}}
	t := &task{layout: l, members: []int{0}, seeds: []int64{1}, states: mat.NewDense(1, 100_000, nil)}
	for j := range t.states.RawRowView(0) {
		t.states.Set(0, j, math.Sin(float64(j)))
	}
	for name, c := range map[string]codec{"csv": csvOf(l), "npy": npyCodec{}, "json": jsonCodec{}, "arrows": arrowCodec{}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(8 * 100_000)
			into := mat.NewDense(1, 100_000, nil)
			for b.Loop() {
				var file bytes.Buffer
				if err := c.encode(&file, t); err != nil {
					b.Fatal(err)
				}
				if err := c.decode(&file, t, into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
