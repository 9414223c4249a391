// Package zone finds the instants of local times: by names of time zones, offsets from UTC,
// and abbreviations as clocks show them.
package zone

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // for machines that have no zones
)

// Load returns the time zone with an IANA name, or one that always has an offset such as
// -08:00. The error says what to write instead, if that is known.
func Load(name string) (*time.Location, error) {
	if offset, rest, ok := Offset(name); ok && rest == "" && name != "Z" && name != "z" {
		return time.FixedZone(name, int(offset/time.Second)), nil
	}
	if loc, err := time.LoadLocation(name); err == nil && name != "Local" {
		return loc, nil
	}
	if offset, ok := fromUTC(name); ok {
		return nil, fmt.Errorf("write the offset: %q", written(offset))
	}
	return nil, errors.New("write a name such as Europe/Oslo, or an offset such as -08:00 if it is the same all year; Etc/GMT+8 is -08:00, with the sign reversed")
}

// Offset reads Z, +01, +0100 or +01:00 at the start of s.
func Offset(s string) (offset time.Duration, rest string, ok bool) {
	if strings.HasPrefix(s, "Z") || strings.HasPrefix(s, "z") {
		return 0, s[1:], true
	}
	m := offsetStart.FindStringSubmatch(s)
	if m == nil {
		return 0, s, false
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi("0" + m[3])
	if hours > 14 || minutes > 59 {
		return 0, s, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if m[1] == "-" {
		offset = -offset
	}
	return offset, s[len(m[0]):], true
}

var offsetStart = regexp.MustCompile(`^([+-])(\d\d?)(?::?(\d\d?))?`)

// fromUTC returns the offset of UTC, GMT+1 or UTC-08:00.
func fromUTC(name string) (offset time.Duration, ok bool) {
	for _, prefix := range []string{"UTC", "GMT"} {
		rest, found := strings.CutPrefix(name, prefix)
		if found && rest == "" {
			return 0, true
		}
		if offset, left, valid := Offset(rest); found && valid && left == "" && rest != "Z" {
			return offset, true
		}
	}
	return 0, false
}

func written(offset time.Duration) string {
	return time.Time{}.In(time.FixedZone("", int(offset/time.Second))).Format("-07:00")
}

// Instant returns the instant of the local time wall in zone. It is an error if that
// local time never occurred or occurred twice. Two changes of the zone's offset are
// assumed to be more than two days apart.
func Instant(wall time.Time, zone *time.Location) (time.Time, error) {
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
		return time.Time{}, fmt.Errorf("it occurred twice in %s, at %s and at %s", zone, early.Format(time.RFC3339), late.Format(time.RFC3339))
	case isEarly:
		return early, nil
	case isLate:
		return late, nil
	}
	return time.Time{}, fmt.Errorf("it never occurred in %s, because of a clock change", zone)
}

// named holds the zones that rows have named, since reading one takes a while.
var named sync.Map

// Resolve returns the instant of the local time wall by the name of its zone in the row of a
// file: an offset, UTC, GMT or both, an IANA name with a slash, or an abbreviation that clocks
// in the zone home show at some time within a year, such as EST in America/New_York.
func Resolve(wall time.Time, name string, home *time.Location) (time.Time, error) {
	if offset, rest, ok := Offset(name); ok && rest == "" {
		return wall.Add(-offset), nil
	}
	if offset, ok := fromUTC(name); ok {
		return wall.Add(-offset), nil
	}
	if strings.Contains(name, "/") {
		loc, known := named.Load(name)
		if !known {
			var err error
			if loc, err = time.LoadLocation(name); err != nil {
				return time.Time{}, fmt.Errorf("there is no time zone %q", name)
			}
			named.Store(name, loc)
		}
		return Instant(wall, loc.(*time.Location))
	}
	var seen []string
	for months := range 13 {
		for _, far := range []int{months, -months} {
			abbreviation, seconds := wall.AddDate(0, far, 0).In(home).Zone()
			if abbreviation == name {
				return wall.Add(-time.Duration(seconds) * time.Second), nil
			}
			if len(seen) == 0 || seen[len(seen)-1] != abbreviation && seen[0] != abbreviation {
				seen = append(seen, abbreviation)
			}
		}
	}
	return time.Time{}, fmt.Errorf("%s is not an abbreviation of %s, where clocks show %s", name, home, strings.Join(seen, " and "))
}
