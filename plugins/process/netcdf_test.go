package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Files that the netCDF library has written: h by time, one, y and x with the values 0 to 11, q by time with 1, 2, 3, a
// scalar, a packed variable of which the second value is missing, one with its dimensions turned, and a text.
var netcdfFiles = []string{"testdata/cdf1.nc", "testdata/cdf5.nc"}

func TestNetcdf(t *testing.T) {
	for _, file := range netcdfFiles {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			variables []string
			more      params
			rows      int
			want      string // the values, or an error
		}{
			{[]string{"h(y, x)", "level"}, params{"rows": "last"}, 1, "[8 9 10 11 7.5]"},
			{[]string{"a(time)", "b"}, params{"read": []string{"q", "level"}}, 1, "[1 2 3 7.5]"},
			{[]string{"q"}, params{"rows": "last"}, 1, "[3]"},
			{[]string{"q"}, params{"mode": "batch"}, 3, "[1 2 3]"},
			{[]string{"h(time, y, x)"}, nil, 1, "[0 1 2 3 4 5 6 7 8 9 10 11]"},
			{[]string{"h(y, x)"}, nil, 1, `h has 3 items by time, want 1; rows = "last" takes the last`},
			{[]string{"turned(y, x)"}, nil, 1, "turned has the dimensions (x = 2, y = 2), want (y = 2, x = 2)"},
			{[]string{"turned(a, b)"}, nil, 1, "[1 1 1 1]"},
			{[]string{"packed(x)"}, nil, 1, "packed[1] is missing: it is -"},
			{[]string{"z"}, nil, 1, "has no variable z; it has h, q, level, packed, turned, text, and read"},
			{[]string{"text(time)"}, nil, 1, "text is a text"},
		} {
			p := params{"command": []string{"true"}, "variables": tt.variables, "dimensions": []string{"time = 3", "y = 2", "x = 2", "a = 2", "b = 2"}, "output": "a.nc"}
			for k, v := range tt.more {
				p[k] = v
			}
			m := configured(t, p)
			into := mat.NewDense(tt.rows, m.layout.Size(), nil)
			var got string
			if err := m.outputs[0].codec.decode(strings.NewReader(string(text)), m.tasks(request(m, tt.rows))[0], into); err != nil {
				got = err.Error()
			} else {
				got = fmt.Sprint(into.RawMatrix().Data)
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s, %v: got %s, want %s", file, tt.variables, got, tt.want)
			}
		}
	}
}

// A program may have made its file and written no record.
func TestNetcdfWithoutRecords(t *testing.T) {
	text, err := os.ReadFile("testdata/cdf1.nc")
	if err != nil {
		t.Fatal(err)
	}
	clear(text[4:8]) // the number of records
	for _, rows := range []string{"all", "last"} {
		m := configured(t, params{"command": []string{"true"}, "variables": []string{"q"}, "output": "a.nc", "rows": rows})
		err := m.outputs[0].codec.decode(strings.NewReader(string(text)), m.tasks(request(m, 1))[0], mat.NewDense(1, 1, nil))
		if want := "q has no values: the length of time is 0"; err == nil || err.Error() != want {
			t.Errorf("rows %s: got %v, want %s", rows, err, want)
		}
	}
}

// What a program can be told about files that are not netCDF's classic ones.
func TestNetcdfRefused(t *testing.T) {
	m := configured(t, scalars(params{"command": []string{"true"}, "output": "a.nc"}))
	for text, want := range map[string]string{
		"\x89HDF\r\n\x1a\n and more": "is a netCDF-4 file, whose format is that of HDF5, which plume does not read; let the program write a classic file, or convert it: nccopy",
		"x y\n":                      "is not a netCDF file",
	} {
		err := m.outputs[0].codec.decode(strings.NewReader(text), m.tasks(request(m, 1))[0], mat.NewDense(1, 2, nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, tt := range []struct {
		more params
		want string
	}{
		{params{"input": "a.nc", "output": "b.csv"}, "input: got a.nc, which plume does not write"},
		{params{"output": "a.nc", "read": []string{"x"}}, "read: got 1, want one for each of 2 variables"},
	} {
		tt.more["command"] = []string{"true"}
		if _, err := configure(t, scalars(tt.more)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// A restart file of netCDF that holds the state: it is written into the last record, and nothing
// else is changed.
func TestRestartWithNetcdf(t *testing.T) {
	for _, file := range netcdfFiles {
		for _, mode := range []string{"member", "server"} {
			dir := t.TempDir()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, map[string]string{"restart.nc": string(text)})
			command := shell("touch restart.nc")
			if mode == "server" {
				command = shell("while read line; do touch restart.nc; echo {}; done")
			}
			m, err := configureIn(dir, params{
				"command": command, "variables": []string{"h(y, x)", "q"}, "dimensions": []string{"y = 2", "x = 2"}, "mode": mode, "parallel": 1,
				"output": "restart.nc", "rows": "last", "carry": []string{"restart.nc"}, "copies": []string{"restart.nc"}, "work_dir": "work", "keep": "all",
			})
			if err != nil {
				t.Fatal(err)
			}
			r := request(m, 1)
			r.Ensemble.SetRow(0, []float64{-1, 1.0 / 3, -3, -4, -5})
			res, err := m.Forecast(t.Context(), r)
			if err != nil || len(res.Failures) > 0 || !mat.Equal(r.Into, r.Ensemble) {
				t.Fatalf("%s, %s: got %v, %v, %v", file, mode, r.Into.RawMatrix().Data, res, err)
			}
			all := configured(t, params{"command": []string{"true"}, "variables": []string{"h(time, y, x)", "q(time)", "level"}, "dimensions": []string{"time = 3", "y = 2", "x = 2"}, "output": "a.nc"})
			into := mat.NewDense(1, all.layout.Size(), nil)
			if err := all.outputs[0].codec.decode(strings.NewReader(string(res.Carry[0][8:])), all.tasks(request(all, 1))[0], into); err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprint(into.RawMatrix().Data), "[0 1 2 3 4 5 6 7 -1 0.3333333333333333 -3 -4 1 2 -5 7.5]"; got != want {
				t.Errorf("%s, %s: got %s, want %s", file, mode, got, want)
			}
			r.Ensemble.Set(0, 4, 1e39) // of a float
			if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) != 1 || !strings.Contains(res.Failures[0].Reason, "restart.nc: q = 1e+39 is beyond the range of float") {
				t.Errorf("%s, %s: got %v, %v", file, mode, res, err)
			}
			if now, err := os.ReadFile(filepath.Join(dir, "restart.nc")); err != nil || string(now) != string(text) {
				t.Errorf("the file next to the workflow has changed: %v", err)
			}
		}
	}
}
