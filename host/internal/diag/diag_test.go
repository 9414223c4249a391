package diag

import (
	"encoding/json"
	"flag"
	"os"
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
