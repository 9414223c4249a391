package launch

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What killed hosts have left is removed by the next start, and nothing else.
func TestLeftSocketsAreRemoved(t *testing.T) {
	tmp, err := os.MkdirTemp("/tmp", "launch") // the paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	t.Setenv("TMPDIR", tmp)
	for _, folder := range []string{"plume-s1", "plume-s2/plugin-dir3", "plume-s4/plugin-dir5", "plume-s6", "plume-process-7", "plume-12", "plume-s8/plugin-dir9", "plume-s10/plugin-dir11"} {
		if err := os.MkdirAll(filepath.Join(tmp, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	listen := func(path string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(tmp, path), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		return l
	}
	dead := listen("plume-s4/plugin-dir5/plugin1")
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	defer listen("plume-s8/plugin-dir9/plugin1").Close()
	claim, err := claimDir(filepath.Join(tmp, "plume-s6"))
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Close()
	if err := os.WriteFile(filepath.Join(tmp, "plume-s10/plugin-dir11/notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	entries, err := os.ReadDir(tmp)
	for _, e := range entries {
		if e.Name() != filepath.Base(pool.sockets) {
			got = append(got, e.Name())
		}
	}
	if want := []string{"plume-12", "plume-process-7", "plume-s10", "plume-s6", "plume-s8"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("left: got %v, want %v", got, want)
	}
	if err := errors.Join(os.Remove(pool.sockets), pool.makeSockets(), pool.makeSockets()); err != nil { // the last plugin removes it
		t.Fatal(err)
	}
	removeLeft(tmp)
	if _, err := os.Stat(pool.sockets); err != nil {
		t.Errorf("the directory of a host that lives: %v", err)
	}
	if err := errors.Join(pool.Close(), pool.Close()); err != nil {
		t.Error(err)
	}
}
