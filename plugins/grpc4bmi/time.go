package grpc4bmi

import "strings"

// seconds are the lengths of units of time, by their names in UDUNITS.
var seconds = map[string]float64{
	"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600,
	"d": 86400, "day": 86400, "week": 7 * 86400, "a": yearSeconds, "yr": yearSeconds, "year": yearSeconds,
}

const yearSeconds = 365.242198781 * 86400 // of UDUNITS

// secondsIn returns the seconds in a unit such as "d" or "days since 1970-01-01"; false: it is not known.
func secondsIn(unit string) (float64, bool) {
	unit, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(unit)), " ")
	if length, known := seconds[unit]; known {
		return length, true
	}
	length, known := seconds[strings.TrimSuffix(unit, "s")]
	return length, known
}
