package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite golden files")

// What the program that scripts call plume needs to be like the one of buildPlume.
const programVar, pluginsVar = "PLUME_TEST_PROGRAM", "PLUME_TEST_PLUGINS"

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){
		"plume": func() {
			builtin(os.Getenv(pluginsVar), func() (string, error) { return os.Getenv(programVar), nil })
			os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
		},
	})
}

// scratch is a directory for what tests build, here the one of this package.
var scratch, here string

// suite gives this program the plugins of the one of buildPlume, which is built when a
// test first needs it: many need none.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	folders, err := filepath.Glob("../../../plugins/*/plugin.toml")
	if err == nil {
		here, err = os.Getwd()
	}
	if err == nil {
		scratch, err = os.MkdirTemp("", "plume-cli-")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	for i, folder := range folders {
		folders[i] = filepath.Base(filepath.Dir(folder))
	}
	for name, value := range map[string]string{"PLUME_PLUGINS": "", pluginsVar: strings.Join(folders, " ")} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	builtin(os.Getenv(pluginsVar), buildPlume)
	return s.m.Run()
}

// builtin makes plugins part of this program, which program serves.
func builtin(names string, program func() (string, error)) {
	plugins := map[string]func() (*sdk.Plugin, error){}
	for name := range strings.FieldsSeq(names) {
		plugins[name] = func() (*sdk.Plugin, error) {
			return nil, errors.New("only the real program runs plugins in its process")
		}
	}
	launch.Builtin(plugins, program)
}

// buildPlume builds the real program, once, and returns its path.
var buildPlume = sync.OnceValues(func() (string, error) { return goBuild(scratch, "../../cmd/plume") })

// goBuild builds the command of a folder, which is relative to that of this package
// wherever a test has gone, into dir and returns its path. It links no C, as what is
// published does not.
func goBuild(dir, folder string) (string, error) {
	program := filepath.Join(dir, filepath.Base(folder))
	cmd := exec.Command("go", "build", "-o", program, folder)
	cmd.Dir, cmd.Env = here, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", folder, err, out)
	}
	return program, nil
}

// plumeBinary returns the path of the real program.
func plumeBinary(t *testing.T) string {
	t.Helper()
	program, err := buildPlume()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestScripts(t *testing.T) {
	program := plumeBinary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv(programVar, program)
			e.Setenv(pluginsVar, os.Getenv(pluginsVar))
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
	t.Setenv("PLUME_SITE", "../site.toml")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	places := strings.NewReplacer(here, "HERE", filepath.Dir(self), "BIN")
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

// plumeHere runs the program to its end and returns its exit code and what it wrote.
func plumeHere(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command(plumeBinary(t), args...)
	c.Env, c.Stdout, c.Stderr = append(os.Environ(), env...), &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), strings.TrimSpace(out.String()), errs.String()
}

func infoOf(t *testing.T, dir string) *archive.Info {
	t.Helper()
	info, err := archive.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
