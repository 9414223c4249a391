package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link   = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)\s]*)?\)`)
	onMain = regexp.MustCompile(`https://(?:github\.com/plume-da/plume/(?:blob|tree)|raw\.githubusercontent\.com/plume-da/plume)/main/([\w./-]+)`)
)

// Links from a page of the repository, of the site or not, end at something; so do
// addresses of files of the repository in whatever text.
func TestLinks(t *testing.T) {
	var links int
	err := eachText(func(path, text string) {
		check := func(target, of string) {
			if links++; !exists(of) {
				t.Errorf("%s: nothing is at %s", path, target)
			}
		}
		for _, m := range onMain.FindAllStringSubmatch(text, -1) {
			check(m[0], filepath.Join("..", m[1]))
		}
		if filepath.Ext(path) != ".md" {
			return
		}
		code := regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if !strings.Contains(m[1], ":") {
				check(m[1], filepath.Join(filepath.Dir(path), m[1]))
			}
		}
	})
	if err != nil || links < 200 {
		t.Errorf("got %d links (%v)", links, err)
	}
}

// The start page leads to every guide, and to the pages for those who come from another
// package; that of results to all results, which the navigation does not have.
func TestPagesThatLead(t *testing.T) {
	var pages int
	for pattern, from := range map[string]string{"how-to/*.md": "index.md", "coming-from/*.md": "index.md", "results/*.md": "results/README.md"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		found, _ := filepath.Glob(pattern)
		for _, page := range found {
			to, _ := filepath.Rel(filepath.Dir(from), page)
			if pages++; page != from && !strings.Contains(string(text), "]("+to) {
				t.Errorf("%s has no link to %s", from, to)
			}
		}
	}
	if pages < 35 {
		t.Errorf("got %d pages", pages)
	}
}

// What one types to install plume is never the name of the other project on PyPI.
func TestNameOnTheIndex(t *testing.T) {
	other := regexp.MustCompile("(?m)\\b(?:pip3?|uv|pipx|conda|mamba) (?:install|add)\\b[^`#\n]*[ \"']plume(?:[ \"'\\[=<>~`]|$)")
	for text, want := range map[string]bool{
		"pip install plume": true, "pip install -U \"plume[pandas]\" numpy": true, "uv add plume>=1": true,
		"pip install plume-da": false, "pip install ./sdk/python  # plume": false, "pip install \"plume-da[pandas]\"": false,
	} {
		if other.MatchString(text) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	err := eachText(func(path, text string) {
		if filepath.Base(path) == "links_test.go" || filepath.Base(filepath.Dir(path)) == "decisions" {
			return
		}
		for _, at := range other.FindAllStringIndex(text, -1) {
			if line, _, _ := strings.Cut(text[at[0]:], "\n"); !strings.Contains(line, "another project") {
				t.Errorf("%s: this installs another project, and does not say so: %s", path, line)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// eachText calls do for the pages of the repository and the files that may name it.
func eachText(do func(path, text string)) error {
	return filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case name == ".github":
			case strings.HasPrefix(name, ".") && len(name) > 2, name == "node_modules", name == "bin", name == "dist", name == "runs":
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".md", ".toml", ".tmpl", ".yml", ".yaml", ".cff", ".py", ".go":
		default:
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			do(path, string(text))
		}
		return err
	})
}
