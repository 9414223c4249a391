//go:build unix

package pace

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// patient is the environment variable with which the test's program is a process that waits.
const patient = "PACE_TEST_PATIENT"

func TestMain(m *testing.M) {
	if os.Getenv(patient) != "" {
		fired, late := make(chan bool), time.Now()
		AfterFunc(2*suspension, func() { close(fired) })
		fmt.Println("begun")
		<-fired
		fmt.Println(time.Since(late).Milliseconds())
		return
	}
	os.Exit(m.Run())
}

// What was suspended when its time was up begins again.
func TestAfterFunc(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), patient+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	var text string
	if _, err := fmt.Fscan(out, &text); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGSTOP, 7 * suspension / 2}, {syscall.SIGCONT, 0}} {
		if err := cmd.Process.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
		time.Sleep(step.wait)
	}
	stopped := time.Since(begun)
	if _, err := fmt.Fscan(out, &text); err != nil {
		t.Fatal(err)
	}
	took, err := strconv.Atoi(text)
	if err != nil || time.Duration(took)*time.Millisecond < stopped+2*suspension-suspension/2 {
		t.Errorf("called after %s ms, but stopped for %v: %v", text, stopped, err)
	}
}
