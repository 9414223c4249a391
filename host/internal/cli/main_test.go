package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/diag"
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
			checkFormats(t, code, stderr.String(), name)
		})
	}
}

// finding matches what people read of one.
var finding = regexp.MustCompile(`(?m)^error\[(E\d+)\]: (.+)\n +--> (.+?)(?::(\d+):(\d+))?(?: \(.+\))?$`)

// checkFormats holds what programs read of a workflow and its options, with other commands,
// to what people read of it: the same findings in the same order, each with a line, a column and a remedy.
func checkFormats(t *testing.T, code int, text string, named ...string) {
	t.Helper()
	lines := func(args ...string) []string {
		args = append(args, named...)
		var stdout, stderr strings.Builder
		if got := Main(args, &stdout, &stderr); got != code || stderr.String() != "" {
			t.Errorf("%v: exit code %d, not %d; stderr %q", args, got, code, stderr.String())
		}
		return strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	}
	found := finding.FindAllStringSubmatch(text, -1)
	objects, commands := lines("plan", "--json"), lines("validate", "--format", "github")
	if len(found) == 0 || len(objects) != len(found) || len(commands) != len(found) {
		t.Fatalf("%d findings, %d objects, %d commands", len(found), len(objects), len(commands))
	}
	for i, want := range found {
		var d diag.Finding
		if err := json.Unmarshal([]byte(objects[i]), &d); err != nil {
			t.Fatal(err)
		}
		if got := []string{string(d.Code), d.Message, d.File, strconv.Itoa(d.Line), strconv.Itoa(d.Column)}; !slices.Equal(got, want[1:]) || d.Line < 1 || d.Column < 1 || d.Help == "" {
			t.Errorf("as JSON %q is %s", want[1:], objects[i])
		}
		command := fmt.Sprintf("::error file=%s,line=%s,col=%s,endColumn=%d,title=%s::%s", want[3], want[4], want[5], d.Column+d.Width, want[1], want[2])
		if !strings.HasPrefix(commands[i], strings.ReplaceAll(command, "%", "%25")) || !strings.Contains(commands[i], "%0Ahelp: ") {
			t.Errorf("for GitHub %q is %s", want[1:], commands[i])
		}
	}
}
