package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// writeBytes is how much the raw echo writes at once.
const writeBytes = 16 << 10

// echo is a process that returns what it is sent, over a plain socket and by a
// plain unary gRPC call.
type echo struct {
	raw   net.Conn
	conn  *grpc.ClientConn
	stdin io.Closer // the process ends when it is closed
	cmd   *exec.Cmd
}

const unaryPath = "/echo.Echo/Unary"

var echoService = grpc.ServiceDesc{
	ServiceName: "echo.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		b := &wrapperspb.BytesValue{}
		return b, decode(b)
	}}},
}

func rawSocket(dir string) string   { return filepath.Join(dir, "raw") }
func unarySocket(dir string) string { return filepath.Join(dir, "unary") }

// serveEcho is the echo process: it serves on sockets in dir until its standard
// input ends.
func serveEcho(dir string) error {
	raw, err := net.Listen("unix", rawSocket(dir))
	if err != nil {
		return err
	}
	unary, err := net.Listen("unix", unarySocket(dir))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&echoService, nil)
	go func() { _ = server.Serve(unary) }()
	go func() {
		if conn, err := raw.Accept(); err == nil {
			_ = returnAll(conn)
		}
	}()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// returnAll writes what it reads from conn back to it.
func returnAll(conn net.Conn) error {
	b := make([]byte, writeBytes)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return err
		}
	}
}

// startEcho starts the echo process, with its sockets in dir.
func startEcho(dir string) (*echo, error) {
	e := &echo{}
	cmd, stdin, stdout, err := again("echo", dir)
	if err != nil {
		return nil, err
	}
	e.cmd, e.stdin = cmd, stdin
	if _, err := fmt.Fscanln(stdout, new(string)); err != nil {
		return nil, fmt.Errorf("the echo process did not start: %w", err)
	}
	if e.raw, err = net.Dial("unix", rawSocket(dir)); err != nil {
		return nil, err
	}
	e.conn, err = grpc.NewClient("unix:"+unarySocket(dir), grpc.WithTransportCredentials(insecure.NewCredentials()))
	return e, err
}

func (e *echo) stop() error {
	_, _ = e.raw.Close(), e.conn.Close()
	_ = e.stdin.Close()
	return e.cmd.Wait()
}

// exchange sends src over the raw socket and receives it in dst at the same time.
func (e *echo) exchange(dst, src []byte) (time.Duration, error) {
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		for len(src) > 0 {
			n, err := e.raw.Write(src[:min(writeBytes, len(src))])
			if err != nil {
				sent <- err
				return
			}
			src = src[n:]
		}
		sent <- nil
	}()
	if _, err := io.ReadFull(e.raw, dst); err != nil {
		return 0, err
	}
	err := <-sent
	return time.Since(start), err
}

// unary sends src in a unary call and gets it back.
func (e *echo) unary(_, src []byte) (time.Duration, error) {
	start := time.Now()
	err := e.conn.Invoke(context.Background(), unaryPath, &wrapperspb.BytesValue{Value: src}, &wrapperspb.BytesValue{})
	return time.Since(start), err
}
