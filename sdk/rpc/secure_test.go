package rpc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countedWrites is a connection that counts what is written at once.
type countedWrites struct {
	net.Conn
	writes atomic.Int32
}

func (c *countedWrites) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// securePair returns a server and its client, and what is below the server.
func securePair(t *testing.T) (*Secure, net.Conn, *countedWrites) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled := make(chan net.Conn, 1)
	go func() {
		conn, _ := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}) // the certificate is of this test
		dialled <- conn
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	below := &countedWrites{Conn: conn}
	server, err := SecureServer(t.Context(), below, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	client := <-dialled
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client, below
}

// What is written leaves at once, in few pieces, and arrives as it is, whoever writes meanwhile.
func TestSecureWrites(t *testing.T) {
	t.Parallel()
	server, client, below := securePair(t)
	begun := below.writes.Load()
	data := bytes.Repeat([]byte("plume!!!"), 1<<17)
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			if n, err := server.Write(data); n != len(data) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
		})
	}
	got := make([]byte, 2*len(data))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got[:len(data)], data) || !bytes.Equal(got[len(data):], data) {
		t.Errorf("read something else: %v", err)
	}
	writers.Wait()
	if n := below.writes.Load() - begun; n > 20 { // 128 records
		t.Errorf("2 MiB took %d writes", n)
	}
}

// Records that have arrived are read together, and none is waited for but the first.
func TestSecureReadAll(t *testing.T) {
	t.Parallel()
	server, client, _ := securePair(t)
	record := bytes.Repeat([]byte("plume"), 2000)
	for range 5 {
		if _, err := client.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond) // until they are there
	got := make([]byte, 10*len(record))
	n, err := server.ReadAll(got)
	if err != nil || n < 3*len(record) {
		t.Fatalf("got %d bytes, %v", n, err)
	}
	if _, err := io.ReadFull(server, got[n:5*len(record)]); err != nil || !bytes.Equal(got[:5*len(record)], bytes.Repeat(record, 5)) {
		t.Errorf("read something else: %v", err)
	}
	_ = client.Close()
	if n, err := server.ReadAll(got); n != 0 || err == nil {
		t.Errorf("got %d bytes, %v after the end", n, err)
	}
}
