package why

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// conversion is the unit that the values of a variable seem to have.
type conversion struct {
	variable      string // or several
	about         string
	values        int     // number of first innovations
	before, after float64 // their root mean square, as given and converted
}

// conversions are the usual mistakes: y = factor x + offset for x in the unit that is
// expected.
var conversions = []struct {
	factor, offset float64
	about          string
}{
	{1.8, 32, "degrees Fahrenheit where degrees Celsius are expected"},
	{1 / 1.8, -32 / 1.8, "degrees Celsius where degrees Fahrenheit are expected"},
	{1, 273.15, "kelvins where degrees Celsius are expected"},
	{1, -273.15, "degrees Celsius where kelvins are expected"},
	{1000, 0, "1000 times too large, as grams for kilograms or millimetres for metres"},
	{0.001, 0, "1000 times too small, as kilograms for grams or metres for millimetres"},
	{100, 0, "100 times too large, as centimetres for metres, pascals for hectopascals or per cent for a fraction"},
	{0.01, 0, "100 times too small, as metres for centimetres, hectopascals for pascals or a fraction for per cent"},
	{10, 0, "10 times too large, as millimetres for centimetres"},
	{0.1, 0, "10 times too small, as centimetres for millimetres"},
	{1e6, 0, "a million times too large"},
	{1e-6, 0, "a million times too small"},
	{3.6, 0, "about 3.5 times too large, as km/h for m/s or feet for metres"},
	{1 / 3.6, 0, "about 3.5 times too small, as m/s for km/h or metres for feet"},
	{1 / 0.3048, 0, "about 3.5 times too large, as km/h for m/s or feet for metres"},
	{0.3048, 0, "about 3.5 times too small, as m/s for km/h or metres for feet"},
	{60, 0, "about 60 times too large, as degrees for radians or minutes for hours"},
	{1. / 60, 0, "about 60 times too small, as radians for degrees or hours for minutes"},
	{3600, 0, "3600 times too large, as seconds for hours"},
	{1. / 3600, 0, "3600 times too small, as hours for seconds"},
	{86400, 0, "86400 times too large, as seconds for days"},
	{1. / 86400, 0, "86400 times too small, as days for seconds"},
	{180 / math.Pi, 0, "about 60 times too large, as degrees for radians or minutes for hours"},
	{math.Pi / 180, 0, "about 60 times too small, as radians for degrees or hours for minutes"},
	{-1, 0, "of the opposite sign"},
}

// conversion returns the most likely conversion of a stream or of one of its variables, from
// the first innovations, before anything was assimilated; nil if none is much more likely
// than the unit that is expected. Later innovations do not tell: a filter follows
// observations in any unit.
func (r *record) conversion() *conversion {
	type group struct {
		stream   int
		variable string // empty: all of the stream
	}
	var groups []group
	for _, v := range r.values {
		for _, g := range []group{{v.stream, ""}, {v.stream, v.variable}} {
			if !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(min(1, len(a.variable)), min(1, len(b.variable))) })
	for _, g := range groups {
		var list []first
		var names []string
		for j, v := range r.values {
			if v.stream != g.stream || g.variable != "" && v.variable != g.variable {
				continue
			}
			if f, ok := r.first(j); ok {
				list = append(list, f)
			}
			if !slices.Contains(names, v.variable) {
				names = append(names, v.variable)
			}
		}
		if c := conversionOf(list); c != nil {
			c.variable = strings.Join(names, ", ")
			if len(names) > 3 {
				c.variable = fmt.Sprintf("%s and %d more", names[0], len(names)-1)
			}
			return c
		}
	}
	return nil
}

// first is the first observation of a value: it, its forecast, and the expected standard
// deviation of the difference.
type first struct{ observed, forecast, scale float64 }

// fit returns the mean square of the differences, and their mean logarithmic density for
// observations y = factor x + offset of forecasts of x, with normalised squares.
func fit(list []first, factor, offset float64) (square, normalised, density float64) {
	var squares, all tally
	for _, f := range list {
		d := (f.observed-offset)/factor - f.forecast
		squares.add(d * d)
		all.add(d * d / (f.scale * f.scale))
	}
	return squares.mean(), all.mean(), -all.mean()/2 - math.Log(math.Abs(factor))
}

// first returns the first observation of value j.
func (r *record) first(j int) (f first, ok bool) {
	k := slices.IndexFunc(r.innovation, func(d []float64) bool { return !math.IsNaN(d[j]) })
	if k < 0 || r.observed[k] == nil {
		return f, false
	}
	d, y, v := r.innovation[k][j], r.observed[k][j], r.values[j]
	scale := v.scale()
	if d != 0 && !math.IsNaN(v.first) {
		scale = d / v.first
	}
	return first{y, y - d, scale}, true
}

func conversionOf(list []first) *conversion {
	before, normalised, given := fit(list, 1, 0)
	if len(list) < 3 && !(normalised > 100) { // anything fits a few values
		return nil
	}
	best, most := conversion{values: len(list), before: math.Sqrt(before)}, math.Inf(-1)
	for _, c := range conversions {
		if after, normalised, density := fit(list, c.factor, c.offset); density > most && normalised < 9 {
			best.after, best.about, most = math.Sqrt(after), c.about, density
		}
	}
	if n := float64(len(list)); (most-given)*min(n, 10) < 10 {
		return nil
	}
	return &best
}

// standstill is a series of observations without a change.
type standstill struct {
	name         string
	from, length int     // its first cycle, and its number of observations
	usual        float64 // share of other observations of the variable that are equal to the one before
	ratio        float64 // mean square of its innovations, divided by what is expected
}

// shortest is the smallest number of equal observations in a row that are looked at.
const shortest = 10

// standstill returns the longest series of equal observations that neither rounding nor a
// state at rest explains; nil if there is none: others change so often that it is
// improbable, and its innovations are larger than expected.
func (r *record) standstill() *standstill {
	runs := make([]standstill, len(r.values))
	equal, pairs := map[string]float64{}, map[string]float64{} // by variable
	for j, v := range r.values {
		n := 0
		start, last := 0, math.NaN()
		for k, y := range r.observed {
			if y == nil || math.IsNaN(y[j]) {
				continue
			}
			if !math.IsNaN(last) {
				pairs[v.variable]++
			}
			if y[j] == last {
				equal[v.variable]++
				n++
			} else {
				start, last, n = k, y[j], 1
			}
			if n > runs[j].length {
				runs[j] = standstill{name: v.name, from: start, length: n}
			}
		}
	}
	var worst *standstill
	for j := range runs {
		s, v := &runs[j], r.values[j]
		if s.length < shortest {
			continue
		}
		own := float64(s.length - 1)
		s.usual = max(0, equal[v.variable]-own) / max(1, pairs[v.variable]-own)
		if improbable := -own * math.Log(s.usual+1/max(1, pairs[v.variable]-own)); improbable < 20 {
			continue
		}
		var squares, there tally
		for k := s.from; k < len(r.observed); k++ {
			if y := r.observed[k]; y != nil && y[j] == r.observed[s.from][j] {
				there.add(1)
				z := r.innovation[k][j] / v.scale()
				squares.add(z * z)
			} else if y != nil && !math.IsNaN(y[j]) {
				break
			}
		}
		s.ratio = squares.mean()
		rejected := squares.n < there.n/2 // by the background check
		if (s.ratio > 2 || rejected) && (worst == nil || s.length > worst.length) {
			worst = s
		}
	}
	if worst == nil {
		return nil
	}
	found := *worst
	found.from = int(r.cycle[found.from])
	return &found
}
