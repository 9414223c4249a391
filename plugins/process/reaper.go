package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/plume-da/plume/sdk"
)

// A command must not outlive the plugin, whatever ends that: a signal that nobody
// can catch ends no children. So the plugin starts itself a second time as a
// reaper, which hears over a pipe of every process group that runs and, when the
// pipe ends, ends those that still do. Host and terminal signal the plugin's
// group; the reaper is in another.
type reaper struct{ pipe io.Writer }

// reaperVariable is set for a process that is to be a reaper.
const reaperVariable = "PLUME_PROCESS_REAPER"

// theReaper returns the reaper of this process, which it starts when there is none.
var theReaper = sync.OnceValues(startReaper)

func startReaper() (*reaper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, noReaper(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{reaperVariable + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, noReaper(err)
	}
	if err := cmd.Start(); err != nil {
		return nil, noReaper(err)
	}
	go func() { _ = cmd.Wait() }()
	return &reaper{pipe}, nil
}

// adopt puts the process group under watch.
func (r *reaper) adopt(group int) error { return r.say('+', group) }

// release says that the group has ended.
func (r *reaper) release(group int) error { return r.say('-', group) }

func (r *reaper) say(op rune, group int) error {
	if _, err := fmt.Fprintf(r.pipe, "%c %d\n", op, group); err != nil {
		return noReaper(err)
	}
	return nil
}

func noReaper(err error) error {
	return sdk.Errorf(sdk.KindResource, "reaper", "nobody watches over the commands: %v", err)
}

// reapWhenAsked turns this process into a reaper if it was started as one.
func reapWhenAsked() {
	if os.Getenv(reaperVariable) == "" {
		return
	}
	running := map[int]bool{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var op rune
		var group int
		if _, err := fmt.Sscanf(lines.Text(), "%c %d", &op, &group); err == nil {
			running[group] = op == '+'
		}
	}
	for group, still := range running {
		if still {
			kill(group)
		}
	}
	os.Exit(0)
}

// kill ends every process of the group led by leader at once.
func kill(leader int) {
	if leader > 1 { // 1 would stand for every process there is
		_ = syscall.Kill(-leader, syscall.SIGKILL)
	}
}
