package export

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

var layout = &sdk.Layout{Variables: []sdk.Variable{{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{2, 2}, Dims: []string{"a", "b"}}}}

func column(name string, kind table.Type) table.Column {
	return table.Column{Name: name, Type: kind, Nullable: true}
}

// open opens the run directory dir.
func open(t *testing.T, dir string) *archive.Reader {
	t.Helper()
	r, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writeRun makes the tables of a small run that has no checksums yet: three cycles of two stages of two members,
// with weights and parents, and observations some of which are missing. Values of members are stored as
// float32 if single.
func writeRun(t *testing.T, single bool) string {
	t.Helper()
	dir := t.TempDir()
	create := func(columns []table.Column, parts ...string) *table.Writer {
		t.Helper()
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		w, err := table.Create(path, columns, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	done := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	matrix := func(rows int, from float64) *mat.Dense {
		m := mat.NewDense(rows, 5, nil)
		for i := range 5 * rows {
			m.RawMatrix().Data[i] = math.Sqrt(from + float64(i))
		}
		return m
	}
	clock := []table.Column{column("cycle", table.Int32), column("time", table.Float64)}
	done(os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"format": 1, "name": "small", "status": "ok"}`), 0o600))

	trial := []table.Column{column("trial", table.Int32), column("replicate", table.Int32), column("filter", table.Text)}
	w := create(slices.Concat(trial, []table.Column{column("cycle", table.Int32), column("stage", table.Text), column("w2_reference", table.Float64)}), "cycles.arrow")
	done(w.Append(3, []int32{1, 1, 1}, []int32{1, 1, 1}, []string{"etkf", "etkf", "etkf"}, []int32{1, 2, 3}, []string{"forecast", "analysis", `a,"b"`},
		table.Nullable[float64]{Values: []float64{0, math.NaN(), 0.1}, Valid: []bool{false, true, true}}))
	done(w.Close())

	w = create(slices.Concat(clock, table.Variables(layout)), "truth", "replicate=001", "part-00000.arrow")
	done(w.Append(4, []int32{0, 1, 2, 3}, []float64{0, 0.5, 1, 1.5}, table.Block{Matrix: matrix(4, 1)}))
	done(w.Close())

	observed := matrix(3, 20)
	observed.Set(1, 2, math.NaN())
	observed.Set(2, 0, math.NaN())
	w = create(slices.Concat(clock, table.Variables(layout)), "observations.arrow")
	done(w.Append(3, []int32{1, 2, 3}, []float64{0.5, 1, 1.5}, table.Block{Matrix: observed, Null: true}))
	done(w.Close())

	members := table.Variables(layout)
	for i := range members {
		members[i].Single = single
	}
	w = create(slices.Concat(clock, []table.Column{column("stage", table.Text), column("member", table.Int32), column("log_weight", table.Float64), column("parent", table.Int32)},
		members), "ensemble", "trial=0001", "part-00000.arrow")
	for k := 1; k <= 3; k++ {
		time := 0.5 * float64(k)
		done(w.Append(4, slices.Repeat([]int32{int32(k)}, 4), slices.Repeat([]float64{time}, 4), []string{"forecast", "forecast", "analysis", "analysis"},
			[]int32{0, 1, 0, 1}, []float64{math.Log(0.5), math.Log(0.5), math.Log(0.25), math.Log(0.75)},
			table.Nullable[int32]{Values: []int32{0, 0, 1, 0}, Valid: []bool{false, false, true, true}}, table.Block{Matrix: matrix(4, float64(100*k))}))
	}
	done(w.Close())
	return dir
}

// Every format in every layout, as pyarrow, pandas, polars, DuckDB and xarray read it,
// holds what the run holds.
func TestExportsHoldTheRun(t *testing.T) {
	for _, single := range []bool{false, true} {
		dir, out := writeRun(t, single), t.TempDir()
		for format, layouts := range Layouts {
			for _, l := range layouts {
				written, err := Run(t.Context(), open(t, dir), filepath.Join(out, string(format)+"-"+string(l)), Options{Format: format, Layout: l, Source: "plume test"})
				if err != nil || len(written) != 4 {
					t.Fatalf("%s %s: %v, %v", format, l, written, err)
				}
			}
		}
		for _, bytes := range []int{8, 40, 100} { // chunks of a value, a part of a cycle, and some cycles
			whole := chunkBytes
			chunkBytes = bytes
			_, err := Run(t.Context(), open(t, dir), filepath.Join(out, fmt.Sprintf("zarr-%d", bytes)), Options{Format: Zarr, Layout: table.Tensor, Source: "plume test"})
			if chunkBytes = whole; err != nil {
				t.Fatal(err)
			}
		}
		python := os.Getenv("PLUME_PYTHON")
		if python == "" {
			t.Skip("PLUME_PYTHON does not name a python with the packages of examples/analysis; make test sets it")
		}
		text, err := exec.Command(python, "testdata/check.py", dir, out).CombinedOutput()
		if err != nil || !strings.Contains(string(text), "equal") {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// A run that goes on, or was killed, is exported with all batches that are complete.
func TestExportOfParts(t *testing.T) {
	dir := writeRun(t, false)
	file := filepath.Join(dir, "observations.arrow")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+table.Part, text[:len(text)-600], 0o600); err != nil { // in the batch, or in the footer
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "diagnostics.arrow"+table.Part), nil, 0o600); err != nil { // no batch yet
		t.Fatal(err)
	}
	written, err := Run(t.Context(), open(t, dir), filepath.Join(t.TempDir(), "all"), Options{Format: Parquet, Layout: table.Native})
	if err != nil || len(written) != 4 || slices.Contains(written, "diagnostics.parquet") {
		t.Errorf("got %v, %v", written, err)
	}
	to := filepath.Join(t.TempDir(), "csv")
	if _, err := Run(t.Context(), open(t, dir), to, Options{Format: CSV, Layout: table.Wide, Tables: []string{"observations"}}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(to, "observations.csv"))
	if err != nil || !strings.HasPrefix(string(got), "cycle,time,level,u_0_0,u_0_1,u_1_0,u_1_1\n") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRefusals(t *testing.T) {
	dir, out := writeRun(t, false), t.TempDir()
	for name, tt := range map[string]struct {
		to   string
		o    Options
		want string
	}{
		"there already": {out, Options{Format: CSV, Layout: table.Wide}, "does not overwrite"},
		"format":        {"x", Options{Format: "xls", Layout: table.Wide}, `format: got "xls"`},
		"layout":        {"x", Options{Format: CSV, Layout: table.Native}, `layout: got "native", want one of [wide tidy]`},
		"table":         {"x", Options{Format: NetCDF, Layout: table.Tensor, Tables: []string{"cycles"}}, `tables: got "cycles", want one of [ensemble observations truth]`},
	} {
		to := tt.to
		if to == "x" {
			to = filepath.Join(out, "x")
		}
		if _, err := Run(t.Context(), open(t, dir), to, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if left, _ := os.ReadDir(out); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Members that have left are NaN in arrays: the first of them, the last of a cycle, and of the last cycle.
func TestMembersThatLeave(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"format": 1, "name": "ragged", "status": "ok"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "reference.arrow")
	w, err := table.Create(file, slices.Concat([]table.Column{column("cycle", table.Int32), column("time", table.Float64), column("member", table.Int32)}, table.Variables(layout)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for cycle, members := range [][]int32{{0, 3, 7}, {0, 3}, {7}, {3}} {
		m := mat.NewDense(len(members), 5, nil)
		for i, member := range members {
			m.SetRow(i, slices.Repeat([]float64{float64(10*cycle) + float64(member)}, 5))
		}
		n := len(members)
		if err := w.Append(n, slices.Repeat([]int32{int32(cycle)}, n), slices.Repeat([]float64{float64(cycle)}, n), members, table.Block{Matrix: m}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	for _, format := range []Format{NetCDF, Zarr} {
		if _, err := Run(t.Context(), open(t, dir), filepath.Join(out, string(format)), Options{Format: format, Layout: table.Tensor}); err != nil {
			t.Fatal(err)
		}
	}
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with xarray and zarr; make test sets it")
	}
	const script = `
import sys, numpy as np, xarray as xr
no = np.nan
for data in xr.open_dataset(sys.argv[1] + "/netcdf/reference.nc"), xr.open_zarr(sys.argv[1] + "/zarr", group="reference"):
    assert list(data.member.values) == [0, 3, 7], data
    np.testing.assert_array_equal(data.level, [[0, 3, 7], [10, 13, no], [no, no, 27], [no, 33, no]])
    np.testing.assert_array_equal(data.u[:, :, 1, 1], data.level)
print("equal")`
	if text, err := exec.Command(python, "-c", script, out).CombinedOutput(); err != nil || !strings.Contains(string(text), "equal") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Where model times are dates, arrays and tables say which.
func TestDates(t *testing.T) {
	r := open(t, writeRun(t, false))
	r.Info.Dates = &archive.Dates{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Seconds: 600, Calendar: "noleap"}
	export := func(format Format, layout table.Layout, files ...string) string {
		t.Helper()
		to := filepath.Join(t.TempDir(), "to")
		written, err := Run(t.Context(), r, to, Options{Format: format, Layout: layout})
		if err != nil {
			t.Fatal(err)
		}
		if files == nil {
			files = written
		}
		var all []byte
		for _, name := range files {
			text, err := os.ReadFile(filepath.Join(to, name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		return string(all)
	}
	arrays := export(NetCDF, table.Tensor)
	for _, want := range []string{"minutes since 2026-01-01T00:00:00Z", "noleap", "standard_name", "model_time",
		string(binary.BigEndian.AppendUint64(nil, math.Float64bits(10)))} { // cycle 2 is at model time 1
		if strings.Count(arrays, want) < 4 {
			t.Errorf("not each of four files says %q", want)
		}
	}
	if text := export(CSV, table.Wide, "observations.csv"); !strings.HasPrefix(text, "cycle,time,level,") {
		t.Errorf("a calendar with other months: got %q", text)
	}
	r.Info.Dates.Calendar = "proleptic_gregorian"
	if text := export(CSV, table.Wide, "observations.csv"); !strings.HasPrefix(text, "cycle,time,date,level,u_0_0,u_0_1,u_1_0,u_1_1\n1,0.5,2026-01-01T00:05:00.000Z,") {
		t.Errorf("got %q", text)
	}
	if text := export(CSV, table.Tidy, "observations.csv"); !strings.HasPrefix(text, "cycle,time,date,variable,index,value\n1,0.5,2026-01-01T00:05:00.000Z,") {
		t.Errorf("got %q", text)
	}
}

// Positions become coordinates along one dimension where they depend on no other, under the
// name of the axis unless other positions have it.
func TestPositions(t *testing.T) {
	h := &header{taken: []string{"h", "u", "w", "site"}}
	field := func(name string, shape []int, dims ...string) (archive.Field, []int) {
		f := archive.Field{Variable: sdk.Variable{Name: name, Shape: shape, Dims: dims}}
		var numbers []int
		for i, n := range shape {
			numbers = append(numbers, h.extra(f, i, n))
		}
		return f, numbers
	}
	var got []string
	add := func(f archive.Field, dims []int, name string, at ...float64) {
		got = append(got, f.Name+": "+h.position(f, axis{name, 0, at}, dims))
	}
	square, dims := field("h", []int{2, 3}, "y", "x")
	add(square, dims, "y", 0, 0, 0, 1, 1, 1)
	add(square, dims, "x", 0, 1, 2, 0, 1, 2)
	add(square, dims, "height", 5, 6, 7, 8, 9, 10) // depends on both
	staggered, dims := field("u", []int{2, 3}, "y", "x")
	add(staggered, dims, "y", 0, 0, 0, 1, 1, 1)
	add(staggered, dims, "x", -0.5, 0.5, 1.5, -0.5, 0.5, 1.5)
	mesh, dims := field("w", []int{4}, "x") // another length
	add(mesh, dims, "x", 3, 1, 4, 1)
	add(mesh, dims, "site", 1, 2, 3, 4) // the name of a variable
	point, dims := field("p", nil)
	add(point, dims, "x", 7)
	if want := "h: ,h: ,h: height,u: ,u: u_x,w: w_w_x,w: w_site,p: p_x"; strings.Join(got, ",") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ","), want)
	}
	var all []string
	for _, c := range h.coordinates {
		var of []string
		for _, d := range c.dims {
			of = append(of, h.dims[d].name)
		}
		all = append(all, fmt.Sprintf("%s%v %v", c.name, of, c.values))
	}
	want := "y[y] [0 1]; x[x] [0 1 2]; height[y x] [5 6 7 8 9 10]; u_x[x] [-0.5 0.5 1.5]; w_w_x[w_x] [3 1 4 1]; w_site[w_x] [1 2 3 4]; p_x[] [7]"
	if got := strings.Join(all, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The position of a scalar is an array without dimensions, whose only chunk has no number.
func TestZarrOfOneValue(t *testing.T) {
	dir := t.TempDir()
	z, err := newZarr(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := &header{}
	h.doubles("x", nil, []float64{7})
	h.doubles("y", []int{h.dimension("y", 2)}, []float64{8, 9})
	if err := errors.Join(z.group("observations", h, nil), z.close(t.Context(), nil)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]float64{"x/c": {7}, "y/c.0": {8, 9}} {
		if got := chunkOf(t, filepath.Join(dir, "observations", path)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// chunkOf returns the values of the file of a chunk.
func chunkOf(t *testing.T, path string) []float64 {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float64, len(b)/8)
	if _, err := binary.Decode(b, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	return values
}

// Files and groups say what they are of: the trial with its filter and values of the sweep, and a truth
// with those that all of its trials have. While a run is running only the trial and its filter are known.
func TestAttributes(t *testing.T) {
	dir := writeRun(t, false)
	for name, trials := range map[string]int{"running": 0, "one": 1, "two": 2} {
		if err := os.RemoveAll(filepath.Join(dir, "trials.arrow")); err != nil {
			t.Fatal(err)
		}
		if trials > 0 {
			w, err := table.Create(filepath.Join(dir, "trials.arrow"), []table.Column{column("trial", table.Int32), column("replicate", table.Int32), column("truth", table.Int32),
				column("reference", table.Int32), column("filter", table.Text), column("plugin", table.Text), column("size", table.Int32), column("status", table.Text),
				column("cycles", table.Int32), column("error", table.Text), column("model.params.n", table.Int64), column("inflation", table.Float64), column("scheme", table.Text)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			first := func(list ...int32) []int32 { return list[:trials] }
			none := table.Nullable[int32]{Values: make([]int32, trials), Valid: make([]bool, trials)}
			err = w.Append(trials, first(1, 2), first(1, 1), first(0, 0), none, []string{"etkf", "joint"}[:trials], []string{"filter-enkf", "filter-diffusion"}[:trials],
				first(2, 2), []string{"ok", "ok"}[:trials], first(3, 3), []string{"", ""}[:trials], []int64{40, 40}[:trials], []float64{1.05, 1.1}[:trials], []string{"a", "a"}[:trials])
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
		}
		o, err := originsOf(open(t, dir), "plume test")
		if err != nil {
			t.Fatal(err)
		}
		for table, want := range map[string]map[string]string{
			"ensemble/trial=0001/part-00000": {
				"running": "run trial=1 replicate=1 filter=etkf",
				"one":     "run trial=1 replicate=1 truth=0 filter=etkf plugin=filter-enkf model.params.n=40 inflation=1.05 scheme=a",
				"two":     "run trial=1 replicate=1 truth=0 filter=etkf plugin=filter-enkf model.params.n=40 inflation=1.05 scheme=a",
			},
			"truth/replicate=001/part-00000": {
				"running": "run replicate=1 truth=0",
				"one":     "run replicate=1 truth=0 model.params.n=40 inflation=1.05 scheme=a",
				"two":     "run replicate=1 truth=0 model.params.n=40 scheme=a",
			},
			"truth/replicate=002/part-00000": {"running": "run replicate=2 truth=0", "one": "run replicate=2 truth=0", "two": "run replicate=2 truth=0"},
		} {
			list := []string{"run"}
			for _, a := range o.attributes(o.of(table))[len(o.every):] {
				list = append(list, fmt.Sprintf("%s=%v", a.name, a.value))
			}
			if got := strings.Join(list, " "); got != want[name] {
				t.Errorf("%s, %s: got %q, want %q", name, table, got, want[name])
			}
		}
	}
}

// An export is not written into a run, whatever its name says, nor where there is no directory.
func TestWhereExportsGo(t *testing.T) {
	dir, out := writeRun(t, false), t.TempDir()
	link, file := filepath.Join(out, "link"), filepath.Join(out, "file")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "truth"), link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for format, layouts := range Layouts {
		for to, want := range map[string]string{
			filepath.Join(dir, "x"): "is in the run " + dir, filepath.Join(dir, "truth", "x") + "/": "is in the run " + dir, filepath.Join(link, "x"): "is in the run " + dir,
			filepath.Join(out, "none", "x"): "there is no directory " + filepath.Join(out, "none") + "; make it first", filepath.Join(file, "x"): file + " is not a directory",
		} {
			if _, err := Run(t.Context(), open(t, dir), to, Options{Format: format, Layout: layouts[0]}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s to %s: got %v, want %q", format, to, err, want)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// An export that is stopped, wherever it is, leaves nothing.
func TestStoppedExport(t *testing.T) {
	dir, out := writeRun(t, false), t.TempDir()
	for format, layouts := range Layouts {
		to := filepath.Join(out, string(format))
		for after := time.Duration(0); ; after += 200 * time.Microsecond {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			_, err := Run(ctx, open(t, dir), to, Options{Format: format, Layout: layouts[0]})
			cancel()
			if err == nil {
				break
			}
			if left, _ := os.ReadDir(out); !errors.Is(err, context.DeadlineExceeded) || len(left) > 0 {
				t.Fatalf("%s, after %v: got %v, left behind: %v", format, after, err, left)
			}
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
}

// Each step of an export asks whether it is to stop: the checksum, and what is written of every table.
func TestStepsStop(t *testing.T) {
	dir, out := writeRun(t, false), t.TempDir()
	r := open(t, dir)
	r.Info.Files = map[string]string{"observations.arrow": "", "cycles.arrow": ""} // it has ended: there are checksums
	store, err := newZarr(out)
	if err != nil {
		t.Fatal(err)
	}
	o, err := originsOf(open(t, dir), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	running := open(t, dir)
	observed, err := survey(t.Context(), running, "observations", o.of("observations"), false)
	if err != nil {
		t.Fatal(err)
	}
	_, surveying := survey(ctx, running, "observations", o.of("observations"), false)
	for name, err := range map[string]error{
		"checksum":   r.CheckContext(ctx, "observations.arrow"),
		"Parquet":    Options{Format: Parquet, Layout: table.Native}.file(ctx, running, "observations", out),
		"CSV":        Options{Format: CSV, Layout: table.Wide}.file(ctx, running, "observations", out),
		"netCDF":     toArrays(ctx, running, "observations", out, o),
		"survey":     surveying,
		"Zarr":       store.export(ctx, running, []*surveyed{observed}, o),
		"Zarr's end": store.close(ctx, nil),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want it to stop", name, err)
		}
	}
	if err := r.Check("observations.arrow"); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a checksum that was stopped is kept: %v", err)
	}
}

// A table without rows is left out of arrays, and its folder; an export of nothing else is refused.
func TestTablesWithoutRows(t *testing.T) {
	dir, out := writeRun(t, false), t.TempDir()
	path := filepath.Join(dir, "ensemble", "trial=0002", "part-00000.arrow")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := table.Create(path, slices.Concat([]table.Column{column("cycle", table.Int32), column("time", table.Float64), column("stage", table.Text), column("member", table.Int32)}, table.Variables(layout)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, format := range []Format{NetCDF, Zarr} {
		to := filepath.Join(out, string(format))
		paths, err := Run(t.Context(), open(t, dir), to, Options{Format: format, Layout: table.Tensor})
		if err != nil || len(paths) != 4 {
			t.Errorf("%s: got %q, %v, want truth, observations and two stages", format, paths, err)
		}
		if _, err := os.Lstat(filepath.Join(to, "ensemble", "trial=0002")); err == nil {
			t.Errorf("%s: an empty folder", format)
		}
	}
	if err := os.Remove(filepath.Join(dir, "ensemble", "trial=0001", "part-00000.arrow")); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(out, "none")
	_, err = Run(t.Context(), open(t, dir), to, Options{Format: NetCDF, Layout: table.Tensor, Tables: []string{"ensemble"}})
	if want := "there is nothing to export: ensemble/trial=0002/part-00000.arrow has no rows; see output.ensemble and output.ensemble_every"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if left, _ := os.ReadDir(out); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
