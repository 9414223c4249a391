package grpc4bmi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/plugins/internal/children"
	"github.com/plume-da/plume/sdk"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/plume-da/plume/plugins/grpc4bmi/bmi"
)

// startTime is how long a server may take until it answers.
const startTime = 2 * time.Minute

// server is a server of grpc4bmi, which has one model.
type server struct {
	bmi.BmiServiceClient
	conn    *grpc.ClientConn
	address string
	own     *program // nil: somebody else has started it

	initialised bool
	done        history // with the model since then
	known       bool    // whether done is all that was done
	used        int     // when it was used last
}

// program is a server that this plugin has started.
type program struct {
	*children.Child
	port  io.Closer // what keeps others from taking its port
	ended chan struct{}
	how   string // it ended, once it has
	said  *tail
}

// connect returns the server at an address.
func connect(address string) (*server, error) {
	const most = 1 << 30
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(most), grpc.MaxCallSendMsgSize(most)))
	if err != nil {
		return nil, config("addresses", "%q: %v", address, err)
	}
	return &server{BmiServiceClient: bmi.NewBmiServiceClient(conn), conn: conn, address: address}, nil
}

// start starts a server with a command, in a directory, and waits until it answers.
func start(ctx context.Context, command []string, dir string) (*server, error) {
	port, number, err := freePort()
	if err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "command", "no port: %v", err)
	}
	s, err := connect(fmt.Sprintf("localhost:%d", number))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(children.Environment(), fmt.Sprintf("BMI_PORT=%d", number))
	p := &program{port: port, ended: make(chan struct{}), said: &tail{}}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	cmd.WaitDelay = children.Grace // what it has started may have its output for longer
	if p.Child, err = children.Start(cmd); err != nil {
		_ = port.Close()
		_ = s.conn.Close()
		if errors.As(err, new(*sdk.Error)) {
			return nil, err
		}
		return nil, config("command", "cannot be run: %v", err)
	}
	go func() {
		_ = cmd.Wait() // told by its state
		p.how = cmd.ProcessState.String()
		close(p.ended)
	}()
	s.own = p
	if err := s.ready(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// ready waits until the server answers.
func (s *server) ready(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if s.own != nil {
		go func() { // a program that has ended will not answer
			select {
			case <-s.own.ended:
				cancel()
			case <-limited.Done():
			}
		}()
	}
	_, err := s.GetComponentName(limited, &bmi.Empty{}, grpc.WaitForReady(true))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && limited.Err() != nil:
		return s.failure("does not answer")
	}
	return nil // a model need not have a name
}

// failure returns the error for a server that fails in a way that its answer does not tell.
func (s *server) failure(what string) error {
	if s.own == nil {
		return sdk.Errorf(sdk.KindTransient, s.address, "the server %s", what).WithHint("is it running?")
	}
	said := s.own.said.text()
	select {
	case <-s.own.ended:
		what = fmt.Sprintf("ended (%s)", s.own.how)
		if said = s.own.said.text(); said != "" {
			what += fmt.Sprintf("; it printed %q", said[strings.LastIndexByte(said, '\n')+1:])
		}
	case <-time.After(time.Second): // a connection is lost before it is known that a process has ended
		what += "; it must serve on the port in the environment variable BMI_PORT"
	}
	e := sdk.Errorf(sdk.KindExternal, "command", "the server %s", what)
	e.Stderr = said
	return e
}

// end ends a server that was started here.
func (s *server) end() {
	_ = s.conn.Close()
	if s.own == nil {
		return
	}
	s.own.Ask()
	select {
	case <-s.own.ended:
	case <-time.After(children.Grace):
	}
	s.own.Kill() // also what it has left behind
	<-s.own.ended
	s.own.Leave()
	_ = s.own.port.Close()
}

// freePort returns a port on which nobody listens. Until it is closed no other plugin of this kind
// gets it: servers of gRPC share a port without a word if there are two.
func freePort() (io.Closer, int, error) {
	for attempt := 0; ; attempt++ {
		held, err := net.ListenPacket("udp", "localhost:0")
		if err != nil {
			return nil, 0, err
		}
		port := held.LocalAddr().(*net.UDPAddr).Port
		tried, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			return held, port, tried.Close()
		}
		_ = held.Close()
		if attempt == 20 {
			return nil, 0, err
		}
	}
}

// tail keeps the end of what a program prints.
type tail struct {
	sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.Lock()
	defer t.Unlock()
	t.kept = append(t.kept, p...)
	if surplus := len(t.kept) - 4096; surplus > 0 {
		t.kept = t.kept[surplus:]
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.Lock()
	defer t.Unlock()
	return strings.TrimSpace(string(t.kept))
}
