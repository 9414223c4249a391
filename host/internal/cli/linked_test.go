//go:build linux

package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
)

const linkedRun = `format = 1
[experiment]
name = "linked"
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
[[filter]]
label = "joint"
plugin = "filter-diffusion"
[output]
ensemble = "both"
`

// Plugins in plume's own process give the bytes that plugins in processes give, and a
// program given in the workflow is a process in either case.
func TestInProcess(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "linked.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(env []string, args ...string) string {
		t.Helper()
		code, stdout, stderr := plumeHere(t, env, append([]string{"run", file, "--quiet", "--run-dir", root}, args...)...)
		if code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	write(linkedRun)
	apart := run(nil)
	within := run([]string{"PLUME_PLUGINS=" + t.TempDir()}, "--in-process", "--workers", "2") // there are no others
	a, b := infoOf(t, apart), infoOf(t, within)
	if a.InProcess || !b.InProcess {
		t.Errorf("run.json says in_process %v and %v, want false and true", a.InProcess, b.InProcess)
	}
	for name, sum := range a.Files {
		if name != "timings.arrow" && b.Files[name] != sum {
			t.Errorf("%s differs", name)
		}
	}
	if len(a.Files) != len(b.Files) || len(a.Plugins) != 5 || len(b.Plugins) != 5 {
		t.Fatalf("%d and %d files, plugins %v and %v", len(a.Files), len(b.Files), a.Plugins, b.Plugins)
	}
	for i, p := range b.Plugins {
		if p.Manifest != a.Plugins[i].Manifest || p.Program != "plume" || p.SHA256 == a.Plugins[i].SHA256 || len(p.SHA256) != 64 {
			t.Errorf("got plugin %+v beside %+v", p, a.Plugins[i])
		}
	}

	write(linkedRun + "[plugins.filter-pf]\ncommand = [\"" + filepath.Join(pluginDir, "filter-pf") + "\"]\n")
	mixed := infoOf(t, run(nil, "--in-process"))
	var programs []string
	for _, p := range mixed.Plugins {
		programs = append(programs, p.Program)
	}
	if want := []string{"plume", "plume", "plume", "filter-pf", "plume"}; !slices.Equal(programs, want) {
		t.Errorf("got programs %q, want %q", programs, want)
	}
}

func infoOf(t *testing.T, dir string) *archive.Info {
	t.Helper()
	info, err := archive.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// A plume that was built without plugins says so.
func TestInProcessNeedsPlugins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "linked.toml")
	if err := os.WriteFile(file, []byte(linkedRun), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	if code := Main([]string{"run", file, "--in-process", "--run-dir", t.TempDir()}, &stdout, &stderr); code != exitUsage ||
		!strings.Contains(stderr.String(), "built without plugins") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}
