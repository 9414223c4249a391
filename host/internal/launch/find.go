package launch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/plume-da/plume/sdk"
)

// Path lists the directories in which plugins are looked for, first come first
// served. A plugin is an executable <dir>/<name>/<name> or <dir>/<name>.
type Path []string

// DefaultPath returns the directories of $PLUME_PLUGINS followed by the folder
// plugins next to the running program.
func DefaultPath() Path {
	var path Path
	for _, dir := range filepath.SplitList(os.Getenv("PLUME_PLUGINS")) {
		if dir != "" {
			path = append(path, dir)
		}
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		path = append(path, filepath.Join(filepath.Dir(self), "plugins"))
	}
	return path
}

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// List returns the names of all plugins on the path, of the attached and of the built-in
// ones, sorted.
func (path Path) List() []string {
	names := append(slices.Collect(maps.Keys(builtin.plugins)), attachedNames()...)
	for _, dir := range path {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // a directory that is not there holds no plugins
		}
		for _, entry := range entries {
			name := entry.Name()
			if !nameRule.MatchString(name) {
				continue
			}
			if _, err := executableIn(dir, name); err == nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Find returns the program of the plugin called name: the attached one, or else the first
// on the path, or else the built-in one. An error is of kind plugin and says where it looked.
func (path Path) Find(name string) (*Program, error) {
	where := "plugin " + name
	if !nameRule.MatchString(name) {
		return nil, sdk.Errorf(sdk.KindPlugin, where, "not a plugin name: want lower-case letters, digits, - and _")
	}
	if p, err := Attached(name); p != nil || err != nil {
		return p, err
	}
	for _, dir := range path {
		file, err := executableIn(dir, name)
		switch {
		case err == nil:
			return newProgram(&Program{Name: name, Command: []string{file}, found: true}, []string{file})
		case !errors.Is(err, fs.ErrNotExist):
			return nil, sdk.Errorf(sdk.KindPlugin, where, "%v", err).
				WithHint("a plugin is an executable <dir>/%s or <dir>/%s/%s", name, name, name)
		}
	}
	if p, err := findBuiltin(name); p != nil || err != nil {
		return p, err
	}
	places := strings.Join(path, ", ")
	if len(builtin.plugins) > 0 {
		places += " and in plume itself"
	}
	err := sdk.Errorf(sdk.KindPlugin, where, "not found; looked in %s", places)
	if near := nearest(name, path.List()); near != "" {
		return nil, err.WithHint("did you mean %q?", near)
	}
	return nil, err.WithHint("build it into one of these directories, add its directory to $PLUME_PLUGINS, or name its command under [plugins]")
}

// executableIn returns the absolute path of the plugin called name in dir.
func executableIn(dir, name string) (string, error) {
	file := filepath.Join(dir, name)
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		file = filepath.Join(file, name)
	}
	if err := executable(file); err != nil {
		return "", err
	}
	return filepath.Abs(file)
}

// executable says why file cannot be run, or nil.
func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory, not a program", file)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", file)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable (mode %v)", file, info.Mode().Perm())
	}
	return nil
}

// Program is what is run for a plugin.
type Program struct {
	Name    string   // what the host calls the plugin
	Command []string // program and arguments; the program is an absolute path
	Dir     string   // working directory; empty: the host's
	TCP     bool     // it shall listen on TCP, with mutual TLS, for it may run on another machine
	Peer    bool     // it is not a plugin, see Connect

	// Executor starts the program, on machines of which each has its own processors;
	// nil: that of the pool, on this one.
	Executor Executor

	found  bool     // by its name, which its manifest must then bear
	script bool     // of Python, run by the interpreter Command[0]
	files  []string // that SHA256 is taken of
	sum    func() (string, error)
	linked *sdk.Plugin // see InProcess; nil: it has a process of its own

	attached bool // see Attached; Command[0] is the file with its first line
}

// Command returns the program that argv runs in the directory dir. A program
// named with a slash is relative to dir, one without is looked up on $PATH. An
// error is of kind plugin.
func Command(name string, argv []string, dir string) (*Program, error) {
	where := "plugin " + name
	if len(argv) == 0 || argv[0] == "" {
		return nil, sdk.Errorf(sdk.KindPlugin, where, "the command is empty")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, sdk.Errorf(sdk.KindPlugin, where, "%v", err)
	}
	file := argv[0]
	switch {
	case !strings.ContainsRune(file, filepath.Separator):
		if file, err = exec.LookPath(file); err == nil {
			file, err = filepath.Abs(file)
		}
	default:
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		err = executable(file)
	}
	if err != nil {
		return nil, sdk.Errorf(sdk.KindPlugin, where, "cannot run %q: %v", argv[0], err).
			WithHint("a command with a slash is relative to %s, one without is looked up on $PATH", dir)
	}
	files := filesOf(argv, dir)
	if len(files) == 0 {
		files = []string{file}
	}
	return newProgram(&Program{Name: name, Command: slices.Concat([]string{file}, argv[1:]), Dir: dir}, files)
}

// Script returns the program that runs a Python script of dir: with the
// interpreter $PLUME_PYTHON, that of the virtual environment which holds plume
// when no environment is active, or else the first python3 on $PATH. An error is
// of kind plugin.
func Script(name, script, dir string) (*Program, error) {
	self, _ := os.Executable()
	interpreter, err := exec.LookPath(cmp.Or(os.Getenv("PLUME_PYTHON"), ownPython(self), "python3"))
	if err == nil {
		interpreter, err = filepath.Abs(interpreter)
	}
	if err != nil {
		return nil, sdk.Errorf(sdk.KindPlugin, "plugin "+name, "cannot run Python: %v", err).
			WithHint("install Python 3, or put the path of its interpreter into $PLUME_PYTHON")
	}
	if !filepath.IsAbs(script) {
		script = filepath.Join(dir, script)
	}
	if script, err = filepath.Abs(script); err == nil {
		_, err = os.Stat(script)
	}
	if err != nil {
		return nil, sdk.Errorf(sdk.KindPlugin, "plugin "+name, "no Python script: %v", err)
	}
	return newProgram(&Program{Name: name, Command: []string{interpreter, script}, Dir: dir, script: true}, []string{script})
}

// ownPython returns the interpreter of the virtual environment into which pip, pipx or
// uv has put the program self; "" when it is in none, or when an environment is active.
func ownPython(self string) string {
	if os.Getenv("VIRTUAL_ENV") != "" || os.Getenv("CONDA_PREFIX") != "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	bin := filepath.Dir(self)
	python := filepath.Join(bin, "python3")
	if _, err := os.Stat(filepath.Join(bin, "..", "pyvenv.cfg")); err != nil || executable(python) != nil {
		return ""
	}
	return python
}

// newProgram returns p with the checksum that files have now.
func newProgram(p *Program, files []string) (*Program, error) {
	p.files = files
	p.sum = sync.OnceValues(p.checksum)
	_, err := p.sum()
	return p, err
}

// SHA256 returns the checksum of p, see Verify, in lower-case hexadecimal.
func (p *Program) SHA256() (string, error) { return p.sum() }

// checksum returns the SHA-256 that the files of p have now.
func (p *Program) checksum() (string, error) {
	h := sha256.New()
	for _, file := range p.files {
		if err := addFile(h, file); err != nil {
			return "", sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "cannot take the checksum: %v", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// filesOf returns the regular files argv names. A program looked up on $PATH is
// not one: the script an interpreter runs is the plugin, not the interpreter.
func filesOf(argv []string, dir string) []string {
	var files []string
	for i, arg := range argv {
		if i == 0 && !strings.ContainsRune(arg, filepath.Separator) {
			continue
		}
		if !filepath.IsAbs(arg) {
			arg = filepath.Join(dir, arg)
		}
		if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
			files = append(files, arg)
		}
	}
	return files
}

func addFile(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// Verify returns an error of kind plugin unless want is the checksum of p: the
// SHA-256 of the bytes of the executable or, for a command, of all files the
// command names, one after another. An interpreter looked up on $PATH counts
// only when the command names no file.
func (p *Program) Verify(want string) error {
	sum, err := p.sum()
	if err != nil || strings.EqualFold(want, sum) {
		return err
	}
	return sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "%s has SHA-256 %s, want %s", p.Command[0], sum, want).
		WithHint("it is not the program that was recorded: restore that one, or record the new checksum")
}

// unchanged returns an error of kind plugin when the program is no longer the one
// that was found.
func (p *Program) unchanged() error {
	was, err := p.sum()
	if err != nil {
		return err
	}
	now, err := p.checksum()
	if err == nil && now != was {
		err = sdk.Errorf(sdk.KindPlugin, "plugin "+p.Name, "%s has changed since the run began, and cannot be started again", p.Command[0])
	}
	return err
}

// nearest returns the one of names that name was probably meant to be, or "".
func nearest(name string, names []string) string {
	best, least := "", 1+len(name)/3
	for _, n := range names {
		if d := editDistance(name, n); d <= least {
			best, least = n, d-1
		}
	}
	return best
}

// editDistance returns the Levenshtein distance of two ASCII strings.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
