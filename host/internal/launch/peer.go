package launch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
)

// Peer is a program on another machine that this one talks to over a connection of its own.
// The connection is closed when the program has ended.
type Peer struct {
	net.Conn
	runner *childRunner
}

// judged is a [Child] on a machine of which its executor remembers whether anything works
// there.
type judged interface{ Judge(works bool) }

// peerTime is how long a program may take from its start until it is connected.
const peerTime = time.Minute

// Connect has an executor start a program, with arguments, and returns when it is connected
// to it. The program listens as a plugin does and says where in the first line of its
// standard output; it is not asked to describe itself. Connect may wait until there is a place
// for it, for as long as ctx lasts. log receives what the program writes, by line; it may be
// called from several goroutines.
func Connect(ctx context.Context, x Executor, name string, command []string, log func(Record)) (*Peer, error) {
	secure, env, err := mutualTLS()
	if err != nil {
		return nil, sdk.Errorf(sdk.KindResource, name, "cannot make a certificate: %v", err)
	}
	for _, name := range []string{"PLUME_PLUGINS", "PLUME_PYTHON"} { // it starts plugins
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	program := &Program{Name: name, Command: command, TCP: true, Peer: true, Executor: x}
	p := &Peer{runner: newChildRunner(program, &tail{each: func(line string) { log(Record{Plugin: name, Level: LevelStderr, Message: line}) }})}
	if err := p.runner.start(ctx, x, environment(env), ""); err != nil {
		var e *sdk.Error
		if errors.As(err, &e) {
			err = named(name, e)
		}
		return nil, err
	}
	started, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	defer context.AfterFunc(started, p.runner.end)()
	if err := p.dial(started, secure); err != nil {
		p.runner.end()
		return nil, p.unconnected(ctx, started, err)
	}
	go p.runner.hangUp(p.Conn)
	return p, nil
}

// dial connects to where the program says that it listens.
func (p *Peer) dial(ctx context.Context, secure *tls.Config) error {
	line, err := bufio.NewReader(p.runner.firstOut).ReadString('\n')
	if err != nil {
		return err
	}
	h, ok := parseHandshake(line)
	if !ok {
		return sdk.Errorf(sdk.KindPlugin, "", "wrote %q to standard output before the handshake", brief(line))
	}
	der, err := base64.RawStdEncoding.DecodeString(h.certificate)
	if err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	secure.RootCAs.AddCert(certificate)
	tcp, err := (&net.Dialer{}).DialContext(ctx, h.network, h.address)
	if err != nil {
		return err
	}
	conn, err := rpc.SecureClient(ctx, tcp, secure)
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	p.Conn = conn
	return nil
}

// unconnected says why the program is not connected.
func (p *Peer) unconnected(ctx, started context.Context, err error) error {
	name := p.runner.program.Name
	p.runner.endsSoon()
	var e *sdk.Error
	switch {
	case ctx.Err() != nil:
		return stopped(name+": start", ctx)
	case errors.As(err, &e):
		e = named(name, e)
	case p.runner.died() && started.Err() == nil:
		e = sdk.Errorf(sdk.KindCrash, name, "%s before it was ready", p.runner.exit.What)
		e.Hint = p.runner.exit.Hint
	default:
		e = sdk.Errorf(sdk.KindResource, name, "runs on %s, but cannot be reached there: %v", p.Place().Node, err).
			WithHint("if this machine does not reach it there, say which interface and ports to use in the site file")
	}
	e.Stderr = p.runner.tail.String()
	return e
}

// Place returns where the program runs.
func (p *Peer) Place() Place { return p.runner.place() }

// Judge tells the executor whether the program can do its work where it is. A machine where
// it cannot is left out in the end.
func (p *Peer) Judge(works bool) {
	p.runner.mu.Lock()
	defer p.runner.mu.Unlock()
	if c, ok := p.runner.child.(judged); ok {
		c.Judge(works)
	}
}

// Lost returns an error that says how the program was lost, after its connection has failed
// with err.
func (p *Peer) Lost(err error) error {
	what := fmt.Sprintf("has lost its connection: %v", err)
	var hint string
	if p.runner.endsSoon() {
		what, hint = p.runner.exit.What, p.runner.exit.Hint
	}
	e := sdk.Errorf(sdk.KindCrash, p.runner.program.Name, "%s", what)
	e.Hint, e.Stderr = hint, p.runner.tail.String()
	return e
}

// Close ends the program: it ends by itself when its connection is closed, and is killed if
// it does not.
func (p *Peer) Close() error {
	err := p.Conn.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	select {
	case <-p.runner.done:
	case <-time.After(grace):
		p.runner.end()
	}
	return err
}
