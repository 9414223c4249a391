package workflow

import (
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
map = [{ column = "A", variable = "u", range = [0, 5], sd = "e" }, { column = "w", index = 2 }]
qc = { background = 4, duplicates = "mean", early = "reject" }
hold_out = { every = 7 }

[[observations]]
label = "towers"
plugin = "b"
error = { sd = 0.5 }
file = "towers.parquet"
time = { column = "t" }
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
	if gauges.Map[1].Variable != "w" || len(gauges.Missing) != 2 || towers.Delimiter != "," || towers.Time.Timezone != "UTC" || towers.Error.SD[0] != 2 {
		t.Errorf("%+v\n%+v", gauges, towers)
	}
	if !w.Real() || w.Truth != nil {
		t.Error("not real")
	}
}
