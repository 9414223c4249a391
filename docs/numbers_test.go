package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// origins matches what has to stand above a table with numbers of results, unless the
// whole page is made: a test compares them with a run or with data, or they were measured
// once, with the set-up in the comment or in the text around it.
var origins = regexp.MustCompile(`^<!-- (params|nile|checked: .+|measured: .+) -->$`)

// number matches a cell that begins with a number such as a run gives.
var number = regexp.MustCompile(`\| *[-+]?\d+\.\d`)

// Tables of numbers say where they come from, so that none is typed and forgotten.
func TestNumbersHaveASource(t *testing.T) {
	var tables int
	err := eachText(func(path, text string) {
		if filepath.Ext(path) != ".md" || filepath.Base(filepath.Dir(path)) == "decisions" {
			return
		}
		for _, row := range unsourced(text, &tables) {
			t.Errorf("%s: no comment says where the numbers of the table with this row come from, such as <!-- checked: TEST --> or <!-- measured: SET-UP -->:\n%s", path, row)
		}
	})
	if err != nil || tables < 20 {
		t.Errorf("got %d tables with numbers (%v)", tables, err)
	}
}

// unsourced returns a row of every table of numbers whose origin text does not name, and
// adds to tables how many there are.
func unsourced(text string, tables *int) []string {
	lines := strings.Split(regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, ""), "\n")
	whole := strings.Contains(text, "<!-- Made from ") || strings.Contains(text, "Made by `make results`")
	var found []string
	above := "" // the last line with text above the table
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "|") {
			if strings.TrimSpace(lines[i]) != "" {
				above = lines[i]
			}
			continue
		}
		row := ""
		for ; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
			if number.MatchString(lines[i]) {
				row = lines[i]
			}
		}
		if row == "" {
			continue
		}
		if *tables++; !whole && !origins.MatchString(above) {
			found = append(found, row)
		}
	}
	return found
}
