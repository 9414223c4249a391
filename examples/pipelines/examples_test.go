// Package pipelines runs the sweeps of the pipelines next to it, with Snakemake and Nextflow where they are.
package pipelines

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/examples/internal/examplestest"
)

// plume is the program.
var plume string

func TestMain(m *testing.M) { os.Exit(examplestest.Main(m, &plume)) }

// find returns the path of a tool next to the tests' python or on $PATH.
func find(t *testing.T, tool string) string {
	t.Helper()
	if python := os.Getenv("PLUME_PYTHON"); python != "" {
		if path := filepath.Join(filepath.Dir(python), tool); exec.Command("test", "-x", path).Run() == nil {
			return path
		}
	}
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Skipf("NOT TESTED: there is no %s", tool)
	}
	return path
}

// copied returns a folder with copies of files.
func copied(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command runs a command in dir, with plume on $PATH, and returns what it prints.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(plume)+string(filepath.ListSeparator)+os.Getenv("PATH"), "NXF_OFFLINE=true", "NXF_ANSI_LOG=false")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// check wants the scores of every sweep to be those of plume alone.
func check(t *testing.T, dir string) {
	t.Helper()
	for _, members := range []string{"10", "20", "40"} {
		alone := t.TempDir()
		run := command(t, alone, plume, "-q", "run", filepath.Join(dir, "lorenz63.toml"), "--set", "ensemble.size="+members, "--in-process")
		command(t, alone, plume, "-q", "export", strings.TrimSpace(run), "--to", "scores", "--format", "csv", "--tables", "metrics")
		want, err1 := os.ReadFile(filepath.Join(alone, "scores", "metrics.csv"))
		got, err2 := os.ReadFile(filepath.Join(dir, "scores", "members="+members, "metrics.csv"))
		if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("%s members: %v, %v, got\n%s\nwant\n%s", members, err1, err2, got, want)
		}
	}
}

// TestSnakemake also wants nothing to be run again, and one sweep if its scores are missing.
func TestSnakemake(t *testing.T) {
	snakemake, dir := find(t, "snakemake"), copied(t, "Snakefile", "lorenz63.toml")
	command(t, dir, snakemake, "--cores", "2")
	check(t, dir)
	if again := command(t, dir, snakemake, "--cores", "2"); !strings.Contains(again, "Nothing to be done") {
		t.Errorf("it was run again:\n%s", again)
	}
	if err := os.RemoveAll(filepath.Join(dir, "scores", "members=20")); err != nil {
		t.Fatal(err)
	}
	if again := command(t, dir, snakemake, "--cores", "2"); strings.Count(again, "rule sweep:") != 1 {
		t.Errorf("one sweep was missing:\n%s", again)
	}
	check(t, dir)
}

// TestNextflow also wants the sweeps to be taken from the cache.
func TestNextflow(t *testing.T) {
	nextflow, dir := find(t, "nextflow"), copied(t, "main.nf", "lorenz63.toml")
	command(t, dir, nextflow, "run", "main.nf")
	check(t, dir)
	if again := command(t, dir, nextflow, "run", "main.nf", "-resume"); strings.Count(again, "Cached process > sweep") != 3 {
		t.Errorf("it was run again:\n%s", again)
	}
}
