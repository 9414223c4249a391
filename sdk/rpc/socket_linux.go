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
	if conn.LocalAddr().Network() == "unix" {
		if s, err := newUnixSocket(conn, raw); err == nil {
			return s
		}
	}
	s := &socket{Conn: conn}
	s.in.init(syscall.SYS_READ, s.in.some, raw.Read)
	s.out.init(syscall.SYS_WRITE, s.out.all, raw.Write)
	return s
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.in.do(p)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) { return s.out.do(p) }

// transfer is one direction of a socket.
type transfer struct {
	trap uintptr
	try  func(fd uintptr) (done bool)
	wait func(try func(fd uintptr) bool) error // calls try whenever the socket is ready, until it is done
	own  *watch                                // what waits in place of the poller of package net; nil: that does

	mu   sync.Mutex // held during a call, whose fields follow
	left []byte
	n    int
	err  error
}

func (t *transfer) init(trap uintptr, try func(uintptr) bool, wait func(func(uintptr) bool) error) {
	t.trap, t.try, t.wait = trap, try, wait
}

// do transfers p.
func (t *transfer) do(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.n, t.err = p, 0, nil
	err := t.wait(t.try)
	t.left = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// some transfers what one system call takes; it is not done if the socket is not ready.
func (t *transfer) some(fd uintptr) (done bool) {
	of := fd
	if t.own != nil {
		of = uintptr(t.own.socket)
	}
	for {
		n, _, errno := syscall.RawSyscall(t.trap, of, uintptr(unsafe.Pointer(unsafe.SliceData(t.left))), uintptr(len(t.left)))
		switch errno {
		case 0:
			t.n, t.left = t.n+int(n), t.left[n:]
			return true
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			if t.own != nil {
				t.err = t.own.begin(fd)
			}
		default:
			t.err = os.NewSyscallError("socket", errno)
		}
		return t.err != nil
	}
}

// all transfers everything; it is not done if the socket is not ready before that.
func (t *transfer) all(fd uintptr) (done bool) {
	for len(t.left) > 0 && t.err == nil {
		if !t.some(fd) {
			return false
		}
	}
	if t.own != nil && t.err == nil {
		t.err = t.own.end(fd)
	}
	return true
}
