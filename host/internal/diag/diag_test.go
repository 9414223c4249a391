package diag

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected texts of testdata")

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// at returns the place of part in src.
func at(t *testing.T, src *Source, part string) Span {
	t.Helper()
	i := strings.Index(src.Text, part)
	if i < 0 {
		t.Fatalf("%q is not in the text", part)
	}
	return src.Locate(i, i+len(part))
}

// TestRender holds the example of the language's description to the letter.
func TestRender(t *testing.T) {
	src := NewSource("workflow.toml", FileLayer, 0, strings.Repeat("\n", 4)+`model.params = { sigma = 10.0, rho = "28", beta = "=8/3" }`+"\n")
	var found Findings
	found.Add("E203", at(t, src, `"28"`), "`rho` must be a number, but is the string \"28\"").
		WithLabel("a number; default 28").WithNote("lorenz63 0.1.0: rho, Rayleigh number").WithHelp("write 28.0")
	compare(t, "testdata/text.txt", found.Text(false))
	compare(t, "testdata/colour.txt", found.Text(true))
	found.Add("E301", at(t, src, "sigma"), "100%% of\nthis, is: wrong")
	compare(t, "testdata/json.txt", found.JSON())
	compare(t, "testdata/github.txt", found.GitHub())
	for line := range strings.Lines(found.JSON()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestLocate(t *testing.T) {
	src := NewSource("f", FileLayer, 0, "a = 1\r\n東京 = 'é' # x\n\nlast")
	for _, c := range []struct {
		part                string
		line, column, width int
	}{
		{"1", 1, 5, 1},
		{"= 1\r\n東", 1, 3, 3}, // ends with its first line
		{"京", 2, 2, 1},
		{"'é'", 2, 6, 3},
		{"last", 4, 1, 4},
	} {
		i := strings.Index(src.Text, c.part)
		got := src.Locate(i, i+len(c.part))
		if got.Line != c.line || got.Column != c.column || got.Width != c.width {
			t.Errorf("%q is at %d:%d+%d, want %d:%d+%d", c.part, got.Line, got.Column, got.Width, c.line, c.column, c.width)
		}
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"cycles", "interval", "step", "start", "burn_in"}
	for got, want := range map[string]string{
		"cylces": "cycles", "Cycles": "cycles", "cycle": "cycles", "burnin": "burn_in", "burn-in": "burn_in", "intervall": "interval",
		"stop": "step", "colour": "", "x": "", "": "", "cycles_of_the_moon": "", strings.Repeat("cycles", 1000): "",
	} {
		if s := Suggest(got, words); s != want {
			t.Errorf("Suggest(%q) = %q, want %q", Shorten(got), s, want)
		}
	}
}

func where(fs Findings) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Where()+" "+f.Message)
	}
	return out
}

// Findings are sorted by their sources, then by place; those at the same place keep
// their order, by code.
func TestSort(t *testing.T) {
	low, file, high := NewSource("low", "include", -1, "a\nb"), NewSource("file", FileLayer, 0, "a\nb c"), NewSource("", "--set a=1", 1, "a=1")
	var fs Findings
	fs.Add("E2", at(t, high, "a"), "8")
	fs.Add("E1", InFile("data", "x y", 1, 2, 1), "6")
	fs.Add("E2", at(t, file, "c"), "5")
	fs.Add("E1", at(t, file, "b"), "3")
	fs.Add("E1", at(t, file, "b"), "4")
	fs.Add("E1", at(t, file, "a"), "2")
	fs.Add("E1", at(t, high, "1"), "9")
	fs.Add("E2", InFile("data", "x y", 1, 2, 1), "7")
	fs.Add("E9", at(t, low, "b"), "1")
	fs.Add("E9", InFile("data", "", 0, 0, 0), "5.5")
	fs.Sort()
	want := []string{
		"low:2:1 (include) 1", "file:1:1 2", "file:2:1 3", "file:2:1 4", "file:2:3 5",
		"data 5.5", "--set a=1 8", "data:1:3 6", "--set a=1 9", "data:1:3 7",
	}
	if got := where(fs); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDistinct(t *testing.T) {
	src := NewSource("f", FileLayer, 0, "a b")
	var fs Findings
	fs.Add("E1", at(t, src, "a"), "one")
	fs.Add("E1", at(t, src, "b"), "one")
	fs.Add("E1", at(t, src, "a"), "one").WithHelp("the same")
	fs.Add("E1", at(t, src, "a"), "two")
	if got, want := where(fs.Distinct()), []string{"f:1:1 one", "f:1:3 one", "f:1:1 two"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The caret stands under what is meant: after tabs, under wide and combining
// characters, in long lines, and at the end of a line.
func TestCaret(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	for _, c := range []struct{ text, part, line, caret string }{
		{"a = 1", "1", "a = 1", "    ^"},
		{"\tа = 1", "1", "\tа = 1", "\t    ^"},
		{"東京 = 日本", "日本", "東京 = 日本", "       ^^^^"},
		{"e\u0301 = 1", "1", "e\u0301 = 1", "    ^"},
		{"a = \x1b[31m", "a", "a = \ufffd[31m", "^"},
		{"a = ", "", "a = ", "^"},
		{long + "X", "X", "…" + long[len(long)-60:] + "X", strings.Repeat(" ", 61) + "^"},
		{"X" + long, "X", "X" + long[:119] + "…", "^"},
		{long[:150] + "X" + long, "X" + long, "…" + long[90:150] + "X" + long[:59] + "…", strings.Repeat(" ", 61) + strings.Repeat("^", 60)},
	} {
		src := NewSource("f", FileLayer, 0, c.text)
		var fs Findings
		fs.Add("E1", at(t, src, c.part), "m")
		want := "error[E1]: m\n  --> f:1:" + strconv.Itoa(fs[0].Column) + "\n   |\n 1 | " + c.line + "\n   | " + c.caret + "\n"
		if got := fs.Text(false); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// What has no line of text is named all the same.
func TestWithoutExcerpt(t *testing.T) {
	src := NewSource("f", FileLayer, 0, "a")
	var fs Findings
	fs.Add("E1", at(t, src, "a").WithoutExcerpt(), "m").WithNote("n").WithHelp("h")
	fs.Add("E1", InFile("data.arrow", "", 0, 0, 0), "m")
	fs.Add("E1", NewSource("", "--set a", 1, "a").Locate(0, 1), "m")
	want := "error[E1]: m\n  --> f:1:1\n   = n\n   = help: h\n\nerror[E1]: m\n  --> data.arrow\n\nerror[E1]: m\n  --> --set a\n   |\n   | a\n   | ^\n"
	if got := fs.Text(false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := fs[2:].GitHub(); got != "::error::m (--set a)\n" {
		t.Errorf("for GitHub %q", got)
	}
}

func TestShorten(t *testing.T) {
	if s := strings.Repeat("é", 40); Shorten(s) != s || Shorten(s+"é") != s+"…" {
		t.Error("not 40 characters")
	}
}

// A finding about a value of a megabyte does not print it.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("é9", 500_000)
	src := NewSource("w.toml", FileLayer, 0, "seed = "+long)
	var fs Findings
	fs.Add("E1", at(t, src, "seed"), "%s is out of range", long).WithLabel("%s", long).WithNote("got %s", long).WithHelp("not %s", long)
	for _, text := range []string{fs.Text(false), fs.JSON(), fs.GitHub()} {
		if len(text) > 20*maxText {
			t.Errorf("%d bytes", len(text))
		}
	}
	if m := fs[0].Message; !strings.HasSuffix(m, "9 is out of range") || !strings.HasPrefix(m, "é9") {
		t.Errorf("got %.40s...", m)
	}
}

// No line of an excerpt is wider than the terminal, and the caret is under what is wrong.
func TestExcerptsFitTerminals(t *testing.T) {
	src := NewSource("w.toml", FileLayer, 0, strings.Repeat("abcdefgh ", 9)+"WRONG"+strings.Repeat(" ijklmnop", 9)+"\n")
	var found Findings
	found.Add("E203", at(t, src, "WRONG"), "wrong").WithLabel("here")
	for _, columns := range []int{0, 30, 80, 400} {
		rows := strings.Split(found.TextWithin(columns, false), "\n")
		line, caret := []rune(rows[3]), []rune(rows[4])
		from := slices.Index(caret, '^')
		if columns > 0 && len(line) > columns || from < 0 || from+5 > len(line) || string(line[from:from+5]) != "WRONG" || string(caret[from:]) != "^^^^^ here" {
			t.Errorf("%d columns: got\n%s\n%s", columns, string(line), string(caret))
		}
	}
}
