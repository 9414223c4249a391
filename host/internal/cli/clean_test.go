package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/archive"
)

func TestClean(t *testing.T) {
	for given, want := range map[string]string{
		"plain, naïve, 日本, 👩‍🔬\n\ttab": "plain, naïve, 日本, 👩‍🔬\n\ttab",
		"\x1b[1;31merror:\x1b[0m it":   "\x1b[1;31merror:\x1b[0m it",
		"\x1b[31mred\x1b[2J\x1b[8m":    "\ufffd[31mred\ufffd[2J\ufffd[8m",
		"\x1b]0;owned\x07":             "\ufffd]0;owned\ufffd",
		"\u009b2J\x7f\r\x00":           "\ufffd2J\ufffd\ufffd\ufffd",
		"\x9b2J\xff":                   "\ufffd2J\ufffd",
		"user\u202egpj.exe\u2069":      "user\ufffdgpj.exe\ufffd",
		"one\u2028two":                 "one\ufffdtwo",
	} {
		for cut := range len(given) + 1 { // in two writes, wherever the first one ends
			var got strings.Builder
			w := clean(&got)
			for _, part := range []string{given[:cut], given[cut:]} {
				if strings.Contains(given, "\x1b") && cut > 0 && cut < len(given) {
					part, _ = given, w // a sequence of plume's own is written at once
					w, got = clean(&got), strings.Builder{}
				}
				if n, err := io.WriteString(w, part); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got.String() != want {
				t.Errorf("%q, cut at %d: got %q, want %q", given, cut, got.String(), want)
			}
		}
	}
}

// dangerous returns what a terminal would act on in text.
func dangerous(text string) string {
	for i, r := range text {
		if isControl(r) || r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return text[max(0, i-20):min(len(text), i+20)]
		}
	}
	return ""
}

// hostile is text that takes over a terminal, in each of the ways there are.
const hostile = "\x1b[31mw\x1b[2J\x1b]0;owned\x07\u009b2J\u202e\r\n| x & y"

// evilPlugin is a model whose every word is hostile.
const evilPlugin = `
import json, os, sys
from plume import ConfigError, Model, Param, Variable, serve

EVIL = json.loads(os.environ.get("EVIL", "") or sys.argv[1])

class Evil(Model):
    name = "evil"
    version = EVIL
    citations = [{"text": EVIL, "doi": EVIL}]
    variables = {"x": EVIL}
    rate: float = Param(1.0, unit=EVIL, doc=EVIL)
    fault: str = Param("none", doc="what goes wrong")

    def setup(self):
        if self.fault == "setup":
            raise ConfigError(EVIL, where=EVIL, hint=EVIL)
        if self.fault == "name":
            self.variables = [Variable("x" + EVIL, "1")]

    def forecast(self, x, t0, t1, rng):
        if t1 > 0.45:
            raise RuntimeError(EVIL)
        print(EVIL, file=sys.stderr)
        return x

Evil.__doc__ = EVIL
serve(Evil)
`

const evilWorkflow = `format = 1
experiment = { name = "evil", seed = 1 }
time = { cycles = 9, interval = 0.1 }
model = { plugin = "evil" }
truth = { init = [1.0] }
ensemble = { size = 5, init = { dist = "normal", around = "truth", sd = 1.0 } }
filter = [{ label = "enkf", plugin = "filter-enkf" }]
observations = { plugin = "obs-nonlinear", error = { sd = 1.0 } }
plugins.evil.command = [PYTHON, PLUGIN, EVIL]
`

// What a plugin says of itself, and of what goes wrong in it, reaches a terminal as text.
func TestHostilePlugin(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with grpc and pyarrow; make test sets it")
	}
	root := t.TempDir()
	modules, err := filepath.Abs("../../../sdk/python/src")
	if err != nil {
		t.Fatal(err)
	}
	evil, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	plugin, file := filepath.Join(root, "evil.py"), filepath.Join(root, "evil.toml")
	quoted := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	workflow := strings.NewReplacer("PYTHON", quoted(python), "PLUGIN", quoted(plugin), "EVIL", quoted(string(evil))).Replace(evilWorkflow)
	script := filepath.Join(root, "evil")
	for path, text := range map[string]string{
		plugin: evilPlugin, file: workflow,
		script: "#!/bin/sh\nEVIL='" + string(evil) + "' PYTHONPATH=" + modules + " exec " + python + " " + plugin + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PYTHONPATH=" + modules, "PLUME_PLUGINS=" + root}
	for _, args := range [][]string{
		{"plugins", "list"}, {"plugins", "list", "--json"}, {"plugins", "describe", "evil"}, {"plugins", "test", "evil"},
		{"validate", file, "--set", "model.params.fault=setup"}, {"validate", file, "--set", "model.params.fault=setup", "--format", "github"},
		{"plan", file, "--set", "model.params.fault=name"}, {"run", file, "--run-dir", filepath.Join(root, "runs")},
		{"runs", "--run-dir", filepath.Join(root, "runs")}, {"resume", "--run-dir", filepath.Join(root, "runs"), "@last"},
	} {
		_, stdout, stderr := plumeHere(t, env, args...)
		for _, text := range []string{stdout, stderr} {
			if found := dangerous(text); found != "" {
				t.Errorf("%v: %q in\n%q", args, found, text)
			}
		}
		if args[0] != "runs" && len(args) > 2 && !strings.Contains(stdout+stderr, "owned") {
			t.Errorf("%v: the plugin was not heard:\n%s%s", args, stdout, stderr)
		}
	}
}

// Names in the run directory of a stranger are text, and one cell of a table.
func TestHostileRun(t *testing.T) {
	root := t.TempDir()
	label := strings.Repeat("a", len(hostile))
	file := filepath.Join(root, "twin.toml")
	if err := os.WriteFile(file, []byte(strings.Replace(evilTwin, "LABEL", label, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, dir, text := plumeHere(t, nil, "run", file, "--run-dir", filepath.Join(root, "runs"), "-q", "--in-process")
	if code != exitOK {
		t.Fatal(text)
	}
	evil := filepath.Join(filepath.Dir(filepath.Dir(dir)), "name\x1b[2J", filepath.Base(dir)+"\x1b[2J")
	if err := errors.Join(os.MkdirAll(filepath.Dir(evil), 0o700), os.Rename(dir, evil)); err != nil {
		t.Fatal(err)
	}
	for name := range infoOf(t, evil).Files {
		path := filepath.Join(evil, name)
		content, err := os.ReadFile(path)
		if err == nil && filepath.Ext(name) == ".arrow" {
			err = os.WriteFile(path, bytes.ReplaceAll(content, []byte(label), []byte(hostile)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	stranger(t, evil, func(info *archive.Info) { info.Name, info.Plume = hostile, hostile })
	for _, args := range [][]string{
		{"runs", "--run-dir", filepath.Join(root, "runs")}, {"compare", evil}, {"compare", evil, "--format", "markdown"}, {"compare", evil, "--format", "latex"},
		{"compare", evil, "--format", "csv"}, {"compare", evil, "--format", "json"}, {"verify", evil}, {"verify", evil, evil}, {"resume", evil}, {"report", evil},
		{"export", evil, "--to", filepath.Join(root, "out")}, {"resume", evil, "failed"},
	} {
		if args[len(args)-1] == "failed" {
			stranger(t, evil, func(info *archive.Info) { info.Status, info.Error = archive.Failed, hostile })
			args = args[:len(args)-1]
		}
		var stdout, stderr strings.Builder
		Main(args, &stdout, &stderr)
		for _, text := range []string{stdout.String(), stderr.String()} {
			if found := dangerous(text); found != "" {
				t.Errorf("%v: %q in\n%q", args, found, text)
			}
		}
		format := args[len(args)-1]
		if args[0] != "compare" || format == evil || format == "csv" || format == "json" {
			continue
		}
		if lines := strings.Split(strings.TrimSpace(stdout.String()), "\n"); len(lines) != map[string]int{"markdown": 5, "latex": 9}[format] || !strings.Contains(stdout.String(), "owned") {
			t.Errorf("%v: %d lines:\n%s%s", args, len(lines), stdout.String(), stderr.String())
		}
	}
}

const evilTwin = `format = 1
experiment = { name = "twin", seed = 1 }
time = { cycles = 9, interval = 0.1 }
model = { plugin = "lorenz63" }
truth = { init = [1.0, 2.0, 20.0] }
ensemble = { size = 5, init = { dist = "normal", around = "truth", sd = 1.0 } }
filter = [{ label = "LABEL", plugin = "filter-enkf" }]
observations = { plugin = "obs-nonlinear", error = { sd = 1.0 } }
`

// stranger changes the manifest of a run, whose checksums fit afterwards.
func stranger(t *testing.T, dir string, change func(*archive.Info)) {
	t.Helper()
	info := infoOf(t, dir)
	for name := range info.Files {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info.Files[name] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	change(info)
	info.Seal = ""
	text, err := json.Marshal(info)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "run.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
