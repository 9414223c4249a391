//go:build unix

package launch

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes cmd the leader of a new process group: signals from the
// terminal do not reach it, and one signal reaches it with all its children.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends every process of the group at once, stopped ones too.
func killGroup(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }

// terminateGroup asks every process of the group to end; those that are stopped
// are continued to hear it.
func terminateGroup(leader int) {
	_ = syscall.Kill(-leader, syscall.SIGTERM)
	_ = syscall.Kill(-leader, syscall.SIGCONT)
}

// ownedByUser reports whether a file is this user's.
func ownedByUser(info os.FileInfo) bool {
	return info.Sys().(*syscall.Stat_t).Uid == uint32(os.Getuid())
}

// exitOf says how a process ended.
func exitOf(state *os.ProcessState) Exit {
	status := state.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		code := status.ExitStatus()
		return Exit{What: fmt.Sprintf("exited with code %d", code), Code: &code}
	}
	s := status.Signal()
	e := Exit{What: fmt.Sprintf("was ended by signal %d (%v)", s, s), Signal: s.String()}
	if s == syscall.SIGKILL {
		e.Hint = "if nobody killed it, the machine may have run out of memory"
	}
	return e
}
