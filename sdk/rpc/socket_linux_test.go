package rpc

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// sockets returns both ends of a unix socket; the first is direct.
func sockets(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours = direct(accepted)
	if _, ok := ours.(*socket); !ok {
		t.Fatalf("a unix socket became %T", ours)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// More than the kernel holds can be sent in both directions at once, and the end of the
// stream is seen.
func TestSocket(t *testing.T) {
	ours, theirs := sockets(t)
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
	theirs.Close()
	if n, err := ours.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := ours.Write([]byte("x")); err == nil {
		t.Error("a write to a closed socket has no error")
	}
}

// A waiting reader gets the errors of package net at a deadline and when the socket is
// closed.
func TestSocketWaits(t *testing.T) {
	ours, _ := sockets(t)
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
