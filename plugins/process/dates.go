package process

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/plume-da/plume/sdk"
)

// calendarDate is the parts of a date in a calendar.
type calendarDate struct{ year, month, day, hour, minute, second, yearDay int }

// dateAt returns the date of a model time, to the second after rounding to a millisecond.
func dateAt(c *sdk.Dates, t float64) calendarDate {
	start := c.Start.UTC()
	from := calendarDate{start.Year(), int(start.Month()), start.Day(), start.Hour(), start.Minute(), start.Second(), start.YearDay()}
	ms := math.Round(t*c.Seconds*1e3) + float64(start.Nanosecond())/1e6
	seconds := int(math.Floor(ms/1e3)) + 60*(60*from.hour+from.minute) + from.second
	days := int(math.Floor(float64(seconds) / 86400))
	seconds -= 86400 * days
	d := calendarDate{hour: seconds / 3600, minute: seconds / 60 % 60, second: seconds % 60}
	switch c.Calendar {
	case "360_day":
		n := 360*from.year + 30*(from.month-1) + from.day - 1 + days
		d.year, d.yearDay = floorDivide(n, 360)
		d.month, d.day = d.yearDay/30+1, d.yearDay%30+1
		d.yearDay++
	case "noleap":
		day := start.YearDay()
		if isLeap(from.year) && from.month > 2 {
			day--
		}
		d.year, d.yearDay = floorDivide(365*from.year+day-1+days, 365)
		common := time.Date(2001, 1, 1+d.yearDay, 0, 0, 0, 0, time.UTC)
		d.month, d.day = int(common.Month()), common.Day()
		d.yearDay++
	default:
		date := time.Date(from.year, time.Month(from.month), from.day+days, 0, 0, 0, 0, time.UTC)
		d.year, d.month, d.day, d.yearDay = date.Year(), int(date.Month()), date.Day(), date.YearDay()
	}
	return d
}

func isLeap(year int) bool { return time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay() == 366 }

// floorDivide returns the quotient and the remainder of n by k, which is not negative.
func floorDivide(n, k int) (quotient, remainder int) {
	remainder = (n%k + k) % k
	return (n - remainder) / k, remainder
}

// format returns d in a form such as %Y-%m-%d, in the notation of C.
func (d calendarDate) format(form string) (string, error) {
	var b strings.Builder
	for rest := form; rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		if after == "" {
			return "", fmt.Errorf("%q ends in %%, want %%%% for it", form)
		}
		switch after[0] {
		case 'Y':
			fmt.Fprintf(&b, "%04d", d.year)
		case 'y':
			fmt.Fprintf(&b, "%02d", d.year%100)
		case 'm':
			fmt.Fprintf(&b, "%02d", d.month)
		case 'd':
			fmt.Fprintf(&b, "%02d", d.day)
		case 'H':
			fmt.Fprintf(&b, "%02d", d.hour)
		case 'M':
			fmt.Fprintf(&b, "%02d", d.minute)
		case 'S':
			fmt.Fprintf(&b, "%02d", d.second)
		case 'j':
			fmt.Fprintf(&b, "%03d", d.yearDay)
		case 'b':
			b.WriteString(time.Month(d.month).String()[:3])
		case '%':
			b.WriteByte('%')
		default:
			return "", fmt.Errorf("%q has %%%c, want %%Y, %%y, %%m, %%b, %%d, %%j, %%H, %%M, %%S or %%%%", form, after[0])
		}
		rest = after[1:]
	}
	return b.String(), nil
}

// noDates says why a template has no dates.
const noDates = "model times have no dates; time.start is one in a workflow whose times have, with time.unit"

// date is a function of templates: {{date "%Y-%m-%d" .to}}.
func (m *model) date(form string, t any) (string, error) {
	if m.dates == nil {
		return "", errors.New(noDates)
	}
	at, ok := t.(plain)
	if !ok {
		return "", fmt.Errorf("got %v, want a model time, as in {{date %q .to}}", t, form)
	}
	return dateAt(m.dates, float64(at)).format(form)
}

// isoDate returns a model time as in 2026-03-01T06:00:00, which is UTC where zones mean anything.
func isoDate(c *sdk.Dates, t float64) string {
	text, _ := dateAt(c, t).format("%Y-%m-%dT%H:%M:%S") // which is a form
	return text
}
