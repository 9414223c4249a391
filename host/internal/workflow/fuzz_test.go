package workflow

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse holds the loader to its promises on any text: it does not panic, it
// returns a workflow or findings and not both, findings point into the text, the
// scanner agrees with the decoder, and a resolved workflow loads again.
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
	for _, text := range odd {
		f.Add(text, "", `a."b c".d = [1, {x = "y"}]`)
	}
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
		text = strings.TrimPrefix(text, "\ufeff")
		if notText(text) < 0 && len(text) <= maxText && !scan(text).tooDeep {
			if values, err := decode(text); err == nil {
				if err := checkMarks(text, values); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// FuzzArithmetic: no expression panics or gives anything but a finite number,
// and spaces around it and parentheses do not change its value.
func FuzzArithmetic(f *testing.F) {
	for _, s := range []string{"8/3", "-(1 + 2) * sqrt(4)", "2*pi", "1e-3", "1_000.5", "log(exp(1))", "--1", ")", "1..2", "sin", "é", strings.Repeat("(", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := arithmetic(s)
		if err != nil {
			if err.offset < 0 || err.offset > len(s) || err.what == "" {
				t.Fatalf("%q: %+v", s, err)
			}
			return
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%q is %v", s, v)
		}
		if again, err := arithmetic(" ( " + s + " ) "); err == nil && again != v {
			t.Fatalf("%q is %v, in parentheses %v", s, v, again)
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
