package tomltext

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
)

const includeLayer = "include"

// File decodes text, which findings call name, and lays it over the files it includes,
// whose relative paths start at the folder of name. The tree is nil if text itself
// cannot be decoded. The rank of the file is 0 and those of included files are lower: a
// file overrides the files that it includes, and of two included files the later one
// overrides the earlier.
func (r *Reader) File(name string, text []byte) *Node {
	r.rank, r.folder = 0, realPath(filepath.Dir(name))
	return r.file(name, diag.FileLayer, text)
}

func (r *Reader) file(name, layer string, text []byte) *Node {
	src := diag.NewSource(name, layer, r.rank, strings.TrimPrefix(string(text), "\ufeff"))
	src.Secret = layer == includeLayer && !r.inFolder(name)
	over := r.decode(src)
	if over == nil {
		return nil
	}
	files := r.Rule.Prepare(over)
	r.chain = append(r.chain, Absolute(name))
	layers := make([]*Node, 0, len(files)+1)
	layers = append(layers, over)
	for _, file := range slices.Backward(files) { // so that ranks fall
		if n := r.include(file); n != nil {
			layers = append(layers, n)
		}
	}
	r.chain = r.chain[:len(r.chain)-1]
	var root *Node
	for _, n := range slices.Backward(layers) {
		root = Merge(r.Rule, root, n)
	}
	root.src, root.layer, root.key, root.text = over.src, over.layer, over.key, over.text // missing keys are reported there
	return root
}

// include reads the file that item, a string, names.
func (r *Reader) include(item *Node) *Node {
	name := item.Value.(string)
	path := relativeTo(item.src.File, name)
	switch {
	case slices.Contains(r.chain, Absolute(path)):
		r.Found.Add(CodeInclude, item.Place(), "%s includes itself", Show(name)).
			WithLabel("is being read already").WithHelp("remove it, here or from one of the files in between")
		return nil
	case -r.rank+1 >= maxFiles:
		r.Found.Add(CodeTooLarge, item.Place(), "the %s includes more than %d files", r.Noun, maxFiles).
			WithHelp("merge files that belong together")
		return nil
	}
	r.rank--
	text, err := ReadFile(path)
	if err != nil {
		r.Found.Add(CodeUnreadable, item.Place(), "cannot read the included file %s: %v", Show(name), err).
			WithNote("the path resolves to %s", path).WithHelp("a relative path starts at the folder of the file that includes it")
		return nil
	}
	r.Included = append(r.Included, Included{Absolute(path), len(text), sha256.Sum256(text)})
	return r.file(path, includeLayer, text)
}

// inFolder says whether a file is in the folder of the document, with all its links
// followed, or below it.
func (r *Reader) inFolder(file string) bool {
	below, err := filepath.Rel(r.folder, realPath(file))
	return err == nil && filepath.IsLocal(below)
}

// realPath returns the absolute path of a file without links; where that cannot be told,
// with them.
func realPath(file string) string {
	path := Absolute(file)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// relativeTo returns path, which is relative to the folder of file unless it is absolute.
func relativeTo(file, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(file), path)
}

// Absolute returns path as an absolute path.
func Absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil { // the working directory is gone
		return filepath.Clean(path)
	}
	return abs
}

// errNotFile is the cause of a path that names a folder, a device or a pipe.
var errNotFile = errors.New("is not a regular file")

// ReadFile returns the text of a file. It reads at most one byte more than a text may
// have. Its errors do not name the path.
func ReadFile(path string) ([]byte, error) {
	text, err := readFile(path)
	var e *fs.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	return text, err
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, maxText+1))
}
