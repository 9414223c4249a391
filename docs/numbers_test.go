package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// origins matches what has to stand above a table with numbers of results, or in its page:
// the number comes from a test that compares it with a run or with data, or it was measured
// once, with the set-up in the comment or in the text around it.
var origins = regexp.MustCompile(`^<!-- (params|nile|checked: .+|measured: .+) -->$|Made by .make results.|^<!-- Made from .* -update writes it\. -->$`)

// number matches a cell that begins with a number such as a run gives.
var number = regexp.MustCompile(`\| *[-+]?\d+\.\d`)

// Tables of numbers say where they come from, so that none is typed and forgotten.
func TestNumbersHaveASource(t *testing.T) {
	var tables int
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "decisions" || d.Name() == "bin" || d.Name() == "dist" || d.Name() == "runs"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, place := range unsourced(string(text), &tables) {
			t.Errorf("%s: no comment says where the numbers of the table with this row come from, such as <!-- checked: TEST --> or <!-- measured: SET-UP -->:\n%s", path, place)
		}
		return nil
	})
	if err != nil || tables < 20 {
		t.Errorf("got %d tables with numbers (%v)", tables, err)
	}
}

// unsourced returns a row of every table of numbers whose origin text does not name, and
// adds to tables how many there are.
func unsourced(text string, tables *int) []string {
	lines := strings.Split(regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, ""), "\n")
	whole := false
	for _, line := range lines {
		whole = whole || origins.MatchString(line) && !strings.HasPrefix(line, "<!-- p") && strings.Contains(line, "Made")
	}
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
