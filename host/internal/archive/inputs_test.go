package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// summed returns the checksum of a path, and its size.
func summed(t *testing.T, path string) (string, int64) {
	t.Helper()
	in := []Input{{Key: "k", Path: path}}
	if err := Sum(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in[0].SHA256, in[0].Bytes
}

func TestSum(t *testing.T) {
	dir := t.TempDir()
	file, folder := filepath.Join(dir, "file"), filepath.Join(dir, "folder")
	text := strings.Repeat("0123456789", 30_000)
	writeFile(t, file, text)
	if sum, n := summed(t, file); sum != fmt.Sprintf("%x", sha256.Sum256([]byte(text))) || n != 300_000 {
		t.Errorf("got %s of %d bytes", sum, n)
	}
	writeFile(t, filepath.Join(folder, "a"), "1")
	writeFile(t, filepath.Join(folder, "below", "b"), "22")
	was, n := summed(t, folder)
	if n != 3 {
		t.Errorf("the folder has %d bytes", n)
	}
	for what, change := range map[string]func() error{
		"content": func() error { return os.WriteFile(filepath.Join(folder, "below", "b"), []byte("23"), 0o600) },
		"a name":  func() error { return os.Rename(filepath.Join(folder, "a"), filepath.Join(folder, "c")) },
		"a file":  func() error { return os.WriteFile(filepath.Join(folder, "d"), nil, 0o600) },
		"a pipe":  func() error { return syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600) },
		"nowhere": func() error { return os.Symlink("/no such file", filepath.Join(folder, "nowhere")) },
		"a link":  func() error { return os.Symlink(file, filepath.Join(folder, "e")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		now, _ := summed(t, folder)
		if now == was {
			t.Errorf("%s has changed, and the sum has not", what)
		}
		was = now
	}
}

func TestSumRefuses(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	writeFile(t, file, "before")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Time{}, info.ModTime().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for what, test := range map[string]struct {
		ctx  context.Context
		in   Input
		want string
	}{
		"changed":  {t.Context(), Input{Key: "k", Path: file, Info: info}, "k: " + file + ": changed while it was read"},
		"pipe":     {t.Context(), Input{Key: "k", Path: pipe}, "k: " + pipe + ": is not a regular file"},
		"gone":     {t.Context(), Input{Key: "k", Path: file + "s"}, "no such file"},
		"canceled": {canceled, Input{Key: "k", Path: file}, "context canceled"},
	} {
		if err := Sum(test.ctx, []Input{test.in}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", what, err, test.want)
		}
	}
}

// Inputs are put together by their keys, in the order of those that share one.
func TestChanges(t *testing.T) {
	was := []Input{{Key: "a", Path: "/1", SHA256: "x"}, {Key: "b", Path: "/2", SHA256: "y"}, {Key: "b", Path: "/3", SHA256: "z"}, {Key: "c", Path: "/4", SHA256: "c"}}
	now := []Input{{Key: "a", Path: "/5", SHA256: "x"}, {Key: "b", Path: "/2", SHA256: "Y"}, {Key: "b", Path: "/3", SHA256: "z"}, {Key: "d", Path: "/6", SHA256: "d"}}
	var got []string
	for _, c := range Changes(Pairs(was, now)) {
		got = append(got, c.String())
	}
	want := []string{
		"/2 (b): has changed since the run began: its sha256 was y and is Y",
		"/4 (c): no longer exists; its sha256 was c",
		"/6 (d): did not exist; its sha256 is d",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
