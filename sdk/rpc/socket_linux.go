package rpc

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// socket is a unix socket whose system calls the scheduler does not hear of. They never
// block, since the socket is in non-blocking mode and waiting is left to the poller; yet
// for every call that might, a process that was idle wakes the thread that takes
// processors from those that do, and small messages cost less than that.
type socket struct {
	net.Conn
	raw     syscall.RawConn
	in, out transfer
}

// direct returns conn without the scheduler in its way, if it is a unix socket.
func direct(conn net.Conn) net.Conn {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return conn
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return conn
	}
	s := &socket{Conn: conn, raw: raw}
	s.in = transfer{trap: syscall.SYS_READ, try: s.in.some}
	s.out = transfer{trap: syscall.SYS_WRITE, try: s.out.all}
	return s
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.in.do(s.raw.Read, p)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) { return s.out.do(s.raw.Write, p) }

// transfer is one direction of a socket.
type transfer struct {
	trap uintptr
	try  func(fd uintptr) (done bool)

	mu   sync.Mutex // held during a call, whose fields follow
	left []byte
	n    int
	err  error
}

// do transfers p when wait says that the socket is ready.
func (t *transfer) do(wait func(func(fd uintptr) bool) error, p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.n, t.err = p, 0, nil
	err := wait(t.try)
	t.left = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// some makes one system call, and another one only when the socket was not ready.
func (t *transfer) some(fd uintptr) (done bool) {
	for {
		n, _, errno := syscall.RawSyscall(t.trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.left))), uintptr(len(t.left)))
		switch errno {
		case 0:
			t.n, t.left = t.n+int(n), t.left[n:]
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = os.NewSyscallError("socket", errno)
			return true
		}
	}
}

// all makes system calls until nothing is left.
func (t *transfer) all(fd uintptr) (done bool) {
	for len(t.left) > 0 && t.err == nil {
		if !t.some(fd) {
			return false
		}
	}
	return true
}
