// Package umbridgetest serves models to the tests of UM-Bridge clients.
package umbridgetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// Model is a model on a server of the test, which checks its requests strictly.
type Model struct {
	Inputs, Outputs []int // sizes of its vectors
	NoEvaluate      bool  // it says that it cannot be evaluated
	Evaluate        func(input [][]float64, config map[string]any) [][]float64
	Gradient        func(out, in int, input [][]float64, sens []float64) []float64
	Answer          http.HandlerFunc  // to /Evaluate, instead of Evaluate
	Seen            func(body string) // is called with every request
}

// Serve serves the model under the name m until the test ends, and returns the address.
func (s Model) Serve(t testing.TB) string {
	t.Helper()
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /Info", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"protocolVersion": 1.0, "models": []string{"other", "m"}})
	})
	mux.HandleFunc("POST /ModelInfo", func(w http.ResponseWriter, r *http.Request) {
		s.read(t, r)
		reply(w, map[string]any{"support": map[string]bool{"Evaluate": !s.NoEvaluate, "Gradient": s.Gradient != nil}})
	})
	mux.HandleFunc("POST /InputSizes", func(w http.ResponseWriter, r *http.Request) {
		s.read(t, r)
		reply(w, map[string]any{"inputSizes": s.Inputs})
	})
	mux.HandleFunc("POST /OutputSizes", func(w http.ResponseWriter, r *http.Request) {
		s.read(t, r)
		reply(w, map[string]any{"outputSizes": s.Outputs})
	})
	mux.HandleFunc("POST /Evaluate", func(w http.ResponseWriter, r *http.Request) {
		m := s.read(t, r)
		if s.Answer != nil {
			s.Answer(w, r)
			return
		}
		reply(w, map[string]any{"output": s.Evaluate(m.Input, m.Config)})
	})
	mux.HandleFunc("POST /Gradient", func(w http.ResponseWriter, r *http.Request) {
		m := s.read(t, r)
		if len(m.Sens) != s.Outputs[m.OutWrt] {
			t.Errorf("got %d values of sens for output %d", len(m.Sens), m.OutWrt)
		}
		reply(w, map[string]any{"output": s.Gradient(m.OutWrt, m.InWrt, m.Input, m.Sens)})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

type message struct {
	Name          string
	Config        map[string]any
	Input         [][]float64
	OutWrt, InWrt int
	Sens          []float64
}

// read reads a request, which must be one for this model.
func (s Model) read(t testing.TB, r *http.Request) message {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if s.Seen != nil {
		s.Seen(string(text))
	}
	var m message
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil || m.Name != "m" || m.Config == nil {
		t.Errorf("%s: got %s: %v", r.URL, text, err)
	}
	var got []int
	for _, in := range m.Input {
		got = append(got, len(in))
	}
	if (r.URL.Path == "/Evaluate" || r.URL.Path == "/Gradient") && !slices.Equal(got, s.Inputs) {
		t.Errorf("%s: got inputs of sizes %v, want %v", r.URL, got, s.Inputs)
	}
	return m
}

// Python starts the official server with the models of the example, for a test in a
// folder of plugins/, and returns its address.
func Python(t testing.TB) string {
	t.Helper()
	program := os.Getenv("PLUME_PYTHON")
	if program == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with umbridge; make test sets it")
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	var printed bytes.Buffer
	cmd := exec.Command(program, "../../examples/umbridge-lorenz63/server.py", fmt.Sprint(port))
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
