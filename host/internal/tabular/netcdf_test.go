package tabular

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk/netcdf"
)

// Files that the netCDF library has written: temperatures by time, which grows, and station, packed into 16 bits with one
// that was not written, names of stations as characters, and latitudes.
func netCDFs(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.nc")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

func TestNetCDF(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, file := range netCDFs(t) {
		table, err := Open(file, Dialect{})
		if err != nil {
			t.Fatal(err)
		}
		cells := map[string]int{}
		for _, name := range []string{"lat", "temp", "time", "name", "station"} {
			if cells[name], err = table.Column(name); err != nil {
				t.Fatal(err)
			}
		}
		for row := range 15 {
			if !table.Next() || table.Row() != row+1 {
				t.Fatalf("%s: row %d: %v", file, row, table.Err())
			}
			hour, station := row/3, row%3
			lat, _ := table.Number(cells["lat"])
			temp, err := table.Number(cells["temp"])
			index, _ := table.Number(cells["station"])
			got := fmt.Sprintf("%v %g %.4g %s %g %v", table.Cell(cells["time"]).Time, lat, temp, table.Cell(cells["name"]).Text, index, err)
			want := fmt.Sprintf("%v %d %.4g %s %d <nil>", start.Add(time.Duration(hour+1)*time.Hour), 50+station, 10+0.1*float64(row), []string{"alpha", "beta", "gamma"}[station], station)
			if row == 4 {
				want = strings.Replace(want, "10.4", "NaN", 1)
			}
			if got != want || table.Cell(cells["time"]).Kind != Instant {
				t.Errorf("%s: row %d: %s, want %s", file, row, got, want)
			}
		}
		if table.Next() || table.Err() != nil {
			t.Errorf("%s: more rows, or %v", file, table.Err())
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNetCDFRefused(t *testing.T) {
	whole, err := os.ReadFile(netCDFs(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"netCDF-4":   {"\x89HDF\r\n\x1a\n and more", "is a netCDF-4 file"},
		"other":      {"time,x\n1,2\n", "is not a netCDF file"},
		"empty":      {"", "is not a netCDF file"},
		"version":    {"CDF\x03" + string(whole[4:]), "of an unknown version, 3"},
		"header":     {string(whole[:100]), "the file is damaged"},
		"incomplete": {string(whole[:len(whole)-20]), "the file is not complete"},
	} {
		if got := numbersOf(put(t, "a.nc", c.text), Dialect{}, "temp"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Variables whose dimensions have nothing in common are not rows of one table.
func TestNetCDFWithOtherDimensions(t *testing.T) {
	table, err := Open(netCDFs(t)[0], Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	for _, name := range []string{"time", "lat"} {
		if _, err := table.Column(name); err != nil {
			t.Fatal(err)
		}
	}
	if table.Next() || table.Err() == nil || table.Err().Error() != "has time by time, but lat by station" {
		t.Errorf("%v", table.Err())
	}
}

func TestTimesOfNetCDF(t *testing.T) {
	for _, c := range []struct {
		units, calendar string
		want            string
	}{
		{"days since 1950-01-01", "", "1950-01-01 24h0m0s"},
		{"hours since 1900-1-1 00:00:0.0", "gregorian", "1900-01-01 1h0m0s"},
		{"seconds since 1970-01-01T00:00:00Z", "standard", "1970-01-01 1s"},
		{"s since 1970-01-01 00:00:00 UTC", "", "1970-01-01 1s"},
		{"minutes since 2000-01-01 02:00:00 +02:00", "", "2000-01-01 1m0s"},
		{"milliseconds since 2000-01-01\x00", "", "2000-01-01 1ms"},
		{"days since 0001-01-01", "proleptic_gregorian", "0001-01-01 24h0m0s"},
		{"days since 0001-01-01", "standard", ""}, // days of the Julian calendar
		{"days since 2000-01-01", "noleap", ""},
		{"months since 2000-01-01", "", ""},
		{"m s-1", "", ""},
	} {
		v := &netcdf.Variable{Attributes: map[string]any{"units": c.units, "calendar": c.calendar}}
		got := ""
		if date, unit, ok := since(v); ok {
			got = date.Format(time.DateOnly) + " " + unit.String()
		}
		if got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.units, c.calendar, got, c.want)
		}
	}
}

// No file makes the reader panic, or read more rows than it has bytes.
func FuzzNetCDF(f *testing.F) {
	for _, file := range netCDFs(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := Open(put(t, "a.nc", string(text)), Dialect{})
		if err != nil {
			return
		}
		defer func() { _ = table.Close() }()
		for _, c := range table.columns {
			if _, err := table.Column(c.Name); err != nil {
				return
			}
		}
		rows := 0
		for table.Next() {
			rows++
		}
		if rows > len(text) {
			t.Errorf("%d rows of %d bytes", rows, len(text))
		}
	})
}
