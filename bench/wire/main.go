// Command wire measures how long ensembles take to a plugin process and back,
// and how much memory that takes, beside what the machine can do.
//
// For every size a host process of its own sends an ensemble to a plugin that
// answers y = x + 1. In the same minute, in turns, the same bytes are copied in
// memory there and back, and sent to a process that returns them: over a plain
// unix socket in pieces of 16 KiB, written and read at the same time, and, where
// they are few, by a plain unary gRPC call.
//
// With a Python interpreter as its argument it measures, in turns, the same plugin
// in Python and in Go instead.
//
// It ends with status 1 when a target is missed.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
	"unsafe"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "wire:", err)
		os.Exit(1)
	}
}

// run is one of the program's three processes: the one that measures, or one that
// it starts (see again).
func run(args []string) error {
	switch {
	case len(args) == 0:
		return measureAll(sizes)
	case len(args) == 1:
		return measurePython(args[0])
	case len(args) == 2 && args[0] == "echo":
		return serveEcho(args[1])
	case len(args) > 3 && args[0] == "host":
		members, err1 := strconv.Atoi(args[1])
		values, err2 := strconv.Atoi(args[2])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		return serveHost(args[3:], size{Members: members, Values: values})
	}
	return errors.New("takes no arguments, or a Python interpreter")
}

// again starts this program with arguments. It ends when stdin is closed.
func again(args ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout io.Reader, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd = exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	if stdin, err = cmd.StdinPipe(); err != nil {
		return nil, nil, nil, err
	}
	if stdout, err = cmd.StdoutPipe(); err != nil {
		return nil, nil, nil, err
	}
	return cmd, stdin, stdout, cmd.Start()
}

// measureAll measures all sizes and prints a table.
func measureAll(sizes []size) error {
	dir, err := os.MkdirTemp("", "plume-wire-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := build(dir)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, GOMAXPROCS %d\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	fmt.Println(heading)
	var missed []error
	for _, s := range sizes {
		r, err := measure(program, dir, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		fmt.Println(r)
		missed = append(missed, r.missed()...)
	}
	fmt.Print(legend)
	return errors.Join(missed...)
}

// build builds the plugin in dir.
func build(dir string) (program string, err error) {
	program = filepath.Join(dir, "plus-one")
	text, err := exec.Command("go", "build", "-o", program, "github.com/plume-da/plume/bench/wire/plugin").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the plugin: %w\n%s", err, text)
	}
	return program, nil
}

// measure measures one size in fresh processes.
func measure(program, dir string, s size) (*result, error) {
	dir = filepath.Join(dir, s.String())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	e, err := startEcho(dir)
	if err != nil {
		return nil, err
	}
	h, err := startHost(s, program)
	if err != nil {
		return nil, err
	}
	r := &result{size: s}
	if err := r.collect(e, h); err != nil {
		return nil, err
	}
	r.hostPeak, r.pluginPeak = h.last.HostPeak, h.last.PluginPeak
	return r, errors.Join(h.stop(), e.stop())
}

// collect measures the ways in turns, so that whatever else the machine does
// meets all of them alike. The first round is a warm-up.
func (r *result) collect(e *echo, h *host) error {
	src, dst := make([]float64, r.Members*r.Values), make([]float64, r.Members*r.Values)
	for i := range src {
		src[i] = float64(i)
	}
	from, to := bytesOf(src), bytesOf(dst)
	for round := range r.Rounds + 1 {
		one := result{size: r.size}
		for range r.Calls {
			one.memory = append(one.memory, copyBoth(to, from))
		}
		var err error
		if one.raw, err = repeat(r.Calls, to, from, e.exchange); err != nil {
			return fmt.Errorf("raw echo: %w", err)
		}
		if r.Unary {
			if one.unary, err = repeat(r.Calls, to, from, e.unary); err != nil {
				return fmt.Errorf("unary call: %w", err)
			}
		}
		if one.plume, err = h.calls(r.Calls); err != nil {
			return err
		}
		if round > 0 {
			r.add(&one)
		}
	}
	return nil
}

func repeat(n int, dst, src []byte, do func(dst, src []byte) (time.Duration, error)) ([]time.Duration, error) {
	var all []time.Duration
	for range n {
		took, err := do(dst, src)
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

// copyBoth copies src to dst and back.
func copyBoth(dst, src []byte) time.Duration {
	start := time.Now()
	copy(dst, src)
	copy(src, dst)
	return time.Since(start)
}

func bytesOf(x []float64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 8*len(x))
}
