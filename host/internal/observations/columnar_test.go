package observations

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// columnar copies a CSV file into Parquet and Arrow files with the column types that a
// case names. Two rows are a batch, so that every file has several.
const columnar = `
import csv, datetime, sys
import pyarrow as pa, pyarrow.feather, pyarrow.ipc, pyarrow.parquet

folder, *columns = sys.argv[1:]
with open(folder + "/data.csv", newline="") as file:
    rows = list(csv.DictReader(file))

def array(name, kind):
    texts = [row[name] or None for row in rows]
    if kind.startswith("timestamp") or kind.startswith("date"):
        typed = {"timestamp": pa.timestamp("s"), "timestamp_ms": pa.timestamp("ms"), "timestamp_us_oslo": pa.timestamp("us", "Europe/Oslo"),
                 "timestamp_ns_utc": pa.timestamp("ns", "UTC"), "date32": pa.date32(), "date64": pa.date64()}[kind]
        return pa.array([t and datetime.datetime.fromisoformat(t) for t in texts], typed)
    if kind == "dictionary":
        return pa.array(texts).dictionary_encode()
    if kind == "bool":
        return pa.array([t and t == "yes" for t in texts])
    if kind == "decimal128":
        return pa.array(texts).cast(pa.decimal128(12, 3))
    if kind in ("string", "string_view", "large_string"):
        return pa.array(texts, getattr(pa, kind)())
    if kind.startswith("time"):
        return pa.array([t and datetime.time.fromisoformat(t) for t in texts], {"time32": pa.time32("s"), "time64": pa.time64("us")}[kind])
    return pa.array([t and float(t) for t in texts], pa.float64()).cast(getattr(pa, kind)())

table = pa.table({name: array(name, kind) for name, kind in (c.split("=") for c in columns)})
pa.parquet.write_table(table, folder + "/snappy.parquet", row_group_size=2)
pa.parquet.write_table(table, folder + "/zstd.parquet", compression="zstd", version="2.6", data_page_version="2.0")
with pa.ipc.new_file(folder + "/plain.arrow", table.schema) as out:
    out.write_table(table, max_chunksize=2)
pa.feather.write_feather(table, folder + "/lz4.feather", compression="lz4", chunksize=2)
`

// Files that pyarrow wrote give the cycles and values that their text gives, whatever
// the types of their columns.
func TestColumnarFiles(t *testing.T) {
	python := pythonOf(t)
	const numbers = "t,level,flow,e,h\n1,2,3,0.5,no\n1,,4,,yes\n2,-1.5,6,0.25,\n3.5,7,,1,no\n3.75,8,9,0.5,yes\n"
	const wide = `time = { window = 0.5 }
observations = { plugin = "o", error.sd = 1, file = "FILE", time.column = "t", map = [{ column = "level", sd = "e" }, { column = "flow", range = [0, 8] }], hold_out.column = "h", qc.duplicates = "last" }`
	const long = `time = { start = 2026-03-28, unit = "1h" }
observations = { plugin = "o", error.sd = 1, file = "FILE", time = { column = "t", timezone = "Europe/Oslo" }, long = { name = "n", value = "v" }, location.index = "site", map = [{ column = "gauge", variable = "u" }] }`
	// clocks go from 02:00 to 03:00
	const walls = "t,n,v,site\n2026-03-29 01:59:00,gauge,1,0\n2026-03-29 03:00:00,gauge,2,3\n2026-03-29 03:00:00,other,2,3\n2026-03-30 00:00:00,gauge,,1\n"
	const instants = "t,n,v,site\n2026-03-28T12:00:00.25+00:00,gauge,1,0\n2026-03-28T14:00:00.5+01:00,gauge,2,3\n2026-10-25T00:30:00+00:00,gauge,3,1\n"
	const days = "t,n,v,site\n2026-03-29,gauge,1,0\n2026-03-30,gauge,2,3\n"
	const joined = `time = { start = 2026-03-28, unit = "1h" }
observations = { plugin = "o", error.sd = 1, file = "FILE", time = { columns = ["t", "z"], timezone = "America/New_York" }, map = [{ column = "level" }], qc.flag = { column = "q", accept = ["0", "1"] }, missing = ["-9999.9"] }`
	const zones = "t,z,level,q\n2026-06-08 01:45:00,EST,1,0\n2026-06-08 00:00:00,EDT,2,1\n2026-06-08 03:00:00.5,UTC,3,2\n2026-06-09 00:00:00,EDT,-9999.9,0\n"
	const clocks = "t,z,level,q\n2026-06-08,01:45,1,1\n2026-06-09,13:00:30,2,0\n"
	for name, c := range map[string]struct {
		settings, csv, types string
		layout               *sdk.Layout
	}{
		"times and zones":       {joined, zones, "t=timestamp_ms z=dictionary level=float32 q=int8", scalars},
		"texts and zones":       {joined, zones, "t=string z=string level=float64 q=string", scalars},
		"days and clocks":       {joined, clocks, "t=date32 z=string level=float32 q=int64", scalars},
		"days and times":        {joined, clocks, "t=date32 z=time32 level=float32 q=int64", scalars},
		"days and fine times":   {joined, clocks, "t=date64 z=time64 level=float32 q=int64", scalars},
		"doubles":               {wide, numbers, "t=float64 level=float64 flow=float64 e=float64 h=string", scalars},
		"singles, integers":     {wide, numbers, "t=float32 level=float32 flow=int16 e=float32 h=bool", scalars},
		"unsigned, other order": {wide, numbers, "h=dictionary e=float64 flow=uint8 level=float64 t=float64", scalars},
		"decimals, texts":       {wide, numbers, "t=decimal128 level=string flow=int64 e=large_string h=dictionary", scalars},
		"clock on a wall":       {long, walls, "t=timestamp n=dictionary v=int32 site=int8", ring},
		"clock, texts":          {long, walls, "t=string n=string_view v=uint64 site=float64", ring},
		"instants in a zone":    {long, instants, "t=timestamp_us_oslo n=string v=float64 site=uint16", ring},
		"instants of UTC":       {long, instants, "t=timestamp_ns_utc n=large_string v=float32 site=uint32", ring},
		"days":                  {long, days, "t=date32 n=string v=float64 site=int64", ring},
		"days in milliseconds":  {long, days, "t=date64 n=dictionary v=float64 site=int64", ring},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, strings.Replace(c.settings, "FILE", "data.csv", 1), c.csv)
			want := everything(mustRead(t, w, c.layout), true)
			dir := filepath.Dir(w.Path("data.csv"))
			copied(t, python, dir, c.types)
			for _, file := range []string{"snappy.parquet", "zstd.parquet", "plain.arrow", "lz4.feather"} {
				w := about(t, dir, c.settings, file)
				if got := everything(mustRead(t, w, c.layout), false); got != want {
					t.Errorf("%s: got\n%swant what the text gives\n%s", file, got, want)
				}
			}
		})
	}
}

// pythonOf returns a python with pyarrow.
func pythonOf(t *testing.T) string {
	t.Helper()
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with pyarrow; make test sets it")
	}
	return python
}

// copied makes the columnar files of data.csv in dir.
func copied(t *testing.T, python, dir, types string) {
	t.Helper()
	if out, err := exec.Command(python, append([]string{"-c", columnar, dir}, strings.Fields(types)...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// about returns a workflow in dir whose settings say FILE for a file.
func about(t *testing.T, dir, settings, file string) *workflow.Workflow {
	t.Helper()
	w, found := workflow.Parse(filepath.Join(dir, "w.toml"), []byte(head+strings.Replace(settings, "FILE", file, 1)), workflow.Options{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	return w
}

// A file that was cut is found out wherever it was, and bytes that were changed in the
// pages of a Parquet file give a finding or a record, but no panic.
func TestDamagedColumnarFiles(t *testing.T) {
	python := pythonOf(t)
	const settings = `time = {}
observations = { plugin = "o", error.sd = 1, file = "FILE", time.column = "t", qc.duplicates = "last" }`
	w := load(t, strings.Replace(settings, "FILE", "data.csv", 1), "t,level,flow\n1,2,3\n1,,4\n2,-1.5,6\n3.5,7,\n3.75,8,9\n")
	dir := filepath.Dir(w.Path("data.csv"))
	copied(t, python, dir, "t=float64 level=dictionary flow=int16")
	read := func(file string, text []byte) (*Record, diag.Findings) {
		name := "damaged" + filepath.Ext(file)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(about(t, dir, settings, name), []*sdk.Layout{scalars}, Known{})
	}
	random := rand.New(rand.NewPCG(1, 1))
	for _, file := range []string{"snappy.parquet", "zstd.parquet", "plain.arrow", "lz4.feather"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for cut := 0; cut < len(text); cut += 1 + len(text)/50 {
			if _, found := read(file, text[:cut]); len(found) == 0 {
				t.Errorf("%s: cut at byte %d of %d", file, cut, len(text))
			}
		}
		if filepath.Ext(file) != ".parquet" {
			continue // their sizes are believed
		}
		pages := len(text) - 8 - int(binary.LittleEndian.Uint32(text[len(text)-8:]))
		for range 200 {
			changed := slices.Clone(text)
			changed[random.IntN(pages)] = byte(random.IntN(256))
			if r, found := read(file, changed); (r == nil) == (len(found) == 0) {
				t.Errorf("%s: record %v, %s", file, r != nil, found.Text(false))
			}
		}
	}
}

// everything writes all that a record says. Rows of text are counted without its first
// line.
func everything(r *Record, isText bool) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Times)
	for k := 1; k <= len(r.Times); k++ {
		for _, v := range append(r.In(k), r.Rejected...) {
			if isText {
				v.Row--
			}
			fmt.Fprintf(&b, "cycle %d: %+v\n", k, v)
		}
	}
	return b.String()
}

// A netCDF file with stations: their places are those of the observed values, by number or by name.
func TestNetCDF(t *testing.T) {
	path, err := filepath.Abs("../tabular/testdata/cdf2.nc")
	if err != nil {
		t.Fatal(err)
	}
	by := func(keys string, l *sdk.Layout) string {
		return lines(mustRead(t, load(t, `time = { start = 2026-03-01T00:00:00Z, unit = "1h" }
observations = { plugin = "o", error.sd = 1, file = "`+path+`", time.column = "time", `+keys+` }`, ""), l))
	}
	want := "1: 0=10 1=10.1 2=10.2\n2: 0=10.3 2=10.5\n3: 0=10.6 1=10.7 2=10.8\n4: 0=10.9 1=11 2=11.1\n5: 0=11.2 1=11.3 2=11.4\nrow 5 missing\n"
	stations := &sdk.Layout{Variables: []sdk.Variable{{Name: "temp", Shape: []int{3}}},
		Coordinates: &sdk.Coordinates{Dims: []string{"lat"}, Period: []float64{0}, Points: mat.NewDense(3, 1, []float64{50, 51, 52})}}
	for _, keys := range []string{`location.index = "station"`, `location = { coordinates = ["lat"], within = 0.1 }`} {
		if got := by(keys, stations); got != want {
			t.Errorf("%s: got\n%swant\n%s", keys, got, want)
		}
	}
	named := &sdk.Layout{Variables: []sdk.Variable{{Name: "alpha"}, {Name: "beta"}, {Name: "gamma"}}}
	if got := by(`long = { name = "name", value = "temp" }, map = [{ column = "alpha" }, { column = "beta" }, { column = "gamma" }]`, named); got != want {
		t.Errorf("by name: got\n%swant\n%s", got, want)
	}
}
