// Package serve runs a plugin: its one call is the whole main function of a plugin.
//
// Standard output is reserved for the handshake with the host, so this package redirects
// it to standard error before any of the plugin's own code runs. The plugin ends when its
// host ends, for whatever reason.
package serve

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
	"github.com/plume-da/plume/sdk/rpc"
	"google.golang.org/grpc"
)

// handshakeOut is the original standard output, for the handshake. It is nil in a process
// that is not a plugin.
var handshakeOut = protectStdout()

// Main serves p until the host ends. Its arguments are the results of [sdk.ModelPlugin],
// [sdk.OperatorPlugin] or [sdk.FilterPlugin]:
//
//	func main() { serve.Main(sdk.ModelPlugin(manifest, newModel)) }
//
// If it is started by hand, the program describes itself and exits with code 2.
func Main(p *sdk.Plugin, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "this plugin is broken: %v\n", err)
		os.Exit(1)
	}
	if handshakeOut == nil {
		introduce(os.Stderr, p.Manifest)
		os.Exit(2)
	}
	pace.Heap()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout = handshakeOut // where go-plugin prints the handshake
	restore := sync.OnceFunc(func() { os.Stdout, os.Stderr = stdout, stderr })
	_ = os.Setenv(rpc.Handshake.MagicCookieKey, rpc.Handshake.MagicCookieValue) // go-plugin looks for it once
	var server *grpc.Server
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: rpc.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{
			rpc.ProtocolVersion: {rpc.Name: &rpc.GoPlugin{Plugin: p, Registered: func(s *rpc.Server) {
				registered(s)
				takeConnections(server)
			}}},
		},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			opts = append(opts, rpc.ServerOptions()...)
			server = grpc.NewServer(append(opts, grpc.UnaryInterceptor(undoing(restore)))...)
			return server
		},
		Logger: hclog.NewNullLogger(),
	})
	leave()
}

// registered is called with the server of the plugin before the first call.
func registered(s *rpc.Server) {
	_ = os.Unsetenv(rpc.Handshake.MagicCookieKey)
	watchHost(s)
	calls := pace.NewCalls()
	s.Watched(calls.Began, calls.Ended)
}

// takeConnections serves the TCP connections of a host on another machine, if there is one. If
// it cannot, what they carry comes over the socket.
func takeConnections(s *grpc.Server) {
	path := os.Getenv(rpc.EnvConnections)
	_ = os.Unsetenv(rpc.EnvConnections) // it is not for programs that the plugin starts
	if path == "" {
		return
	}
	if l, err := rpc.TakeConnections(path); err == nil {
		go func() { _ = s.Serve(l) }()
	}
}

// undoing returns an interceptor that calls restore before the first request is answered.
// By then go-plugin has replaced os.Stdout and os.Stderr by pipes to the host, which lose
// text that is written just before the process ends, and that text matters most.
func undoing(restore func()) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		restore()
		return handle(ctx, req)
	}
}

// watchHost ends the plugin when the host is gone: when standard input, a pipe from the
// host, is closed; when the session ends; or on a signal.
func watchHost(s *rpc.Server) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(os.Interrupt) // Ctrl-C reaches the whole terminal; the host decides
	stdin := make(chan struct{})
	go func() {
		defer close(stdin)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	go func() {
		select {
		case <-signals:
		case <-stdin:
		case <-s.HostGone():
			// The session ends first in an orderly shutdown too: let go-plugin
			// finish that.
			time.Sleep(200 * time.Millisecond)
		}
		leave()
	}()
}

// leave removes the socket of the plugin, the directory that the host made for it, and the
// host's own directory if this was the last plugin: the host may no longer be able to.
func leave() {
	if dir := os.Getenv(plugin.EnvUnixSocketDir); dir != "" {
		sockets, _ := filepath.Glob(filepath.Join(dir, "plugin*"))
		for _, s := range sockets {
			_ = os.Remove(s)
		}
		_ = os.Remove(dir)
		if parent := filepath.Dir(dir); strings.HasPrefix(filepath.Base(parent), "plume-") {
			_ = os.Remove(parent) // fails while it is not empty
		}
	}
	os.Exit(0)
}

func introduce(w io.Writer, m *sdk.Manifest) {
	fmt.Fprintf(w, "%s %s, a %s plugin for plume\n%s\n\n", m.Name, m.Version, m.Role, m.Summary)
	fmt.Fprintf(w, "Plume starts this program by itself. Name it in a workflow:\n\n    plugin = %q\n", m.Name)
	if len(m.Params) > 0 {
		var names []string
		for _, p := range m.Params {
			names = append(names, p.Name)
		}
		fmt.Fprintf(w, "\nIts parameters: %s.\n`plume plugins describe %s` explains them.\n", strings.Join(names, ", "), m.Name)
	}
}
