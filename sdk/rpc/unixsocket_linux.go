package rpc

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unixSocket is a socket that waits for room to write only while it has something to write. The poller of
// package net always does, and a unix socket has room again whenever the other end has read: a
// process would be woken a second time for everything that it has sent.
type unixSocket struct {
	socket // its connection is closed, and has the addresses
	fd     int
	closed atomic.Bool
}

// newUnixSocket takes the socket of conn, which it closes. If there is an error, conn is as it was.
func newUnixSocket(conn net.Conn, raw syscall.RawConn) (*unixSocket, error) {
	s := &unixSocket{socket: socket{Conn: conn}, fd: -1}
	var err error
	if controlled := raw.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); controlled != nil || err != nil {
		return nil, errors.Join(controlled, err)
	}
	s.in.init(syscall.SYS_READ, s.in.some, s.waiting(&s.in))
	s.out.init(syscall.SYS_WRITE, s.out.all, s.waiting(&s.out))
	if s.in.own, err = newWatch(s.fd, unix.EPOLLIN|unix.EPOLLRDHUP); err == nil {
		s.out.own, err = newWatch(s.fd, unix.EPOLLOUT)
	}
	if err != nil {
		if s.in.own != nil {
			err = errors.Join(err, s.in.own.poll.Close())
		}
		return nil, errors.Join(err, unix.Close(s.fd))
	}
	_ = conn.Close() // so that the poller of package net lets go of it
	return s, nil
}

// waiting returns what waits for one direction.
func (s *unixSocket) waiting(t *transfer) func(func(uintptr) bool) error {
	return func(try func(uintptr) bool) error {
		err := t.own.raw.Read(try)
		if err != nil && s.closed.Load() {
			err = net.ErrClosed
		}
		return err
	}
}

// Close implements net.Conn. It ends the waiting of those who read and write, and then waits for them.
func (s *unixSocket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	err := errors.Join(s.in.own.poll.Close(), s.out.own.poll.Close())
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	return errors.Join(err, unix.Close(s.fd))
}

// SetDeadline implements net.Conn.
func (s *unixSocket) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (s *unixSocket) SetReadDeadline(t time.Time) error { return s.in.own.poll.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *unixSocket) SetWriteDeadline(t time.Time) error { return s.out.own.poll.SetReadDeadline(t) }

// watch waits for events of a socket: Go's poller waits for an epoll instance, which has something
// to read when the socket, which it watches, has one of the events.
type watch struct {
	socket int
	events uint32
	poll   *os.File
	raw    syscall.RawConn
	begun  bool
}

func newWatch(socket int, events uint32) (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	err = unix.SetNonblock(fd, true) // so that Go's poller waits for it
	w := &watch{socket: socket, events: events | unix.EPOLLET, poll: os.NewFile(uintptr(fd), "epoll")}
	if err == nil {
		err = w.poll.SetReadDeadline(time.Time{}) // fails if it does not
	}
	if err == nil {
		w.raw, err = w.poll.SyscallConn()
	}
	if err != nil {
		return nil, errors.Join(err, w.poll.Close())
	}
	return w, nil
}

// begin begins to watch. An event that has happened counts.
func (w *watch) begin(poll uintptr) error {
	if w.begun {
		return nil
	}
	w.begun = true
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(poll), unix.EPOLL_CTL_ADD, w.socket, &unix.EpollEvent{Events: w.events}))
}

// end ends watching.
func (w *watch) end(poll uintptr) error {
	if !w.begun {
		return nil
	}
	w.begun = false
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(poll), unix.EPOLL_CTL_DEL, w.socket, nil))
}
