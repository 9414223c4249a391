package workflow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func loadSite(t *testing.T, text string) (*Site, string, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plume.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, found := LoadSite(path)
	return s, found.TextWithin(0, false), filepath.Dir(path)
}

func TestSite(t *testing.T) {
	s, found, dir := loadSite(t, "[executor.hpc]\nengine = \"./mine.toml\"\ncores = 4\nmemory = \"1.5 GiB\"\ntime = \"90m\"\nshared = \"jobs\"\nargs = [\"-A\", \"abc\"]\n[executor.lab]\nengine = \"ssh\"\n")
	if found != "" {
		t.Fatal(found)
	}
	hpc := s.Executors["hpc"]
	if hpc.Engine != filepath.Join(dir, "mine.toml") || hpc.Shared != filepath.Join(dir, "jobs") || s.Executors["lab"].Engine != "ssh" {
		t.Errorf("got %+v", s.Executors)
	}
	if hpc.Cores != 4 || hpc.Memory.Bytes() != 3<<29 || hpc.Time != 90*time.Minute || len(hpc.Args) != 2 {
		t.Errorf("got %+v", hpc)
	}
	if at := s.At("lab"); at.Line != 8 {
		t.Errorf("lab is in line %d", at.Line)
	}
}

// Findings in a site file are those of workflows, in its own words.
func TestSiteFindings(t *testing.T) {
	for text, want := range map[string]string{
		"[executor.hpc]\ncorse = 4\n":                   "unknown key `corse` in [executor.hpc]",
		"[executor.hpc]\nmemory = \"much\"\n":           "`executor.hpc.memory` must consist of a number and a unit",
		"[executor.hpc]\ntime = 5\n":                    "write the unit: \"5s\"",
		"[executor.\"My Cluster\"]\nengine = \"ssh\"\n": "a name in `executor` must consist of lower-case letters",
		"[executors.hpc]\n":                             "unknown key `executors`",
		"colour = 1\n":                                  "the site file takes executor",
		"executor = 1\n":                                "`executor` must be a table of tables",
		"[executor.hpc":                                 "not valid TOML",
	} {
		if _, found, _ := loadSite(t, text); !strings.Contains(found, want) {
			t.Errorf("%q: got\n%s\nwant %s", text, found, want)
		}
	}
	if _, found := LoadSite("no-such-file"); len(found) != 1 {
		t.Errorf("got %v", found)
	}
}

// Where plugins run is no part of what a run is.
func TestExecutorsAreNotResolved(t *testing.T) {
	text, err := os.ReadFile("testdata/good/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	load := func(set ...string) (*Workflow, string) {
		w, found := Parse("testdata/good/full.toml", text, Options{Set: set})
		if len(found) > 0 {
			t.Fatal(found.TextWithin(0, false))
		}
		resolved, err := w.Resolved()
		if err != nil {
			t.Fatal(err)
		}
		return w, string(resolved)
	}
	w, here := load()
	if w.NamesExecutors() {
		t.Error("a workflow without executors names one")
	}
	w, there := load("model.executor=hpc")
	if !w.NamesExecutors() || here != there {
		t.Errorf("resolved here\n%s\nand there\n%s", here, there)
	}
}
