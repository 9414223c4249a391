package rpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// recordBytes is how much of a TLS connection is read or written by one system call. A record
// has 16 KiB at most.
const recordBytes = 128 << 10

// Secure is one end of a TLS connection that reads and writes many records at once.
type Secure struct {
	net.Conn // TLS
	below    *records
	writing  sync.Mutex
}

// SecureServer shakes hands on conn as a server.
func SecureServer(ctx context.Context, conn net.Conn, config *tls.Config) (*Secure, error) {
	below := newRecords(conn)
	secure := tls.Server(below, config)
	return &Secure{Conn: secure, below: below}, secure.HandshakeContext(ctx)
}

// SecureClient shakes hands on conn as a client.
func SecureClient(ctx context.Context, conn net.Conn, config *tls.Config) (*Secure, error) {
	below := newRecords(conn)
	secure := tls.Client(below, config)
	return &Secure{Conn: secure, below: below}, secure.HandshakeContext(ctx)
}

// Write implements net.Conn.
func (s *Secure) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.below.cork()
	n, err := s.Conn.Write(p)
	if left := s.below.uncork(); err == nil && left != nil {
		return 0, left
	}
	return n, err
}

// ReadAll reads records into p while more have arrived and p has room for them. It waits for the
// first alone, and does not find all.
func (s *Secure) ReadAll(p []byte) (int, error) {
	n, err := s.Read(p)
	for err == nil && n < len(p) && s.below.in.Buffered() > 0 {
		var more int
		more, err = s.Read(p[n:])
		n += more
	}
	return n, err
}

// records is the connection below TLS.
type records struct {
	net.Conn
	in *bufio.Reader

	mu     sync.Mutex
	corked *bufio.Writer // nil: what is written leaves at once
}

func newRecords(conn net.Conn) *records {
	conn = direct(conn)
	return &records{Conn: conn, in: bufio.NewReaderSize(conn, recordBytes)}
}

// Read implements net.Conn.
func (r *records) Read(p []byte) (int, error) { return r.in.Read(p) }

// Write implements net.Conn.
func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.corked != nil {
		return r.corked.Write(p)
	}
	return r.Conn.Write(p)
}

// corks are writers that no connection uses now: there may be thousands of connections. One has
// room for the records of recordBytes.
var corks = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, recordBytes+recordBytes/16) }}

// cork keeps what is written from now on, until uncork.
func (r *records) cork() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.corked = corks.Get().(*bufio.Writer)
	r.corked.Reset(r.Conn)
}

func (r *records) uncork() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.corked.Flush()
	r.corked.Reset(nil)
	corks.Put(r.corked)
	r.corked = nil
	return err
}

// secureSockets are credentials of a host with mutual TLS. The certificate of the plugin is
// known, and in the configuration, when it is connected.
type secureSockets struct {
	credentials.TransportCredentials
	config *tls.Config
}

// ClientHandshake implements credentials.TransportCredentials.
func (s secureSockets) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	below := newRecords(conn)
	secure, info, err := credentials.NewTLS(s.config).ClientHandshake(ctx, authority, below)
	if err != nil {
		return nil, nil, err
	}
	return &Secure{Conn: secure, below: below}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (s secureSockets) Clone() credentials.TransportCredentials { return s }
