package workflow

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every key of a stream with a file comes back from the resolved workflow, whose
// loading is checked by reload.
func TestStreamsAreResolved(t *testing.T) {
	text := strings.Replace(strings.Replace(minimal, "truth.init = [1, 2]\n", "", 1), `observations = { plugin = "b", error.sd = 1 }`+"\n", "", 1)
	text = strings.Replace(text, "time = { cycles = 10, interval = 1 }", `time = { start = 2026-03-01T06:00:00+01:00, unit = "1d", window = "10min" }`, 1) + `
[[observations]]
label = "gauges"
plugin = "b"
error = { sd = 0.5 }
file = "gauges.csv"
delimiter = ";"
comment = "#"
time = { column = "t", format = "%d.%m.%Y", timezone = "Europe/Oslo" }
long = { name = "sensor", value = "v" }
missing = ["", "-9999"]
location = { coordinates = ["x"], within = 0.5 }
map = [{ column = "A", variable = "u", range = [0, 5], sd = "e", flag = "qA" }, { column = "w", index = 2 }]
qc = { background = 4, duplicates = "mean", correlation = 0.25, early = "reject", flag = { column = "q", accept = ["", "/A.*/"] } }
hold_out = { every = 7 }

[[observations]]
label = "towers"
plugin = "b"
error = { sd = 0.5, relative = 0.1 }
file = "towers.parquet"
time = { columns = ["d", "t"], timezone = "Europe/Oslo" }
`
	w, found := Parse("w.toml", []byte(text), Options{Set: []string{"observations.towers.error.sd=2"}})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	reload(t, w)
	start := time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC)
	if !w.Time.Start.Date.Equal(start) || w.Time.Unit != 24*time.Hour || w.Time.Window.Wall != 10*time.Minute {
		t.Errorf("time %+v", w.Time)
	}
	gauges, towers := w.Observations[0], w.Observations[1]
	if gauges.Map[1].Variable != "w" || len(gauges.Missing) != 2 || towers.Delimiter != "" || len(towers.Time.Columns) != 2 || gauges.QC.Flag.Accept[1] != "/A.*/" || gauges.Map[0].Flag != "qA" || towers.Error.SD[0] != 2 || towers.Error.Relative != 0.1 || *gauges.QC.Correlation != 0.25 {
		t.Errorf("%+v\n%+v", gauges, towers)
	}
	if !w.Real() || w.Truth != nil {
		t.Error("not real")
	}
}

// Durations are model times by time.unit, wherever a workflow states a model time.
func TestDurationsAreModelTimes(t *testing.T) {
	text := strings.NewReplacer("interval = 1", `interval = "6h", step = "10min", unit = "1d"`,
		"truth.init = [1, 2]", `truth = { init = [1, 2], spin_up = "1w", step = "15min", plugin = "d" }`).Replace(minimal)
	w, found := Parse("w.toml", []byte(text+"sweep.axes.time.interval = [\"12h\", 0.25]\n"), Options{Set: []string{`time.step="20min"`}})
	if len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	if w.Time.Interval != 0.25 || w.Time.Step != 1./72 || w.Truth.SpinUp != 7 || w.Truth.Step != 1./96 {
		t.Errorf("got %+v, %+v", w.Time, w.Truth)
	}
	if s := w.Settings(); len(s) != 2 || s[0].Time.Interval != 0.5 || s[1].Time.Interval != 0.25 {
		t.Errorf("settings %+v", s)
	}
	reload(t, w)
}

// A start without an offset is in the time zone of the observations.
func TestStartWithoutOffset(t *testing.T) {
	for _, c := range []struct{ start, zone, want string }{
		{"2026-05-01T00:00:00", "America/New_York", "2026-05-01T04:00:00Z"},
		{"2026-05-01", "America/New_York", "2026-05-01T04:00:00Z"},
		{"2026-05-01T00:00:00Z", "America/New_York", "2026-05-01T00:00:00Z"},
		{"2026-05-01T00:00:00+01:00", "America/New_York", "2026-04-30T23:00:00Z"},
		{"2026-05-01", "-08:00", "2026-05-01T08:00:00Z"},
		{"2026-05-01 12:00:00", "UTC", "2026-05-01T12:00:00Z"},
		{"0001-01-01", "UTC", "0001-01-01T00:00:00Z"},
	} {
		text := strings.NewReplacer("start = 0", `unit = "1h", start = `+c.start, `column = "t"`, `column = "t", timezone = "`+c.zone+`"`).Replace(fromFile)
		w, found := Parse("w.toml", []byte(text), Options{})
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		if got := w.Time.Start.Date.UTC().Format(time.RFC3339); got != c.want || !w.Time.Start.Dated {
			t.Errorf("%s in %s: got %s, want %s", c.start, c.zone, got, c.want)
		}
		if again, _ := Parse("w.toml", []byte(reload(t, w)), Options{}); !again.Time.Start.Date.Equal(w.Time.Start.Date) {
			t.Errorf("%s in %s: got %s again", c.start, c.zone, again.Time.Start.Date)
		}
	}
}

// fromFile is a workflow whose observations come from a file.
var fromFile = strings.NewReplacer("truth.init = [1, 2]\n", "", "time = { cycles = 10, interval = 1 }", "time = { start = 0 }",
	`observations = { plugin = "b", error.sd = 1 }`, `observations = { plugin = "b", error.sd = 1, file = "data.csv", time = { column = "t" } }`).Replace(minimal)

// What a stream with a file may not have differs from what one without may not have.
func TestStreamsAreRefused(t *testing.T) {
	if _, found := Parse("w.toml", []byte(fromFile), Options{}); len(found) > 0 {
		t.Fatal(found.Text(false))
	}
	const second = `observations = [{ plugin = "b", error.sd = 1, label = "p" }, { plugin = "b", error.sd = 1, label = "p" }]`
	for _, c := range []struct{ text, old, new, want string }{
		{minimal, "error.sd = 1", `error.sd = 1, missing = ["x"]`, "E211 `missing` applies to a file, but the stream has none"},
		{minimal, "error.sd = 1", "error.sd = 1, every = 2, offset = 2", "E211 `offset` must be less than `every`, 2, but is 2"},
		{minimal, `observations = { plugin = "b", error.sd = 1 }`, second, `E209 two streams have the label "p"`},
		{minimal, `observations = { plugin = "b", error.sd = 1 }`, strings.ReplaceAll(second, `, label = "p" }]`, " }]"), "E202 [observations] needs `label`"},
		{fromFile, "error.sd = 1", "error.sd = 1, every = 2", "E211 `every` is for simulated observations, but the stream has a file"},
		{fromFile, "error.sd = 1", "error.sd = 1, dropout.fraction = 0.5", "E211 `dropout` is for simulated observations, but the stream has a file"},
		{minimal, "error.sd = 1", "error.sd = 1, dropout.fraction = 1", "E204 `fraction` must be below 1, but is 1"},
		{minimal, "error.sd = 1", "error.sd = 1, dropout = { fraction = 0.9, outage = 8 }", "E211 outages of 8 cycles are too short for a `fraction` of 0.9"},
		{minimal, "error.sd = 1", "error.sd = 1, outliers = { fraction = 2, sd = 1 }", "E204 `fraction` must be below 1, but is 2"},
		{minimal, "error.sd = 1", "error.sd = 1, true_error.sd = 1e-200", "E204 `true_error.sd` must be a number that can be computed with"},
		{minimal, "error.sd = 1", "error.sd = 1, from = 5, until = 4", "E211 `until` must not be before `from`, 5, but is 4"},
		{fromFile, `, time = { column = "t" }`, "", "E202 a stream with a file needs `time`"},
		{fromFile, "error.sd = 1", `error.sd = 1, delimiter = "tab"`, "E204 `delimiter` must be one ASCII character, but is \"tab\""},
		{fromFile, "error.sd = 1", `error.sd = 1, map = [{ column = "a", range = [1, 0] }]`, "E204 `range` must be two numbers, the smaller one first"},
		{fromFile, `column = "t"`, `column = "t", timezone = "Mars"`, `E205 there is no time zone "Mars"`},
		{fromFile, `column = "t"`, `column = "t", timezone = "Europe/Oslo", calendar = "noleap"`, "E211 times of the calendar noleap have no time zone"},
		{fromFile, "error.sd = 1", "error.sd = 1, hold_out.fraction = 1.5", "E204 `fraction` must be below 1, but is 1.5"},
		{fromFile, "ensemble =", "truth.init = [1]\nensemble =", "E211 observations come from a file, but the workflow has a [truth]"},
		{fromFile, "mean = 0", `around = "truth"`, "E211 the members cannot start around the truth: there is none"},
		{fromFile, "ensemble =", "model.estimate.a.init = { dist = \"normal\", around = \"truth\", sd = 1 }\nensemble =", "E211 `a` cannot start around the truth: there is none"},
		{fromFile, "start = 0", `start = 0, first = 0`, "E211 `first` is for twin experiments, but observations come from a file"},
		{minimal, "cycles = ", "until = 9, cycles = ", "E211 `time.until` and `time.cycles` both say when the cycles end"},
		{fromFile, "start = 0", "start = 0, until = 2026-01-01T00:00:00Z", "E211 `time.until` is a date, but `time.start` is a number"},
		{fromFile, "start = 0", "start = 0, interval = 2, until = 1", "E211 there is no cycle until `time.until`"},
		{fromFile, "start = 0", "start = 0, interval = 1e-9, until = 1e3", "E211 there would be 1000000000 cycles until `time.until`; at most 10000000 are possible"},
		{fromFile, "start = 0", `start = 0, window = "1h"`, "E202 [time] needs `unit`"},
	} {
		text := strings.Replace(c.text, c.old, c.new, 1)
		if text == c.text {
			t.Fatalf("%q is not in the workflow", c.old)
		}
		w, found := Parse("w.toml", []byte(text), Options{})
		if w != nil || len(found) == 0 {
			t.Errorf("accepted: %s", c.new)
			continue
		}
		if got := string(found[0].Code) + " " + found[0].Message; got != c.want || found[0].Help == "" {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// A dialect comes back from the resolved workflow, of observations as of members, and also
// one in which nothing stands for no value.
func TestDialectsAreResolved(t *testing.T) {
	for text, want := range map[string]Dialect{
		`delimiter = ";", comment = "#", decimal = ",", thousands = ".", skip_lines = 2, skip_rows = 1, names = ["a", "b"], missing = ["", "-1", '/.*\*/']`: {";", "#", ",", ".", 2, 1, []string{"a", "b"}, []string{"", "-1", `/.*\*/`}},
		`missing = []`:                           {Missing: []string{}},
		`delimiter = "\t", thousands = "\u202f"`: {Delimiter: "\t", Thousands: "\u202f"},
	} {
		file := strings.NewReplacer("truth.init = [1, 2]\n", "", "error.sd = 1 }", `error.sd = 1, file = "o.csv", time.column = "t", `+text+" }",
			`dist = "normal", mean = 0, sd = 1`, `dist = "samples", file = "m.txt", `+text).Replace(minimal)
		w, found := Parse("w.toml", []byte(file), Options{})
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		again, found := Parse("/elsewhere/w.toml", []byte(reload(t, w)), Options{})
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		for _, w := range []*Workflow{w, again} {
			of := want
			if of.Missing == nil {
				of.Missing = []string{"", "NA", "NaN", "nan", "null"} // of observations
			}
			if got := w.Observations[0].Dialect; !reflect.DeepEqual(got, of) {
				t.Errorf("observations: got %+v, want %+v", got, of)
			}
			if got := w.Ensemble.Init.Dialect; !reflect.DeepEqual(got, want) {
				t.Errorf("members: got %+v, want %+v", got, want)
			}
		}
	}
}

// time.until is a number of cycles where these have an interval, and a model time otherwise.
func TestUntil(t *testing.T) {
	for keys, want := range map[string]int{
		"interval = 0.5, until = 4":                                              8,
		"interval = 0.5, until = 4.2":                                            8,
		"interval = 0.5, until = 4, first = 0":                                   9,
		"interval = 0.5, until = 4, start = 1":                                   6,
		"interval = 0.1, until = 0.3":                                            3,      // 0.3 / 0.1 < 3
		`interval = "24h", start = 1500-01-01, unit = "24h", until = 1999-12-31`: 182620, // more than a time.Duration
		`interval = "6h", start = 2026-01-01T00:00:00Z, unit = "1h", until = 2026-01-02T01:00:00+01:00`: 4,
	} {
		text := regexp.MustCompile(`(?m)^time = .*`).ReplaceAllString(minimal, "time = { "+keys+" }")
		w, found := Parse("w.toml", []byte(text), Options{})
		if len(found) > 0 {
			t.Fatal(found.Text(false))
		}
		reload(t, w)
		if w.Time.Cycles != want || w.Time.Until != nil {
			t.Errorf("%s: %d cycles until %v, want %d", keys, w.Time.Cycles, w.Time.Until, want)
		}
	}
}
