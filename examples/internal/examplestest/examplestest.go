// Package examplestest has what the tests of examples share. They run in the folder of
// their example.
package examplestest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plume-da/plume/sdk/wire/table"
)

// Main runs the tests of an example with the program plume, which it builds and whose path
// it stores in program. It returns the exit code.
func Main(m *testing.M, program *string) int {
	dir, err := os.MkdirTemp("", "plume-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*program = filepath.Join(dir, "plume")
	if out, err := exec.Command("go", "build", "-o", *program, "../../host/cmd/plume").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building plume: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Run has program run a workflow, with further arguments, and returns the directory of the run.
func Run(t *testing.T, program, workflow string, more ...string) (dir string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"run", "--run-dir", t.TempDir(), workflow}, more...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", workflow, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// Table reads a table of a run, by the parts of its path.
func Table(t *testing.T, dir string, path ...string) *table.Table {
	t.Helper()
	tab, err := table.Read(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// Serve starts a script in Python that serves UM-Bridge models on the port in its first
// argument, until the test ends, and returns the address.
func Serve(t *testing.T, script string) string {
	t.Helper()
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with umbridge; make test sets it")
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	var printed bytes.Buffer
	cmd := exec.Command(python, script, fmt.Sprint(port))
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	address := fmt.Sprintf("http://localhost:%d", port)
	for range 600 {
		if r, err := http.Get(address + "/Info"); err == nil {
			r.Body.Close()
			return address
		}
		select {
		case <-ended:
			t.Fatalf("the server ended: %s", printed.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the server does not answer")
	return ""
}
