package observations

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // for machines that have no zones

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
)

// clock converts the times of a file into model times.
type clock struct {
	dialect  tabular.Dialect // of numbers
	format   string          // number, unix, iso or a pattern with %
	zone     *time.Location
	calendar calendar
	start    time.Time // model time 0, as the calendar represents it; zero: the workflow has no dates
	unit     float64   // seconds; 0: none
}

func newClock(t workflow.Time, r workflow.RowTime, d tabular.Dialect) (*clock, error) {
	zone, err := time.LoadLocation(r.Timezone)
	if err != nil {
		return nil, err
	}
	c := &clock{dialect: d, format: r.Format, zone: zone, calendar: calendar(r.Calendar), start: t.Start.Date, unit: t.Unit.Seconds()}
	switch {
	case c.format == "" && c.start.IsZero():
		c.format = "number"
	case c.format == "":
		c.format = "iso"
	}
	if c.format == "number" {
		return c, nil
	}
	if c.start.IsZero() {
		return nil, errors.New("the file has dates, but `time.start` is not a date")
	}
	if c.start, err = c.calendar.place(c.start.UTC()); err != nil {
		return nil, fmt.Errorf("`time.start`: %w", err)
	}
	if c.calendar != standard && c.format == "unix" {
		return nil, fmt.Errorf("unix times cannot be used with the calendar %s", c.calendar)
	}
	if c.format != "iso" && c.format != "unix" {
		return c, checkFormat(c.format)
	}
	return c, nil
}

// timeFields are the fields that a pattern may have.
const timeFields = "YmdjbHMSfz%"

func checkFormat(pattern string) error {
	if !strings.Contains(pattern, "%") {
		return fmt.Errorf("the format %q has no field such as %%Y; want a pattern with fields, number, unix or iso", pattern)
	}
	for _, rest := range strings.Split(strings.ReplaceAll(pattern, "%%", ""), "%")[1:] {
		if rest == "" || !strings.Contains(timeFields, rest[:1]) {
			return fmt.Errorf("the format %q has an unknown field %%%s; want %%Y %%m %%d %%j %%b %%H %%M %%S %%f %%z", pattern, rest[:min(1, len(rest))])
		}
	}
	return nil
}

// model returns the model time of a cell.
func (c *clock) model(cell tabular.Cell) (float64, error) {
	switch {
	case cell.Kind == tabular.Null || cell.Kind == tabular.Text && cell.Text == "":
		return 0, errors.New("the cell is empty")
	case cell.Kind == tabular.Instant || cell.Kind == tabular.Wall:
		if c.start.IsZero() {
			return 0, errors.New("it is a date, but `time.start` is not a date")
		}
		t, err := c.calendar.place(cell.Time)
		if err != nil {
			return 0, err
		}
		return c.date(t, cell.Kind == tabular.Instant)
	case c.format == "number" || c.format == "unix":
		v := cell.Number
		if cell.Kind == tabular.Text {
			var err error
			if v, err = c.dialect.Float(cell.Text); err != nil {
				return 0, errors.New("it is not a number")
			}
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, errors.New("it is not a finite number")
		}
		if c.format == "number" {
			return v, nil
		}
		if math.Abs(v) > 1e15 {
			return 0, errors.New("it is out of range")
		}
		whole := math.Floor(v)
		return c.date(time.Unix(int64(whole), int64((v-whole)*1e9)), true)
	case cell.Kind == tabular.Number:
		return 0, fmt.Errorf("it is a number, but the format is %q", c.format)
	}
	pattern := c.format
	if pattern == "iso" {
		pattern = isoPattern(cell.Text)
	}
	t, err := c.calendar.scan(cell.Text, pattern)
	if err != nil {
		return 0, err
	}
	return c.date(t.wall.Add(-t.offset), t.zoned)
}

// date returns the model time of t, which is an instant or else a local time in the
// file's zone.
func (c *clock) date(t time.Time, instant bool) (float64, error) {
	if !instant && c.zone != time.UTC {
		var err error
		if t, err = instantOf(t, c.zone); err != nil {
			return 0, err
		}
	}
	seconds := float64(t.Unix()-c.start.Unix()) + float64(t.Nanosecond()-c.start.Nanosecond())/1e9
	return seconds / c.unit, nil
}

// instantOf returns the instant of the local time wall in zone. It is an error if that
// local time never occurred or occurred twice. Two changes of the zone's offset are
// assumed to be more than two days apart.
func instantOf(wall time.Time, zone *time.Location) (time.Time, error) {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	const far = 26 * time.Hour // more than any offset
	before, after := offset(wall.Add(-far)), offset(wall.Add(far))
	early, late := wall.Add(-before), wall.Add(-after)
	isEarly, isLate := offset(early) == before, offset(late) == after
	switch {
	case isEarly && isLate && before != after:
		return time.Time{}, fmt.Errorf("it occurred twice in %s, at %s and at %s; write it with its offset", zone, early.Format(time.RFC3339), late.Format(time.RFC3339))
	case isEarly:
		return early, nil
	case isLate:
		return late, nil
	}
	return time.Time{}, fmt.Errorf("it never occurred in %s, because of a clock change", zone)
}

// isoPattern returns the pattern of a date or time of ISO 8601 in the extended format,
// by its length and separators.
func isoPattern(s string) string {
	if len(s) <= len("2006-01-02") {
		return "%Y-%m-%d"
	}
	pattern := "%Y-%m-%d" + s[10:11] + "%H:%M"
	if s[10] != 'T' && s[10] != ' ' {
		pattern = "%Y-%m-%dT%H:%M"
	}
	rest := s[11:]
	if strings.Count(rest, ":") > 1 && len(rest) > 5 && rest[5] == ':' {
		pattern += ":%S"
		if len(rest) > 8 && rest[8] == '.' {
			pattern += ".%f"
		}
	}
	if strings.ContainsAny(rest, "Zz+-") {
		pattern += "%z"
	}
	return pattern
}

// scanned is the meaning of a text: a local time and, if the text has one, its offset
// from UTC.
type scanned struct {
	wall   time.Time
	offset time.Duration
	zoned  bool
}

var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// parts are the numbers of a time by the letter of their field.
type parts [128]int

// scan reads s by a pattern that checkFormat accepts. Characters of the pattern that do
// not belong to a field must be the same in s.
func (c calendar) scan(s, pattern string) (scanned, error) {
	var out scanned
	f := parts{'Y': 1970, 'm': 1, 'd': 1}
	rest := s
	for i := 0; i < len(pattern); i++ {
		mark := pattern[i]
		if mark != '%' {
			if rest == "" || rest[0] != mark {
				return scanned{}, fmt.Errorf("%q does not match %s: %q is missing", s, pattern, string(mark))
			}
			rest = rest[1:]
			continue
		}
		i++
		var ok bool
		switch mark = pattern[i]; mark {
		case 'b':
			f['m'], rest, ok = monthName(rest)
		case 'z':
			out.offset, rest, ok = zoneOffset(rest)
			out.zoned = true
		case '%':
			rest, ok = strings.CutPrefix(rest, "%")
		default:
			f[mark], rest, ok = digits(rest, mark)
		}
		if !ok {
			return scanned{}, fmt.Errorf("%q does not match %s: %%%c is missing", s, pattern, mark)
		}
	}
	if rest != "" {
		return scanned{}, fmt.Errorf("%q does not match %s: %q is left over", s, pattern, rest)
	}
	var err error
	out.wall, err = c.time(&f)
	return out, err
}

// time returns the time with these parts. It must exist in the calendar.
func (c calendar) time(f *parts) (time.Time, error) {
	if f['H'] > 23 || f['M'] > 59 || f['S'] > 59 {
		return time.Time{}, fmt.Errorf("%02d:%02d:%02d is not a time of day", f['H'], f['M'], f['S'])
	}
	day, month := f['d'], f['m']
	if f['j'] > 0 {
		day, month = f['j'], 0
	}
	first, ok := c.day(f['Y'], month, day)
	switch {
	case !ok && f['j'] > 0:
		return time.Time{}, fmt.Errorf("%d has no day %d", f['Y'], f['j'])
	case !ok && c == standard:
		return time.Time{}, fmt.Errorf("%04d-%02d-%02d does not exist", f['Y'], f['m'], f['d'])
	case !ok:
		return time.Time{}, fmt.Errorf("%04d-%02d-%02d does not exist in the calendar %s", f['Y'], f['m'], f['d'], c)
	}
	return first.Add(time.Duration(f['H'])*time.Hour + time.Duration(f['M'])*time.Minute + time.Duration(f['S'])*time.Second + time.Duration(f['f'])), nil
}

// digits reads the number of a field; of %f it returns nanoseconds.
func digits(s string, field byte) (v int, rest string, ok bool) {
	width := 2
	switch field {
	case 'Y':
		width = 4
	case 'j':
		width = 3
	case 'f':
		width = 9
	}
	n := 0
	for n < len(s) && n < width && s[n] >= '0' && s[n] <= '9' {
		v = 10*v + int(s[n]-'0')
		n++
	}
	for k := n; field == 'f' && k < width; k++ {
		v *= 10
	}
	return v, s[n:], n > 0 && (field != 'Y' || n == width)
}

func monthName(s string) (month int, rest string, ok bool) {
	if len(s) < 3 {
		return 0, s, false
	}
	for i, name := range months {
		if strings.EqualFold(s[:3], name) {
			return i + 1, s[3:], true
		}
	}
	return 0, s, false
}

// zoneOffset reads Z, +01, +0100 or +01:00.
func zoneOffset(s string) (offset time.Duration, rest string, ok bool) {
	if strings.HasPrefix(s, "Z") || strings.HasPrefix(s, "z") {
		return 0, s[1:], true
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, s, false
	}
	hours, rest, ok := digits(s[1:], 'H')
	if !ok || hours > 14 {
		return 0, s, false
	}
	minutes := 0
	if rest != "" {
		if minutes, rest, ok = digits(strings.TrimPrefix(rest, ":"), 'M'); !ok || minutes > 59 {
			return 0, s, false
		}
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, rest, true
}
