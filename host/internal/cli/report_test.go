//go:build linux

package cli

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var snippet = regexp.MustCompile(`(?s)<pre tabindex="0">(import .*?)</pre>`)

// The lines of Python on a page run as they are where the directory runs is.
func TestPythonOfThePage(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with plume's kit; make test sets it")
	}
	root := t.TempDir()
	file := filepath.Join(root, "w.toml")
	if err := os.WriteFile(file, []byte(reportedTwin), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _ := out(t, exitOK, "run", "-q", file, "--run-dir", filepath.Join(root, "runs"))
	stdout, _ = out(t, exitOK, "report", strings.TrimSpace(stdout))
	page, err := os.ReadFile(strings.TrimSpace(stdout))
	if err != nil {
		t.Fatal(err)
	}
	snippets := snippet.FindAllStringSubmatch(string(page), -1)
	if len(snippets) != 2 {
		t.Fatalf("%d snippets, want 2", len(snippets))
	}
	for _, s := range snippets {
		c := exec.Command(python, "-c", html.UnescapeString(s[1])+"assert (metrics.metric == 'rmse').any()\n")
		c.Dir = root
		if text, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, text)
		}
	}
}
