package tabular

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/plume-da/plume/sdk/wire/table"
)

// put writes a file into a folder of its own and returns its path.
func put(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// utf16Of returns text in UTF-16 with a byte order mark.
func utf16Of(text string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if big {
			b.Write([]byte{byte(u >> 8), byte(u)})
		} else {
			b.Write([]byte{byte(u), byte(u >> 8)})
		}
	}
	return b.String()
}

// numbersOf returns the numbers of some columns, a row a line, each line with its row, and
// what ended it.
func numbersOf(path string, d Dialect, columns ...string) string {
	t, err := Open(path, d)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = t.Close() }()
	var cells []int
	for _, name := range columns {
		k, err := t.Column(name)
		if err != nil {
			return err.Error()
		}
		cells = append(cells, k)
	}
	var b strings.Builder
	for t.Next() {
		row := fmt.Sprintf("%d:", t.Row())
		for _, k := range cells {
			v, err := t.Number(k)
			if err != nil {
				return b.String() + err.Error()
			}
			row += fmt.Sprintf(" %g", v)
		}
		b.WriteString(row + "\n")
	}
	if t.Err() != nil {
		b.WriteString(t.Err().Error())
	}
	return b.String()
}

// One table, written in every way that is read, gives the same numbers.
func TestText(t *testing.T) {
	const plain = "b,other,a\n1.5,x,-2\n,y,1e3\n"
	for name, c := range map[string]struct {
		file, text string
		dialect    Dialect
		rows       string // of the two, when not 2 and 3
	}{
		"plain":                   {text: plain},
		"byte order mark":         {text: "\ufeff" + plain},
		"UTF-16, little end":      {text: utf16Of(plain, false)},
		"UTF-16, big end":         {text: utf16Of(plain, true)},
		"lines of Windows":        {text: strings.ReplaceAll(plain, "\n", "\r\n")},
		"no end of the last line": {text: strings.TrimSpace(plain)},
		"upper-case ending":       {file: "t.CSV", text: plain},
		".txt":                    {file: "t.txt", text: plain},
		".tsv":                    {file: "t.Tsv", text: strings.ReplaceAll(plain, ",", "\t")},
		".dat of a data logger":   {file: "t.dat", text: "\"TOA5\",\"station\",\"CR1000\"\n\"b\",\"other\",\"a\"\n\"m\",\"\",\"RN\"\n\"Avg\",\"Smp\",\"Smp\"\n1.5,\"x\",-2\n,y,1e3\n", dialect: Dialect{SkipLines: 1, SkipRows: 2}, rows: "5 6"},
		".rdb":                    {file: "t.rdb", text: "# by an agency\n#\nb\tother\ta\n14n\t10s\t20d\n" + strings.ReplaceAll("1.5,x,-2\n,y,1e3\n", ",", "\t"), rows: "5 6"},
		"blanks between columns":  {text: "  b   other\ta\n\n# a comment\n 1.5  x    -2 \r\nNA\t\"y, y\"   1e3", dialect: Dialect{Delimiter: " ", Comment: "#", Missing: []string{"NA"}}, rows: "4 5"},
		"blanks, lines, rows":     {text: "a Fortran program\n\"b\" \"other\" \"a\"\n m - m m\n  0.15D+01 x -2\n NA y 1.0+003\n", dialect: Dialect{Delimiter: " ", SkipLines: 1, SkipRows: 1, Missing: []string{"NA"}}, rows: "4 5"},
		"no line of names":        {text: "1.5,x,-2\n,y,1e3\n", dialect: Dialect{Names: []string{"b", "other", "a"}}, rows: "1 2"},
		"no names, blanks":        {text: "by a program\n\n 0.15D+01 x -2\n NA y 1.0+003\n", dialect: Dialect{Delimiter: " ", SkipLines: 1, Names: []string{"b", "other", "a"}, Missing: []string{"NA"}}, rows: "3 4"},
		"semicolons":              {text: strings.ReplaceAll(plain, ",", ";"), dialect: Dialect{Delimiter: ";"}},
		"semicolons in .tsv":      {file: "t.tsv", text: strings.ReplaceAll(plain, ",", ";"), dialect: Dialect{Delimiter: ";"}},
		"tabs":                    {text: strings.ReplaceAll(plain, ",", "\t"), dialect: Dialect{Delimiter: "\t"}},
		"blanks and quotes":       {text: "\"b\", other , a\n \"1.5\",\"x, y\",-2 \n,\"y\ny\", 1e3\n"},
		"comments":                {text: "# by a logger\n" + strings.ReplaceAll(plain, "\n", "\n#\n"), dialect: Dialect{Comment: "#"}, rows: "4 6"},
		"lines before":            {text: "Logger \"7\nin, metres\n\n" + plain, dialect: Dialect{SkipLines: 3}, rows: "5 6"},
		"rows after":              {text: "b,other,a\nm,,m\n5s,6s\n1.5,x,-2\n,y,1e3\n", dialect: Dialect{SkipRows: 2}, rows: "4 5"},
		"decimal comma":           {text: "b;other;a\n1,5;x;-2\n;y;1000,0\n", dialect: Dialect{Delimiter: ";", Decimal: ","}},
		"groups of digits":        {text: "b;other;a\n1,50;x;-2\n;y;1.000,0\n", dialect: Dialect{Delimiter: ";", Decimal: ",", Thousands: "."}},
		"numbers of Fortran":      {text: "b,other,a\n0.15D+01,x,-2.D0\n,y,1.0Q3\n"},
		"patterns":                {text: "b,other,a\n1.5,x,-2\n57.1*,y,1e3\n", dialect: Dialect{Missing: []string{`/.*\*/`}}},
		"groups after blanks":     {text: "b;other;a\n1.5;x;-2\n;y;1\u202f000\n", dialect: Dialect{Delimiter: ";", Thousands: "\u202f"}},
	} {
		t.Run(name, func(t *testing.T) {
			var first, second int
			if _, err := fmt.Sscan(c.rows, &first, &second); err != nil {
				first, second = 2, 3
			}
			c.dialect.Missing = append(c.dialect.Missing, "")
			if c.file == "" {
				c.file = "t.csv"
			}
			want := fmt.Sprintf("%d: -2 1.5\n%d: 1000 NaN\n", first, second)
			if got := numbersOf(put(t, c.file, c.text), c.dialect, "a", "b"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What cannot be read is refused in words that say what to do, and the file is not waited
// for.
func TestRefusals(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path       string
		dialect    Dialect
		what, hint string
	}{
		"no file":       {path: "nowhere.csv", what: "no such file or directory"},
		"a pipe":        {path: pipe, what: "is not a regular file", hint: "name a file; folders, pipes and devices are not read"},
		"a folder":      {path: t.TempDir(), what: `unsupported file extension ""`, hint: "export it as one of .csv, .tsv, .txt, .dat, .rdb, .arrow, .feather, .parquet, .nc"},
		"ending":        {path: put(t, "t.xlsx", ""), what: `unsupported file extension ".xlsx"`, hint: "export it as one of .csv, .tsv, .txt, .dat, .rdb, .arrow, .feather, .parquet, .nc"},
		"empty":         {path: put(t, "t.csv", ""), what: "is empty: there is no line of names"},
		"lines to skip": {path: put(t, "t.csv", "a\n1\n"), dialect: Dialect{SkipLines: 3}, what: "has no line of names after the 3 lines to skip", hint: "lower skip_lines"},
		"UTF-16 without a mark": {path: put(t, "t.csv", utf16Of("a\n1\n", false)[2:]), what: "contains zero bytes, which UTF-8 text does not have",
			hint: "save it as UTF-8; UTF-16 is read if it begins with a byte order mark"},
		"lines of an old Macintosh": {path: put(t, "t.csv", "a,b\r1,2\r"), what: "has lines that end in carriage returns alone", hint: `convert it, for example with tr '\r' '\n' <old >new`},
		"no column":                 {path: put(t, "t.csv", "b,c\n1,2\n"), what: `has no column "a"`, hint: "it has b, c"},
		"semicolons":                {path: put(t, "t.csv", "b;a\n1;2\n"), what: `has no column "a"`, hint: `it has b;a; if it has more, write delimiter = ";", or skip_lines`},
		"a title":                   {path: put(t, "t.csv", "by a logger\nb,a\n1,2\n"), what: `has no column "a"`, hint: "line 2 has it: write skip_lines = 1"},
		"a long title":              {path: put(t, "t.csv", "by a logger\nstation 7\nb; \"a\" ;c\n1;2;3\n"), what: `has no column "a"`, hint: "line 3 has it: write skip_lines = 2"},
		"no title":                  {path: put(t, "t.csv", "1 2\na b\n"), dialect: Dialect{Delimiter: " ", Names: []string{"b", "c"}}, what: `has no column "a"`, hint: "it has b, c"},
		"no line of names":          {path: put(t, "t.csv", "2026-01-01,1.5\n"), what: `has no column "a"`, hint: "it has 2026-01-01, 1.5; if its first line has values, write the names of the columns as names = [...]"},
		"two columns":               {path: put(t, "t.csv", "a,a\n1,2\n"), what: `has two columns "a"`, hint: "rename one of them"},
		"ragged":                    {path: put(t, "t.csv", "a,b\n1,2\n3\n"), what: "wrong number of columns: got 1, want 2 as in the line of names", hint: "every line must have as many columns as the first, and quotes come in pairs"},
		"too few names":             {path: put(t, "t.csv", "1,2,3\n"), dialect: Dialect{Names: []string{"a", "b"}}, what: "wrong number of columns: got 3, want 2 as in names", hint: "every line must have as many columns as the first, and quotes come in pairs; a number with a comma in it has to be in quotes"},
		"too many names":            {path: put(t, "t.csv", "1 2\n"), dialect: Dialect{Delimiter: " ", Names: []string{"a", "b", "c"}}, what: "wrong number of columns: got 2, want 3 as in names", hint: "every line must have as many columns as the first, and quotes come in pairs"},
		"ragged words":              {path: put(t, "t.csv", "a b\n1  2\n 3\n"), dialect: Dialect{Delimiter: " "}, what: "wrong number of columns: got 1, want 2 as in the line of names", hint: "every line must have as many columns as the first, and quotes come in pairs"},
		"quotes of words":           {path: put(t, "t.csv", "a b\n1 \"2\n"), dialect: Dialect{Delimiter: " "}, what: `the line cannot be read: extraneous or missing " in quoted-field`, hint: "every line must have as many columns as the first, and quotes come in pairs"},
		"no words":                  {path: put(t, "t.csv", "  \n\n"), dialect: Dialect{Delimiter: " "}, what: "is empty: there is no line of names"},
		"quotes":                    {path: put(t, "t.csv", "a,b\n1,\"2\n"), what: `the line cannot be read: extraneous or missing " in quoted-field`, hint: "every line must have as many columns as the first, and quotes come in pairs"},
		"decimal comma":             {path: put(t, "t.csv", "a;b\n1,5;2\n"), dialect: Dialect{Delimiter: ";"}, what: `column "a" is "1,5", not a finite number`, hint: `if it is a number, write decimal = ","`},
		"decimal, groups":           {path: put(t, "t.csv", "a;b\n1.234,5;2\n"), dialect: Dialect{Delimiter: ";"}, what: `column "a" is "1.234,5", not a finite number`, hint: `if it is a number, write decimal = "," and thousands = "."`},
		"groups":                    {path: put(t, "t.csv", "a;b\n1,234.5;2\n"), dialect: Dialect{Delimiter: ";"}, what: `column "a" is "1,234.5", not a finite number`, hint: `if it is a number, write thousands = ","`},
		"millions":                  {path: put(t, "t.csv", "a;b\n1.234.567;2\n"), dialect: Dialect{Delimiter: ";"}, what: `column "a" is "1.234.567", not a finite number`, hint: `if it is a number, write decimal = "," and thousands = "."`},
		"apostrophes":               {path: put(t, "t.csv", "a;b\n1'234.5;2\n"), dialect: Dialect{Delimiter: ";"}, what: `column "a" is "1'234.5", not a finite number`, hint: `if it is a number, write thousands = "'"`},
		"groups of three":           {path: put(t, "t.csv", "a;b\n1 234,5;2\n"), dialect: Dialect{Delimiter: ";"}, what: `column "a" is "1 234,5", not a finite number`, hint: `if it is a number, write decimal = "," and thousands = " "`},
		"a point for comma":         {path: put(t, "t.csv", "a;b\n1.5;2\n"), dialect: Dialect{Delimiter: ";", Decimal: ","}, what: `column "a" is "1.5", not a finite number`, hint: "if it is a number, fix it, or write other marks as decimal and thousands"},
		"not a group":               {path: put(t, "t.csv", "a;b\n1.5;2\n"), dialect: Dialect{Delimiter: ";", Decimal: ",", Thousands: "."}, what: `column "a" is "1.5", not a finite number`, hint: "if it is a number, fix it, or write other marks as decimal and thousands"},
		"a mark":                    {path: put(t, "t.csv", "a\n57.1*\n"), what: `column "a" is "57.1*", not a finite number`, hint: "fix it; if numbers with this mark are not to be used, add the pattern '/.*\\*/' to `missing`"},
		"a word as a mark":          {path: put(t, "t.csv", "a\n-3 e\n"), what: `column "a" is "-3 e", not a finite number`, hint: "fix it; if numbers with this mark are not to be used, add the pattern '/.*e/' to `missing`"},
		"a date":                    {path: put(t, "t.csv", "a\n2026-105\n"), what: `column "a" is "2026-105", not a finite number`, hint: "fix it; if it means a missing value, add it to `missing`"},
		"a broken pattern":          {path: put(t, "t.csv", "a\n1\n"), dialect: Dialect{Missing: []string{"/(/"}}, what: "cannot be read with this `missing`: error parsing regexp: missing closing ): `(`", hint: "fix the pattern"},
		"Latin-1":                   {path: put(t, "t.csv", "b [\xb0C]\n1\n"), what: `has no column "a"`, hint: "it has b [?C]; these are not UTF-8: save the file as UTF-8"},
		"a word":                    {path: put(t, "t.csv", "a\nIce\n"), what: `column "a" is "Ice", not a finite number`, hint: "fix it; if it means a missing value, add it to `missing`"},
		"infinity":                  {path: put(t, "t.csv", "a\ninf\n"), what: `column "a" is "inf", not a finite number`, hint: "fix it; if it means a missing value, add it to `missing`"},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan string, 1)
			go func() { done <- numbersOf(c.path, c.dialect, "a") }()
			select {
			case got := <-done:
				if got = got[strings.LastIndex(got, "\n")+1:]; got != c.what {
					t.Errorf("got %q, want %q", got, c.what)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("waits for ever")
			}
			if e := errorOf(t, c.path, c.dialect); e.Hint != c.hint {
				t.Errorf("got hint %q, want %q", e.Hint, c.hint)
			}
		})
	}
	if _, err := Open("nowhere.csv", Dialect{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A row that does not end, because a quote or a line break is missing, is not read to the end of a large file. Many rows are, and comments
// and lines to skip between them.
func TestRowsThatDoNotEnd(t *testing.T) {
	was := mostRow
	mostRow = 200_000
	t.Cleanup(func() { mostRow = was })
	const most = "has a row of more than 200000 bytes"
	rows, long := strings.Repeat("1,2\n", 100_000), strings.Repeat("3,4,", 100_000)
	for name, c := range map[string]struct {
		text    string
		dialect Dialect
		want    string
	}{
		"many rows":     {text: "a,b\n" + rows, want: ""},
		"skipped lines": {text: strings.Repeat("by a logger\n", 100_000) + "a,b\n1,2\n", dialect: Dialect{SkipLines: 100_000}, want: ""},
		"a quote":       {text: "a,b\n1,\"2\n" + rows, want: most},
		"a long line":   {text: "a,b\n" + long, want: most},
		"a long head":   {text: long, want: most},
		"long words":    {text: "a b\n1 2" + strings.Repeat(" ", 400_000), dialect: Dialect{Delimiter: " "}, want: most},
	} {
		got := numbersOf(put(t, "t.csv", c.text), c.dialect, "a")
		if got = got[strings.LastIndex(got, "\n")+1:]; got != c.want {
			t.Errorf("%s: got %.100q, want %q", name, got, c.want)
		}
	}
}

// errorOf returns the first error of reading column a.
func errorOf(t *testing.T, path string, d Dialect) *Error {
	t.Helper()
	var e *Error
	tab, err := Open(path, d)
	if err == nil {
		defer func() { _ = tab.Close() }()
		_, err = tab.Column("a")
	}
	for err == nil && tab.Next() {
		_, err = tab.Number(0)
	}
	if err == nil {
		err = tab.Err()
	}
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

// The place of a cell is the one that an editor shows, however its file is written.
func TestPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		dialect Dialect
		want    Place
	}{
		"plain":                 {text: "b,a\n1,x\n", want: Place{2, "1,x", 2, 1}},
		"quoted over two lines": {text: "b,a\n\"1\n2\",xy\n", want: Place{3, "2\",xy", 3, 2}},
		"letters of two bytes":  {text: "b,a\næøå,ÆØ\n", want: Place{2, "æøå,ÆØ", 4, 2}},
		"lines before":          {text: "-\n-\nb,a\n1,x\n", dialect: Dialect{SkipLines: 2}, want: Place{4, "1,x", 2, 1}},
		"comments, blank lines": {text: "#\n\nb,a\n\n#\n1,x\n", dialect: Dialect{Comment: "#"}, want: Place{6, "1,x", 2, 1}},
		"UTF-16":                {text: utf16Of("b,a\r\næ,øø\r\n", false), want: Place{2, "æ,øø", 2, 2}},
		"words":                 {text: " b  a\n\n\t1   xy  \n", dialect: Dialect{Delimiter: " "}, want: Place{3, "\t1   xy  ", 5, 2}},
		"words in quotes":       {text: "b a\n\"æ ø\" \"x y\"\n", dialect: Dialect{Delimiter: " "}, want: Place{2, "\"æ ø\" \"x y\"", 7, 3}},
		"leading blanks":        {text: "b,a\n1,  x\n", want: Place{2, "1,  x", 4, 1}},
		"first line, ragged":    {text: "\ufeffa\n\"\n", want: Place{2, "\"", 1, 0}},
		"ragged":                {text: "b,a\n1,2\n1,2,3\n", want: Place{3, "1,2,3", 0, 5}},
		"not UTF-8":             {text: "b,a\n\xe6\xf8,x\n", want: Place{2, "??,x", 3, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if e := errorOf(t, put(t, "t.csv", c.text), c.dialect); e.Place != c.want {
				t.Errorf("got %+v, want %+v", e.Place, c.want)
			}
		})
	}
	path := put(t, "t.csv", "a\næ,x\n")
	if got, want := At(path, 2), (Place{2, "æ,x", 0, 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := At("t.parquet", 2); got != (Place{}) {
		t.Errorf("got %+v of a file without lines", got)
	}
}

// Rows of other files have numbers, and columns of lists have items; what stands for no value
// holds for them too.
func TestColumnar(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	w, err := table.Create(path, []table.Column{{Name: "x", Type: table.Float64, Nullable: true}, {Name: "s", Type: table.Text}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(4, []float64{1, -9999, math.Inf(1), 3}, []string{"1,5", "2", "3", "4"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := numbersOf(path, Dialect{Missing: []string{"-9999"}}, "x"), "1: 1\n2: NaN\nrow 3, column \"x\" is +Inf, not a finite number"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := numbersOf(path, Dialect{Decimal: ","}, "s"), "1: 1.5\n2: 2\n3: 3\n4: 4\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	upper := put(t, "T.ARROW", "")
	if err := os.Rename(path, upper); err != nil {
		t.Fatal(err)
	}
	if got := numbersOf(upper, Dialect{}, "s"); !strings.HasSuffix(got, "not a finite number") {
		t.Errorf("got %q", got)
	}
}

// What stands for no value does so in single precision too, and letters with accents are the
// same in one character or in two.
func TestSinglePrecision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	w, err := table.Create(path, []table.Column{{Name: "caf\u0065\u0301", Type: table.Float64}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fills := []float64{-9999.9, 1e20, 9.96921e36, -3.4028235e38, 1e-5}
	var values []float64
	for _, v := range fills {
		values = append(values, v, float64(float32(v)), 1.001*v)
	}
	if err := w.Append(len(values), values); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := numbersOf(path, Dialect{Missing: []string{"-9999.9", "1e20", "9.96921e36", "-3.4028235e38", "1e-5"}}, "caf\u00e9")
	want := ""
	for i, v := range fills {
		want += fmt.Sprintf("%d: NaN\n%d: NaN\n%d: %g\n", 3*i+1, 3*i+2, 3*i+3, 1.001*v)
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := numbersOf(put(t, "t.csv", "caf\u00e9,b\n1,2\n"), Dialect{}, "cafe\u0301"); got != "2: 1\n" {
		t.Errorf("got %q", got)
	}
	if got := numbersOf(put(t, "t.csv", "caf\u00e9,cafe\u0301\n1,2\n"), Dialect{}, "cafe\u0301"); got != "has two columns \"caf\u00e9\"" {
		t.Errorf("got %q", got)
	}
}

// Columns are found by name once, however often they are asked for.
func TestColumns(t *testing.T) {
	tab, err := Open(put(t, "t.csv", "a,b,c\n1,2,3\n"), Dialect{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tab.Close() }()
	var cells []int
	for _, name := range []string{"c", "a", "c"} {
		k, err := tab.Column(name)
		if err != nil {
			t.Fatal(err)
		}
		cells = append(cells, k)
	}
	if got := fmt.Sprint(cells, tab.Selected()); got != "[0 1 0] [c a]" {
		t.Errorf("got %s", got)
	}
	if !tab.Next() || tab.Cell(0).Text != "3" || tab.Cell(1).Text != "1" {
		t.Errorf("got %+v", tab.cells)
	}
}

// FuzzText holds the reader of text files to what it promises of any text in any dialect:
// rows or an error, without a panic, rows in the order of their lines, and places that are
// in the file.
func FuzzText(f *testing.F) {
	dialects := []Dialect{{}, {Delimiter: ";", Comment: "#", Missing: []string{"", "-9999"}}, {Decimal: ",", Thousands: ".", Delimiter: "\t"},
		{SkipLines: 1, SkipRows: 1, Delimiter: "|"}, {Thousands: "\u202f", Missing: []string{"1\u202f000"}}, {Delimiter: " ", Comment: "#", SkipRows: 1}}
	for _, text := range []string{"a,b\n1,2\n", "\"a\n\",b\r\n1,\"2\"\"\"\n", "#\na;b\n-9999;x\n", "a\tb\n1.000,5\t1.0,5\n", "\na|b\nm|m\n1|2\n", "a\n1\u202f000\n",
		utf16Of("a,b\n1,æ\n", true), "\ufeff\n", "", "a,b\n1\n", "\xff,\x00\n", "\xff\xfe\x00"} {
		for i := range dialects {
			f.Add(text, uint8(i))
		}
	}
	path := filepath.Join(f.TempDir(), "t.csv")
	f.Fuzz(func(t *testing.T, text string, dialect uint8) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(text, "\n") + 1
		check := func(err error) {
			var e *Error
			if !errors.As(err, &e) || e.What == "" || e.Line < 0 || e.Line > lines || e.Before < 0 || e.Width < 0 || e.Before+e.Width > len([]rune(e.Text)) {
				t.Fatalf("%d lines: %+v", lines, err)
			}
		}
		tab, err := Open(path, dialects[int(dialect)%len(dialects)])
		if err != nil {
			check(err)
			return
		}
		defer func() { _ = tab.Close() }()
		for _, name := range tab.Names() {
			if _, err := tab.Column(name); err != nil {
				check(err)
			}
		}
		row := 0
		for tab.Next() {
			if tab.Row() <= row {
				t.Fatalf("row %d after %d", tab.Row(), row)
			}
			row = tab.Row()
			for k := range tab.Selected() {
				if v, err := tab.Number(k); err != nil {
					check(err)
				} else if math.IsInf(v, 0) {
					t.Fatalf("got %g", v)
				}
			}
		}
		if tab.Err() != nil {
			check(tab.Err())
		}
	})
}
