//go:build linux

package cli

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// series returns rows of a file, one for each i, and their header.
func series(head string, rows int, row func(i int, v float64) string) string {
	var b strings.Builder
	b.WriteString(head + "\n")
	for i := range rows {
		b.WriteString(row(i, 10+math.Sin(float64(i)/5)+0.1*math.Cos(float64(7*i))) + "\n")
	}
	return b.String()
}

// TestInitFrom wants workflows for many kinds of files that plan accepts with all values, and that say what has been
// guessed.
func TestInitFrom(t *testing.T) {
	hourly := func(text string) func(i int, v float64) string {
		return func(i int, v float64) string { return fmt.Sprintf(text, i/24+1, i%24, v) }
	}
	for name, c := range map[string]struct {
		file, text, model string
		want              []string
	}{
		"dates, units, codes and flags": {"gauge.csv", series("time,level (m),flow [m3 s-1],flag", 48, func(i int, v float64) string {
			flow := fmt.Sprintf("%.1f", 3*v)
			if i%7 == 3 {
				flow = "-999"
			}
			return fmt.Sprintf("2026-03-%02d %02d:00,%.2f,%s,A", i/24+1, i%24, v, flow)
		}), "", []string{`units = ["m", "m3 s-1"]`, `interval = "1h"`, `"-999"]`, `start = 2026-02-28T23:00:00 `, `# "flag" may have flags`}},
		"semicolons and decimal commas": {"a.csv", series("Datum;Wert", 50, func(i int, v float64) string {
			return fmt.Sprintf("%02d.%02d.2026;%s", i%28+1, i/28+1, strings.Replace(fmt.Sprintf("%.2f", v), ".", ",", 1))
		}), "", []string{`delimiter = ";"`, `decimal = ","`, `format = "%d.%m.%Y"`, `interval = "1d"`}},
		"year and month":    {"a.csv", series("month,sales", 40, func(i int, v float64) string { return fmt.Sprintf("%d-%02d,%.1f", 2000+i/12, i%12+1, v) }), "", []string{`format = "%Y-%m"`, `unit  = "1d"`}},
		"years":             {"a.csv", series("year,volume", 40, func(i int, v float64) string { return fmt.Sprintf("%d,%.1f", 1871+i, v) }), "", []string{`start = 1870 `}},
		"columns of a date": {"a.csv", series("year,month,day,rain", 50, func(i int, v float64) string { return fmt.Sprintf("2020,%d,%d,%.1f", i/28+1, i%28+1, v) }), "", []string{`columns = ["year", "month", "day"], format = "%Y %m %d"`}},
		"date and time":     {"a.csv", series("Date,Time,T", 50, hourly("3/%d/2026,%02d:30,%.1f")), "", []string{`columns = ["Date", "Time"]`, `%m/%d/%Y %H:%M`}},
		"zones":             {"a.csv", series("# a remark\nwhen,x", 50, hourly("2026-03-%02dT%02d:00:00Z,%.2f")), "", []string{`comment = "#"`}},
		"tabs and epochs":   {"a.tsv", series("timestamp\tx\tx sd", 50, func(i int, v float64) string { return fmt.Sprintf("%d\t%.2f\t0.1", 1700000000+600*i, v) }), "", []string{`format = "unix"`, `interval = "10min"`, `sd = "x sd" in its map`}},
		"a word for missing": {"a.csv", series("t,x", 50, func(i int, v float64) string {
			return fmt.Sprintf("%d,%s", i, []string{fmt.Sprint(v), "broken"}[b2(i%9 == 4)])
		}), "", []string{`"broken"]`, `start = -1 `}},
		"a name in Latin-1 that is not used": {"a.csv", series("t,x,tilst\xe5nd", 50, func(i int, v float64) string { return fmt.Sprintf("%d,%.2f,d\xe5rlig", i, v) }), "", []string{`# "tilst\xe5nd" is not used`}},
		"always the same value":              {"a.csv", series("t,x", 60, func(i int, _ float64) string { return fmt.Sprintf("%d,2.1", i) }), "", []string{`sd = [1]`}},
		"UTF-16":                             {"a.csv", utf16Of(series("t,ø", 50, func(i int, v float64) string { return fmt.Sprintf("%d,%.2f", i, v) })), "", []string{`column = "ø"`}},
		"names of columns of tables":         {"a.csv", series("t,stage,lag (h)", 50, func(i int, v float64) string { return fmt.Sprintf("%d,%.2f,%.2f", i, v, 2*v) }), "", []string{`variables = ["stage_2", "lag_3"]`, `column = "stage", variable = "stage_2"`}},
		"twice a time":                       {"a.csv", series("t,x", 50, func(i int, v float64) string { return fmt.Sprintf("%d,%.2f", i/2, v) }), "", []string{`duplicates = "mean"`}},
		"a model":                            {"a.csv", series("t,z,obs", 50, func(i int, v float64) string { return fmt.Sprintf("%.1f,%.2f,%.2f", 0.1*float64(i+1), 20+v, v) }), "lorenz63", []string{`plugin = "lorenz63"`, `start = 0 `, `variable = "x" },   # guessed: the next variable`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, made := filepath.Join(dir, c.file), filepath.Join(dir, "made")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"init", "--from", file, made}
			if c.model != "" {
				args = append(args, "--model", c.model)
			}
			out(t, exitOK, args...)
			text, err := os.ReadFile(filepath.Join(made, "workflow.toml"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.want, "guessed") {
				if !strings.Contains(string(text), want) {
					t.Errorf("there is no %s in\n%s", want, text)
				}
			}
			for line := range strings.Lines(string(text)) {
				if n := len([]rune(line)); n > 100 && !strings.Contains(line, dir) {
					t.Errorf("a line of %d characters: %s", n, line)
				}
			}
			if guessed := "in UTC; otherwise add timezone"; strings.Contains(string(text), guessed) {
				zoned := strings.Replace(string(text), "time = { column", "time = { timezone = \"-08:00\", column", 1)
				if err := os.WriteFile(filepath.Join(made, "zoned.toml"), []byte(zoned), 0o600); err != nil {
					t.Fatal(err)
				}
				out(t, exitOK, "validate", filepath.Join(made, "zoned.toml"))
			}
			if planned, _ := out(t, exitOK, "plan", filepath.Join(made, "workflow.toml")); strings.Contains(planned, "after the last cycle") || strings.Contains(planned, "outside every window") {
				t.Errorf("values are not used:\n%s", planned)
			}
		})
	}
}

// utf16Of returns a text as some programs for Windows save it.
func utf16Of(text string) string {
	out := []byte("\xff\xfe")
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return string(out)
}

func b2(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestInitFromRefuses wants a remedy where nothing can be guessed.
func TestInitFromRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"1,2\n2,3\n3,4\n4,5\n":               "add a line such as time,level",
		"name,b\nx,3\ny,4\nz,5\n":            "want one such as 2026-03-28 14:00",
		"a\n1\n2\n3\n":                       "separated by commas, semicolons, tabs or bars",
		"t,b\n1,3\n":                         "want at least 3 rows to guess from, got 1",
		"t,b\n1,x\n2,y\n3,z\n":               "no column has numbers",
		"t,b\n1,3\n2,4,5\n3,4\n":             "wrong number of columns",
		"t,level (\xb0C)\n1,3\n2,4\n3,5\n":   `"level (\xb0C)" is not UTF-8`,
		"t,b\n1,3\n2,d\xe9faut\n3,4\n4,5\n":  `"d\xe9faut" is not UTF-8`,
		"\xff\xfet\x00,\x00b\x00\n\x001\x00": "separated by commas",
	} {
		file := filepath.Join(t.TempDir(), "data.csv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got := out(t, exitUsage, "init", "--from", file, filepath.Join(t.TempDir(), "made")); !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %q", text, got, want)
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--from writes a workflow, and --plugin a plugin", []string{"--from", "a.csv", "--plugin", "model"}},
		{"add --from FILE", []string{"--model", "lorenz63"}},
		{"is a filter plugin, not a model", []string{"--from", "a.csv", "--model", "filter-pf"}},
		{"lorenz96 has 40 values in the variable x", []string{"--from", "a.csv", "--model", "lorenz96"}},
		{"reads text", []string{"--from", "a.parquet"}},
	} {
		if _, got := out(t, exitUsage, append([]string{"init"}, c.args...)...); !strings.Contains(got, c.want) {
			t.Errorf("%v: got %s, want %q", c.args, got, c.want)
		}
	}
}
