package cli

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite golden files")

// pluginDir holds the project's plugins and plumeBinary is the program itself,
// built once for all tests.
var pluginDir, plumeBinary string

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){
		"plume": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// suite builds the plugins before the tests run.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "plume-plugins-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "build", "-o", dir, "../../../plugins/...").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building plugins: %v\n%s", err, out)
		return 1
	}
	pluginDir, plumeBinary = dir, filepath.Join(dir, "bin", "plume")
	if out, err := exec.Command("go", "run", "../link", "-o", plumeBinary).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building plume: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PLUME_PLUGINS", dir); err != nil {
		return 1
	}
	return s.m.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PLUME_PLUGINS", pluginDir)
			return nil
		},
		UpdateScripts: *update,
	})
}

// Workflows that are good TOML and good keys but do not fit the plugins they
// name. The texts are exact; -update rewrites them.
func TestBadWorkflows(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	t.Chdir("testdata/bad")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	places := strings.NewReplacer(pluginDir, "PLUGINS", here, "HERE", filepath.Dir(self), "BIN")
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			code := Main([]string{"run", name, "--run-dir", t.TempDir()}, &stdout, &stderr)
			got := fmt.Sprintf("exit code %d\n%s", code, places.Replace(stderr.String()))
			golden := strings.TrimSuffix(name, ".toml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Count(got, "error[") != strings.Count(got, "= help: ") {
				t.Errorf("a finding has no remedy:\n%s", got)
			}
			if code == exitOK || stdout.String() != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout.String())
			}
		})
	}
}
