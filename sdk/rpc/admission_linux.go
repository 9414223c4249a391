package rpc

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HandOver hands a TCP connection, over which nothing has been said yet, to the process that
// takes connections at path, and admission with it. The process speaks to the host directly
// then: nobody has to read and write what it is sent. HandOver calls hold when the host has
// been let in, and its result when the connection has been closed at either end, and returns;
// conn has to be closed then. If ok is false, nobody takes connections there, and conn is as
// it was.
func HandOver(conn net.Conn, path string, admission *Admission, hold func() (release func())) (ok bool) {
	over, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	defer over.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	text, err := json.Marshal(admission)
	if err != nil {
		return false
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		_, _, sent = over.(*net.UnixConn).WriteMsgUnix(append(text, '\n'), unix.UnixRights(int(fd)), nil)
	}); err != nil || sent != nil {
		return false
	}
	for isOpen(raw) {
		_ = over.SetReadDeadline(time.Now().Add(time.Second))
		said := make([]byte, 1)
		switch _, err := over.Read(said); {
		case err == nil:
			defer hold()()
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return true
		}
	}
	return true // the process hangs, or it would have closed it
}

// isOpen says whether the other end has not closed a TCP connection, even if nobody reads it.
func isOpen(raw syscall.RawConn) bool {
	const established = 1
	open := false
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		open = err == nil && info.State == established
	})
	return open
}

// receive receives what HandOver sends.
func (h *handed) receive() (net.Conn, *Admission, error) {
	text, rights := make([]byte, 8<<10), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := h.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return nil, nil, err
	}
	if len(messages) != 1 {
		return nil, nil, errors.New("no connection was handed over")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "connection")
	conn, err := net.FileConn(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, nil, err
	}
	a := &Admission{}
	if err := json.Unmarshal(text[:n], a); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, a, nil
}
