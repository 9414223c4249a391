package launch

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
)

// install writes files below a new directory; a name that ends in ! is made
// executable.
func install(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name, isProgram := strings.CutSuffix(name, "!")
		file := filepath.Join(dir, name)
		mode := os.FileMode(0o644)
		if isProgram {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPathFindsBothForms(t *testing.T) {
	a := install(t, map[string]string{"lake/lake!": "first", "lake/plugin.toml": "", "README.md": "", "empty/other": ""})
	b := install(t, map[string]string{"lake!": "second", "river!": "", "notes": "not a program"})
	path := Path{filepath.Join(a, "missing"), a, b}
	if got, want := path.List(), []string{"lake", "river"}; !slices.Equal(got, want) {
		t.Errorf("List: got %v, want %v", got, want)
	}
	p, err := path.Find("lake")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(a, "lake/lake"); p.Command[0] != want {
		t.Errorf("found %s, want %s: the first directory comes first", p.Command[0], want)
	}
	if p, err = path.Find("river"); err != nil || p.Command[0] != filepath.Join(b, "river") {
		t.Errorf("river: got %v, %v", p, err)
	}
}

func TestDefaultPath(t *testing.T) {
	t.Setenv("PLUME_PLUGINS", "/a"+string(filepath.ListSeparator)+"/b")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		t.Fatal(err)
	}
	want := Path{"/a", "/b", filepath.Join(filepath.Dir(self), "plugins")}
	if got := DefaultPath(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFindSaysWhatIsWrong(t *testing.T) {
	dir := install(t, map[string]string{"lorenz63!": "", "plain": "", "folder/readme": "", "nested/nested/x": ""})
	for name, wants := range map[string][]string{
		"lorentz63": {"plugin lorentz63: not found; looked in " + dir, `did you mean "lorenz63"?`},
		"ocean":     {"plugin ocean: not found", "$PLUME_PLUGINS"},
		"plain":     {"plugin plain: ", "plain is not executable (mode -rw-r--r--)"},
		"nested":    {"plugin nested: ", "nested/nested is a directory, not a program"},
		"folder":    {"plugin folder: not found"},
		"../x":      {"plugin ../x: not a plugin name"},
	} {
		_, err := Path{dir}.Find(name)
		checkError(t, err, sdk.KindPlugin, wants...)
	}
}

// checkError fails the test unless err is of kind and its text has all of wants.
func checkError(t *testing.T, err error, kind sdk.Kind, wants ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one of kind %s", kind)
		return
	}
	if got := sdk.KindOf(err); got != kind {
		t.Errorf("got kind %s, want %s: %v", got, kind, err)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error\n\t%v\nwhich lacks\n\t%s", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line:\n%v", err)
	}
}

func sumOfProgram(t *testing.T, p *Program) string {
	t.Helper()
	sum, err := p.SHA256()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestCommand(t *testing.T) {
	dir := install(t, map[string]string{"bin/sim!": "sim", "lake.py": "print()", "plain": ""})
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	for _, c := range []struct {
		argv    []string
		program string
		sum     string // the bytes that are hashed
	}{
		{[]string{"./bin/sim", "--serve"}, "bin/sim", "sim"},
		{[]string{"sim", "lake.py"}, "bin/sim", "print()"},
		{[]string{"./bin/sim", "lake.py"}, "bin/sim", "simprint()"},
		{[]string{"sim", "-m", "lake"}, "bin/sim", "sim"},
	} {
		p, err := Command("lake", c.argv, dir)
		if err != nil {
			t.Errorf("%v: %v", c.argv, err)
			continue
		}
		if want := filepath.Join(dir, c.program); p.Command[0] != want || p.Dir != dir {
			t.Errorf("%v: runs %s in %s, want %s in %s", c.argv, p.Command[0], p.Dir, want, dir)
		}
		if !slices.Equal(p.Command[1:], c.argv[1:]) {
			t.Errorf("%v: arguments became %v", c.argv, p.Command[1:])
		}
		if got, want := sumOfProgram(t, p), sumOf(c.sum); got != want {
			t.Errorf("%v: checksum %s, want %s", c.argv, got, want)
		}
	}
	for _, argv := range [][]string{nil, {""}, {"./none"}, {"none"}, {"./plain"}, {"./bin"}} {
		_, err := Command("lake", argv, dir)
		checkError(t, err, sdk.KindPlugin, "plugin lake: ")
	}
}

func TestVerify(t *testing.T) {
	dir := install(t, map[string]string{"lake!": "water"})
	p, err := Path{dir}.Find("lake")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(strings.ToUpper(sumOf("water"))); err != nil {
		t.Error(err)
	}
	checkError(t, p.Verify(sumOf("wine")), sdk.KindPlugin, "plugin lake: ", sumOf("water"), sumOf("wine"))
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func sumOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// A script is run by the interpreter the user chose; its checksum is the script's.
func TestScript(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lake.py"), []byte("print(1)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PLUME_PYTHON", "sh")
	p, err := Script("lake", "lake.py", dir)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(p.Command[0]) != "sh" || p.Command[1] != filepath.Join(dir, "lake.py") {
		t.Errorf("got %v", p.Command)
	}
	if err := p.Verify("d36ca562bf67b4feb32abe8a8f0b52fe1a4ed0dc4cd1ab9e36aff6afb2b25a1d"); err == nil {
		t.Error("another checksum passes")
	}
	for script, python := range map[string]string{"pond.py": "sh", "lake.py": "no-such-python"} {
		t.Setenv("PLUME_PYTHON", python)
		if _, err := Script("lake", script, dir); sdk.KindOf(err) != sdk.KindPlugin {
			t.Errorf("%s with %s: got %v", script, python, err)
		}
	}
}

// Plume in a virtual environment runs scripts in it, but not when the user has activated
// another.
func TestOwnPython(t *testing.T) {
	env, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	self, python := filepath.Join(env, "bin", "plume"), filepath.Join(env, "bin", "python3")
	t.Setenv("VIRTUAL_ENV", "")
	t.Setenv("CONDA_PREFIX", "")
	check := func(when, want string) {
		t.Helper()
		if got := ownPython(self); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	for _, file := range []string{self, python} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	check("of a system", "")
	if err := os.WriteFile(filepath.Join(env, "pyvenv.cfg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("of an environment", python)
	link := filepath.Join(t.TempDir(), "plume")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	self = link
	check("linked to", python)
	t.Setenv("VIRTUAL_ENV", "/another")
	check("next to an active one", "")
}
