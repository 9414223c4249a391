// Package children starts programs that cannot outlive the plugin, however the plugin ends: a
// signal that cannot be caught does not end children.
package children

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Grace is how long programs have to end, without a signal when their input is closed and
// again when they are asked to, before they are ended at once. An interpreter then removes
// its temporary files.
const Grace = 500 * time.Millisecond

// Child is a program that runs in a process group of its own.
type Child struct {
	*exec.Cmd
	group  int
	reaper *reaper
}

// Start starts cmd. When it and all processes of its group have ended, Leave must be called. An
// error of type *sdk.Error is about this machine, any other about cmd.
func Start(cmd *exec.Cmd) (*Child, error) {
	reaper, err := theReaper()
	if err != nil {
		return nil, err
	}
	group, err := reaper.take()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
	if err := cmd.Start(); err != nil {
		reaper.giveBack(group)
		return nil, err
	}
	return &Child{cmd, group, reaper}, nil
}

// Ask asks the processes of the group to end.
func (c *Child) Ask() { _ = syscall.Kill(-c.group, syscall.SIGTERM) }

// Kill ends the program, also one that has left its group, and every process of the group at
// once.
func (c *Child) Kill() {
	_ = syscall.Kill(-c.group, syscall.SIGKILL)
	_ = c.Process.Kill()
}

// Leave gives the group back.
func (c *Child) Leave() { c.reaper.giveBack(c.group) }

// Inherit has dir removed when the plugin has ended.
func Inherit(dir string) error {
	reaper, err := theReaper()
	if err != nil {
		return err
	}
	return reaper.inherit(dir)
}

// Disinherit takes [Inherit] back.
func Disinherit(dir string) {
	if reaper, err := theReaper(); err == nil {
		reaper.disinherit(dir)
	}
}

// Environment returns that of the plugin without the variables that make it one.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "PLUGIN_") || strings.HasPrefix(e, "PLUME_")
	})
}
