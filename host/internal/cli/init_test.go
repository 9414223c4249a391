package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fenced returns the lines of the code blocks without a language in a page.
func fenced(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range regexp.MustCompile("(?s)\n```\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		lines = append(lines, strings.Split(block[1], "\n")...)
	}
	return lines
}

// shell runs a line in dir, with plume and the tests' python on $PATH.
func shell(t *testing.T, dir, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	path := filepath.Dir(plumeBinary(t))
	if python := os.Getenv("PLUME_PYTHON"); python != "" {
		path += string(filepath.ListSeparator) + filepath.Dir(python)
	}
	cmd.Env = append(os.Environ(), "PATH="+path+string(filepath.ListSeparator)+os.Getenv("PATH"), "PLUME=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// A plugin that init wrote does, word by word, what its README says: its tests pass, it
// passes conformance, and its workflow runs. It is built against this checkout, where
// there is nothing to install.
func TestInitPlugin(t *testing.T) {
	checkout, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"go", "python"} {
		for _, role := range []string{"model", "obs", "filter"} {
			t.Run(lang+" "+role, func(t *testing.T) {
				t.Parallel()
				if lang == "python" && os.Getenv("PLUME_PYTHON") == "" {
					t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with plume's kit; make test sets it")
				}
				dir, name := t.TempDir(), "my-"+role
				shell(t, dir, "plume init --plugin "+role+" --lang "+lang+" --plume '"+checkout+"' "+name)
				commands := 0
				for _, line := range fenced(t, filepath.Join(dir, name, "README.md")) {
					if strings.HasPrefix(line, "pip install") {
						continue
					}
					shell(t, filepath.Join(dir, name), line)
					commands++
				}
				if commands < 3 {
					t.Errorf("README.md has %d commands", commands)
				}
				if runs, _ := filepath.Glob(filepath.Join(dir, name, "runs", name, "*", "metrics.arrow")); len(runs) != 1 {
					t.Errorf("runs: %v", runs)
				}
				if role == "model" { // its noise does not depend on who computes which members
					shell(t, filepath.Join(dir, name), `plume -q run --set model.replicas=3 workflow.toml && set -- runs/*/* && plume verify "$1" "$2"`)
				}
				if lang == "go" {
					shell(t, filepath.Join(dir, name), `go vet ./... && test -z "$(gofmt -l .)"`)
				}
			})
		}
	}
}
