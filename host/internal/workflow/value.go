package workflow

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// list checks a list of strings, or a number or list of them.
func (c *checker) list(n *tomltext.Node, path string, k *key) {
	item := *k
	item.kind, item.item = text, true
	if k.kind == numbers {
		item.kind = number
		if n.Items == nil {
			c.scalar(n, path, k)
			return
		}
	}
	if !c.is(n, path, k, n.Items != nil) {
		return
	}
	if len(n.Items) == 0 && (k.kind == numbers || k.min != nil) {
		n.Bad = true
		d := c.found.Add(codeRange, n.Place(), "`%s` must not be empty", path).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
		d.WithHelp("write %s", k.asked())
		if k.example != "" {
			d.WithHelp("write %s = %s", k.name, k.example)
		}
	}
	for _, child := range n.Items {
		c.scalar(child, path, &item)
		n.Bad = n.Bad || child.Bad
	}
}

// scalar checks a single value and stores it in its final Go type.
func (c *checker) scalar(n *tomltext.Node, path string, k *key) {
	if n.Bad {
		return
	}
	if (k.kind == number || k.kind == numbers || k.kind == integer || k.kind == moment || k.kind == extent) && !c.evaluate(n, path) {
		return
	}
	v, ok := convert(n.Value, k.kind)
	if !c.is(n, path, k, ok) {
		return
	}
	n.Value = v
	switch v := v.(type) {
	case string:
		c.checkText(n, path, v, k)
	case int64:
		c.inRange(n, path, float64(v), k)
	case float64:
		c.inRange(n, path, v, k)
	case time.Duration:
		c.inRange(n, path, v.Seconds(), k)
	}
}

// convert returns v in the Go type of k. An integer is taken for a number, and a
// number without a fraction for an integer. What has been converted stays.
func convert(v any, k kind) (any, bool) {
	switch v := v.(type) {
	case string:
		if k == duration || k == extent {
			d, err := parseDuration(v)
			return d, err == nil
		}
		return v, k == text
	case time.Duration:
		return v, k == duration || k == extent
	case time.Time:
		return inUTC(v), k == moment && v.Location().String() != "time-local"
	case int64:
		if k == integer {
			return v, true
		}
		return float64(v), isReal(k)
	case float64:
		if k == integer {
			return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
		}
		return v, isReal(k)
	}
	return v, false
}

// isReal says whether a value of kind k may be a real number.
func isReal(k kind) bool { return k == number || k == numbers || k == moment || k == extent }

// inUTC returns t, which is in UTC when the text gives no offset. The decoder
// marks such times by locations of its own.
func inUTC(t time.Time) time.Time {
	switch t.Location().String() {
	case "datetime-local", "date-local":
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	return t
}

// longUnits are units of a duration beside those of package time.
var longUnits = regexp.MustCompile(`(\d*\.?\d+)(w|d|min)`)

// parseDuration takes what [time.ParseDuration] does, and "min", "d" of 24 hours
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

func (c *checker) inRange(n *tomltext.Node, path string, v float64, k *key) {
	finite := !math.IsNaN(v) && !math.IsInf(v, 0)
	if finite && (k.min == nil || v >= *k.min) && (k.max == nil || v <= *k.max) && (k.above == nil || v > *k.above) {
		return
	}
	n.Bad = true
	limits := k.bounds()
	if !finite {
		limits = "finite"
	}
	c.found.Add(codeRange, n.Place(), "%s must be %s, but %s %s", k.subject(path), limits, k.is(), tomltext.Show(n.Value)).
		WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).WithHelp("write %s", k.asked())
}

func (c *checker) checkText(n *tomltext.Node, path, s string, k *key) {
	switch {
	case len(k.choices) > 0 && !slices.Contains(k.choices, s):
		n.Bad = true
		d := c.found.Add(codeChoice, n.Place(), "`%s` must be %s, but is %s", path, k.noun(), tomltext.Show(s)).
			WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc)
		d.WithHelp("write %s", k.noun())
		if meant := diag.Suggest(s, k.choices); meant != "" {
			d.WithHelp("did you mean %q?", meant)
		}
	case k.form != nil && !k.form.rule.MatchString(s):
		c.misnamed(n, n.Place(), k.subject(path), path, s, k)
	case (k.required || k.item && !k.blank) && strings.TrimSpace(s) == "":
		n.Bad = true
		c.found.Add(codeRange, n.Place(), "%s must not be empty", k.subject(path)).WithLabel("%s", k.wants()).WithNote("%s: %s", path, k.doc).WithHelp("write %s", k.asked())
	}
}
