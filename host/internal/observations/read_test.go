package observations

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

const head = `format = 1
experiment = { name = "r", seed = 1 }
model.plugin = "m"
ensemble = { size = 2, init = { dist = "normal", mean = 0, sd = 1 } }
filter = [{ label = "f", plugin = "f" }]
`

// scalars has variables of one value each, ring one of four at positions 0 to 3 on a
// ring of length 4.
var (
	scalars = &sdk.Layout{Variables: []sdk.Variable{{Name: "level", Unit: "m"}, {Name: "flow", Unit: "1"}}}
	ring    = &sdk.Layout{Variables: []sdk.Variable{{Name: "u", Shape: []int{4}, Unit: "1"}},
		Coordinates: &sdk.Coordinates{Dims: []string{"x"}, Period: []float64{4}, Points: mat.NewDense(4, 1, []float64{0, 1, 2, 3})}}
)

// load writes the file data.csv and returns a workflow with the given keys, in a folder
// of their own.
func load(t testing.TB, settings, csv string) *workflow.Workflow {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data.csv"), []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	w, found := workflow.Parse(filepath.Join(dir, "w.toml"), []byte(head+settings), workflow.Options{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	return w
}

const plain = `
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t" }
`

func mustRead(t *testing.T, w *workflow.Workflow, l *sdk.Layout) *Record {
	t.Helper()
	r, found := Read(w, []*sdk.Layout{l}, Known{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	return r
}

// lines writes the values of all cycles, such as "1: level=2 flow=3".
func lines(r *Record) string {
	var b strings.Builder
	for k := 1; k <= len(r.Times); k++ {
		fmt.Fprintf(&b, "%g:", r.Times[k-1])
		for _, v := range r.In(k) {
			fmt.Fprintf(&b, " %d=%g", v.Component, v.Y)
			if v.SD > 0 {
				fmt.Fprintf(&b, "±%g", v.SD)
			}
			if v.Status == HeldOut {
				b.WriteString("*")
			}
		}
		b.WriteByte('\n')
	}
	for _, v := range r.Rejected {
		fmt.Fprintf(&b, "row %d %s\n", v.Row, v.Status)
	}
	return b.String()
}

func TestLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		settings, csv, want string
		layout              *sdk.Layout
	}{
		"wide, columns named like variables":   {"time = {}" + plain, "t,level,flow\n1,2,3\n2,NA,4\n", "1: 0=2 1=3\n2: 1=4\nrow 3 missing\n", scalars},
		"byte order mark, blanks, other order": {"time = {}" + plain, "\ufeffflow, t ,level\r\n 3 , 1 ,2\r\n", "1: 0=2 1=3\n", scalars},
		"rows out of order":                    {"time = {}" + plain, "t,level,flow\n2,20,\n1,10,\n", "1: 0=10\n2: 0=20\nrow 3 missing\nrow 2 missing\n", scalars},
		"until a time":                         {"time = { until = 2, window = 5 }" + plain, "t,level,flow\n1,2,\n2,,5\n2.5,6,7\n", "2: 0=2 1=5\nrow 2 missing\nrow 3 missing\nrow 4 late\nrow 4 late\n", scalars},
		"mapped, with range and sd": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "a", variable = "flow", range = [0, 5], sd = "e" }] }`,
			"t,a,e\n1,2,0.5\n2,6,1\n3,4,\n", "1: 1=2±0.5\n3: 1=4\nrow 3 range\n", scalars},
		"long": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", long = { name = "n", value = "v" }, map = [{ column = "A", variable = "level" }, { column = "B", variable = "flow" }] }`,
			"t,n,v\n1,A,2\n1,B,3\n1,C,4\n2,B,5\n", "1: 0=2 1=3\n2: 1=5\nrow 4 unmapped\n", scalars},
		"long, accents, numbers as names": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", long = { name = "n", value = "v" }, map = [{ column = "Brug\u00e8s", variable = "level" }, { column = "1013500", variable = "flow" }] }`,
			"t,n,v\n1,Bruge\u0300s,2\n1,1013500,3\n", "1: 0=2 1=3\n", scalars},
		"nearest place, on a ring": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", location = { coordinates = ["x"], within = 0.4 }, map = [{ column = "v", variable = "u" }] }`,
			"t,x,v\n1,3.7,10\n1,1.1,11\n1,0.5,12\n2,-0.2,13\n", "1: 0=10 1=11\n2: 0=13\nrow 4 location\n", ring},
		"no place": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", location = { coordinates = ["x"] }, map = [{ column = "v", variable = "u" }] }`,
			"t,x,v\n1,1,10\n1,,11\n1,,\n", "1: 1=10\nrow 3 location\nrow 4 missing\n", ring},
		"no number of the place": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", location = { index = "site" }, map = [{ column = "v", variable = "u" }] }`,
			"t,site,v\n1,3,10\n1,NA,11\n", "1: 3=10\nrow 3 location\n", ring},
		"number of the place": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", location = { index = "site" }, map = [{ column = "v", variable = "u" }] }`,
			"t,site,v\n1,3,10\n1,0,11\n", "1: 0=11 3=10\n", ring},
		"flags by row": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level", sd = "e" }, { column = "flow" }], qc.flag = { column = "q", accept = ["A", "/P.*/"] } }`,
			"t,level,flow,q,e\n1,2,3,A,1\n2,---,4,X,---\n3,4,,P:e,2\n4,5,6,,0\n5,,7,X,\n",
			"1: 0=2±1 1=3\n3: 0=4±2\nrow 3 flag\nrow 3 flag\nrow 4 missing\nrow 5 flag\nrow 5 flag\nrow 6 missing\nrow 6 flag\n", scalars},
		"flags by column": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level", flag = "ql" }, { column = "flow", flag = "qf", range = [0, 5] }], qc.flag.accept = ["", "0"] }`,
			"t,level,ql,flow,qf\n1,2,0,3,1\n2,4,9,5,\n3,,,6,0\n", "1: 0=2\n2: 1=5\nrow 2 flag\nrow 3 flag\nrow 4 missing\nrow 4 range\n", scalars},
		"some have flags, others held out": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", long = { name = "n", value = "v" }, map = [{ column = "A", variable = "level", flag = "q" }, { column = "B", variable = "flow" }], qc.flag.accept = ["good"], hold_out.column = "h" }`,
			"t,n,v,q,h\n1,A,2,good,\n1,B,3,bad,yes\n2,A,4,bad,yes\n", "1: 0=2 1=3*\nrow 4 flag\n", scalars},
		"held out by column": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level" }], hold_out.column = "h" }`,
			"t,level,h\n1,2,no\n2,3,yes\n3,4,\n", "1: 0=2\n2: 0=3*\n3: 0=4\n", scalars},
		"other marks": {`time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", delimiter = ";", comment = "#", missing = ["-9999"] }`,
			"# from a logger\nt;level;flow\n1;-9999.0;3\n# pause\n2;5;-9999\n", "1: 1=3\n2: 0=5\nrow 3 missing\nrow 5 missing\n", scalars},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, c.settings, c.csv)
			if got := lines(mustRead(t, w, c.layout)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestCycles(t *testing.T) {
	const data = "t,level,flow\n1,10,\n1.1,,11\n1.25,12,\n3,13,\n"
	missing := "row 2 missing\nrow 3 missing\nrow 4 missing\nrow 5 missing\n"
	for name, c := range map[string]struct{ time, want string }{
		"where the data are":     {"", "1: 0=10\n1.1: 1=11\n1.25: 0=12\n3: 0=13\n" + missing},
		"a window":               {"window = 0.2", "1.1: 0=10 1=11\n1.25: 0=12\n3: 0=13\n" + missing},
		"as many cycles":         {"cycles = 2", "1: 0=10\n1.1: 1=11\n" + strings.Replace(strings.Replace(missing, "row 4 missing", "row 4 late\nrow 4 missing", 1), "row 5", "row 5 late\nrow 5", 1)},
		"an interval":            {"interval = 1.5", "1.5: 0=10 1=11\n3: 0=13\n" + missing},
		"an interval and window": {"interval = 0.5\nwindow = 0.25", "0.5:\n1: 0=10\n1.5:\n2:\n2.5:\n3: 0=13\nrow 2 missing\nrow 3 missing\nrow 3 window\nrow 4 window\nrow 4 missing\nrow 5 missing\n"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := plain + "[time]\n" + c.time
			if strings.Contains(name, "interval") { // two values of one component in a cycle
				settings = `observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", qc.duplicates = "first" }
[time]
` + c.time
				if name == "an interval" {
					c.want = strings.Replace(c.want, "row 4 missing", "row 4 missing\nrow 4 duplicate", 1)
				}
			}
			if got := lines(mustRead(t, load(t, settings, data), scalars)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// Times that are counted from long ago are rounded more than a billionth of an interval. Every one here is in a cycle of its own.
func TestTimesFromLongAgo(t *testing.T) {
	for name, c := range map[string]struct{ start, interval float64 }{
		"Julian days": {2459000.5, 1.0 / 24}, "seconds since 1970": {1.6e9, 0.1}, "model time": {0, 0.1},
	} {
		const cycles = 500
		for _, more := range []string{"", fmt.Sprintf("window = %v\n", c.interval), fmt.Sprintf("until = %v\n", c.start+cycles*c.interval)} {
			var data, want strings.Builder
			data.WriteString("t,level,flow\n")
			for k := 1; k <= cycles; k++ {
				at := c.start + float64(k)*c.interval
				fmt.Fprintf(&data, "%.10f,%d,0\n", at, k)
				fmt.Fprintf(&want, "%v: 0=%d 1=0\n", at, k)
			}
			settings := plain + fmt.Sprintf("[time]\nstart = %v\ninterval = %v\n", c.start, c.interval) + more
			if got := lines(mustRead(t, load(t, settings, data.String()), scalars)); got != want.String() {
				t.Errorf("%s, %q: got\n%.300s\nwant\n%.300s", name, more, got, want.String())
			}
		}
	}
}

func TestDuplicates(t *testing.T) {
	for policy, want := range map[string]string{"first": "1: 0=2\n", "last": "1: 0=6\n", "mean": "1: 0=4\n"} {
		w := load(t, `time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level" }], qc.duplicates = "`+policy+`" }`,
			"t,level\n1,2\n1,4\n1,6\n")
		r := mustRead(t, w, scalars)
		if got := lines(r); !strings.HasPrefix(got, want) || strings.Count(got, "duplicate") != 2 {
			t.Errorf("%s: got %s", policy, got)
		}
		if want := "3 values, 1 assimilated, 2 duplicates"; r.Summary() != want {
			t.Errorf("got %s, want %s", r.Summary(), want)
		}
	}
}

// What is held out has no influence on what is assimilated, whatever becomes of duplicates.
func TestDuplicatesOfHeldOut(t *testing.T) {
	for policy, want := range map[string]string{
		"refuse": "1: 0=10 0=20*\n2: 0=5*\n3: 0=7\n",
		"first":  "1: 0=10 0=20*\n2: 0=5*\n3: 0=7\nrow 5 duplicate\nrow 6 duplicate\n",
		"last":   "1: 0=12 0=40*\n2: 0=5*\n3: 0=7\nrow 2 duplicate\nrow 3 duplicate\n",
		"mean":   "1: 0=11 0=30*\n2: 0=5*\n3: 0=7\nrow 5 duplicate\nrow 6 duplicate\n",
	} {
		rows := "1,10,no\n1,20,yes\n2,5,yes\n"
		if policy != "refuse" {
			rows += "1,12,no\n1,40,yes\n"
		}
		w := load(t, `time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level" }], hold_out.column = "h", qc.duplicates = "`+policy+`" }`,
			"t,level,h\n"+rows+"3,7,no\n")
		r := mustRead(t, w, scalars)
		if got := lines(r); got != want {
			t.Errorf("%s: got\n%swant\n%s", policy, got, want)
		}
		if y := r.Observation(1); y[0] != r.In(1)[0].Y || len(r.HeldOut(1)) != 1 {
			t.Errorf("%s: y = %v", policy, y)
		}
	}
	w := load(t, `time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level" }], hold_out.column = "h" }`,
		"t,level,h\n1,1,no\n1,2,yes\n1,3,yes\n")
	if _, found := Read(w, []*sdk.Layout{scalars}, Known{}); len(found) != 1 || !strings.Contains(found.Text(false), "lines 3 and 4 hold the same component in cycle 1: 2 and 3") {
		t.Errorf("two held-out values: %s", found.Text(false))
	}
}

// The mean of duplicates is that of their precisions, with the error that they share.
func TestMeanOfDuplicates(t *testing.T) {
	for name, c := range map[string]struct{ error, rows, want string }{
		"one is far better":                    {"sd = 1", "1,10,0.01,,\n1,20,100,,\n", "0=10.0000001±0.010001"},
		"alike":                                {"sd = 1", "1,10,0.5,,\n1,11,0.5,,\n1,15,0.5,,\n", "0=12±0.5"},
		"those of the error model":             {"sd = 1", "1,10,,,\n1,11,,,\n", "0=10.5"},
		"one is that of the model":             {"sd = 0.5", "1,10,,,\n1,15,1,,\n", "0=11±0.6"},
		"the model's, by component":            {"sd = [7, 0.5]", "1,,,10,\n1,,1,15,\n", "1=11±0.6"},
		"the model's variance":                 {"variance = 0.25", "1,10,,,\n1,15,1,,\n", "0=11±0.6"},
		"held out and assimilated":             {"sd = 0.5", "1,10,,,\n1,15,1,,\n1,20,2,,yes\n", "0=11±0.6 0=20±2*"},
		"the model's for one that is held out": {"sd = 0.5", "1,10,1,,\n1,20,,,yes\n", "0=10±1 0=20±0.5*"},
		"the same for both":                    {"sd = 0.5", "1,10,,,\n1,20,,,yes\n", "0=10 0=20*"},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, `time = {}
observations = { plugin = "o", error = { `+c.error+` }, file = "data.csv", time.column = "t", hold_out.column = "h", qc.duplicates = "mean", map = [{ column = "level", sd = "sd" }, { column = "flow", sd = "sd" }] }`,
				"t,level,sd,flow,h\n"+c.rows)
			got := ""
			for _, v := range mustRead(t, w, scalars).In(1) {
				got += fmt.Sprintf(" %d=%.9g", v.Component, v.Y)
				if v.SD > 0 {
					got += fmt.Sprintf("±%.6g", v.SD)
				}
				if v.Status == HeldOut {
					got += "*"
				}
			}
			if got != " "+c.want {
				t.Errorf("got%s, want %s", got, c.want)
			}
		})
	}
}

// A superobservation of values whose errors have a correlation: the variance of the mean is
// that of the weights and the covariances of the errors.
func TestSuperobservations(t *testing.T) {
	for _, c := range []struct {
		correlation, rows string
		y, variance       float64
	}{
		{"0", "1,10,0.5\n1,11,0.5\n1,15,0.5\n1,16,0.5\n", 13, 0.25 / 4},
		{"0", "1,10,\n1,11,\n1,15,\n", 12, 4.0 / 3}, // of the error model
		{"1", "1,10,0.5\n1,14,0.5\n", 12, 0.25},
		{"0.5", "1,10,0.5\n1,14,0.5\n", 12, 0.25 * (0.5 + 0.5/2)},
		// weights 4/5 and 1/5, variances 1 and 4, covariance 0.25 x 1 x 2
		{"0.25", "1,10,1\n1,15,2\n", 11, 0.64 + 0.04*4 + 2*0.16*0.5},
	} {
		w := load(t, `time = {}
observations = { plugin = "o", error.sd = 2, file = "data.csv", time.column = "t", qc = { duplicates = "mean", correlation = `+c.correlation+` }, map = [{ column = "level", sd = "sd" }] }`,
			"t,level,sd\n"+c.rows)
		values := mustRead(t, w, scalars).In(1)
		if v := values[0]; len(values) != 1 || math.Abs(v.Y-c.y) > 1e-12 || math.Abs(v.SD*v.SD-c.variance) > 1e-12 {
			t.Errorf("%+v: got %+v", c, values)
		}
	}
}

// Dates: an hour of model time is an hour of the calendar, whatever clocks show.
func TestDates(t *testing.T) {
	for name, c := range map[string]struct{ time, rows, want string }{
		"iso":           {"", "2026-03-28T12:00:00Z,1", "[12]"},
		"offset":        {"", "2026-03-28 14:30:00.5+02:00,1", "[12.50013888888889]"},
		"a date":        {"", "2026-03-29,1", "[24]"},
		"summer time":   {`, timezone = "Europe/Oslo"`, "2026-03-29 01:59,1\n2026-03-29 03:00,1", "[25.983333333333334 26]"},
		"winter time":   {`, timezone = "Europe/Oslo"`, "2026-10-25 01:59,1\n2026-10-25 03:00,1", "[5064.983333333334 5067]"},
		"pattern":       {`, format = "%d.%m.%Y %H.%M"`, "29.03.2026 06.30,1", "[30.5]"},
		"day of year":   {`, format = "%Y-%j"`, "2026-088,1", "[24]"},
		"name of month": {`, format = "%d %b %Y"`, "29 MAR 2026,1", "[24]"},
		"unix":          {`, format = "unix"`, "1774742400.5,1", "[24.000138888888888]"},
		"unix_ms":       {`, format = "unix_ms"`, "1774742400125,1", "[24.00003472222222]"},
		"unix_us":       {`, format = "unix_us"`, "1774742400500000,1", "[24.000138888888888]"},
		"unix_ns":       {`, format = "unix_ns"`, "1774742400000000000,1", "[24]"},
		"excel":         {`, format = "excel", timezone = "Europe/Oslo"`, "46110.25,1\n46110.291666666664,1", "[29 30]"},
		"excel, clocks": {`, format = "excel", timezone = "-08:00"`, "46109.0416666667,1", "[1]"},
		"number":        {`, format = "number"`, "24,1", "[24]"},
		"an offset":     {`, timezone = "-08:00"`, "2026-03-28 12:00,1", "[12]"},
		"half a day":    {`, format = "%m/%d/%y %I:%M:%S %p"`, "03/28/26 12:15:00 AM,1\n3/28/26 1:15:00 PM,1", "[0.25 13.25]"},
		"noon":          {`, format = "%m/%d/%y %I%p"`, "03/28/26 12pm,1", "[12]"},
		"a zone":        {`, timezone = "America/New_York"`, "2026-03-28 12:00 EST,1\n2026-03-28 12:00 UTC,1", "[8 13]"},
		"in a pattern":  {`, format = "%d.%m.%Y (%Z) %H"`, "29.03.2026 (Europe/Oslo) 12,1", "[34]"},
		"without blank": {`, format = "%Y%m%d"`, "20260329,1", "[24]"},
		"far in time":   {"", "9999-01-01T00:00:00Z,1", "[6.9887808e+07]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, `observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t"`+c.time+` }, map = [{ column = "level" }] }
time = { start = 2026-03-28, unit = "1h" }`, "t,level\n"+c.rows+"\n")
			if got := fmt.Sprint(mustRead(t, w, scalars).Times); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Times may be in several columns, whose texts are joined.
func TestColumnsOfTimes(t *testing.T) {
	for name, c := range map[string]struct{ time, csv, want string }{
		"date and time":       {`columns = ["date", "time"]`, "date,time,level\n2026-03-29,01:30,1\n2026-03-29,2:30:15,2\n", "[25.5 26.504166666666666]"},
		"time first":          {`columns = ["time", "date"], format = "%H:%M %d.%m.%Y"`, "date,time,level\n29.03.2026,01:30,1\n", "[25.5]"},
		"a time and its zone": {`columns = ["t", "tz"], timezone = "America/New_York"`, "t,tz,level\n2026-06-08 01:45,EST,1\n2026-06-08 03:00,EDT,2\n", "[1730.75 1731]"},
		"zones by name":       {`columns = ["t", "tz"]`, "t,tz,level\n2026-03-29 02:00,Europe/Lisbon,1\n2026-03-29 03:00,+01:00,2\n2026-03-29 03:00,UTC,3\n", "[25 26 27]"},
		"a date and its zone": {`columns = ["t", "tz"]`, "t,tz,level\n2026-03-29,-08:00,1\n", "[32]"},
		"five columns":        {`columns = ["Y", "M", "D", "h", "m"], format = "%Y %m %d %H %M"`, "level,Y,M,D,h,m\n1,2026,3,29,1,30\n", "[25.5]"},
		"one column":          {`columns = ["t"]`, "t,level\n2026-03-29,1\n", "[24]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, `observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { `+c.time+` }, map = [{ column = "level" }] }
time = { start = 2026-03-28, unit = "1h" }`, c.csv)
			if got := fmt.Sprint(mustRead(t, w, scalars).Times); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Files of some sources are read as they come; docs/how-to/real-observations.md lists them.
func TestKnownFiles(t *testing.T) {
	for name, c := range map[string]struct{ settings, text, want string }{
		"HOBO logger": {`skip_lines = 1, time = { column = "Date Time, GMT-05:00", format = "%m/%d/%y %I:%M:%S %p", timezone = "-05:00" }, map = [{ column = "Temp, \u00b0F (LGR S/N: 1)", variable = "level" }]`,
			"\ufeff\"Plot Title: 1\"\n\"#\",\"Date Time, GMT-05:00\",\"Temp, \u00b0F (LGR S/N: 1)\",\"End Of File (LGR S/N: 1)\"\n1,06/08/26 12:45:00 AM,70.1,\n2,06/08/26 01:00:00 PM,70.2,\n3,06/08/26 01:15:00 PM,,Logged\n",
			"0.75: 0=70.1\n13: 0=70.2\nrow 5 missing\n"},
		"DWD station": {`delimiter = ";", missing = ["-999"], time = { column = "MESS_DATUM", format = "%Y%m%d%H" }, map = [{ column = "TT_TU", variable = "level" }], qc.flag = { column = "QN_9", accept = ["3", "10"] }`,
			"STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor\n          3;2026060801;    3;   5.7;  83.0;eor\n          3;2026060802;    1;   5.6;  83.0;eor\n          3;2026060803;   10;-999;  83.0;eor\n",
			"1: 0=5.7\nrow 3 flag\nrow 4 missing\n"},
		"NDBC buoy": {`delimiter = " ", skip_rows = 1, missing = ["MM", "99.0"], time = { columns = ["#YY", "MM", "DD", "hh", "mm"], format = "%Y %m %d %H %M" }, map = [{ column = "WVHT", variable = "level" }, { column = "WSPD", variable = "flow" }]`,
			"#YY  MM DD hh mm WDIR WSPD GST  WVHT\n#yr  mo dy hr mn degT m/s  m/s     m\n2026 06 08 01 30  MM   5.0  6.0   1.2\n2026 06 08 02 30 230  99.0  6.0    MM\n",
			"1.5: 0=1.2 1=5\nrow 4 missing\nrow 4 missing\n"},
		"Campbell TOA5": {`skip_lines = 1, skip_rows = 2, missing = ["NAN"], time.column = "TIMESTAMP", map = [{ column = "Level_Avg", variable = "level" }]`,
			"\"TOA5\",\"site\",\"CR1000\"\n\"TIMESTAMP\",\"RECORD\",\"Level_Avg\"\n\"TS\",\"RN\",\"m\"\n\"\",\"\",\"Avg\"\n\"2026-06-08 01:00:00\",1,2.5\n\"2026-06-08 02:00:00\",2,\"NAN\"\n",
			"1: 0=2.5\nrow 6 missing\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, `observations = { plugin = "o", error.sd = 1, file = "data.csv", `+c.settings+` }
time = { start = 2026-06-08, unit = "1h" }`, c.text)
			if got := lines(mustRead(t, w, scalars)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// Model time 0 is any date of any calendar, the first day of year 1 among them.
func TestFirstYear(t *testing.T) {
	for calendar, want := range map[string]string{"standard": "[1 59]", "noleap": "[1 59]", "360_day": "[1 60]"} {
		for _, year := range []string{"0001", "0002", "9998"} {
			w := load(t, `observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t", calendar = "`+calendar+`" }, map = [{ column = "level" }] }
time = { start = `+year+`-01-01T00:00:00Z, unit = "24h" }`, "t,level\n"+year+"-01-02,1\n"+year+"-03-01,2\n")
			if got := fmt.Sprint(mustRead(t, w, scalars).Times); got != want {
				t.Errorf("%s, %s: got %s, want %s", calendar, year, got, want)
			}
		}
	}
}

// Times that cannot be meant are refused, with what is probably meant.
func TestImpossibleTimes(t *testing.T) {
	for name, c := range map[string]struct{ time, row, want, help string }{
		"milliseconds":         {`, format = "unix"`, "1767229200000", "it is in the year 57971", `if it is in milliseconds since 1970, write time.format = "unix_ms"`},
		"microseconds":         {`, format = "unix_ms"`, "1767229200000000", "it is in the year 57971", `if it is in microseconds since 1970, write time.format = "unix_us"`},
		"nanoseconds":          {`, format = "unix"`, "1767229200000000000", "it is in the year 56", `if it is in nanoseconds since 1970, write time.format = "unix_ns"`},
		"seconds for hours":    {`, format = "number"`, "1767229200", "it is in the year 20", `if it is in seconds since 1970, write time.format = "unix"`},
		"seconds for days":     {`, format = "excel"`, "1767229200", "it is in the year 48", `if it is in seconds since 1970, write time.format = "unix"`},
		"far in the past":      {`, format = "unix"`, "-1e22", "it is in the year -316", "years beyond 9999 need a time.start that is a number"},
		"too large for a time": {`, format = "unix"`, "1e300", "it is in the year 3168", "years beyond 9999 need a time.start that is a number"},
		"seconds for iso":      {"", "1767229200.5", "it is a number, but the format is \"iso\"", `if it is in seconds since 1970, write time.format = "unix"`},
		"days of Excel":        {"", "46110.25", "it is a number", `write time.format = "excel"`},
		"a date in one number": {"", "20260329", "it is a number", `time.format = "%Y%m%d"`},
		"hours for iso":        {"", "12", "it is a number", "write the time.format that the file has"},
		"no day of Excel":      {`, format = "excel"`, "60", "it is before March 1900", "another time.format"},
		"not of the zone":      {`, timezone = "Europe/Oslo"`, "2026-05-01 12:00 EST", "EST is not an abbreviation of Europe/Oslo, where clocks show CEST and CET", "write the time.timezone that the abbreviations belong to"},
		"half without day":     {`, format = "%Y-%m-%d %I:%M %p"`, "2026-05-01 13:00 PM", "13 is not an hour of a clock with 12", "another time.format"},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, `observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t"`+c.time+` }, map = [{ column = "level" }] }
time = { start = 2026-03-28T00:00:00Z, unit = "1h" }`, "t,level\n"+c.row+",1\n")
			_, found := Read(w, []*sdk.Layout{scalars}, Known{})
			if len(found) != 1 || !strings.Contains(found[0].Message, c.want) || !strings.Contains(found[0].Help, c.help) {
				t.Errorf("got %s", found.Text(false))
			}
		})
	}
}

func TestHoldOut(t *testing.T) {
	var csv strings.Builder
	csv.WriteString("t,level\n")
	for k := range 1000 {
		fmt.Fprintf(&csv, "%d,%d\n", k+1, k)
	}
	settings := `time = {}
observations = { plugin = "o", error.sd = 1, file = "data.csv", time.column = "t", map = [{ column = "level" }], hold_out = `
	held := func(how string, seed int64) (rows []int32) {
		w := load(t, settings+how+"}", csv.String())
		r := mustRead(t, w, scalars).HoldOut(w.Observations, rng.New(seed))
		for k := 1; k <= 1000; k++ {
			for _, v := range r.HeldOut(k) {
				rows = append(rows, v.Row)
				if y := r.Observation(k); !math.IsNaN(y[0]) {
					t.Fatalf("cycle %d: %v is assimilated", k, y)
				}
			}
		}
		return rows
	}
	if got := held("{ every = 250 }", 1); !reflect.DeepEqual(got, []int32{251, 501, 751, 1001}) {
		t.Errorf("every 250: got rows %v", got)
	}
	one, again, other := held("{ fraction = 0.1 }", 1), held("{ fraction = 0.1 }", 1), held("{ fraction = 0.1 }", 2)
	if !reflect.DeepEqual(one, again) || reflect.DeepEqual(one, other) {
		t.Error("what is held out does not follow the seed")
	}
	// binomial with 1000 draws: four standard deviations are 4 sqrt(90) = 38
	if len(one) < 62 || len(one) > 138 {
		t.Errorf("a tenth: %d of 1000", len(one))
	}
}

func TestStreamsShareCycles(t *testing.T) {
	w := load(t, `time = { window = 0.5 }
[[observations]]
label = "a"
plugin = "o"
error.sd = 1
file = "data.csv"
time.column = "t"
map = [{ column = "level" }]
[[observations]]
label = "b"
plugin = "o"
error.sd = 1
file = "data.csv"
time.column = "s"
map = [{ column = "u", index = 2 }]
`, "t,s,level,u\n1,1.25,10,20\n2,3,11,21\n")
	r, found := Read(w, []*sdk.Layout{scalars, ring}, Known{})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	if got, want := lines(r), "1.25: 0=10 4=20\n2: 0=11\n3: 4=21\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if y := r.Observation(1); len(y) != 6 || y[4] != 20 || !math.IsNaN(y[5]) {
		t.Errorf("y = %v", y)
	}
}

func BenchmarkMillionRows(b *testing.B) {
	var csv strings.Builder
	csv.WriteString("when,station,level\n")
	for k := range 1_000_000 {
		fmt.Fprintf(&csv, "2026-%02d-%02d %02d:%02d:%02d,%d,%.3f\n", k/4/86400/28%12+1, k/4/86400%28+1, k/4/3600%24, k/4/60%60, k/4%60, k%4, float64(k%977)/31)
	}
	w := load(b, `observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "when", timezone = "Europe/Oslo" }, location.index = "station", map = [{ column = "level", variable = "u" }] }
time = { start = 2025-12-01, unit = "1h", window = "10s" }`, csv.String())
	w.Observations[0].QC.Duplicates = "mean"
	for b.Loop() {
		r, found := Read(w, []*sdk.Layout{ring}, Known{})
		if len(found) > 0 {
			b.Fatal(found.Text(false))
		}
		b.ReportMetric(float64(len(r.Times)), "cycles")
	}
}

// Days of the calendars of climate models are as far apart as they are there.
func TestCalendars(t *testing.T) {
	for name, c := range map[string]struct{ csv, want string }{
		"standard": {"t,level,flow\n2000-02-28,1,1\n2000-02-29,2,2\n2000-03-01 12:00,3,3\n2001-03-01,4,4\n", "58: 0=1 1=1\n59: 0=2 1=2\n60.5: 0=3 1=3\n425: 0=4 1=4\n"},
		"noleap":   {"t,level,flow\n2000-02-28,1,1\n2000-03-01,2,2\n2000-03-01 12:00,3,3\n2001-03-01,4,4\n", "58: 0=1 1=1\n59: 0=2 1=2\n59.5: 0=3 1=3\n424: 0=4 1=4\n"},
		"360_day":  {"t,level,flow\n2000-02-28,1,1\n2000-02-30,2,2\n2000-03-01 12:00,3,3\n2001-03-01,4,4\n", "57: 0=1 1=1\n59: 0=2 1=2\n60.5: 0=3 1=3\n420: 0=4 1=4\n"},
	} {
		w := load(t, `time = { start = 2000-01-01, unit = "24h" }
observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t", calendar = "`+name+`" } }`, c.csv)
		if got := lines(mustRead(t, w, scalars)); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
	}
	const days = `time = { start = 2000-01-01, unit = "24h" }
observations = { plugin = "o", error.sd = 1, file = "data.csv", time = { column = "t", format = "%Y %j", calendar = "noleap" } }`
	if got, want := lines(mustRead(t, load(t, days, "t,level,flow\n2000 60,1,1\n2000 365,2,2\n"), scalars)), "59: 0=1 1=1\n364: 0=2 1=2\n"; got != want {
		t.Errorf("days of the year: got\n%swant\n%s", got, want)
	}
}

// What is not a number may be marked by flags in a column of its own: the key for it is named.
func TestFlagColumnIsNamed(t *testing.T) {
	for name, want := range map[string]string{
		"level_flag": `; if level_flag has flags: qc.flag = { column = "level_flag", accept = [...] }`, "QC": `; if QC has flags: qc.flag = { column = "QC", accept = [...] }`,
		"00060_cd": `; if 00060_cd has flags`, "flow2": "add it to `missing`", "qcumber": "add it to `missing`",
	} {
		_, found := Read(load(t, "time = {}"+plain, "t,level,flow,"+name+"\n1,2,3,A\n2,Ice,4,e\n"), []*sdk.Layout{scalars}, Known{})
		if len(found) != 1 || !strings.Contains(found[0].Help, want) || strings.Contains(found[0].Help, "qc.flag") != strings.Contains(want, "flags") {
			t.Errorf("%s: got\n%s", name, found.Text(false))
		}
	}
}
