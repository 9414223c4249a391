package experiment

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
)

// pack writes an archive of inputs, with their whole paths. As for their checksums, links to
// files are followed, and what is neither a file nor a folder is left out.
func pack(out io.Writer, inputs []archive.Input) error {
	to := tar.NewWriter(out)
	for _, in := range inputs {
		root, err := filepath.EvalSymlinks(in.Path)
		if err != nil {
			return err
		}
		err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			return packOne(to, path, filepath.Join(in.Path, name), in.Upto)
		})
		if err != nil {
			return err
		}
	}
	return to.Close()
}

// packOne adds a file, or the first upto bytes of it if that is not 0, or a folder.
func packOne(to *tar.Writer, path, name string, upto int64) error {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/"), Mode: int64(info.Mode().Perm()), Size: info.Size()}
	if info.IsDir() {
		header.Typeflag, header.Size = tar.TypeDir, 0
		return to.WriteHeader(header)
	}
	if upto > 0 {
		header.Size = upto
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := to.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(to, f, header.Size)
	return err
}

// unpack reads what pack has written, and puts it below a folder.
func unpack(in io.Reader, dir string) error {
	from := tar.NewReader(in)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, in) // what fills the last block
			return err
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("%q is not a path below a folder", header.Name)
		}
		path := filepath.Join(dir, header.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := unpackOne(from, path, fs.FileMode(header.Mode)); err != nil {
			return err
		}
	}
}

func unpackOne(from io.Reader, path string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
