package workflow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse holds the loader to its promises on any text: it does not panic, it
// returns a workflow or findings and not both, findings point into the text, and a
// resolved workflow loads again.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.toml", "testdata/good/*.toml", "../../../workflows/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), "quick", "time.cycles=5")
		}
	}
	f.Add("[a.b]\nx = 1\n[c]\ny = 2\n[a.d]\nz = 3\n[a]\nw = 4", "", `a."b c".d = [1, {x = "y"}]`)
	f.Fuzz(func(t *testing.T, text, profile, set string) {
		w, found := Parse("w.toml", []byte(text), Options{Profile: profile, Set: []string{set}})
		if (w == nil) == (len(found) == 0) {
			t.Fatalf("workflow %v, findings %v", w != nil, found.Text(false))
		}
		lines := strings.Count(text, "\n") + 1
		for _, d := range found {
			if d.Line < 1 || d.Column < 1 || d.Width < 1 || d.File != "" && d.Line > lines || d.Message == "" {
				t.Fatalf("misplaced: %+v", d)
			}
		}
		if s := found.Text(true) + found.JSON() + found.GitHub(); !utf8.ValidString(s) {
			t.Fatalf("not UTF-8: %q", s)
		}
		if w != nil {
			reload(t, w)
		}
	})
}

// FuzzInclude: two files laid over each other, whatever is in them, do not panic,
// give a workflow or findings and not both, and a resolved workflow stands alone.
func FuzzInclude(f *testing.F) {
	base := strings.ReplaceAll(minimal, "format = 1\n", "")
	f.Add(base, "[time]\ncycles = 3\n")
	f.Add("filter = 1\n", base)
	f.Add("[[filter]]\nlabel = \"f\"\nsize = 4\n", base)
	f.Add("[profile.quick]\ntime.cycles = 2\n[ensemble.init]\ndist = \"samples\"\nfile = \"x\"\n", base)
	f.Add("include = [\"over.toml\"]\n", base)
	f.Add("include = [\"base.toml\", \"/dev/zero\", \".\"]\n[model.estimate.a]\ninit = { dist = \"uniform\", low = 0, high = { a = 1 } }\n", base)
	f.Fuzz(func(t *testing.T, over, base string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "over.toml")
		for name, text := range map[string]string{path: "format = 1\ninclude = [\"base.toml\"]\n" + over, filepath.Join(dir, "base.toml"): base} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w, found := Load(path, Options{Profile: "quick"})
		if w != nil && len(found) == 0 {
			reload(t, w)
		} else if (w == nil) == (len(found) == 0) {
			t.Fatalf("workflow %v, findings %v", w != nil, found.Text(false))
		}
		w, found = Load(path, Options{})
		if (w == nil) == (len(found) == 0) {
			t.Fatalf("workflow %v, findings %v", w != nil, found.Text(false))
		}
		if w != nil {
			reload(t, w)
		}
		for _, d := range found {
			if d.Line < 1 || d.Column < 1 || d.Message == "" {
				t.Fatalf("misplaced: %+v", d)
			}
		}
	})
}
