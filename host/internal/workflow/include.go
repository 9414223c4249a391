package workflow

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
)

const (
	includeLayer = "include"
	// maxFiles bounds how many files a workflow is read from.
	maxFiles = 100
)

// reader reads a file and what it includes. The rank of a file is 0, that of
// included ones less: a file is laid over what it includes, and of two that one
// file includes the later one over the earlier.
type reader struct {
	found *diag.Findings
	rank  int      // of the file read last
	chain []string // absolute paths of the files that are being read, outermost first
}

// file decodes src and lays it over what it includes. A finding about any of the
// files is reported; the tree is nil when src itself cannot be decoded.
func (r *reader) file(src *diag.Source) *node {
	over := read(r.found, src)
	if over == nil {
		return nil
	}
	over.flatten()
	list := over.table["include"]
	delete(over.table, "include")
	if list == nil {
		return over
	}
	if (&checker{found: r.found}).value(list, "include", lookup(schema.keys, "include")); list.bad {
		return over
	}
	r.chain = append(r.chain, absolute(src.File))
	included := make([]*node, 0, len(list.items))
	for _, item := range slices.Backward(list.items) { // so that ranks fall
		if n := r.include(item); n != nil {
			included = append(included, n)
		}
	}
	r.chain = r.chain[:len(r.chain)-1]
	var root *node
	for _, n := range slices.Backward(append([]*node{over}, included...)) {
		root = merge(r.found, root, n, "")
	}
	root.src, root.layer, root.mark = over.src, over.layer, over.mark // what is missing is missing there
	return root
}

// include reads the file that item, a string, names.
func (r *reader) include(item *node) *node {
	name := item.value.(string)
	path := beside(item.src, name)
	at := absolute(path)
	switch {
	case slices.Contains(r.chain, at):
		r.found.Add(codeInclude, item.place(), "%s includes itself", show(name)).
			WithLabel("is being read already").WithHelp("remove it, here or from one of the files between")
		return nil
	case -r.rank+1 >= maxFiles:
		r.found.Add(codeTooLarge, item.place(), "the workflow is spread over more than %d files", maxFiles).
			WithHelp("put what belongs together into one file")
		return nil
	}
	r.rank--
	text, err := readFile(path)
	if err != nil {
		r.found.Add(codeUnreadable, item.place(), "cannot read the included file %s: %v", show(name), cause(err)).
			WithNote("it is looked for as %s", path).WithHelp("a relative path starts at the folder of the file that includes it")
		return nil
	}
	return r.file(diag.NewSource(path, includeLayer, r.rank, strings.TrimPrefix(string(text), "\ufeff")))
}

// beside returns path, relative paths taken from the folder of src.
func beside(src *diag.Source, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(src.File), path)
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil { // the working directory is gone
		return filepath.Clean(path)
	}
	return abs
}

// errNotFile is the cause of a path that names a folder, a device or a pipe.
var errNotFile = errors.New("is no regular file")

// readFile reads no more than is needed to see that a file is too long.
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
