package rpc

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// socket is a socket that is read and written by system calls of which Go's
// scheduler is not told. That is right because they never block: the socket is in
// non-blocking mode, and the poller does the waiting. It pays because package net
// tells the scheduler of every call, for it might block, and the first one after a
// pause wakes the thread that watches over blocked calls, which costs more than a
// small message. BenchmarkSockets measures the difference.
type socket struct {
	net.Conn
	raw     syscall.RawConn
	in, out transfer
}

// direct returns conn as a socket if it is one of package net, and conn itself if not.
func direct(conn net.Conn) net.Conn {
	of, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := of.SyscallConn()
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

// do transfers p; wait calls t.try whenever the socket is ready, until it is done.
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

// some transfers what one system call takes; it is not done if the socket is not ready.
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

// all transfers everything; it is not done if the socket is not ready before that.
func (t *transfer) all(fd uintptr) (done bool) {
	for len(t.left) > 0 && t.err == nil {
		if !t.some(fd) {
			return false
		}
	}
	return true
}
