package workflow

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// At returns the place of a value, by a path of keys and of indices from 0, such
// as At("filter", 2, "params", "inflation"). Of a table it is its header. What is
// not written in the text is looked for in the table that would hold it.
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

// bad says whether the value at path has a finding of its own.
func (w *Workflow) bad(path ...any) bool {
	n, exact := w.root.Find(path)
	return exact && n.Bad
}

// Path returns the path of a file of observations: a relative one starts at the
// folder of the text it stands in.
func (w *Workflow) Path(file string) string {
	for i, o := range w.Observations {
		if o.File == file {
			return w.resolve(file, "observations", i, "file")
		}
	}
	return w.resolve(file)
}

// resolve returns the file that stands at a place in the workflow as an absolute
// path: a relative one starts at the folder of the text it stands in.
func (w *Workflow) resolve(file string, place ...any) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(w.folder(place...), file)
}

// ModelDir returns the folder, absolute, that relative paths among the parameters of
// the model start at.
func (w *Workflow) ModelDir() string {
	if w.Model.Dir != "" {
		return w.Model.Dir
	}
	return w.folder("model", "plugin")
}

// folder returns the folder, absolute, that relative paths at a place start at:
// that of the file the value is written in, or of the workflow for a --set.
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
	for _, name := range slices.Sorted(maps.Keys(w.Model.Estimate)) {
		add("model.estimate."+name+".init.file", w.Model.Estimate[name].Init.File, "model", "estimate", name, "init", "file")
	}
	if w.Truth != nil {
		add("truth.init.file", w.Truth.Init.File, "truth", "init", "file")
	}
	return files
}
