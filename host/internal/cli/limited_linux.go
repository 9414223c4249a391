package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// watchedBy is the environment variable that says that this process is watched.
const watchedBy = "PLUME_WATCHED"

// watched runs the command line in another process of this program, if the address space is
// limited (ulimit -v), and returns its exit code. A Go program that is refused memory ends
// with the stacks of all its goroutines and the code 2, which means wrong usage here;
// nothing within the program can change that.
func watched(args []string, stderr io.Writer) (code int, done bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil || limit.Cur > math.MaxInt64 || os.Getenv(watchedBy) != "" {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	c := exec.Command(self, args...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), watchedBy+"=1")
	c.Stdin, c.Stdout = os.Stdin, os.Stdout
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // signals come from here, once
	out, err := c.StderrPipe()
	if err != nil {
		return 0, false
	}
	signals := make(chan os.Signal, 2)
	notifyStops(signals)
	defer signal.Stop(signals)
	if c.Start() != nil {
		return 0, false
	}
	go func() {
		for s := range signals {
			_ = c.Process.Signal(s)
		}
	}()
	short := passOn(stderr, out)
	err = c.Wait()
	if short {
		fmt.Fprintf(stderr, "error: out of memory: the limit of address space (ulimit -v) is %d MB; raise it, or use fewer members or state values\n", limit.Cur/1e6)
		return exitFailed, true
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			return 128 + int(status.Signal()), true
		}
		return exit.ExitCode(), true
	}
	return exitCode(err), true
}

// refused are the beginnings of what Go writes when the system refuses memory or a thread;
// what follows is a trace.
var refused = [][]byte{[]byte("runtime: out of memory"), []byte("fatal error: out of memory"), []byte("fatal error: runtime: out of memory"),
	[]byte("fatal error: runtime: cannot allocate memory"), []byte("runtime: failed to create new OS thread"), []byte("runtime/cgo: pthread_create failed"), []byte("fatal error: failed to reserve")}

// passOn copies lines and reports whether memory was refused. What comes from there on it
// drops.
func passOn(to io.Writer, from io.Reader) (short bool) {
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadSlice('\n') // a longer line comes in pieces
		for _, begin := range refused {
			short = short || bytes.HasPrefix(line, begin)
		}
		if !short {
			_, _ = to.Write(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return short
		}
	}
}
