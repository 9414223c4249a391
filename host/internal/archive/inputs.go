package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Input is a file or a directory that the results of a run depend on.
type Input struct {
	Key    string `json:"key"`  // of the workflow, that names it; [Include] for a file that is included
	Path   string `json:"path"` // absolute
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of a directory that of the names in it with their checksums

	Info os.FileInfo `json:"-"` // what it was when it was first read; nil: the checksum is known
}

// Include is the key of files that a workflow includes.
const Include = "include"

// Change is an input that is not what it was.
type Change struct {
	Key  string    `json:"key"`
	Path string    `json:"path"` // where it is now, or was
	Was  string    `json:"was"`  // sha256; empty: it was no input
	Now  string    `json:"now"`  // empty: it is none any more
	At   time.Time `json:"at"`   // of an accepted change
}

// String says what has changed, on one line.
func (c Change) String() string {
	switch {
	case c.Now == "":
		return fmt.Sprintf("%s (%s): is not there any more; its sha256 was %.12s", c.Path, c.Key, c.Was)
	case c.Was == "":
		return fmt.Sprintf("%s (%s): was not there; its sha256 is %.12s", c.Path, c.Key, c.Now)
	}
	return fmt.Sprintf("%s (%s): has changed since the run began: its sha256 was %.12s, and is %.12s", c.Path, c.Key, c.Was, c.Now)
}

// Sum computes the checksums of those inputs that have none, several at a time. Each is
// read once, at the speed of the disk or at some 1.5 GB/s and processor. One that is not
// what it was when it was first read is an error.
func Sum(ctx context.Context, inputs []Input) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range inputs {
		if in := &inputs[i]; in.SHA256 == "" {
			g.Go(func() error { return in.sum(ctx) })
		}
	}
	return g.Wait()
}

func (in *Input) sum(ctx context.Context) (err error) {
	info, err := os.Stat(in.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", in.Key, err)
	}
	if was := in.Info; was != nil && (info.Size() != was.Size() || !info.ModTime().Equal(was.ModTime())) {
		return fmt.Errorf("%s: %s: has changed while it was read; run again when nobody writes to it", in.Key, in.Path)
	}
	if info.IsDir() {
		in.SHA256, in.Bytes, err = sumFolder(ctx, in.Path)
	} else {
		in.SHA256, in.Bytes, err = sumFile(ctx, in.Path, info)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Key, err)
	}
	return nil
}

// sumFolder returns the sha256 of the paths of all files below a folder, in their order,
// with their own, and how many bytes they have together. Links to files are followed,
// links to folders are not.
func sumFolder(ctx context.Context, dir string) (sum string, size int64, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if info.IsDir() {
			_, err := fmt.Fprintf(h, "%q\n", name)
			return err
		}
		sum, n, err := sumFile(ctx, path, info)
		size += n
		fmt.Fprintf(h, "%q %s\n", name, sum)
		return err
	})
	return hexOf(h), size, err
}

// sumFile returns the sha256 of a file and its size.
func sumFile(ctx context.Context, path string, info os.FileInfo) (string, int64, error) {
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s: is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	buffer := buffers.Get().(*[1 << 16]byte)
	defer buffers.Put(buffer)
	h := sha256.New()
	n, err := io.CopyBuffer(h, reader{ctx, f}, buffer[:])
	return hexOf(h), n, err
}

// reader reads until ctx ends.
type reader struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Pair is an input as it was and as it is.
type Pair struct{ Was, Now Input } // one of the two may be zero

// Pairs puts together what the same keys named and name, in their order: files may have moved.
func Pairs(was, now []Input) []Pair {
	var pairs []Pair
	left := slices.Clone(now)
	for _, w := range was {
		p := Pair{Was: w}
		if i := slices.IndexFunc(left, func(n Input) bool { return n.Key == w.Key }); i >= 0 {
			p.Now = left[i]
			left = slices.Delete(left, i, i+1)
		}
		pairs = append(pairs, p)
	}
	for _, n := range left {
		pairs = append(pairs, Pair{Now: n})
	}
	return pairs
}

// Changes returns those of pairs that differ.
func Changes(pairs []Pair) []Change {
	var changes []Change
	for _, p := range pairs {
		if p.Was.SHA256 != p.Now.SHA256 {
			changes = append(changes, Change{Key: cmp.Or(p.Was.Key, p.Now.Key), Path: cmp.Or(p.Now.Path, p.Was.Path), Was: p.Was.SHA256, Now: p.Now.SHA256})
		}
	}
	return changes
}

// CheckInputs compares the inputs of a run with what is at their paths now. It returns
// what has changed since the run read it last, and what else there is to know of them, one
// line each: what is not there to be compared, and what had changed when the run was resumed.
func CheckInputs(ctx context.Context, dir string) (changed, remarks []string, err error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range info.Accepted {
		remarks = append(remarks, fmt.Sprintf("resumed when %s (%s) had changed: what had ended before %v is of sha256 %.12s, the rest of %.12s", c.Path, c.Key, c.At.Format(time.DateTime), c.Was, c.Now))
	}
	var now []Input
	var was []string
	for _, in := range info.Inputs {
		if _, err := os.Stat(in.Path); err != nil {
			remarks = append(remarks, fmt.Sprintf("%s (%s): cannot be compared with what the run read: %v", in.Path, in.Key, pathless(err)))
			continue
		}
		now, was = append(now, Input{Key: in.Key, Path: in.Path}), append(was, in.SHA256)
	}
	if err := Sum(ctx, now); err != nil {
		return nil, nil, err
	}
	for i, in := range now {
		if in.SHA256 != was[i] {
			changed = append(changed, Change{Key: in.Key, Path: in.Path, Was: was[i], Now: in.SHA256}.String())
		}
	}
	return changed, remarks, nil
}

// pathless returns the cause of an error that names a path.
func pathless(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
