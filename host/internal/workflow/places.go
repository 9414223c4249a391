package workflow

import (
	"path/filepath"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// At returns the place of a value, by a path of keys and of indices from 0, such as
// At("filter", 2, "params", "inflation"). The place of a table is its header; that of a
// value that is not written in the text is the innermost table above it that is.
func (w *Workflow) At(path ...any) diag.Span {
	n, _ := w.root.Find(path)
	return n.Place()
}

// KeyAt returns the place of a key; see [Workflow.At].
func (w *Workflow) KeyAt(path ...any) diag.Span {
	n, exact := w.root.Find(path)
	if !exact {
		return n.Place()
	}
	return n.KeyPlace()
}

// bad reports whether the value at path has a finding of its own.
func (w *Workflow) bad(path ...any) bool {
	n, exact := w.root.Find(path)
	return exact && n.Bad
}

// Path returns the path of a file of observations: a relative one starts at the
// folder of the text that contains it.
func (w *Workflow) Path(file string) string {
	for i, o := range w.Observations {
		if o.File == file {
			return w.resolve(file, "observations", i, "file")
		}
	}
	return w.resolve(file)
}

// resolve returns the absolute path of the file that is named at a place in the
// workflow: a relative path starts at the folder of the text that contains it.
func (w *Workflow) resolve(file string, place ...any) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(w.folder(place...), file)
}

// ModelDir returns the folder, as an absolute path, at which relative paths among the
// parameters of the model start.
func (w *Workflow) ModelDir() string {
	if w.Model.Dir != "" {
		return w.Model.Dir
	}
	return w.folder("model", "plugin")
}

// folder returns the folder, as an absolute path, at which relative paths at a place
// start: that of the file that contains the value, or of the workflow for a --set.
func (w *Workflow) folder(place ...any) string {
	n, _ := w.root.Find(place)
	file := n.File()
	if file == "" {
		file = w.File
	}
	return tomltext.Absolute(filepath.Dir(file))
}

// File is a file that a workflow names.
type File struct {
	Key  string // that names it
	Path string // absolute
}

// Files returns the files of observations and of members, not those that are included.
func (w *Workflow) Files() []File {
	var files []File
	add := func(key, file string, place ...any) {
		if file != "" {
			files = append(files, File{key, w.resolve(file, place...)})
		}
	}
	for i, o := range w.Observations {
		add(strings.TrimSuffix("observations."+o.Label, ".")+".file", o.File, "observations", i, "file")
	}
	add("ensemble.init.file", w.Ensemble.Init.File, "ensemble", "init", "file")
	if w.Truth != nil {
		add("truth.init.file", w.Truth.Init.File, "truth", "init", "file")
	}
	return files
}
