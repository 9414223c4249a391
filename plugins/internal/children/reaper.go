package children

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/plume-da/plume/sdk"
)

// reaper is this program, started a second time. It makes the process groups that commands run
// in. When the pipe to it is closed, it ends all processes of its groups, gently at first, and
// removes the directories that were theirs alone. Host and terminal signal the plugin's group;
// the reaper is in another.
type reaper struct {
	mu      sync.Mutex
	orders  io.Writer
	answers *bufio.Reader
	groups  []int // without a command
}

// reaperVariable is set for a process that must be a reaper.
const reaperVariable = "PLUME_REAPER"

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
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, noReaper(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, noReaper(err)
	}
	if err := cmd.Start(); err != nil {
		return nil, noReaper(err)
	}
	return &reaper{orders: orders, answers: bufio.NewReader(answers)}, nil
}

// take returns a process group without a command.
func (r *reaper) take() (group int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := len(r.groups) - 1; last >= 0 {
		group, r.groups = r.groups[last], r.groups[:last]
		return group, nil
	}
	if _, err := fmt.Fprintln(r.orders, "group"); err != nil {
		return 0, noReaper(err)
	}
	answer, err := r.answers.ReadString('\n')
	if err != nil {
		return 0, noReaper(err)
	}
	answer = strings.TrimSpace(answer)
	if group, err = strconv.Atoi(answer); err != nil {
		return 0, noReaper(errors.New(answer))
	}
	return group, nil
}

// giveBack takes a group back whose processes have ended.
func (r *reaper) giveBack(group int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = append(r.groups, group)
}

// inherit says that dir is to be removed when the plugin ends.
func (r *reaper) inherit(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := fmt.Fprintf(r.orders, "remove %q\n", dir); err != nil {
		return noReaper(err)
	}
	return nil
}

// disinherit says that dir is not to be removed any more.
func (r *reaper) disinherit(dir string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.orders, "keep %q\n", dir) // a reaper that is gone removes nothing
}

func noReaper(err error) error {
	return sdk.Errorf(sdk.KindResource, "reaper", "cannot supervise the commands: %v", err)
}

// A process that was started as a reaper does nothing else, whichever program contains this
// package.
func init() {
	if os.Getenv(reaperVariable) != "" {
		reap(os.Stdin, os.Stdout)
		os.Exit(0)
	}
}

// reap follows orders until they end, and then ends what is left of its groups.
func reap(orders io.Reader, answers io.Writer) {
	var leaders []*exec.Cmd
	dirs := map[string]bool{}
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		order, argument, _ := strings.Cut(lines.Text(), " ")
		dir, _ := strconv.Unquote(argument)
		switch order {
		case "group":
			leader, err := newGroup()
			if err != nil {
				fmt.Fprintln(answers, err)
				continue
			}
			leaders = append(leaders, leader)
			fmt.Fprintln(answers, leader.Process.Pid)
		case "remove":
			dirs[dir] = true
		case "keep":
			delete(dirs, dir)
		}
	}
	endGroups(leaders)
	for dir := range dirs {
		_ = os.RemoveAll(dir)
	}
}

// endGroups ends the processes of groups whose plugin has ended, which has closed the input of servers.
func endGroups(leaders []*exec.Cmd) {
	for _, leader := range leaders {
		_ = leader.Wait() // its number is that of the group while there are other processes in it
	}
	for _, signal := range []syscall.Signal{0, syscall.SIGTERM, syscall.SIGKILL} {
		for until := time.Now().Add(Grace); len(leaders) > 0; time.Sleep(Grace / 100) {
			leaders = slices.DeleteFunc(leaders, func(l *exec.Cmd) bool { return syscall.Kill(-l.Process.Pid, signal) != nil })
			if signal == syscall.SIGKILL || time.Now().After(until) {
				break
			}
			signal = 0
		}
	}
}

// newGroup returns the leader of a process group. It ends at once, but is not waited for: until
// then it keeps the group, which others can join, without a process that no signal can reach.
func newGroup() (*exec.Cmd, error) {
	leader := exec.Command("/bin/sh", "-c", ":")
	leader.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return leader, leader.Start()
}
