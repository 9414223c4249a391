//go:build unix

package launch

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes cmd the leader of a new process group: signals from the
// terminal pass it by, and one signal reaches it with all its children.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends every process of the group at once, stopped ones too.
func killGroup(leader int) { _ = syscall.Kill(-leader, syscall.SIGKILL) }

// terminateGroup asks every process of the group to end; those that are stopped
// are woken to hear it.
func terminateGroup(leader int) {
	_ = syscall.Kill(-leader, syscall.SIGTERM)
	_ = syscall.Kill(-leader, syscall.SIGCONT)
}

// exitOf says how a process ended.
func exitOf(state *os.ProcessState) exit {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return exit{signal: status.Signal()}
	}
	return exit{code: status.ExitStatus()}
}
