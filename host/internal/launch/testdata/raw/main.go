// Raw is a model plugin made without the kit, from generated code alone. Its
// argument says how it misbehaves.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
	"gonum.org/v1/gonum/mat"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

const manifest = `
name    = "raw"
version = "0.1.0"
role    = "model"
summary = "Ones, or something that looks like them"

[threading]
concurrent_calls = false
`

func main() {
	mode := os.Args[1]
	switch mode {
	case "garbage":
		fmt.Println("loading lake model 2.1 ...")
		time.Sleep(time.Hour)
	case "flood":
		flood()
		fmt.Fprintln(os.Stderr, "all of it was read")
		time.Sleep(time.Hour)
	case "silent":
		time.Sleep(time.Hour)
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot load liblake.so")
		os.Exit(3)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	go leaveWithHost()
	serve(mode)
}

// flood prints more than any pipe holds, and no newline.
func flood() { fmt.Print(string(bytes.Repeat([]byte("x"), 512<<10))) }

// leaveWithHost ends the process when standard input ends: the host is gone.
func leaveWithHost() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func serve(mode string) {
	path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), fmt.Sprintf("plugin%d", os.Getpid()))
	listener, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	version := 1
	switch mode {
	case "version":
		version = 2
	case "dead":
		_ = listener.Close()
	case "open", "certified": // the wrong thing for a unix socket, and for TCP
		network, certificate := "tcp", ""
		if mode == "certified" {
			network, certificate = "unix", strings.Repeat("MIIB", 20)
		}
		fmt.Printf("1|1|%s|%s|grpc|%s\n", network, "127.0.0.1:9", certificate)
		time.Sleep(time.Hour)
	}
	fmt.Printf("1|%d|unix|%s|grpc|\n", version, path)
	if mode == "mute" || mode == "dead" || mode == "version" {
		time.Sleep(time.Hour)
	}
	s := grpc.NewServer()
	p := &plugin{mode: mode}
	pb.RegisterPluginServer(s, p)
	pb.RegisterModelServer(s, p)
	if mode != "stubborn" {
		registerShutdown(s)
	}
	_ = s.Serve(listener)
}

// registerShutdown serves plugin.GRPCController/Shutdown.
func registerShutdown(s *grpc.Server) {
	shutdown := func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
		go s.Stop()
		return &emptypb.Empty{}, nil
	}
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "plugin.GRPCController",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Shutdown", Handler: shutdown}},
	}, s)
}

type plugin struct {
	pb.UnimplementedPluginServer
	pb.UnimplementedModelServer
	mode string
}

func (p *plugin) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Manifest: manifest}, nil
}

func (p *plugin) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return &pb.ConfigureResponse{State: &pb.Layout{Variables: []*pb.Variable{{Name: "x", Shape: []int64{3}, Unit: "1"}}}}, nil
}

// Forecast answers ones, except for what mode asks for.
func (p *plugin) Forecast(stream pb.Model_ForecastServer) error {
	header, err := receive(stream)
	if err != nil {
		return err
	}
	rows, columns := int(header.Members), 3
	switch p.mode {
	case "shape":
		columns = 4
	case "count":
		rows--
	case "chatty":
		flood()
	}
	m := mat.NewDense(rows, columns, nil)
	m.Apply(func(_, _ int, _ float64) float64 { return 1 }, m)
	if p.mode == "nan" {
		m.Set(2, 1, math.NaN())
	}
	ipc, err := encode(m)
	if err != nil {
		return err
	}
	switch p.mode {
	case "corrupt":
		ipc[len(ipc)/2] ^= 0x40
		ipc[9] ^= 0xff
	case "cut":
		ipc = ipc[:len(ipc)-20]
	}
	if err := stream.Send(&pb.Frame{Channel: pb.Channel_CHANNEL_ENSEMBLE, Ipc: ipc}); err != nil {
		return err
	}
	return stream.Send(&pb.Frame{End: &pb.CallEnd{Members: int64(rows)}})
}

// receive reads a whole call and returns its header.
func receive(stream pb.Model_ForecastServer) (header *pb.CallHeader, err error) {
	for {
		f, err := stream.Recv()
		switch {
		case err != nil:
			return nil, err
		case f.GetHeader() != nil:
			header = f.GetHeader()
		case f.GetEnd() != nil:
			return header, nil
		}
	}
}

func encode(m *mat.Dense) ([]byte, error) {
	_, columns := m.Dims()
	e, err := wire.NewEncoder(&sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{columns}, Unit: "1"}}}, wire.Double)
	if err != nil {
		return nil, err
	}
	segments, _, err := e.Segments(m, nil)
	return bytes.Join(segments, nil), err
}
