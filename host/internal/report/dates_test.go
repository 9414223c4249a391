package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
)

// Ticks are at most seven, in order, within the axis and at the dates that they say, for axes
// from seconds to centuries, before and after 1970.
func TestDateTicks(t *testing.T) {
	for _, c := range []struct {
		start    string
		unit     float64 // seconds
		low, end float64
		want     string
	}{
		{"1958-03-29T00:00:00Z", 365.25 * 86400, 0, 43.7, "1960 1970 1980 1990 2000"},
		{"2026-01-01T00:00:00Z", 3600, 0, 48, "01-01 00:00 01-01 12:00 01-02 00:00 01-02 12:00 01-03 00:00"},
		{"2026-01-01T00:00:00Z", 3600, 10, 22, "01-01 12:00 01-01 15:00 01-01 18:00 01-01 21:00"},
		{"2026-01-31T00:00:00Z", 86400, 0, 150, "2026-02 2026-03 2026-04 2026-05 2026-06"},
		{"1500-06-01T00:00:00Z", 86400, 0, 400_000, "1600 1800 2000 2200 2400"},
	} {
		start, err := time.Parse(time.RFC3339, c.start)
		if err != nil {
			t.Fatal(err)
		}
		d := dateTicks{&archive.Dates{Start: start, Seconds: c.unit}}
		var got []string
		for _, tick := range d.Ticks(c.low, c.end) {
			if tick.Value < c.low || tick.Value > c.end {
				t.Errorf("%s is outside of the axis", tick.Label)
			}
			// the label begins the date, to a rounding of one second
			if date := d.date(tick.Value + 0.5/c.unit).Format("2006-01-02 15:04"); !strings.Contains(date, tick.Label) {
				t.Errorf("%s is at %s", tick.Label, date)
			}
			got = append(got, tick.Label)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s, %v to %v: got %s, want %s", c.start, c.low, c.end, text, c.want)
		}
	}
	if list := (dateTicks{&archive.Dates{Seconds: 1}}).Ticks(math.Inf(-1), math.Inf(1)); len(list) > mostDates {
		t.Errorf("%d ticks", len(list))
	}
}

// The product of a model time and its unit may be just below a round date.
func TestTimeText(t *testing.T) {
	d := &archive.Dates{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Seconds: 365.25 * 86400, Calendar: "proleptic_gregorian"}
	r := &Report{reader: &archive.Reader{Info: &archive.Info{Dates: d}}}
	if at := 23 / 365.25; at*d.Seconds >= 23*86400 {
		t.Fatalf("%v is not below", at*d.Seconds)
	} else if got := r.timeText(at); got != "2026-01-24" {
		t.Errorf("got %s, want 2026-01-24", got)
	}
}

// No label of an axis is longer than its figure, if it has one row of panels.
func TestLabelsFit(t *testing.T) {
	run := sweep()
	r := mustOpen(t, run.Write(t, t.TempDir()), &Setup{Setup: compare.Setup{BurnIn: 1}})
	for name, f := range r.state {
		f.Unit = "1e8 m3"
		r.state[name] = f
	}
	for name := range r.observedUnits {
		r.observedUnits[name] = "1e8 m3"
	}
	figures := r.figures()
	tested := 0
	for _, f := range figures {
		if len(f.panels) > 1 {
			continue
		}
		for _, p := range f.panels[0] {
			if p == nil {
				continue
			}
			tested++
			if long := p.Y.Label.TextStyle.Width(p.Y.Label.Text); long > f.height {
				t.Errorf("%s: %q takes %.3g of %.3g points", f.name, p.Y.Label.Text, long, f.height)
			}
		}
	}
	if tested < 5 {
		t.Errorf("%d panels", tested)
	}
}
