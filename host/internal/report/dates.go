package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"gonum.org/v1/plot"
)

// dates returns which dates the times of the run are; nil if they are none, or are dates of a
// calendar that has other months than ours.
func (r *Report) dates() *archive.Dates {
	d := r.reader.Info.Dates
	if d == nil || d.Calendar != "proleptic_gregorian" {
		return nil
	}
	return d
}

// timeAxis makes the horizontal axis of p one of time.
func (r *Report) timeAxis(p *plot.Plot) {
	if d := r.dates(); d != nil {
		p.X.Tick.Marker = dateTicks{d}
	}
}

// timeAxes makes the horizontal axes of a column of panels ones of time.
func (r *Report) timeAxes(panels [][]*plot.Plot) {
	for _, row := range panels {
		r.timeAxis(row[0])
	}
	panels[len(panels)-1][0].X.Label.Text = r.timeLabel()
}

// timeLabel returns the label of an axis of time; dates need none.
func (r *Report) timeLabel() string {
	if r.dates() != nil {
		return ""
	}
	return cmp.Or(r.setup.Clock, "model time")
}

// timeText returns a model time as text: a date, if it is one.
func (r *Report) timeText(t float64) string {
	d := r.dates()
	if d == nil {
		return fmt.Sprintf("%s %.6g", r.timeLabel(), t)
	}
	layout := "2006-01-02"
	if r.clock() {
		layout += " 15:04"
	}
	date, _ := d.At(t)
	return date.Format(layout)
}

// clock reports whether dates need the time of day: cycles are less than a day apart.
func (r *Report) clock() bool {
	d := r.dates()
	return d != nil && slices.ContainsFunc(r.trials, func(t *trial) bool {
		s := t.scores[archive.Analysis]
		return s != nil && s.n > 1 && s.gap*d.Seconds < day*(1-1e-9)
	})
}

// dateTicks puts ticks at round dates of an axis of model time.
type dateTicks struct{ *archive.Dates }

// dateStep is a distance of ticks and how a date is written.
type dateStep struct {
	months, seconds int // one of them
	layout          string
}

const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
)

var dateSteps = []dateStep{
	{0, 1, "15:04:05"}, {0, 10, "15:04:05"}, {0, minute, "15:04"}, {0, 5 * minute, "15:04"}, {0, 15 * minute, "15:04"}, {0, hour, "01-02 15:04"}, {0, 3 * hour, "01-02 15:04"},
	{0, 12 * hour, "01-02 15:04"}, {0, day, "2006-01-02"}, {0, 2 * day, "2006-01-02"}, {0, 7 * day, "2006-01-02"}, {0, 14 * day, "2006-01-02"}, {1, 0, "2006-01"}, {3, 0, "2006-01"}, {6, 0, "2006-01"},
	{12, 0, "2006"}, {24, 0, "2006"}, {60, 0, "2006"}, {120, 0, "2006"}, {240, 0, "2006"}, {600, 0, "2006"}, {1200, 0, "2006"}, {2400, 0, "2006"}, {6000, 0, "2006"}, {12000, 0, "2006"},
}

// mostDates is how many dates an axis has at most.
const mostDates = 5

func (d dateTicks) Ticks(low, high float64) []plot.Tick {
	first, last := d.date(low), d.date(high)
	for _, step := range dateSteps {
		var list []plot.Tick
		for at := step.before(first); !at.After(last) && len(list) <= mostDates; at = step.after(at) {
			if !at.Before(first) {
				list = append(list, plot.Tick{Value: float64(at.Unix()-d.Start.Unix()) / d.Seconds, Label: at.Format(step.layout)})
			}
		}
		if len(list) <= mostDates {
			return list
		}
	}
	return nil
}

func (d dateTicks) date(t float64) time.Time {
	whole, part := math.Modf(t * d.Seconds)
	return time.Unix(d.Start.Unix()+int64(whole), int64(part*1e9)).UTC()
}

// before returns the last multiple of the step that is not after t.
func (s dateStep) before(t time.Time) time.Time {
	if s.months > 0 {
		months := 12*t.Year() + int(t.Month()) - 1
		return time.Date(0, time.Month(1+months-months%s.months), 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Unix(t.Unix()-((t.Unix()%int64(s.seconds))+int64(s.seconds))%int64(s.seconds), 0).UTC()
}

func (s dateStep) after(t time.Time) time.Time {
	if s.months > 0 {
		return t.AddDate(0, s.months, 0)
	}
	return t.Add(time.Duration(s.seconds) * time.Second)
}
