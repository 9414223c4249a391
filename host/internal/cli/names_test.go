package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Names of columns of tables that a run does not write are names of variables as any other.
func TestNamesThatDoNotCollide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/bad/name-ensemble.toml")
	if err != nil {
		t.Fatal(err)
	}
	fine := strings.NewReplacer(`["x", "stage"]`, `["x", "stage", "lag", "parent", "lead", "model_time"]`, "[1.5, -1.5]", "[1.5, -1.5, 0.0, 0.0, 0.0, 0.0]",
		`ensemble = "analysis"`, `ensemble = "none"`).Replace(string(text))
	file := filepath.Join(t.TempDir(), "fine.toml")
	if err := os.WriteFile(file, []byte(fine), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := plume(t, "plan", file); code != exitOK {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
