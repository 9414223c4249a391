package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// sockets returns both ends of a connection; the first is direct.
func sockets(t *testing.T, network string) (ours, theirs net.Conn) {
	t.Helper()
	address := map[string]string{"unix": filepath.Join(t.TempDir(), "s"), "tcp": "127.0.0.1:0"}[network]
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours = direct(accepted)
	if want := map[string]string{"unix": "*rpc.unixSocket", "tcp": "*rpc.socket"}[network]; fmt.Sprintf("%T", ours) != want {
		t.Fatalf("a connection became %T, want %s", ours, want)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// More than the kernel holds can be sent in both directions at once, and the end of the
// stream is seen.
func TestSocket(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) { checkSocket(t, network) })
	}
}

func checkSocket(t *testing.T, network string) {
	ours, theirs := sockets(t, network)
	want := bytes.Repeat([]byte("0123456789abcde"), 1<<18)
	failed := make(chan error, 2)
	for _, end := range []net.Conn{ours, theirs} {
		go func() {
			n, err := end.Write(want)
			if err == nil && n != len(want) {
				err = io.ErrShortWrite
			}
			failed <- err
		}()
	}
	for name, end := range map[string]net.Conn{"theirs": theirs, "ours": ours} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(end, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, equal: %t", name, err, bytes.Equal(got, want))
		}
	}
	if err := errors.Join(<-failed, <-failed); err != nil {
		t.Error(err)
	}
	if s, ok := ours.(*unixSocket); ok && s.out.own.begun {
		t.Error("it waits for room with nothing to write")
	}
	theirs.Close()
	if n, err := ours.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	_, err := ours.Write([]byte("x"))
	for range 1000 { // TCP has to hear that nobody reads
		if err != nil {
			return
		}
		time.Sleep(time.Millisecond)
		_, err = ours.Write([]byte("x"))
	}
	t.Error("a write to a closed socket has no error")
}

// A writer whose other end does not read waits, until a deadline or until the socket is closed.
func TestSocketWaitsForRoom(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		ours, _ := sockets(t, network)
		much := make([]byte, 64<<20)
		if err := ours.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := ours.Write(much); n == len(much) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: deadline: %d, %v", network, n, err)
		}
		if err := ours.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Millisecond, func() { ours.Close() })
		if _, err := ours.Write(much); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: closed: %v", network, err)
		}
		if _, err := ours.Write(much); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: after that: %v", network, err)
		}
	}
}

// Closing a socket closes all of its files.
func TestSocketsLeaveNothing(t *testing.T) {
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	ours, theirs := sockets(t, "unix") // the first one opens the poller
	before := open() - 4               // two ends, one with an epoll instance for each direction
	if err := errors.Join(ours.Close(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	if left := open(); left != before {
		t.Errorf("%d files are open, want %d", left, before)
	}
}

// A waiting reader gets the errors of package net at a deadline and when the socket is
// closed.
func TestSocketWaits(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) { checkWaiting(t, network) })
	}
}

func checkWaiting(t *testing.T, network string) {
	ours, _ := sockets(t, network)
	if err := ours.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	if err := ours.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Millisecond, func() { ours.Close() })
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
