package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var testColumns = []column{
	{head: "filter"}, {head: "members", right: true}, {head: "setting", fold: true}, {head: "rmse", right: true},
	{head: "± se", right: true, drop: 2}, {head: "spread", right: true, drop: 1}, {head: "± se", right: true, drop: 1}, {head: "status"},
}

var testRows = [][]string{
	{"joint", "100", "inflation=1.05 error.sd=2", "0.4612", "0.078", "0.6115", "0.042", "ok"},
	{"a-filter-with-a-long-name", "5", "a.setting.that.cannot.be.broken=anywhere and more", "12.1", "3", "1", "0.1", "2 diverged, 1 failed"},
	{"climatology", "", "", "7.423"},
}

// A table as wide as it likes, one that leaves columns out, and one that folds others.
func TestLayOut(t *testing.T) {
	for _, test := range []struct {
		width int
		text  string
		left  []string
	}{
		{0, `
filter                     members  setting                                              rmse   ± se  spread   ± se  status
joint                          100  inflation=1.05 error.sd=2                          0.4612  0.078  0.6115  0.042  ok
a-filter-with-a-long-name        5  a.setting.that.cannot.be.broken=anywhere and more    12.1      3       1    0.1  2 diverged, 1 failed
climatology                                                                             7.423
`, nil},
		{125, `
filter                     members  setting                                              rmse   ± se  status
joint                          100  inflation=1.05 error.sd=2                          0.4612  0.078  ok
a-filter-with-a-long-name        5  a.setting.that.cannot.be.broken=anywhere and more    12.1      3  2 diverged, 1 failed
climatology                                                                             7.423
`, []string{"spread", "± se"}},
		{80, `
filter                     members  setting           rmse  status
joint                          100  inflation=1.05  0.4612  ok
                                    error.sd=2
a-filter-with-a-long-name        5  a.setting.that    12.1  2 diverged, 1 failed
                                    .cannot.be.bro
                                    ken=anywhere
                                    and more
climatology                                          7.423
`, []string{"± se", "spread", "± se"}},
	} {
		text, left := layOut(testColumns, testRows, test.width, colours{})
		if text != test.text[1:] || !slices.Equal(left, test.left) {
			t.Errorf("%d columns: %q\n%s", test.width, left, text)
		}
	}
}

// Whatever the width, lines fit and nothing is lost of names and numbers.
func TestLayOutFits(t *testing.T) {
	for width := 56; width < 160; width++ {
		text, _ := layOut(testColumns, testRows, width, colours{})
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns in %d: %s", n, width, line)
			}
		}
		got := strings.NewReplacer(" ", "", "\n", "").Replace(text)
		for _, row := range testRows {
			for _, word := range []string{row[0], row[3]} {
				if !strings.Contains(got, word) && width >= 80 {
					t.Errorf("%q is not in %d columns:\n%s", word, width, text)
				}
			}
		}
	}
}

func TestSettingText(t *testing.T) {
	axes := []string{"ensemble.size", "filter.enkf.params.inflation", "observations.a.error.sd", "observations.b.error.sd", "model.params.rho", "truth.init.sd"}
	values := []string{"10", "1.05", "1", "2", "28", "3"}
	for short, want := range map[bool]string{
		false: "inflation=1.05 observations.a.error.sd=1 observations.b.error.sd=2 model.rho=28 truth.init.sd=3",
		true:  "inflation=1.05 a.error.sd=1 b.error.sd=2 model.rho=28 init.sd=3",
	} {
		if got := settingText("enkf", axes, values, short); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := settingText("other", axes, []string{"10", "1.05", "", "", "", ""}, true); got != "enkf.inflation=1.05" {
		t.Errorf("of another filter: %q", got)
	}
}

// Styles are around the text of cells, on each of its lines, and change no width.
func TestTableStyles(t *testing.T) {
	columns := slices.Clone(testColumns)
	columns[3].style, columns[7].style = rowStyle(0), statusStyle
	c := colours{red: "<r>", bold: "<b>", off: "</>"}
	for _, width := range []int{0, 80, 60} {
		plain, _ := layOut(testColumns, testRows, width, colours{})
		styled, _ := layOut(columns, testRows, width, c)
		for _, want := range []string{"<b>0.4612</>", "<r>2 diverged, "} {
			if !strings.Contains(styled, want) {
				t.Errorf("%d: no %q in\n%s", width, want, styled)
			}
		}
		if strings.Count(styled, "<b>") != 1 {
			t.Errorf("%d: more than the best is bold:\n%s", width, styled)
		}
		if got := strings.NewReplacer("<r>", "", "<b>", "", "</>", "").Replace(styled); got != plain {
			t.Errorf("%d: got\n%swant\n%s", width, got, plain)
		}
	}
}
