package archive

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/wire/table"
)

// Work is a piece of work that writes files of its own in a run: a trial, a truth or a
// reference.
type Work struct {
	name  string
	files []string // paths below the run directory; some of them may not exist
}

// TrialWork returns the work of the trial with a number.
func TrialWork(number int) Work {
	w := Work{name: fmt.Sprintf("trial=%04d", number)}
	for _, table := range parted {
		w.files = append(w.files, filepath.Join(table, part(number)))
	}
	w.files = append(w.files, filepath.Join("ensemble", w.name, partName(0)), filepath.Join("smoothed", w.name, partName(0)))
	return w
}

// ScenarioWork returns the work of a truth and its observations.
func ScenarioWork(t *plan.Scenario) Work {
	return Work{fmt.Sprintf("truth=%03d-%05d", t.Replicate, t.Number), []string{
		filepath.Join("truth", replicate(t), partName(t.Number)), filepath.Join("observations", scenarioPart(t)), filepath.Join("rejections", scenarioPart(t))}}
}

// ReferenceWork returns the work of the reference that trials of p are scored against.
func ReferenceWork(t *plan.Scenario, p *plan.Plan) Work {
	name := referenceName(t, p)
	return Work{name, []string{filepath.Join("reference", replicate(t), partName(p.Reference.Number)), filepath.Join("failures", name+".arrow")}}
}

func referenceName(t *plan.Scenario, p *plan.Plan) string {
	return fmt.Sprintf("reference=%03d-%05d", t.Replicate, p.Reference.Number)
}

// ending is the record of work that has ended.
type ending struct {
	Sums     map[string]string // sha256 of its files by path
	Value    []byte
	Arrivals int // of observations when it ended
}

// End stores v, the result of w, with the checksums of the files of w. If durable, all of
// this is on the disk when End returns. Otherwise a loss of power may leave any part of
// it, which [Run.Ended] detects: waiting for the disk takes longer than a short trial.
func (r *Run) End(w Work, v any, durable bool) error {
	var value bytes.Buffer
	if err := gob.NewEncoder(&value).Encode(v); err != nil {
		return err
	}
	e := ending{Sums: map[string]string{}, Value: value.Bytes(), Arrivals: len(r.info.Arrivals)}
	for _, name := range w.files {
		sum, err := r.sumOf(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil && durable {
			err = syncFile(filepath.Join(r.Dir, name))
		}
		if err != nil {
			return err
		}
		e.Sums[name] = sum
	}
	r.know(e.Sums)
	return r.save(w.name+".end", e, durable)
}

// Reopened says that w, which has ended, has to be done again.
func (r *Run) Reopened(w Work) error { return r.Forget(w.name + ".end") }

// Ended reports whether w has ended, and neither have its files changed nor have observations
// arrived since. If so it reads the result of w into v.
func (r *Run) Ended(w Work, v any) bool {
	var e ending
	if _, ok := r.Load(w.name+".end", &e); !ok || e.Arrivals != len(r.info.Arrivals) {
		return false
	}
	for name, want := range e.Sums {
		if sum, err := checksum(context.Background(), filepath.Join(r.Dir, name)); err != nil || sum != want {
			return false
		}
	}
	r.know(e.Sums)
	return gob.NewDecoder(bytes.NewReader(e.Value)).Decode(v) == nil
}

// sumOf returns the checksum of a file of work that has ended.
func (r *Run) sumOf(name string) (string, error) {
	r.mu.Lock()
	sum := r.sums[name]
	r.mu.Unlock()
	if sum != "" {
		return sum, nil
	}
	return checksum(context.Background(), filepath.Join(r.Dir, name))
}

// sumsOf returns the checksums of the bytes of tables written so far, by path below Dir.
func (r *Run) sumsOf(tables []*table.Writer) map[string]string {
	sums := map[string]string{}
	for _, w := range tables {
		if name, err := filepath.Rel(r.Dir, w.Path()); err == nil {
			sums[name] = w.Sum()
		}
	}
	return sums
}

// know stores the checksums of files that will not change any more.
func (r *Run) know(sums map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.sums, sums)
}

// replace writes a file atomically: after a crash there is the old file or the new one;
// if durable, also after a loss of power.
func replace(path string, durable bool, write func(*os.File) error) error {
	next := path + ".next"
	if err := errors.Join(absent(os.Remove(next)), makeNew(next, write)); err != nil {
		return err
	}
	if !durable {
		return os.Rename(next, path)
	}
	return install(next, path)
}

// install renames a file that is complete to path, also for a loss of power.
func install(next, path string) error {
	return errors.Join(syncFile(next), os.Rename(next, path), syncFile(filepath.Dir(path)))
}

// writeNew writes a file that is not there, also not as a link to somewhere else.
func writeNew(path string, text []byte) error { return makeNew(path, whole(text)) }

// whole returns a function that writes text to a file.
func whole(text []byte) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(text)
		return err
	}
}

// makeNew makes a file that is not there, and has write write it.
func makeNew(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// syncFile waits until a file, or the names in a folder, are on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// followed is the name, below checkpoints, of the number of the last cycle of a run that plume
// follow has printed.
const followed = "followed"

// Followed returns the last cycle of the run in dir that has been printed; 0 if none has.
func Followed(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, checkpoints, followed))
	if err != nil {
		return 0
	}
	cycle, err := strconv.Atoi(string(text))
	if err != nil {
		return 0 // they are printed again
	}
	return cycle
}

// SetFollowed stores the last cycle of the run in dir that has been printed.
func SetFollowed(dir string, cycle int) error {
	return replace(filepath.Join(dir, checkpoints, followed), false, whole([]byte(strconv.Itoa(cycle))))
}
