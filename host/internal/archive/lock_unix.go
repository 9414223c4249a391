//go:build unix

package archive

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock claims a run directory for this process, or returns an error if another process
// has it. The claim is on the open directory, so it ends with the process at the latest.
func lock(dir string) (*os.File, error) { return claim(dir, syscall.LOCK_EX) }

func claim(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%s: another plume is writing this run; wait until it has ended, or stop it", dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Claimed reports whether a process is writing the run dir. The Python package asks in the same way.
func Claimed(dir string) bool {
	f, err := claim(dir, syscall.LOCK_SH) // which others may ask for at the same time
	if err != nil {
		return true
	}
	return f.Close() != nil
}
