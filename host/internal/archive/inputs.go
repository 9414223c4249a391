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
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Input is a file or a directory that the results of a run depend on.
type Input struct {
	Key    string `json:"key"`  // key of the workflow that names it; [Include] for an included file
	Path   string `json:"path"` // absolute
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // for a directory: of the names in it with their checksums

	Info os.FileInfo `json:"-"` // before it was first read; nil if the checksum is known
	Upto int64       `json:"-"` // bytes that were read, while another program appends to it; 0: all
}

// Include is the key of the files that a workflow includes.
const Include = "include"

// Change is an input that has changed.
type Change struct {
	Key  string    `json:"key"`
	Path string    `json:"path"` // its path now, or its former path
	Was  string    `json:"was"`  // sha256; empty if it was not an input
	Now  string    `json:"now"`  // empty if it is no longer an input
	At   time.Time `json:"at"`   // of an accepted change
}

// String says what has changed, on one line.
func (c Change) String() string {
	switch {
	case c.Now == "":
		return fmt.Sprintf("%s (%s): no longer exists; its sha256 was %.12s", c.Path, c.Key, c.Was)
	case c.Was == "":
		return fmt.Sprintf("%s (%s): did not exist; its sha256 is %.12s", c.Path, c.Key, c.Now)
	}
	return fmt.Sprintf("%s (%s): has changed since the run began: its sha256 was %.12s and is %.12s", c.Path, c.Key, c.Was, c.Now)
}

// Sum computes the checksums of the inputs that have none, several at a time. Each is
// read once, at the speed of the disk or at about 1.5 GB/s per processor. It is an error
// if an input has changed since it was first read.
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
	if was := in.Info; was != nil && in.Upto == 0 && info.Mode().IsRegular() && (info.Size() != was.Size() || !info.ModTime().Equal(was.ModTime())) {
		return fmt.Errorf("%s: %s: changed while it was read; run again when no program writes to it", in.Key, in.Path)
	}
	if info.IsDir() {
		in.SHA256, in.Bytes, err = sumFolder(ctx, in.Path)
	} else {
		in.SHA256, in.Bytes, err = sumFile(ctx, in.Path, info, in.Upto)
	}
	if errors.Is(err, fs.ErrPermission) { // a program that may be run and not read
		in.SHA256, err = "", nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Key, err)
	}
	return nil
}

// sumFolder returns the sha256 of the paths and checksums of all files below a folder, in
// their order, and the total size of the files. Links to files are followed, links to
// folders are not. What is not a file, or cannot be read, counts with its name.
func sumFolder(ctx context.Context, dir string) (sum string, size int64, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		sum := "not a file"
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			var n int64
			if sum, n, err = sumFile(ctx, path, info, 0); err != nil {
				sum = "cannot be read"
			}
			size += n
		}
		fmt.Fprintf(h, "%q %s\n", name, sum)
		if d != nil && d.IsDir() { // a folder that cannot be read
			return fs.SkipDir
		}
		return ctx.Err()
	})
	return hexOf(h), size, err
}

// sumFile returns the sha256 and the number of the bytes of a file, or of the first upto of them
// if that is not 0.
func sumFile(ctx context.Context, path string, info os.FileInfo, upto int64) (string, int64, error) {
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s: is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	var in io.Reader = f
	if upto > 0 {
		in = io.LimitReader(in, upto)
	}
	return readSum(ctx, in)
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Pair is an input as it was and as it is now.
type Pair struct{ Was, Now Input } // one of the two may be zero

// Pairs pairs the former and the present inputs of each key, in their order: files may have
// moved.
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

// Changes returns the pairs that differ.
func Changes(pairs []Pair) []Change {
	var changes []Change
	for _, p := range pairs {
		if p.Was.SHA256 != p.Now.SHA256 {
			changes = append(changes, Change{Key: cmp.Or(p.Was.Key, p.Now.Key), Path: cmp.Or(p.Now.Path, p.Was.Path), Was: p.Was.SHA256, Now: p.Now.SHA256})
		}
	}
	return changes
}

// CheckInputs compares the inputs of a run with the files at their paths now. It returns
// the inputs that have changed since the run last read them, and remarks, one line each:
// inputs that cannot be compared, and inputs that had changed when the run was resumed.
func CheckInputs(ctx context.Context, dir string) (changed, remarks []string, err error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range info.Accepted {
		remarks = append(remarks, fmt.Sprintf("%s (%s) had changed when the run was resumed: trials that ended before %v used sha256 %.12s, the others %.12s", c.Path, c.Key, c.At.Format(time.DateTime), c.Was, c.Now))
	}
	var now, was []Input
	for _, in := range info.Inputs {
		if _, err := os.Stat(in.Path); err != nil {
			remarks = append(remarks, fmt.Sprintf("%s (%s): cannot be compared with the file that the run read: %v", in.Path, in.Key, pathless(err)))
			continue
		}
		now, was = append(now, Input{Key: in.Key, Path: in.Path}), append(was, in)
	}
	if err := Sum(ctx, now); err != nil {
		return nil, nil, err
	}
	for i, in := range now {
		if in.SHA256 != was[i].SHA256 {
			line := Change{Key: in.Key, Path: in.Path, Was: was[i].SHA256, Now: in.SHA256}.String()
			if info.Arrivals != nil && IsObservations(in.Key) {
				line = grown(ctx, was[i], in, dir, line)
			}
			changed = append(changed, line)
		}
	}
	return changed, remarks, nil
}

// IsObservations reports whether a key of an input names a file of observations.
func IsObservations(key string) bool {
	return strings.HasPrefix(key, "observations") && strings.HasSuffix(key, ".file")
}

// grown says of a changed file of observations of the run in dir what plume continue does with
// it; changed says that it has changed.
func grown(ctx context.Context, was, now Input, dir, changed string) string {
	next := "plume continue " + dir
	if now.Bytes > was.Bytes {
		before := Input{Key: now.Key, Path: now.Path, Upto: was.Bytes}
		if err := before.sum(ctx); err == nil && before.SHA256 == was.SHA256 {
			return fmt.Sprintf("%s (%s): has grown by %d bytes since the run read it; %s assimilates them", now.Path, now.Key, now.Bytes-was.Bytes, next)
		}
	}
	return changed + "; " + next + " says whether rows that the run has read have changed, and assimilates new ones"
}

// pathless returns the cause of an error that names a path.
func pathless(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
