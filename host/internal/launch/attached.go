package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
)

// envAttach names the directory of the plugins that the program which started plume serves
// in its own process, such as a notebook. The file NAME.plugin has the line with which a
// plugin would begin its standard output, and NAME.py its source, of which the checksum is.
const envAttach = "PLUME_ATTACH"

// unhurried is the time limit of a call of an attached plugin: someone may look at it in a
// debugger, and can interrupt the run.
const unhurried = 365 * 24 * time.Hour

// Attached returns the plugin called name that the program which started plume serves; nil
// if it serves none of that name. An error is of kind plugin.
func Attached(name string) (*Program, error) {
	dir := os.Getenv(envAttach)
	if dir == "" || !nameRule.MatchString(name) {
		return nil, nil
	}
	line, source := filepath.Join(dir, name+".plugin"), filepath.Join(dir, name+".py")
	if _, err := os.Stat(line); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := private(dir); err != nil {
		return nil, sdk.Errorf(sdk.KindPlugin, "plugin "+name, "$%s: %v", envAttach, err)
	}
	return newProgram(&Program{Name: name, Command: []string{line}, Executor: attach{}, attached: true}, []string{source})
}

// private returns an error if others than this user can reach what is in dir.
func private(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUser(info):
		return fmt.Errorf("got %s with mode %v, want a directory that only this user can read", dir, info.Mode())
	}
	return nil
}

// attachedNames returns the names of the attached plugins.
func attachedNames() []string {
	dir := os.Getenv(envAttach)
	if dir == "" {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.plugin"))
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".plugin"))
	}
	return names
}

// attach is the [Executor] of attached plugins: what it starts runs already, and runs on
// when it is ended.
type attach struct{}

// Start implements Executor.
func (attach) Start(_ context.Context, program *Program, _ []string) (Child, error) {
	line, err := os.ReadFile(program.Command[0])
	if err != nil {
		return nil, err
	}
	c := &attachedChild{name: program.Name, ended: make(chan struct{})}
	c.stdout, c.said = io.Pipe()
	go func() { _, _ = c.said.Write(line) }()
	return c, nil
}

// attachedChild is a plugin in the process of the program that started plume.
type attachedChild struct {
	name   string
	stdout *io.PipeReader
	said   *io.PipeWriter
	once   sync.Once
	ended  chan struct{}
}

// ID implements Child.
func (c *attachedChild) ID() string { return "the attached plugin " + c.name }

// Stdout implements Child.
func (c *attachedChild) Stdout() io.ReadCloser { return c.stdout }

// Stderr implements Child: what the plugin writes is where its program writes.
func (c *attachedChild) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Terminate implements Child.
func (c *attachedChild) Terminate() { c.Kill() }

// Kill implements Child.
func (c *attachedChild) Kill() { c.once.Do(func() { close(c.ended) }) }

// Wait implements Child.
func (c *attachedChild) Wait() Exit {
	<-c.ended
	_ = c.said.Close()
	return Exit{What: "was left"}
}
