//go:build linux

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

const builtinRun = `format = 1
[experiment]
name = "builtin"
seed = 3
[time]
cycles = 30
interval = 0.05
[model]
plugin = "lorenz96"
params = { n = 8 }
[truth]
init = { dist = "normal", mean = 1, sd = 1.0 }
[observations]
plugin = "obs-nonlinear"
error = { sd = 1.0 }
[ensemble]
size = 10
init = { dist = "normal", around = "truth", sd = 1.0 }
[[filter]]
label = "enkf"
plugin = "filter-enkf"
params = { inflation = 1.05 }
[[filter]]
label = "particle"
plugin = "filter-pf"
params = { jitter = 1.0 }
window = { length = 1, passes = 2 }
[[filter]]
label = "joint"
plugin = "filter-diffusion"
window = "auto"
[output]
ensemble = "both"
`

// The plugins that are part of plume give the same bytes in processes of their own, in
// plume's process, and as programs on the plugin path, which come first. A program given
// in the workflow is a process in any case.
func TestBuiltinPlugins(t *testing.T) {
	root, plugins := t.TempDir(), t.TempDir()
	particle, err := goBuild(plugins, "../../../plugins/filter-pf/cmd/filter-pf")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "builtin.toml")
	run := func(text, path string, args ...string) *archive.Info {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"run", file, "--quiet", "--run-dir", root}, args...)
		code, stdout, stderr := plumeHere(t, []string{"PLUME_PLUGINS=" + path}, args...)
		if code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		return infoOf(t, stdout)
	}
	given := builtinRun + "[plugins.filter-pf]\ncommand = [\"" + particle + "\"]\n"
	want := run(builtinRun, "")
	for what, got := range map[string]*archive.Info{
		"in plume's process":                  run(builtinRun, "", "--in-process", "--workers", "2"),
		"one is on the path":                  run(builtinRun, plugins),
		"one is given, the others in plume's": run(given, "", "--in-process"),
	} {
		if got.InProcess != strings.Contains(what, "in plume's") {
			t.Errorf("%s: run.json says in_process %v", what, got.InProcess)
		}
		for name, sum := range want.Files {
			if strings.HasSuffix(name, ".arrow") && name != "timings.arrow" && got.Files[name] != sum {
				t.Errorf("%s: %s differs", what, name)
			}
		}
		if len(want.Files) != len(got.Files) || len(want.Plugins) != 5 || len(got.Plugins) != 5 {
			t.Fatalf("%s: %d and %d files, plugins %v and %v", what, len(want.Files), len(got.Files), want.Plugins, got.Plugins)
		}
		for i, p := range got.Plugins {
			plume := want.Plugins[i]
			if plume.Program != "plume" || p.Manifest != plume.Manifest {
				t.Errorf("%s: got plugin %+v, want that of %+v", what, p, plume)
			}
			own := p.Name == "filter-pf" && what != "in plume's process"
			if own != (p.SHA256 != plume.SHA256) || own != (p.Program == "filter-pf") || len(p.SHA256) != 64 {
				t.Errorf("%s: got plugin %+v, and %+v in plume", what, p, plume)
			}
		}
	}
}
