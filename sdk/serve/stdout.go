//go:build unix

package serve

import (
	"os"

	"github.com/plume-da/plume/sdk/rpc"
	"golang.org/x/sys/unix"
)

// protectStdout returns standard output under another file descriptor and redirects
// descriptor 1 to standard error, in a process that a host has started as a plugin. Text
// printed there before the handshake would break it, and 64 KiB without a newline would
// block forever. Programs that the plugin starts are not plugins: their standard output
// is not redirected.
func protectStdout() *os.File {
	if os.Getenv(rpc.Handshake.MagicCookieKey) != rpc.Handshake.MagicCookieValue {
		return nil
	}
	_ = os.Unsetenv(rpc.Handshake.MagicCookieKey)
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.Stdout
	}
	if err := point(2, 1); err != nil {
		return os.Stdout
	}
	return os.NewFile(uintptr(fd), "handshake")
}
