package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/sdk"
)

// Input is a file or a directory that the results of a run depend on.
type Input struct {
	Key  string // of the workflow, that names it
	Path string // absolute
	// Info is what the file system said of it before it was read.
	Info os.FileInfo
}

// input notes an input, unless another key has named it before.
func (m *maker) input(key, path string) {
	if slices.ContainsFunc(m.inputs, func(in Input) bool { return in.Path == path }) {
		return
	}
	if info, err := os.Stat(path); err == nil { // else whoever reads it says so
		m.inputs = append(m.inputs, Input{key, path, info})
	}
}

// files notes the files that the workflow itself names.
func (m *maker) files() {
	for _, f := range m.w.Files() {
		m.input(f.Key, f.Path)
	}
}

// paths notes what the parameters of the model at key name.
func (m *maker) paths(key string, manifest *sdk.Manifest, params map[string]any) {
	for _, p := range manifest.Params {
		at := key + ".params." + p.Name
		switch v := params[p.Name].(type) {
		case string:
			m.path(p.Path, at, v)
		case []string:
			for i, item := range v {
				if p.Path == sdk.PathProgram && i == 0 {
					m.program(at, item)
				} else {
					m.path(p.Path, fmt.Sprintf("%s[%d]", at, i), item)
				}
			}
		}
	}
}

// path notes what one item of a parameter names.
func (m *maker) path(use sdk.PathUse, at, item string) {
	switch {
	case use == sdk.PathInput && item != "":
		m.input(at, m.absolute(item))
	case use == sdk.PathProgram && filepath.IsAbs(item): // an argument
		if info, err := os.Stat(item); err == nil && info.Mode().IsRegular() {
			m.input(at, item)
		}
	}
}

// program notes the program that runs when a model asks for name.
func (m *maker) program(at, name string) {
	if strings.ContainsRune(name, filepath.Separator) {
		name = m.absolute(name)
	}
	if file, err := exec.LookPath(name); err == nil { // else the plugin has refused it
		m.input(at, file)
	}
}

// absolute returns the path of a parameter of the model as an absolute one.
func (m *maker) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(m.w.ModelDir(), path)
}
