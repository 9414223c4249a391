package rpc

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// envServe is the socket at which the test's program serves a plugin instead of testing,
// and envSockets which sockets it uses.
const (
	envServe   = "RPC_TEST_SERVE"
	envSockets = "RPC_TEST_SOCKETS"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(envServe); path != "" {
		serveAlone(path)
		return
	}
	os.Exit(m.Run())
}

// netSockets are plainSockets that read and write as package net does.
type netSockets struct{ plainSockets }

func (s netSockets) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	growSendBuffer(conn)
	return s.TransportCredentials.ClientHandshake(ctx, authority, conn)
}

func (s netSockets) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	growSendBuffer(conn)
	return s.TransportCredentials.ServerHandshake(conn)
}

// Clone implements credentials.TransportCredentials.
func (s netSockets) Clone() credentials.TransportCredentials { return s }

// socketsOf returns the credentials that are called name.
func socketsOf(name string) credentials.TransportCredentials {
	if name == "net" {
		return netSockets{newPlainSockets()}
	}
	return newPlainSockets()
}

// serveAlone serves a model that does nothing until it is killed. It has one processor,
// as package pace gives to a plugin that is idle most of the time.
func serveAlone(path string) {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	p, err := growing(func(context.Context, *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
		return &sdk.ForecastResult{}, nil
	})
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(append(ServerOptions(), grpc.Creds(socketsOf(os.Getenv(envSockets))))...)
	Register(server, p)
	panic(server.Serve(listener))
}

// BenchmarkSockets makes small calls to three plugins in turn, as an experiment on a
// small model does, with sockets that are used directly and with those of package net.
// cpu-us/op is the processor time of a call in all processes.
func BenchmarkSockets(b *testing.B) {
	for _, name := range []string{"direct", "net"} {
		b.Run(name, func(b *testing.B) {
			var plugins []*exec.Cmd
			var models []sdk.Model
			for range 3 {
				cmd, m := startAlone(b, name)
				plugins, models = append(plugins, cmd), append(models, m)
			}
			r := request(models[0], 100)
			before := processorTime(b)
			for i := 0; b.Loop(); i++ {
				if _, err := models[i%len(models)].Forecast(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
			spent := processorTime(b) - before
			for _, cmd := range plugins {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				spent += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

// startAlone starts a process that serves a model, and connects to it.
func startAlone(b *testing.B, sockets string) (*exec.Cmd, sdk.Model) {
	path := filepath.Join(b.TempDir(), "socket")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServe+"="+path, envSockets+"="+sockets)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill() })
	conn, err := grpc.NewClient("unix:"+path, append(DialOptions(), grpc.WithTransportCredentials(socketsOf(sockets)))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	remote, err := Describe(b.Context(), conn)
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); { // until it listens
		time.Sleep(10 * time.Millisecond)
		remote, err = Describe(b.Context(), conn)
	}
	if err != nil {
		b.Fatal(err)
	}
	m, err := remote.NewModel(b.Context(), sdk.ModelConfig{Params: sdk.Params{"width": 1}})
	if err != nil {
		b.Fatal(err)
	}
	return cmd, m
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
