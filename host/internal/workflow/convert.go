package workflow

import (
	"math"
	"regexp"
	"strconv"
	"time"
)

// convert returns v in the Go type of k. An integer is accepted as a number, and a
// number without a fraction as an integer. A value that has been converted is returned
// as it is.
func convert(v any, k kind) (any, bool) {
	switch v := v.(type) {
	case string:
		if k == duration || k == extent {
			d, err := parseDuration(v)
			return d, err == nil
		}
		return v, k == text || k == count
	case time.Duration:
		return v, k == duration || k == extent
	case time.Time:
		return dated(v), k == moment && v.Location().String() != "time-local"
	case int64:
		if k == integer || k == count {
			return v, true
		}
		return float64(v), isReal(k)
	case float64:
		if k == integer || k == count {
			return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
		}
		return v, isReal(k)
	}
	return v, false
}

// auto is the word for a value that plume chooses.
const auto = "auto"

// all is the word for a count that is as large as it can be.
const all = "all"

// isReal reports whether a value of kind k may be a real number.
func isReal(k kind) bool { return k == number || k == numbers || k == moment || k == extent }

// unzoned is the zone of dates without an offset, until the zone that they are in is known.
var unzoned = time.FixedZone("without offset", 0)

// dated returns t, which is in unzoned when the text gives no offset. The decoder marks such
// times by locations of its own.
func dated(t time.Time) time.Time {
	switch t.Location().String() {
	case "datetime-local", "date-local":
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), unzoned)
	}
	return t
}

// longUnits are units of a duration in addition to those of package time.
var longUnits = regexp.MustCompile(`(\d*\.?\d+)(w|d|min)`)

// parseDuration accepts what [time.ParseDuration] does, and "min", "d" of 24 hours
// and "w" of 7 days.
func parseDuration(s string) (time.Duration, error) {
	return time.ParseDuration(longUnits.ReplaceAllStringFunc(s, func(part string) string {
		m := longUnits.FindStringSubmatch(part)
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return part
		}
		hours := map[string]float64{"w": 168, "d": 24, "min": 1. / 60}[m[2]]
		return time.Duration(math.Round(v * hours * float64(time.Hour))).String()
	}))
}
