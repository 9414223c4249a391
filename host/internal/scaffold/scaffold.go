// Package scaffold writes files to start from: a workflow that can be run, or a plugin
// with its tests, a workflow that uses it and a page about it. Everything is made from
// the files below templates; see decision 20.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/template"
)

//go:embed all:templates
var templates embed.FS

// Roles and Langs are the roles that a plugin may have and the languages it may be
// written in.
var (
	Roles = []string{"model", "obs", "filter"}
	Langs = []string{"go", "python"}
)

// Plugin says which plugin to write.
type Plugin struct {
	Name  string // of the plugin, its folder and, in Go, its module
	Role  string // one of Roles
	Lang  string // one of Langs
	Plume string // a checkout of plume to build against, checksums of its modules and all; empty: the published one
}

// nameRule is the rule for the name of a plugin, which is also that of a Go module or a
// Python script.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Workflow writes dir/workflow.toml and returns its path.
func Workflow(dir string) ([]string, error) {
	return write(dir, map[string]string{"templates/workflow/workflow.toml": "workflow.toml"}, view{})
}

// Write writes p below dir and returns the paths of its files. It writes nothing if one
// of them already exists.
func (p Plugin) Write(dir string) ([]string, error) {
	if !nameRule.MatchString(p.Name) {
		return nil, fmt.Errorf("%q cannot be the name of a plugin: want words of lower-case letters and digits, joined by -", p.Name)
	}
	files := map[string]string{}
	v := view{Plugin: p, Script: strings.ReplaceAll(p.Name, "-", "_"), Class: camel(p.Name)}
	if p.Plume != "" {
		var err error
		if v.Plume, err = filepath.Abs(p.Plume); err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(v.Plume, "sdk", "plugin.go")); err != nil {
			return nil, fmt.Errorf("%s is not a checkout of plume: %w", p.Plume, err)
		}
	}
	for _, from := range []string{path.Join("templates", p.Lang), path.Join("templates", p.Lang, p.Role)} {
		entries, err := templates.ReadDir(from)
		if err != nil {
			return nil, fmt.Errorf("there is no template for %s in %s", p.Role, p.Lang)
		}
		for _, e := range entries {
			if !e.IsDir() {
				files[path.Join(from, e.Name())] = strings.ReplaceAll(strings.TrimSuffix(e.Name(), ".tmpl"), "SCRIPT", v.Script)
			}
		}
	}
	written, err := write(dir, files, v)
	if err != nil || p.Lang != "go" || p.Plume == "" {
		return written, err
	}
	sums, err := os.ReadFile(filepath.Join(v.Plume, "go.sum"))
	if err != nil {
		return written, err
	}
	file := filepath.Join(dir, "go.sum")
	return append(written, file), create(file, string(sums))
}

// view is the data of the templates.
type view struct {
	Plugin
	Script string // the name as a Python identifier
	Class  string // the name as the name of a type
	Guess  *guess // of a workflow for a file
}

// Command returns the entry of a workflow for the program.
func (v view) Command() string {
	if v.Lang == "go" {
		return fmt.Sprintf(`{ command = ["./%s"] }`, v.Name)
	}
	return fmt.Sprintf(`{ python = "%s.py" }`, v.Script)
}

// camel returns a name in camel case: my-lake becomes MyLake.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// write fills in templates and writes them below dir: all of them or, if one of the files
// already exists, none. It returns their paths, sorted.
func write(dir string, files map[string]string, v view) ([]string, error) {
	texts := map[string]string{}
	for from, to := range files {
		text, err := templates.ReadFile(from)
		if err != nil {
			return nil, err
		}
		// << >>, since Go has {{ of its own
		t, err := template.New(from).Delims("<<", ">>").Parse(string(text))
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		if err := t.Execute(&b, v); err != nil {
			return nil, err
		}
		file := filepath.Join(dir, to)
		if _, err := os.Lstat(file); errors.Is(err, syscall.ENOTDIR) {
			return nil, fmt.Errorf("%s: want a directory, which may be new: %w", dir, err)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s already exists and is not overwritten", file)
		}
		texts[file] = b.String()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var written []string
	for file, text := range texts {
		if err := create(file, text); err != nil {
			return written, err
		}
		written = append(written, file)
	}
	slices.Sort(written)
	return written, nil
}

// create writes a new file.
func create(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
