package workflow

import (
	"strings"
	"testing"
)

// Names become folders and files of a run. None of them leads out of it: a name that is not
// plain is refused before anything is written.
func TestNamesStayInside(t *testing.T) {
	for _, name := range []string{"..", "../x", "a/b", "/tmp/x", `a\\b`, "a b", "A", ".", "~", "x\\u0000", "", "-x", "é"} {
		for _, c := range [][2]string{
			{`name = "m"`, `name = "` + name + `"`},
			{`label = "f"`, `label = "` + name + `"`},
			{`observations = {`, `observations = { label = "` + name + `",`},
			{"filter = [", `plugins = { "` + name + `" = { python = "x.py" } }` + "\nfilter = ["},
			{`model.plugin = "a"`, `model.plugin = "` + name + `"`},
			{"filter = [", `model.estimate."` + name + `".init = { dist = "normal", mean = 0, sd = 1 }` + "\nfilter = ["},
		} {
			text := strings.Replace(minimal, c[0], c[1], 1)
			if text == minimal {
				t.Fatalf("%q is not in the workflow", c[0])
			}
			if w, _ := Parse("w.toml", []byte(text), Options{}); w != nil {
				t.Errorf("accepted: %s", c[1])
			}
		}
		if w, _ := Parse("w.toml", []byte(minimal), Options{Profile: name}); w != nil && name != "" {
			t.Errorf("accepted: profile %q", name)
		}
	}
}
