package observations

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/host/internal/zone"
)

// clock converts the times of a file into model times.
type clock struct {
	dialect  tabular.Dialect // of numbers
	format   string          // number, iso, excel, the name of an epoch, or a pattern with %
	zone     *time.Location
	calendar calendar
	dated    bool      // the workflow has dates
	start    time.Time // model time 0, as the calendar represents it
	unit     float64   // seconds; 0: none
}

// epochs are the formats that count from 1970, in units of which a second has perSecond.
var epochs = []struct {
	format    string
	perSecond float64
	unit      string
}{{"unix", 1, "seconds"}, {"unix_ms", 1e3, "milliseconds"}, {"unix_us", 1e6, "microseconds"}, {"unix_ns", 1e9, "nanoseconds"}}

// perSecond returns how many units of an epoch's format a second has; 0 if the format is not
// that of an epoch.
func perSecond(format string) float64 {
	for _, e := range epochs {
		if e.format == format {
			return e.perSecond
		}
	}
	return 0
}

// startError says that the calendar does not have the date of time.start.
type startError struct{ error }

func newClock(t workflow.Time, r workflow.RowTime, d tabular.Dialect) (*clock, error) {
	home, err := zone.Load(r.Timezone)
	if err != nil {
		return nil, err
	}
	c := &clock{dialect: d, format: r.Format, zone: home, calendar: calendar(r.Calendar), dated: t.Start.Dated, start: t.Start.Date, unit: t.Unit.Seconds()}
	switch {
	case c.format == "" && (c.dated || len(r.Columns) > 0):
		c.format = "iso"
	case c.format == "":
		c.format = "number"
	}
	if c.format == "number" && !c.dated {
		return c, nil
	}
	if !c.dated {
		return nil, errors.New("the file has dates, but `time.start` is not a date")
	}
	if c.start, err = c.calendar.place(c.start.UTC()); err != nil {
		return nil, startError{err}
	}
	switch counted := c.format == "excel" || perSecond(c.format) > 0; {
	case counted && c.calendar != standard:
		return nil, fmt.Errorf("the format %s cannot be used with the calendar %s", c.format, c.calendar)
	case counted || c.format == "number" || c.format == "iso":
		return c, nil
	}
	return c, checkFormat(c.format)
}

// timeFields are the fields that a pattern may have.
const timeFields = "YymdjbHIpMSfzZ%"

func checkFormat(pattern string) error {
	if !strings.Contains(pattern, "%") {
		return fmt.Errorf("the format %q has no field such as %%Y; want a pattern with fields, iso, number, unix, unix_ms, unix_us, unix_ns or excel", pattern)
	}
	for _, rest := range strings.Split(strings.ReplaceAll(pattern, "%%", ""), "%")[1:] {
		if rest == "" || !strings.Contains(timeFields, rest[:1]) {
			return fmt.Errorf("the format %q has an unknown field %%%s; want %%Y %%y %%m %%d %%j %%b %%H %%I %%p %%M %%S %%f %%z %%Z", pattern, rest[:min(1, len(rest))])
		}
	}
	if strings.Contains(pattern, "%I") != strings.Contains(pattern, "%p") {
		return fmt.Errorf("the format %q has only one of %%I and %%p, which say together what time it is", pattern)
	}
	return nil
}

// remedyError is an error with its remedy.
type remedyError struct{ text, remedy string }

func (e *remedyError) Error() string { return e.text }

// model returns the model time of a cell.
func (c *clock) model(cell tabular.Cell) (float64, error) {
	switch {
	case cell.Kind == tabular.Null || cell.Kind == tabular.Text && cell.Text == "":
		return 0, errors.New("the cell is empty")
	case cell.Kind == tabular.Instant || cell.Kind == tabular.Wall:
		if !c.dated {
			return 0, errors.New("it is a date, but `time.start` is not a date")
		}
		t, err := c.calendar.place(cell.Time)
		if err != nil {
			return 0, err
		}
		return c.date(t, cell.Kind == tabular.Instant)
	case c.format == "number" || c.format == "excel" || perSecond(c.format) > 0:
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
		return c.counted(v)
	}
	text, pattern := textOf(cell), c.format
	if pattern == "iso" {
		if v, err := c.dialect.Float(text); err == nil {
			return 0, &remedyError{"it is a number, but the format is \"iso\"", meant(v)}
		}
		pattern = isoPattern(text)
	}
	t, err := c.calendar.scan(text, pattern)
	if err != nil {
		return 0, err
	}
	if t.zone != "" {
		at, err := zone.Resolve(t.wall, t.zone, c.zone)
		if err != nil {
			return 0, &remedyError{err.Error(), "write the time.timezone that the abbreviations belong to, such as America/New_York"}
		}
		return c.date(at, true)
	}
	return c.date(t.wall.Add(-t.offset), t.zoned)
}

const day, meanYear = 86400, 365.2425 * 86400 // seconds

// counted returns the model time of a number.
func (c *clock) counted(v float64) (float64, error) {
	per := perSecond(c.format)
	seconds := v / per // since 1970
	switch c.format {
	case "number":
		seconds = float64(c.start.Unix()) + v*c.unit
	case "excel":
		seconds = (v - 25569) * day
	}
	if year := 1970 + math.Floor(seconds/meanYear); c.dated && math.Abs(year) > lastYear {
		return 0, &remedyError{fmt.Sprintf("it is in the year %.0f", year), meant(v)}
	}
	switch {
	case c.format == "number":
		return v, nil
	case c.format == "excel" && v < 61:
		return 0, errors.New("it is before March 1900, where Excel has a day that never was")
	case c.format == "excel": // its numbers are exact to a millisecond
		return c.date(time.UnixMilli(int64(math.Round(1000*seconds))).UTC(), false)
	}
	whole := math.Floor(seconds)
	return c.date(time.Unix(int64(whole), int64((v-whole*per)*(1e9/per))), true)
}

// meant says which format a number has, if it means a time of this age in it.
func meant(v float64) string {
	for _, e := range epochs {
		if year := 1970 + v/e.perSecond/meanYear; year > 1972 && year < 2200 {
			return fmt.Sprintf("if it is in %s since 1970, write time.format = %q", e.unit, e.format)
		}
	}
	switch {
	case v > 18264 && v < 73051: // 1950 to 2100
		return `if it is in days as Excel counts them, write time.format = "excel"`
	case v > 19000101 && v < 21000101:
		return `if it is a date, write a pattern such as time.format = "%Y%m%d"`
	}
	return "write the time.format that the file has; years beyond 9999 need a time.start that is a number"
}

// lastYear is that of the dates in workflows.
const lastYear = 9999

// date returns the model time of t, which is an instant or else a local time in the
// file's zone.
func (c *clock) date(t time.Time, instant bool) (float64, error) {
	if year := t.Year(); year > lastYear || year < -lastYear {
		return 0, &remedyError{fmt.Sprintf("it is in the year %d", year), "check the unit of the column's times"}
	}
	if !instant && c.zone != time.UTC {
		var err error
		if t, err = zone.Instant(t, c.zone); err != nil {
			return 0, &remedyError{err.Error(), "write it with its offset; if the clock is never changed, write its offset as time.timezone, such as -08:00"}
		}
	}
	seconds := float64(t.Unix()-c.start.Unix()) + float64(t.Nanosecond()-c.start.Nanosecond())/1e9
	return seconds / c.unit, nil
}

// isoPattern returns the pattern of a date or time of ISO 8601 in the extended format,
// by its length and separators. The name of a zone may follow after a blank.
func isoPattern(s string) string {
	if len(s) <= len("2006-01-02") {
		return "%Y-%m-%d"
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 && i+1 < len(s) && (s[i+1] < '0' || s[i+1] > '9') {
		return isoPattern(s[:i]) + " %Z"
	}
	pattern := "%Y-%m-%d" + s[10:11] + "%H:%M"
	if s[10] != 'T' && s[10] != ' ' {
		pattern = "%Y-%m-%dT%H:%M"
	}
	clock, zoned := s[11:], false
	if i := strings.IndexAny(clock, "Zz+-"); i >= 0 {
		clock, zoned = clock[:i], true
	}
	if strings.Count(clock, ":") > 1 {
		pattern += ":%S"
		if strings.Contains(clock, ".") {
			pattern += ".%f"
		}
	}
	if zoned {
		pattern += "%z"
	}
	return pattern
}

// scanned is the meaning of a text: a local time and, if the text has one, its offset
// from UTC or the name of its zone.
type scanned struct {
	wall   time.Time
	offset time.Duration
	zoned  bool
	zone   string
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
			out.offset, rest, ok = zone.Offset(rest)
			out.zoned = true
		case 'Z':
			out.zone, rest = zoneName(rest)
			ok = out.zone != ""
		case 'p':
			f['p'], rest, ok = halfDay(rest)
		case '%':
			rest, ok = strings.CutPrefix(rest, "%")
		case 'y':
			f['Y'], rest, ok = digits(rest, mark)
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
	if f['I'] > 12 || f['p'] > 0 && f['I'] == 0 {
		return time.Time{}, fmt.Errorf("%02d is not an hour of a clock with 12", f['I'])
	}
	if f['p'] > 0 {
		f['H'] = f['I']%12 + 12*(f['p']-1)
	}
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
	if field == 'y' { // as in POSIX
		v += 1900
		if v < 1969 {
			v += 100
		}
	}
	return v, s[n:], n > 0 && (field != 'Y' && field != 'y' || n == width)
}

// zoneName reads a name, an abbreviation or an offset of a time zone.
func zoneName(s string) (name, rest string) {
	n := 0
	for n < len(s) && (s[n] == '+' || s[n] == '-' || s[n] == ':' || s[n] == '/' || s[n] == '_' ||
		s[n] >= '0' && s[n] <= '9' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z') {
		n++
	}
	return s[:n], s[n:]
}

// halfDay reads AM or PM, as 1 or 2.
func halfDay(s string) (half int, rest string, ok bool) {
	for i, name := range []string{"AM", "PM"} {
		if len(s) >= 2 && strings.EqualFold(s[:2], name) {
			return i + 1, s[2:], true
		}
	}
	return 0, s, false
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
