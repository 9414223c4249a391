package launch

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// socketDir makes the directory of all sockets of a host, and removes what hosts that were
// killed have left next to it. Its name is short enough: the path of a unix socket has at
// most 104 bytes (macOS; 108 on Linux). The host holds a lock on it, which ends with the
// process: that is how another one knows that it is in use.
func socketDir() (dir string, claim *os.File, err error) {
	const most = 104 - len("/plume-s1234567890/plugin-dir1234567890/plugin1234567890") - 1
	tmp := os.TempDir()
	if len(tmp) > most {
		tmp = "/tmp"
	}
	removeLeft(tmp)
	for range 100 { // another host may take it for a left one before it is claimed
		if dir, err = os.MkdirTemp(tmp, socketPrefix); err != nil {
			return "", nil, err
		}
		claim, err = claimDir(dir)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EWOULDBLOCK) {
			return dir, claim, nil // without a claim where the file system has no locks
		}
	}
	return "", nil, err
}

// makeSockets makes the directory of the sockets again, and claims it, after the last
// plugin has removed it.
func (p *Pool) makeSockets() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for range 100 { // as in socketDir
		if err = os.Mkdir(p.sockets, 0o700); errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err != nil {
			return err
		}
		var claim *os.File
		if claim, err = claimDir(p.sockets); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = p.release()
			p.claim = claim
			return nil
		}
	}
	return err
}

// claimDir claims a directory for this process. An error says that it is gone or another
// one's.
func claimDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// socketPrefix begins the names of directories whose hosts hold a lock on them. Those of
// versions that hold none are called plume-N; nobody can tell when they are in use.
const socketPrefix = "plume-s"

var socketDirName = regexp.MustCompile("^" + socketPrefix + "[0-9]+$")

// removeLeft removes directories of sockets whose hosts are gone. Plugins that have not
// noticed yet, and whatever else is in such a directory, stay.
func removeLeft(tmp string) {
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !socketDirName.MatchString(e.Name()) {
			continue
		}
		dir := filepath.Join(tmp, e.Name())
		claim, err := claimDir(dir)
		if err != nil {
			continue // its host lives, or it is another user's
		}
		sockets, _ := filepath.Glob(filepath.Join(dir, "plugin-dir*", "*"))
		for _, socket := range sockets {
			if info, err := os.Lstat(socket); err == nil && info.Mode().Type() == fs.ModeSocket && !answers(socket) {
				_ = os.Remove(socket)
			}
		}
		folders, _ := filepath.Glob(filepath.Join(dir, "plugin-dir*"))
		for _, folder := range append(folders, dir) {
			_ = os.Remove(folder) // unless there is something in it
		}
		_ = claim.Close()
	}
}

// answers says whether a process listens on a socket.
func answers(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return !errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = conn.Close()
	return true
}
