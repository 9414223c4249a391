package archive

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/reference/run-directory.md")

func TestRunDirectoryIsDocumented(t *testing.T) {
	const path = "../../../docs/reference/run-directory.md"
	if *update {
		if err := os.WriteFile(path, []byte(Markdown()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != Markdown() {
		t.Errorf("%s is not what schema.go says (%v); run go test ./host/internal/archive -run Documented -update", path, err)
	}
	for _, f := range files {
		for _, c := range f.columns {
			if c.About == "" {
				t.Errorf("%s: column %s is not documented", f.path, c.Name)
			}
		}
	}
}
