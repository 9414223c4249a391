package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
	"gonum.org/v1/gonum/mat"
)

// checkpoints is the folder of the files that a run needs to be resumed. It is removed
// when the run has nothing left to do, unless rows may be added to its observations.
const checkpoints = "checkpoint"

// Save stores v and numbers, which the run needs to be resumed, under a name. It is atomic:
// after a crash or a loss of power there is the old value or the new one. The numbers are
// not copied: they may be as large as an ensemble.
func (r *Run) Save(name string, v any, numbers ...[]float64) error {
	return r.save(name, v, true, numbers...)
}

// save writes a checksum of what follows: the length of the encoding of v, this encoding,
// and numbers.
func (r *Run) save(name string, v any, durable bool, numbers ...[]float64) error {
	path, err := r.Path(checkpoints, name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(v); err != nil {
		return err
	}
	return replace(path, durable, func(f *os.File) error {
		if _, err := f.Seek(sha256.Size, io.SeekStart); err != nil {
			return err
		}
		sum := sha256.New()
		out := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
		length := binary.LittleEndian.AppendUint64(nil, uint64(text.Len()))
		_, _ = out.Write(append(length, text.Bytes()...))
		piece := make([]byte, 0, 1<<16)
		for _, list := range numbers {
			for some := range slices.Chunk(list, cap(piece)/8) {
				piece, _ = binary.Append(piece[:0], binary.LittleEndian, some) // of numbers of a fixed size
				_, _ = out.Write(piece)
			}
		}
		if err := out.Flush(); err != nil { // also that of an earlier write
			return err
		}
		_, err := f.WriteAt(sum.Sum(nil), 0)
		return err
	})
}

// Load reads into v the value that was saved under a name, and returns the numbers that
// were saved with it. It returns false if there is none. A damaged value counts as missing:
// its work is done again.
func (r *Run) Load(name string, v any) (numbers []float64, ok bool) {
	f, err := os.Open(filepath.Join(r.Dir, checkpoints, name))
	if err != nil {
		return nil, false
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	want, sum := make([]byte, sha256.Size), sha256.New()
	if _, err := io.ReadFull(f, want); err != nil {
		return nil, false
	}
	text, numbers, err := saved(bufio.NewReaderSize(io.TeeReader(f, sum), 1<<16), info.Size()-sha256.Size)
	if err != nil || !bytes.Equal(sum.Sum(nil), want) {
		return nil, false
	}
	return numbers, gob.NewDecoder(bytes.NewReader(text)).Decode(v) == nil
}

// saved reads what save writes after the checksum, of size bytes.
func saved(in io.Reader, size int64) (text []byte, numbers []float64, err error) {
	var word [8]byte
	next := func() uint64 {
		_, err = io.ReadFull(in, word[:])
		return binary.LittleEndian.Uint64(word[:])
	}
	length := next()
	left := size - int64(len(word))
	if err != nil || length > uint64(left) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	text = make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, nil, err
	}
	if left -= int64(length); left > 0 {
		numbers = make([]float64, 0, left/int64(len(word)))
	}
	for ; left > 0 && err == nil; left -= int64(len(word)) {
		numbers = append(numbers, math.Float64frombits(next()))
	}
	return text, numbers, err
}

// Saved returns the names of the saved values that begin with prefix, sorted.
func (r *Run) Saved(prefix string) []string {
	paths, _ := filepath.Glob(filepath.Join(r.Dir, checkpoints, prefix+"*")) // sorted; Dir may have no match, and prefix has no pattern
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = filepath.Base(path)
	}
	return names
}

// Forget removes the value that was saved under a name.
func (r *Run) Forget(name string) error {
	return absent(os.Remove(filepath.Join(r.Dir, checkpoints, name)))
}

// Reopen opens the run directory dir to continue it, for this process alone.
func Reopen(dir string) (*Run, error) {
	lock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	r := &Run{Dir: dir, lock: lock, sums: map[string]string{}}
	info, err := ReadInfo(dir)
	if err == nil {
		err = onlyFiles(dir)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	r.info = *info
	return r, nil
}

// onlyFiles returns an error when there is something else than files and folders below
// dir: to go on would write through links, and wait for pipes.
func onlyFiles(dir string) error {
	dir, err := filepath.EvalSymlinks(dir) // WalkDir does not follow one
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type().IsRegular() {
			return absent(err)
		}
		return regular(path)
	})
}

// Written returns a reader of what has been written of a trial.
func (r *Run) Written(trial int) *Reader {
	return &Reader{Dir: r.Dir, Info: &Info{}, part: part(trial), checked: map[string]*check{}}
}

// Info returns the manifest of the run.
func (r *Run) Info() Info { return r.info }

// unpack puts the parts of tables that [Run.Tidy] has kept back.
func (r *Run) unpack() error {
	return together(parted, func(name string) error {
		if _, err := os.Stat(filepath.Join(r.Dir, name)); err == nil {
			return nil
		}
		return absent(os.Rename(filepath.Join(r.Dir, checkpoints, name), filepath.Join(r.Dir, name)))
	})
}

// Begin marks a reopened run as running again, with its source, its inputs, the accepted
// changes of these, and how far its observations have been read. Tables that were joined when
// the run was stopped are removed; their parts still exist.
func (r *Run) Begin(source string, inputs []Input, accepted []Change, arrivals []observations.Arrival) error {
	r.info.Status, r.info.Trials, r.info.Error, r.info.Finished, r.info.Files = Running, nil, "", nil, nil
	r.info.Resumable, r.info.Retryable = false, false
	r.info.Source, r.info.Inputs, r.info.Accepted = source, inputs, append(r.info.Accepted, accepted...)
	r.info.Arrivals = arrivals
	r.info.Resumed++
	if err := writeInfo(r.Dir, &r.info); err != nil {
		return err
	}
	if err := r.unpack(); err != nil {
		return err
	}
	return together(append(parted, "trials", "metrics"), func(name string) error { return absent(os.Remove(filepath.Join(r.Dir, name+".arrow"))) })
}

// Release ends the claim on the run directory. The end of the process also ends it.
func (r *Run) Release() error { return r.lock.Close() }

// StoredReference returns the members of every cycle of a reference that has been
// written completely, or nil.
func (r *Run) StoredReference(t *plan.Scenario, p *plan.Plan) *cycle.Reference {
	stored, err := table.Read(filepath.Join(r.Dir, "reference", replicate(t), partName(p.Reference.Number)))
	n := p.State.Size()
	if err != nil || stored.Rows != p.Clock.Cycles*p.Keep {
		return nil
	}
	all := mat.NewDense(stored.Rows, n, nil)
	if err := fillRows(all, stored, p.State); err != nil {
		return nil
	}
	members := make([]*mat.Dense, p.Clock.Cycles)
	for k := range members {
		members[k] = all.Slice(k*p.Keep, (k+1)*p.Keep, 0, n).(*mat.Dense)
	}
	return cycle.Kept(members)
}

// fillRows sets the rows of dst to the variables of l in a table.
func fillRows(dst *mat.Dense, t *table.Table, l *sdk.Layout) error {
	from := 0
	for _, v := range l.Variables {
		switch values := t.Column(v.Name).(type) {
		case []float64:
			for i, x := range values {
				dst.Set(i, from, x)
			}
		case [][]float64:
			for i, row := range values {
				copy(dst.RawRowView(i)[from:from+v.Size()], row)
			}
		default:
			return fmt.Errorf("there is no variable %s", v.Name)
		}
		from += v.Size()
	}
	return nil
}
