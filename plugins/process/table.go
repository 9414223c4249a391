package process

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// table reads results from columns of text, or from lines such as hares = 3.06.
type table struct {
	commas bool // between columns; otherwise blanks
	picks  []pick
	rows   int  // of one member
	last   bool // the last rows are read; otherwise there must be no others
}

// pick is what some values of a state are read from: a name, or columns by number. Each row
// has width of them.
type pick struct {
	name   string         // empty: by number
	rule   *regexp.Regexp // of lines such as hares = 3.06; nil if values are not read from them
	column int            // the first, from 0; of a name it is found in the header
	width  int
	offset int // in the state
}

var columnsRule = regexp.MustCompile(`^([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?$`)

// newTable returns the table of the parameters read and rows, for a file with commas or
// blanks.
func (m *model) newTable(commas bool) (*table, error) {
	t := &table{commas: commas, rows: 1, last: m.Rows == "last"}
	if len(m.Read) == 0 {
		for i, name := range valueNames(m.layout) {
			t.picks = append(t.picks, pick{name: name, width: 1, offset: i})
		}
		return t, nil
	}
	if len(m.Read) != len(m.layout.Variables) {
		return nil, config("read", "got %d, want one for each of %d variables", len(m.Read), len(m.layout.Variables))
	}
	offset := 0
	for i, v := range m.layout.Variables {
		p := pick{name: m.Read[i], width: 1, offset: offset}
		if parts := columnsRule.FindStringSubmatch(p.name); parts != nil {
			from, _ := strconv.Atoi(parts[1])
			p.name, p.column = "", from-1
			if parts[2] != "" {
				to, _ := strconv.Atoi(parts[2])
				p.width = to - from + 1
			}
		}
		if p.width < 1 || v.Size()%p.width != 0 {
			return nil, config("read", "got %q, want as many columns as %s has values, or a part of them: %d", m.Read[i], v.Name, v.Size())
		}
		rows := v.Size() / p.width
		if i > 0 && rows != t.rows {
			return nil, config("read", "%s needs %d rows of %q, and %s %d", v.Name, rows, m.Read[i], m.layout.Variables[0].Name, t.rows).
				WithHint("write several columns as in \"2-31\"")
		}
		t.rows, offset = rows, offset+v.Size()
		t.picks = append(t.picks, p)
	}
	if !commas && t.rows == 1 && !slices.ContainsFunc(t.picks, func(p pick) bool { return p.name == "" }) {
		for i := range t.picks {
			t.picks[i].rule = regexp.MustCompile(`(?:^|[\s,;])` + regexp.QuoteMeta(t.picks[i].name) + `\s*[=:]\s*(\S+)`)
		}
	}
	return t, nil
}

// record is a line of a table that is not blank.
type record struct {
	line    int
	fields  []string
	comment bool
}

// decode fills into with the rows of r.
func (t *table) decode(r io.Reader, _ *task, into *mat.Dense) error {
	text, err := readText(r, boundOf(mostText, into))
	if err != nil {
		return err
	}
	if found, err := t.assignments(text, into); found || err != nil {
		return err
	}
	records, err := t.records(text)
	if err != nil {
		return err
	}
	picks, header, records, err := t.below(records)
	if err != nil {
		return err
	}
	want := t.rows * into.RawMatrix().Rows
	switch got := len(records); {
	case got < want:
		return fmt.Errorf("holds %s, want %d", plural(got, "row"), want)
	case got > want && !t.last:
		return fmt.Errorf("holds %s, want %d; rows = \"last\" takes the last", plural(got, "row"), want)
	}
	for i, rec := range records[len(records)-want:] {
		if want := len(header.fields); want > 0 && len(rec.fields) != want {
			return fmt.Errorf("line %d: has %s, and the header, in line %d, %d", rec.line, plural(len(rec.fields), "column"), header.line, want)
		}
		row := into.RawRowView(i / t.rows)
		for _, p := range picks {
			if err := p.read(row[p.offset+i%t.rows*p.width:], rec); err != nil {
				return fmt.Errorf("line %d: %w", rec.line, err)
			}
		}
	}
	return nil
}

// read reads the columns of p in a row.
func (p pick) read(dst []float64, r record) error {
	if len(r.fields) < p.column+p.width {
		return fmt.Errorf("has %s, want column %d", plural(len(r.fields), "column"), p.column+p.width)
	}
	for k := range p.width {
		v, err := parseNumber(r.fields[p.column+k])
		if err != nil {
			return fmt.Errorf("column %d: %w", p.column+k+1, err)
		}
		dst[k] = v
	}
	return nil
}

// isComment reports whether a line is none of data for most programs.
func isComment(line string) bool { return line != "" && strings.ContainsRune("#!%", rune(line[0])) }

// records splits text into lines and columns.
func (t *table) records(text string) ([]record, error) {
	var all []record
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		rec := record{line: number, comment: isComment(line)}
		if line = strings.TrimLeft(line, "#!% "); line == "" {
			continue
		}
		var err error
		switch {
		case !t.commas:
			rec.fields = strings.Fields(line)
		case strings.Contains(line, `"`):
			if rec.fields, err = csv.NewReader(strings.NewReader(line)).Read(); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
		default:
			rec.fields = strings.Split(line, ",")
		}
		for i, f := range rec.fields {
			rec.fields[i] = strings.TrimSpace(f)
		}
		all = append(all, rec)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	return all, nil
}

// below returns the picks with their columns, the header and the rows below it. The header
// is the first line, or comment, with all names; if columns are picked by number there is
// none, and what precedes the first row of numbers is left out.
func (t *table) below(records []record) (picks []pick, header record, rows []record, err error) {
	picks = slices.Clone(t.picks)
	first := 0
	switch named := slices.ContainsFunc(picks, func(p pick) bool { return p.name != "" }); {
	case named:
		at := slices.IndexFunc(records, func(r record) bool { return findNames(picks, r.fields) })
		if at < 0 {
			return nil, header, nil, t.noHeader(records[0])
		}
		header, first = records[at], at+1
		if err := unambiguous(picks, header); err != nil {
			return nil, header, nil, err
		}
	case !t.last:
		first = max(0, slices.IndexFunc(records, func(r record) bool { return !r.comment && holdsNumbers(picks, r.fields) }))
	}
	for _, r := range records[first:] {
		if !r.comment && !slices.Equal(r.fields, header.fields) { // which begins the next block
			rows = append(rows, r)
		}
	}
	return picks, header, rows, nil
}

// findNames sets the columns of the picks with names. It reports whether all names are in header.
func findNames(picks []pick, header []string) bool {
	if slices.EqualFunc(picks, header, func(p pick, name string) bool { return p.name == name }) {
		for i := range picks { // without a map: a state may have millions of names
			picks[i].column = i
		}
		return true
	}
	at := make(map[string]int, len(header))
	for i, name := range slices.Backward(header) {
		at[name] = i
	}
	for i := range picks {
		if p := &picks[i]; p.name != "" {
			column, found := at[p.name]
			if !found {
				return false
			}
			p.column = column
		}
	}
	return true
}

// unambiguous returns an error if a later column of header has the name of a pick too.
func unambiguous(picks []pick, header record) error {
	if len(picks) == len(header.fields) {
		return nil // each has its own
	}
	last := make(map[string]int, len(header.fields))
	for i, name := range header.fields {
		last[name] = i
	}
	for _, p := range picks {
		if i := last[p.name]; p.name != "" && i != p.column {
			return fmt.Errorf("line %d: %s is the name of columns %d and %d", header.line, p.name, p.column+1, i+1)
		}
	}
	return nil
}

// holdsNumbers reports whether all columns of picks hold numbers.
func holdsNumbers(picks []pick, fields []string) bool {
	return !slices.ContainsFunc(picks, func(p pick) bool {
		return len(fields) < p.column+p.width || slices.ContainsFunc(fields[p.column:p.column+p.width], func(f string) bool {
			_, err := parseNumber(f)
			return err != nil
		})
	})
}

func (t *table) noHeader(first record) error {
	const most = 6
	var names []string
	for _, p := range t.picks {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	wanted := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		wanted += ", ..."
	}
	between, separator := "blanks", " "
	if t.commas {
		between, separator = "commas", ","
	}
	line := strings.Join(first.fields, separator)
	if !t.commas && strings.Contains(line, ",") {
		return fmt.Errorf("no line has the names %s with %s between them; line %d is %q; %s", wanted, between, first.line, brief(line), commasHint)
	}
	return fmt.Errorf("no line has the names %s with %s between them; line %d is %q", wanted, between, first.line, brief(line))
}

// commasHint says what to do with a text whose columns have commas between them.
const commasHint = `columns with commas are read from a .csv, such as result.csv of command = ["sh", "-c", "PROGRAM > result.csv"]`

// assignments fills into with the values of lines such as hares = 3.06, lynx: 0.2. It
// reports whether there is one for every name; then all variables are scalars.
func (t *table) assignments(text string, into *mat.Dense) (found bool, err error) {
	if t.picks[0].rule == nil {
		return false, nil
	}
	values := make([][]string, len(t.picks))
	for i, p := range t.picks {
		for line := range strings.Lines(text) {
			if isComment(strings.TrimSpace(line)) {
				continue
			}
			for _, m := range p.rule.FindAllStringSubmatch(line, -1) {
				values[i] = append(values[i], strings.TrimRight(m[1], ",;"))
			}
		}
		if len(values[i]) == 0 {
			return false, nil
		}
	}
	rows := into.RawMatrix().Rows
	for i, p := range t.picks {
		v := values[i]
		if len(v) < rows || len(v) > rows && !t.last {
			return true, fmt.Errorf("%s has %s, want %d; rows = \"last\" takes the last", p.name, plural(len(v), "value"), rows)
		}
		for k, word := range v[len(v)-rows:] {
			number, err := parseNumber(word)
			if err != nil {
				return true, fmt.Errorf("%s: %w", p.name, err)
			}
			into.Set(k, p.offset, number)
		}
	}
	return true, nil
}

// plural returns a number with a noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
