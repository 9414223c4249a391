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

// A command must not outlive the plugin, however the plugin ends: a signal that cannot be
// caught does not end children. So the plugin starts its program a second time as a reaper.
// The reaper is told over a pipe of every process group that runs and, when the pipe is
// closed, ends those that still run and removes the directories that were only theirs. Host
// and terminal signal the plugin's group; the reaper is in another.
type reaper struct{ pipe io.Writer }

// reaperVariable is set for a process that must be a reaper.
const reaperVariable = "PLUME_PROCESS_REAPER"

// theReaper returns the reaper of this process. It starts it if there is none.
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

// adopt puts the process group under watch. If it is ended by the reaper, dir is removed
// unless it is empty text.
func (r *reaper) adopt(group int, dir string) error { return r.say('+', group, dir) }

// release tells the reaper that the group has ended.
func (r *reaper) release(group int) error { return r.say('-', group, "") }

func (r *reaper) say(op rune, group int, dir string) error {
	if _, err := fmt.Fprintf(r.pipe, "%c %d %q\n", op, group, dir); err != nil {
		return noReaper(err)
	}
	return nil
}

func noReaper(err error) error {
	return sdk.Errorf(sdk.KindResource, "reaper", "cannot supervise the commands: %v", err)
}

// A process that was started as a reaper does nothing else, whichever program contains this
// plugin.
func init() {
	if os.Getenv(reaperVariable) != "" {
		reap(os.Stdin)
		os.Exit(0)
	}
}

// reap reads groups from told until it ends, and then ends those that still run.
func reap(told io.Reader) {
	running := map[int]string{} // directories by group
	lines := bufio.NewScanner(told)
	for lines.Scan() {
		var op rune
		var group int
		var dir string
		if _, err := fmt.Sscanf(lines.Text(), "%c %d %q", &op, &group, &dir); err != nil {
			continue
		}
		if delete(running, group); op == '+' {
			running[group] = dir
		}
	}
	for group := range running {
		kill(group)
	}
	for _, dir := range running {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
}

// kill ends every process of the group led by leader at once.
func kill(leader int) {
	if leader > 1 { // 1 would mean every process
		_ = syscall.Kill(-leader, syscall.SIGKILL)
	}
}
