package cli

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing in a workflow makes plume write outside its run directory: not its names,
// labels, axes or variables, and not the files it is told to read, be they linked or
// above it.
func TestNothingOutside(t *testing.T) {
	root := t.TempDir()
	work := filepath.Join(root, "work")
	for name, text := range map[string]string{
		"above/base.toml":   strings.Replace(outsideBase, "HERE", root, 1),
		"above/members.csv": "x/../../../x,y//tmp/plume-outside\n1,2\n3,4\n5,6\n",
		"work/twin.toml":    "include = [\"../above/base.toml\", \"linked.toml\"]\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"linked.toml": "../above/base.toml", "members.csv": "../above/members.csv"} {
		if err := os.Symlink(to, filepath.Join(work, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(work)
	before := outsideOf(t, root)
	plume := func(want int, args ...string) {
		t.Helper()
		var stdout, stderr strings.Builder
		if code := Main(args, &stdout, &stderr); code != want {
			t.Fatalf("%v: exit code %d, not %d\n%s", args, code, want, stderr.String())
		}
	}
	run := []string{"run", "twin.toml", "-q", "--set"}
	for _, set := range []string{`experiment.name="../x"`, `experiment.name="/tmp/plume-outside"`, `filter.f.label="../x"`, `sweep.axes={ "../x" = [1] }`,
		`sweep.axes={ "experiment.name" = ["../x"] }`, `sweep.axes={ "filter.f.label" = ["../x"] }`, `sweep.replicate=["../x"]`, `sweep.replicate=[-1]`,
		`model.params.variables=["../x", "/tmp/plume-outside"]`} {
		plume(exitWorkflow, append(run, set)...)
	}
	if _, err := os.Stat("runs"); err == nil {
		t.Error("a workflow with a finding left a folder")
	}
	plume(exitOK, append(run, "experiment.seed=1")...)
	plume(exitOK, "report", "@last", "--figures", "svg", "-q")
	after := outsideOf(t, root)
	if !maps.Equal(before, after) {
		t.Errorf("outside the run directory there were\n%v\nand are now\n%v", before, after)
	}
	if _, err := os.Stat("/tmp/plume-outside"); err == nil {
		t.Error("there is /tmp/plume-outside")
	}
	err := filepath.WalkDir("runs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !d.Type().IsRegular() {
			t.Errorf("%s is no file", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// outsideOf returns the files below root but for those of runs, with what they hold.
func outsideOf(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(root, "work", "runs") {
			return fs.SkipDir
		}
		files[path] = d.Type().String()
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			files[path] += string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const outsideBase = `format = 1
[experiment]
name = "outside"
description = "../../x"
seed = 1
[time]
cycles = 5
interval = 1.0
[model]
plugin = "linear"
params = { variables = ["x/../../../x", "y//tmp/plume-outside"] }
noise = { sd = 0.1 }
[truth]
init = [1, 2]
[observations]
plugin = "obs-nonlinear"
error = { sd = 1 }
[ensemble]
size = 3
init = { dist = "samples", file = "HERE/work/members.csv" }
[[filter]]
label = "f"
plugin = "filter-enkf"
[sweep.axes]
"filter.f.params.inflation" = [1.0, 1.1]
`
