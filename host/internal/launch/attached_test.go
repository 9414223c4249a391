package launch

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
	"google.golang.org/grpc"
)

// attachLake serves a lakeModel in this process, as a notebook does, until the test ends,
// and returns the directory for $PLUME_ATTACH.
func attachLake(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "plume-attach-") // shorter than that of t
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "0")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := newInMemory(t)
	server := grpc.NewServer(rpc.ServerOptions()...)
	rpc.Register(server, e.plugin)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	line := fmt.Sprintf("%d|%d|unix|%s|grpc|\n", plugin.CoreProtocolVersion, rpc.ProtocolVersion, socket)
	for name, text := range map[string]string{"mine.plugin": line, "mine.py": "class Mine: pass\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// An attached plugin is found before any other, has no time limit and no replicas, and is
// still there when plume has left it.
func TestAttached(t *testing.T) {
	dir := attachLake(t)
	t.Setenv(envAttach, dir)
	other := install(t, map[string]string{"mine!": "", "other!": ""})
	if got := fmt.Sprint(Path{other}.List()); got != "[mine other]" {
		t.Errorf("List: got %s", got)
	}
	program, err := Path{other}.Find("mine")
	if err != nil || !program.attached {
		t.Fatalf("got %+v, %v", program, err)
	}
	for range 2 {
		pool, err := NewPool(Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := pool.Plugin(t.Context(), program, RetryPolicy{Timeout: time.Nanosecond, Replicas: 3})
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.NewModel(t.Context(), sdk.ModelConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if err := forecast(t, t.Context(), m, 1); err != nil {
			t.Error(err)
		}
		start := time.Now()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > grace {
			t.Errorf("leaving it took %v", took)
		}
	}
}

// Without the variable nothing is attached, whatever is in the working directory.
func TestNothingIsAttached(t *testing.T) {
	t.Setenv(envAttach, "")
	t.Chdir(attachLake(t))
	if got := (Path{}).List(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// The checksum of an attached plugin is that of its source.
func TestAttachedChecksum(t *testing.T) {
	dir := attachLake(t)
	t.Setenv(envAttach, dir)
	sum := func() string {
		p, err := Attached("mine")
		if err != nil {
			t.Fatal(err)
		}
		sum, err := p.SHA256()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	before := sum()
	if err := os.WriteFile(filepath.Join(dir, "mine.py"), []byte("class Mine: x = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if sum() == before {
		t.Error("another source has the same checksum")
	}
}

// A directory that others can reach is refused, and a name without a plugin is none.
func TestAttachedIsPrivate(t *testing.T) {
	dir := attachLake(t)
	if p, err := Attached("mine"); p != nil || err != nil {
		t.Errorf("without $%s: got %v, %v", envAttach, p, err)
	}
	t.Setenv(envAttach, dir)
	if p, err := Attached("other"); p != nil || err != nil {
		t.Errorf("other: got %v, %v", p, err)
	}
	if err := os.Chmod(dir, 0o750); err != nil { //nolint:gosec // that is the fault
		t.Fatal(err)
	}
	_, err := Attached("mine")
	checkError(t, err, sdk.KindPlugin, "plugin mine: $PLUME_ATTACH: got "+dir, "want a directory that only this user can read")
}

// What stands in the place of a plugin's first line must be one.
func TestAttachedSaysWhere(t *testing.T) {
	dir := attachLake(t)
	t.Setenv(envAttach, dir)
	for line, want := range map[string]string{
		"1|1|tcp|127.0.0.1:80|grpc|\n": "listens on tcp, where others could reach it",
		"hello\n":                      `wrote "hello\n" to standard output before the handshake`,
		"1|1|unix|" + filepath.Join(dir, "gone") + "|grpc|\n": "plugin mine: ",
	} {
		if err := os.WriteFile(filepath.Join(dir, "mine.plugin"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		program, err := Attached("mine")
		if err != nil {
			t.Fatal(err)
		}
		_, err = newPool(t, Options{StartTimeout: 2 * time.Second}).Start(t.Context(), program)
		if err == nil {
			t.Errorf("%q: no error", line)
			continue
		}
		checkError(t, err, sdk.KindOf(err), want)
	}
}
