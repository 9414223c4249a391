package scaffold

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/tabular"
)

// Data says for which file of observations to write a workflow.
type Data struct {
	File      string
	Model     string   // name of a plugin; empty: a random walk for each column
	Variables []string // of that model, which have one value each
	Taken     []string // names that variables of a random walk may not have
}

// mostRows is how many rows of a file are looked at, and mostColumns how many columns become variables.
const (
	mostRows    = 20000
	mostColumns = 12
)

// sheet is the texts of a file, by column.
type sheet struct {
	dialect tabular.Dialect
	names   []string
	cells   [][]string
	rows    int
}

// Write writes dir/workflow.toml, which says in remarks what has been guessed, and returns its path.
func (d Data) Write(dir string) ([]string, error) {
	s, err := d.read()
	if err != nil {
		return nil, err
	}
	t, err := s.clock()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	columns := s.columns(t, d.Taken)
	if len(columns) == 0 {
		return nil, fmt.Errorf("%s: no column has numbers; plume init --from wants a line of names and one column for each series", d.File)
	}
	if err := d.assign(columns); err != nil {
		return nil, err
	}
	used := columns[:min(len(columns), mostColumns)]
	if err := s.encoded(t, used); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	file, err := filepath.Rel(dir, d.File)
	if err != nil || filepath.IsAbs(d.File) {
		file = d.File
	}
	return write(dir, map[string]string{"templates/data/workflow.toml": "workflow.toml"}, view{Guess: &guess{d, file, s, t, used}})
}

// read reads the first rows of the file.
func (d Data) read() (*sheet, error) {
	switch ending := strings.ToLower(filepath.Ext(d.File)); ending {
	case ".parquet", ".arrow", ".feather":
		return nil, fmt.Errorf("%s: plume init --from reads text; write the workflow by hand, as docs/how-to/real-observations.md shows, or export the file as .csv", d.File)
	}
	s := &sheet{}
	if err := s.sniff(d.File); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	table, err := tabular.Open(d.File, s.dialect)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	defer func() { _ = table.Close() }() // it was only read
	s.names = table.Names()
	for _, name := range s.names {
		if _, err := table.Column(name); err != nil {
			return nil, fmt.Errorf("%s: %w", d.File, err)
		}
	}
	s.cells = make([][]string, len(s.names))
	for s.rows < mostRows && table.Next() {
		for i := range s.names {
			s.cells[i] = append(s.cells[i], table.Cell(i).Text)
		}
		s.rows++
	}
	if err := table.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	if s.rows < 3 {
		return nil, fmt.Errorf("%s: want at least 3 rows to guess from, got %d", d.File, s.rows)
	}
	if slices.ContainsFunc(s.names, isNumber) {
		return nil, fmt.Errorf("%s: the first line has numbers, want the names of the columns; add a line such as time,level", d.File)
	}
	return s, nil
}

// encoded returns an error if a text of the file that the workflow must name is not UTF-8, as the workflow is.
func (s *sheet) encoded(t *clock, used []*column) error {
	var texts []string
	for _, i := range t.columns {
		texts = append(texts, s.names[i])
	}
	for _, c := range used {
		texts = append(append(texts, c.Name), c.Missing...)
	}
	if i := slices.IndexFunc(texts, func(text string) bool { return !utf8.ValidString(text) }); i >= 0 {
		return fmt.Errorf("%q is not UTF-8, which the workflow must be; save the file as UTF-8", texts[i])
	}
	return nil
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// delimiters are tried in this order.
var delimiters = []string{",", ";", "\t", "|"}

// decimalComma matches a number with a comma before its fraction.
var decimalComma = regexp.MustCompile(`^[+-]?\d+,\d+$`)

// sniff finds out how the file is written: the delimiter splits its first lines into the most columns, of which each has as many.
func (s *sheet) sniff(file string) error {
	const most = 1 << 16
	head, err := tabular.Head(file, most)
	if err != nil {
		return err
	}
	lines := strings.Split(string(head), "\n")
	if len(head) == most {
		lines = lines[:len(lines)-1] // it may be cut
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		remark := strings.HasPrefix(line, "#")
		if remark {
			s.dialect.Comment = "#"
		}
		return remark || strings.TrimSpace(line) == ""
	})
	if len(lines) < 2 {
		return errors.New("has no rows; want a line of names and rows of values")
	}
	columns := 1
	for _, delimiter := range delimiters {
		n := strings.Count(lines[0], delimiter) + 1
		even := !slices.ContainsFunc(lines, func(line string) bool { return strings.Count(line, delimiter)+1 < n })
		if even && n > columns {
			columns, s.dialect.Delimiter = n, delimiter
		}
	}
	if columns == 1 {
		return errors.New("has one column, or lines with other numbers of columns than the first; want names and values that are separated by commas, semicolons, tabs or bars")
	}
	if s.dialect.Delimiter != "," && slices.ContainsFunc(strings.Split(lines[1], s.dialect.Delimiter), func(cell string) bool { return decimalComma.MatchString(strings.TrimSpace(cell)) }) {
		s.dialect.Decimal = ","
	}
	return nil
}

// clock is how the file states times.
type clock struct {
	columns []int
	format  string // as in time.format; empty: ISO 8601, or a number
	dated   bool
	zoned   bool    // the times say what zone they are in
	start   string  // as in time.start
	unit    string  // as in time.unit; empty: none
	every   string  // as in time.interval, if the times are at even distances
	step    float64 // between rows, mostly, in units
	other   string  // another meaning that the dates could have
	ordered bool
	twice   bool // a time has several rows
}

// layouts are the formats of dates, as workflows and as Go write them.
var layouts = []struct{ format, layout string }{
	{"", "2006-01-02"}, {"%Y/%m/%d", "2006/1/2"}, {"%d.%m.%Y", "2.1.2006"}, {"%d/%m/%Y", "2/1/2006"}, {"%m/%d/%Y", "1/2/2006"},
	{"%d-%b-%Y", "2-Jan-2006"}, {"%Y-%m", "2006-01"}, {"%Y/%m", "2006/1"}, {"%Y%m%d", "20060102"},
}

// clocks are the times of day that follow a date, likewise; those after T are for ISO 8601.
var clocks = []struct{ format, layout string }{
	{"", ""}, {" %H:%M", " 15:04"}, {" %H:%M:%S", " 15:04:05"}, {"T%H:%M", "T15:04"}, {"T%H:%M:%S", "T15:04:05"},
	{"T%H:%M%z", "T15:04Z07:00"}, {"T%H:%M:%S%z", "T15:04:05Z07:00"}, {" %H:%M:%S%z", " 15:04:05Z07:00"},
}

var (
	timeName = regexp.MustCompile(`(?i)^(date|time|datetime|timestamp|when|day|t|year|zeit|datum|fecha|tidspunkt|dato|valid.*|obs.?time|.*[_ ](date|time|utc))$`)
	skipName = regexp.MustCompile(`(?i)(^|[^a-z])(flags?|qc|qf|quality|qualifier|cd|code|id|station|site|index|row|no|nr)([^a-z]|$)`)
	errName  = regexp.MustCompile(`(?i)(^|[^a-z])(sd|std|sigma|se|err|error|uncertainty)([^a-z]|$)`)
	unitName = regexp.MustCompile(`^(.*?)\s*[(\[]([^()\[\]]*)[)\]]\s*$`)
)

// clock finds the columns of time.
func (s *sheet) clock() (*clock, error) {
	named := func(rule string) int {
		return slices.IndexFunc(s.names, func(name string) bool { return regexp.MustCompile(`(?i)^(` + rule + `)$`).MatchString(name) })
	}
	order := make([]int, len(s.names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(b2i(!timeName.MatchString(s.names[a])), b2i(!timeName.MatchString(s.names[b])))
	})
	for _, i := range order {
		if c := dated([]int{i}, s.cells[i]); c != nil {
			if at := named("time|hour|hh:mm|zeit|uhrzeit|hora|clock"); at >= 0 && at != i {
				if both := dated([]int{i, at}, joined(s.cells[i], s.cells[at])); both != nil {
					return both, nil
				}
			}
			return c, nil
		}
	}
	if year, month := named("year|yr|yyyy"), named("month|mon|mm"); year >= 0 && month >= 0 {
		columns, texts, format, layout := []int{year, month}, joined(s.cells[year], s.cells[month]), "%Y %m", "2006 1"
		if day := named("day|dd"); day >= 0 {
			columns, texts, format, layout = append(columns, day), joined(texts, s.cells[day]), format+" %d", layout+" 2"
		}
		if times := parsed(texts, layout); times != nil {
			return calendarClock(columns, format, false, times), nil
		}
	}
	for _, i := range order {
		if c := s.counted(i); c != nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no column has times: it has %s; want one such as 2026-03-28 14:00, 2026-03, 28.03.2026 or a number that grows, or columns year and month", strings.Join(s.names, ", "))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func joined(a, b []string) []string {
	out := make([]string, len(a))
	for i := range a {
		out[i] = a[i] + " " + b[i]
	}
	return out
}

// dated returns the clock of texts that are dates; nil if they are not.
func dated(columns []int, texts []string) *clock {
	var found []*clock
	for _, d := range layouts {
		for _, c := range clocks {
			times := parsed(texts, d.layout+c.layout)
			if times == nil {
				continue
			}
			format := ""
			if d.format != "" {
				format = d.format + c.format
			}
			found = append(found, calendarClock(columns, format, strings.HasSuffix(c.format, "%z"), times))
		}
	}
	if len(found) == 0 {
		return nil
	}
	best := found[0]
	for _, c := range found[1:] { // days and months can be told apart by the order of the rows
		if c.ordered && !best.ordered {
			c, best = best, c
		}
		best.other = c.format
	}
	return best
}

// parsed returns texts as times; nil if one is not in the layout.
func parsed(texts []string, layout string) []time.Time {
	times := make([]time.Time, len(texts))
	for i, text := range texts {
		t, err := time.Parse(layout, text)
		if err != nil || t.Year() < 1 || t.Year() > 9999 {
			return nil
		}
		times[i] = t
	}
	return times
}

// calendarClock returns the clock of dates; zoned: it is known what zone they are in.
func calendarClock(columns []int, format string, zoned bool, times []time.Time) *clock {
	seconds := make([]float64, len(times))
	for i, t := range times {
		seconds[i] = float64(t.Unix())
	}
	c := &clock{columns: columns, format: format, dated: true, zoned: zoned}
	step, even := c.steps(seconds)
	unit := 1.0
	for _, u := range []struct {
		name    string
		seconds float64
	}{{"1s", 1}, {"1min", 60}, {"1h", 3600}, {"1d", 86400}} {
		if math.Mod(step, u.seconds) == 0 {
			c.unit, unit = u.name, u.seconds
		}
	}
	c.step = step / unit
	if even {
		c.every = strconv.FormatFloat(c.step, 'f', -1, 64) + strings.TrimPrefix(c.unit, "1")
	}
	first := times[0]
	for _, t := range times {
		if t.Before(first) {
			first = t
		}
	}
	if c.start = first.Add(-time.Duration(step) * time.Second).UTC().Format(time.RFC3339); !zoned {
		c.start = strings.TrimSuffix(c.start, "Z") // it moves with the times when their zone is added
	}
	return c
}

// counted returns the clock of a column of numbers that grow; nil if it is not one.
func (s *sheet) counted(column int) *clock {
	if !timeName.MatchString(s.names[column]) && column > 0 {
		return nil
	}
	values := make([]float64, s.rows)
	for i, text := range s.cells[column] {
		v, err := s.dialect.Float(text)
		if err != nil || i > 0 && v < values[i-1] {
			return nil
		}
		values[i] = v
	}
	for format, per := range map[string]float64{"unix": 1, "unix_ms": 1000} {
		if values[0] > 2e8*per && values[s.rows-1] < 5e9*per {
			times := make([]time.Time, s.rows)
			for i, v := range values {
				times[i] = time.Unix(int64(v/per), 0)
			}
			return calendarClock([]int{column}, format, true, times)
		}
	}
	c := &clock{columns: []int{column}}
	c.step, _ = c.steps(values)
	before := values[0] - c.step
	if math.Abs(before) < 1e-9*c.step {
		before = 0 // but for rounding
	}
	c.start = strconv.FormatFloat(before, 'g', 10, 64)
	return c
}

// steps returns the median distance of times, and whether all distances are whole multiples of it.
func (c *clock) steps(times []float64) (step float64, even bool) {
	c.ordered = slices.IsSorted(times)
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	var steps []float64
	for i := 1; i < len(sorted); i++ {
		if d := sorted[i] - sorted[i-1]; d > 0 {
			steps = append(steps, d)
		} else {
			c.twice = true
		}
	}
	if len(steps) == 0 {
		return 1, false
	}
	inOrder := slices.Sorted(slices.Values(steps))
	step = inOrder[len(inOrder)/2]
	return step, !slices.ContainsFunc(steps, func(d float64) bool { return math.Mod(d, step) != 0 })
}

// column is a column of values.
type column struct {
	Name, Variable, Unit string
	Missing              []string // what stands for a missing value, apart from what always does
	Mean, SD, Step       float64  // of the values, and the standard deviation of their changes
	Low, High            float64
}

// always are the texts that mean a missing value if the workflow does not say which.
var always = []string{"", "NA", "NaN", "nan", "null"}

// codes are numbers that often stand for a missing value.
var codes = []string{"-999", "-999.0", "-999.9", "-999.99", "-9999", "-9999.0", "-9999.9", "-99.9", "-99", "-99.99", "-32768", "9999", "9999.0", "9999.9", "99999", "999.9", "1e20", "-1e30"}

// columns returns the columns of values, none of which has a name that is taken.
func (s *sheet) columns(t *clock, taken []string) (list []*column) {
	for i, name := range s.names {
		if slices.Contains(t.columns, i) || skipName.MatchString(name) || errName.MatchString(name) {
			continue
		}
		c := &column{Name: name}
		values, others := s.numbers(s.cells[i])
		if len(values) < 3 || len(values) < s.rows/4 {
			continue
		}
		if values, c.Missing = s.missing(values, others); len(c.Missing) > 8 { // these are words, not codes
			continue
		}
		c.describe(values)
		c.Variable = name
		if m := unitName.FindStringSubmatch(name); m != nil {
			c.Variable, c.Unit = m[1], m[2]
		}
		c.Variable = identifier(c.Variable, i)
		for slices.Contains(taken, c.Variable) || slices.ContainsFunc(list, func(o *column) bool { return o.Variable == c.Variable }) {
			c.Variable += "_" + strconv.Itoa(i+1)
		}
		list = append(list, c)
	}
	return list
}

// numbers returns the numbers in cells, and the texts that are none, or perhaps codes.
func (s *sheet) numbers(cells []string) (values []float64, texts []string) {
	for _, text := range cells {
		switch v, err := s.dialect.Float(text); {
		case slices.Contains(always, text):
		case slices.Contains(codes, text) || err != nil || math.IsNaN(v) || math.IsInf(v, 0):
			texts = append(texts, text)
		default:
			values = append(values, v)
		}
	}
	return values, texts
}

// missing returns the texts that mean a missing value, and the values with those appended that
// are values like the others.
func (s *sheet) missing(values []float64, texts []string) (all []float64, missing []string) {
	slices.Sort(texts)
	low, high := slices.Min(values), slices.Max(values)
	for _, text := range slices.Compact(texts) {
		if v, err := s.dialect.Float(text); err == nil && v >= low-(high-low) && v <= high+(high-low) {
			values = append(values, v)
			continue
		}
		missing = append(missing, text)
	}
	return values, missing
}

// describe describes the values of a column, in order of their rows.
func (c *column) describe(values []float64) {
	c.Low, c.High = slices.Min(values), slices.Max(values)
	n := float64(len(values))
	for _, v := range values {
		c.Mean += v / n
	}
	for i, v := range values {
		c.SD += (v - c.Mean) * (v - c.Mean) / n
		if i > 0 {
			c.Step += (v - values[i-1]) * (v - values[i-1]) / (n - 1)
		}
	}
	c.SD, c.Step = math.Sqrt(c.SD), math.Sqrt(c.Step)
	if c.Low == c.High { // and what remains of SD is a rounding error
		c.SD, c.Step = 1, 1
	}
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

// identifier returns a name of a variable for that of a column.
func identifier(name string, i int) string {
	word := strings.Trim(notWord.ReplaceAllString(strings.ToLower(name), "_"), "_")
	if word == "" || word[0] >= '0' && word[0] <= '9' {
		return fmt.Sprintf("column_%d", i+1)
	}
	return word
}

// assign gives the columns the variables of the model: those of their names, or else those that are left, in
// their order.
func (d Data) assign(columns []*column) error {
	if d.Model == "" {
		return nil
	}
	left := slices.Clone(d.Variables)
	take := func(c *column, at int) {
		c.Variable = left[at]
		left = slices.Delete(left, at, at+1)
	}
	var rest []*column
	for _, c := range columns {
		if at := slices.IndexFunc(left, func(v string) bool { return strings.EqualFold(v, c.Variable) }); at >= 0 {
			take(c, at)
		} else {
			rest = append(rest, c)
		}
	}
	if len(rest) > len(left) {
		return fmt.Errorf("%s has %d columns of values, but %s has the variables %s; want at most as many columns, or names that are those of variables", d.File, len(columns), d.Model, strings.Join(d.Variables, ", "))
	}
	for _, c := range rest {
		take(c, 0)
	}
	return nil
}
