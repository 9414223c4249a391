package archive

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/plume-da/plume/sdk/wire/table"
)

// Piece is something new in the files of work, such as a trial, for another directory of the same run.
type Piece struct {
	Clear bool   // the files of the work are removed; it starts again
	Name  string // of a file, below the run directory
	Gone  bool   // the file does not exist any more
	Part  bool   // it is a table that is still being written
	At    int64  // the bytes of the file from here on are Data
	Data  []byte
	Last  bool // of a checkpoint, which takes the place of the one before when it is complete
}

// pieceBytes is the most data of a piece.
const pieceBytes = 1 << 18

// Mirror keeps the files of work the same in another directory, as they grow.
type Mirror struct {
	run   *Run
	work  Work
	put   func(Piece) error    // at the other end; it keeps no data
	sent  map[string]int64     // length of the tables there
	saved map[string]time.Time // when the checkpoints there were made
}

// Mirror returns a mirror of w, of which nothing is at the other end. A piece holds at most 256 kB,
// however large the files are.
func (r *Run) Mirror(w Work, put func(Piece) error) *Mirror {
	return &Mirror{r, w, put, map[string]int64{}, map[string]time.Time{}}
}

// Begin says where the trial goes on: from a checkpoint that came from the other end, with
// the tables up to there, or from the start.
func (m *Mirror) Begin(again bool) error {
	if !again {
		return m.put(Piece{Clear: true})
	}
	for _, name := range m.work.files {
		size, part, err := m.length(name)
		switch {
		case errors.Is(err, os.ErrNotExist): // the other end may have what came after the checkpoint
			err = m.put(Piece{Name: name, Gone: true})
		case err == nil && part: // later rows at the other end are not valid
			m.sent[name] = size
			err = m.table(name)
		case err == nil: // it is written again at the end of the trial
			err = errors.Join(os.Remove(filepath.Join(m.run.Dir, name)), m.put(Piece{Name: name, Gone: true}))
		}
		if err != nil {
			return err
		}
	}
	for _, name := range m.run.checkpointsOf(m.work) {
		if info, err := os.Stat(filepath.Join(m.run.Dir, name)); err == nil {
			m.saved[name] = info.ModTime()
		}
	}
	return nil
}

// Update sends what is new: rows of tables, and then checkpoints, so that there are rows for
// all checkpoints. Nothing may be written meanwhile.
func (m *Mirror) Update() error {
	for _, name := range m.work.files {
		if err := m.table(name); err != nil {
			return err
		}
	}
	now := m.run.checkpointsOf(m.work)
	for name := range maps.Clone(m.saved) {
		if !slices.Contains(now, name) {
			delete(m.saved, name)
			if err := m.put(Piece{Name: name, Gone: true}); err != nil {
				return err
			}
		}
	}
	for _, name := range now {
		if err := m.checkpoint(name); err != nil {
			return err
		}
	}
	return nil
}

// checkpointsOf returns the names of the checkpoints of w, a trial; other work has none.
func (r *Run) checkpointsOf(w Work) (names []string) {
	for _, name := range append(r.Saved(w.name+".after="), w.name) {
		path := filepath.Join(checkpoints, name)
		if _, err := os.Stat(filepath.Join(r.Dir, path)); err == nil && filepath.Ext(name) != ".next" {
			names = append(names, path)
		}
	}
	return names
}

// length returns the length of a table, and whether it is still being written.
func (m *Mirror) length(name string) (size int64, part bool, err error) {
	path := filepath.Join(m.run.Dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		part = true
		info, err = os.Stat(path + table.Part)
	}
	if err != nil {
		return 0, false, err
	}
	return info.Size(), part, nil
}

// table sends what is new of a table, if it exists, and whether it is complete.
func (m *Mirror) table(name string) error {
	_, part, err := m.length(name)
	if err != nil {
		return absent(err)
	}
	path := filepath.Join(m.run.Dir, name)
	if part {
		path += table.Part
	}
	at := m.sent[name]
	m.sent[name], err = m.file(path, Piece{Name: name, Part: part, At: at})
	return err
}

// checkpoint sends a checkpoint that is new.
func (m *Mirror) checkpoint(name string) error {
	path := filepath.Join(m.run.Dir, name)
	info, err := os.Stat(path)
	if err != nil || info.ModTime().Equal(m.saved[name]) {
		return err
	}
	m.saved[name] = info.ModTime()
	_, err = m.file(path, Piece{Name: name})
	return err
}

// file sends a file from p.At on, in pieces like p, and returns its length. There is at least
// one piece.
func (m *Mirror) file(path string, p Piece) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return p.At, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data := make([]byte, pieceBytes)
	for {
		n, err := f.ReadAt(data, p.At)
		if err != nil && !errors.Is(err, io.EOF) {
			return p.At, err
		}
		p.Data, p.Last = data[:n], err != nil
		if err := m.put(p); err != nil {
			return p.At, err
		}
		if p.At += int64(n); p.Last {
			return p.At, nil
		}
	}
}

// Put does to the files of w here what a piece says.
func (r *Run) Put(w Work, p Piece) error {
	switch {
	case p.Clear:
		return r.Clear(w)
	case !w.owns(p.Name):
		return fmt.Errorf("%q is not a file of %s", p.Name, w.name)
	}
	path, err := r.Path(strings.Split(p.Name, "/")...)
	switch {
	case err != nil:
		return err
	case p.Gone:
		return errors.Join(absent(os.Remove(path)), absent(os.Remove(path+table.Part)))
	case strings.HasPrefix(p.Name, checkpoints):
		return putCheckpoint(path, p)
	}
	other := path + table.Part
	if p.Part {
		path, other = other, path
	}
	if err := absent(os.Rename(other, path)); err != nil {
		return err
	}
	return p.write(path)
}

// owns reports whether a file, a table or a checkpoint, is one of w.
func (w Work) owns(name string) bool {
	folder, base := filepath.Split(name)
	return slices.Contains(w.files, name) || folder == checkpoints+"/" && (base == w.name || strings.HasPrefix(base, w.name+".after="))
}

// putCheckpoint replaces a checkpoint when all of the new one is there.
func putCheckpoint(path string, p Piece) error {
	next := path + ".next"
	if err := p.write(next); err != nil || !p.Last {
		return err
	}
	return install(next, path)
}

// write writes the data of p, with which the file ends.
func (p *Piece) write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	err = f.Truncate(p.At)
	if err == nil {
		_, err = f.WriteAt(p.Data, p.At)
	}
	return errors.Join(err, f.Close())
}

// Clear removes the files of w.
func (r *Run) Clear(w Work) error {
	var err error
	for _, name := range w.files {
		path := filepath.Join(r.Dir, name)
		err = errors.Join(err, absent(os.Remove(path)), absent(os.Remove(path+table.Part)))
	}
	for _, name := range r.checkpointsOf(w) {
		err = errors.Join(err, absent(os.Remove(filepath.Join(r.Dir, name))))
	}
	return err
}
