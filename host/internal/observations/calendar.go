package observations

import "time"

// calendar is the name of a calendar in the CF conventions. Times of a calendar that is
// not standard are represented by [time.Time] values that are as far apart as the times
// are in their calendar; these values are not dates.
type calendar string

const (
	standard calendar = "standard" // Gregorian, also for the past
	noleap   calendar = "noleap"   // no 29 February
	days360  calendar = "360_day"  // twelve months of 30 days
)

// day returns the start of a day. If month is 0, day is the number of the day in the year.
// It returns false if the calendar has no such day.
func (c calendar) day(year, month, day int) (time.Time, bool) {
	switch c {
	case noleap:
		t, ok := standard.day(2001, month, day) // no leap year
		return time.Date(1, 1, 1+365*year+t.YearDay(), 0, 0, 0, 0, time.UTC), ok
	case days360:
		number := day
		if month > 0 {
			number += 30 * (month - 1)
		}
		ok := month == 0 && day <= 360 || month > 0 && month <= 12 && day <= 30
		return time.Date(1, 1, 1+360*year+number, 0, 0, 0, 0, time.UTC), ok && day > 0
	}
	if month == 0 {
		t := time.Date(year, 1, day, 0, 0, 0, 0, time.UTC)
		return t, t.Year() == year
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return t, int(t.Month()) == month && t.Day() == day
}

// where names the time zone of times without an offset, or the calendar if it has no zones.
func (c *clock) where() string {
	if c.calendar == standard {
		return c.zone.String()
	}
	return string(c.calendar)
}

// place returns the representation of the date and the time of day of t in the calendar.
func (c calendar) place(t time.Time) (time.Time, error) {
	if c == standard {
		return t, nil
	}
	return c.time(&parts{'Y': t.Year(), 'm': int(t.Month()), 'd': t.Day(), 'H': t.Hour(), 'M': t.Minute(), 'S': t.Second(), 'f': t.Nanosecond()})
}
