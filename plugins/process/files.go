package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/sdk"
)

// The files with the output of a command.
const stdoutFile, stderrFile = "stdout.txt", "stderr.txt"

// setFiles checks the names of all files in the working directory of a command.
func (m *model) setFiles() error {
	taken := map[string]string{stdoutFile: "the output of the command", stderrFile: "its messages"}
	for _, in := range m.inputs {
		if err := m.take(taken, "input", in.name); err != nil {
			return err
		}
	}
	for _, out := range m.outputs {
		if m.isCarried(out.name) || m.Mode != "server" && filepath.Clean(out.name) == stdoutFile { // the output of a program that ends is as good a result as any other
			continue
		}
		if err := m.take(taken, "output", out.name); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		where  string
		given  []string
		placed *[]string
	}{{"files", m.Files, &m.files}, {"copies", m.Copies, &m.copies}} {
		for _, f := range list.given {
			f = m.path(f)
			if _, err := os.Stat(f); err != nil {
				return config(list.where, "%v", err)
			}
			if by, found := taken[filepath.Base(f)]; found {
				return config(list.where, "the name %s is taken by %s", filepath.Base(f), by)
			}
			taken[filepath.Base(f)] = list.where
			*list.placed = append(*list.placed, f)
		}
	}
	if err := m.setCarry(taken); err != nil {
		return err
	}
	if err := m.setRestart(); err != nil {
		return err
	}
	return m.note()
}

// take checks the name of a file that parameter where gives, and notes it and the directory
// that contains it as taken.
func (m *model) take(taken map[string]string, where, name string) error {
	clean := filepath.Clean(name)
	if !filepath.IsLocal(name) || clean == "." {
		return config(where, "got %q, want the name of a file in the working directory", name)
	}
	if by, found := taken[clean]; found {
		return config(where, "the name %q is taken by %s", name, by)
	}
	top, _, _ := strings.Cut(clean, string(filepath.Separator))
	if taken[top] == "files" {
		return config(where, "got %q, which is in the original of %s, a link from files", name, top).WithHint("name %s in copies instead", top)
	}
	taken[clean], taken[top] = where, where
	return nil
}

// names returns the names of files.
func names(files []exchanged) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.name)
	}
	return all
}

// trace is what tells that a file has changed.
type trace struct {
	size int64
	time time.Time
}

func traceOf(info fs.FileInfo) trace { return trace{info.Size(), info.ModTime()} }

// note keeps the traces of the linked files, and of those in linked directories.
func (m *model) note() error {
	m.traces = map[string]trace{}
	for _, f := range m.files {
		real, err := filepath.EvalSymlinks(f)
		if err != nil {
			return config("files", "%v", err)
		}
		// A file that cannot be read is named by whoever reads it.
		err = filepath.WalkDir(real, func(path string, _ fs.DirEntry, _ error) error {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				m.traces[path] = traceOf(info)
			}
			return nil
		})
		if err != nil {
			return config("files", "%v", err)
		}
	}
	return nil
}

// unchanged returns an error if a linked file has changed since m was configured. The files
// are the originals: a program that writes to one changes it for all members, in an order
// that differs from run to run.
func (m *model) unchanged() error {
	for _, path := range slices.Sorted(maps.Keys(m.traces)) {
		info, err := os.Stat(path)
		if err == nil && traceOf(info) == m.traces[path] {
			continue
		}
		what := "has changed"
		if errors.Is(err, fs.ErrNotExist) {
			what = "has been removed"
		}
		return sdk.Errorf(sdk.KindExternal, "files", "%s %s while the model ran: by %s, whose link leads to it, or by another program", path, what, m.Command[0]).
			WithHint("name a file that the program writes to in copies instead, and put back what it was")
	}
	return nil
}

// furnish makes the working directory of a run with that of its input, and puts links to the
// files and copies into it.
func (m *model) furnish(dir string) error {
	for _, name := range append([]string{"."}, names(m.inputs)...) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			return err
		}
	}
	for _, f := range m.files {
		if err := os.Symlink(f, filepath.Join(dir, filepath.Base(f))); err != nil {
			return err
		}
	}
	for _, f := range m.copies {
		if err := duplicate(f, filepath.Join(dir, filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}

// duplicate copies a file with its permissions, or a directory.
func duplicate(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm()|0o200) // the program writes to it
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// contents lists the files in the working directory of a run that a message names, without
// those that were there before it.
func (m *model) contents(dir string) string {
	const most = 8
	known := []string{stdoutFile, stderrFile}
	for _, f := range slices.Concat(names(m.inputs), m.files, m.copies) {
		known = append(known, filepath.Base(f))
	}
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			names = append(names, e.Name())
		}
	}
	switch {
	case len(names) == 0:
		return "it left no file of its own"
	case len(names) > most:
		return fmt.Sprintf("it left %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return "it left " + strings.Join(names, ", ")
}
