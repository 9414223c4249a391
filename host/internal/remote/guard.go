package remote

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// Jobs that wait in a queue when their host is killed would be started, to find that it is
// gone. So a host that submits jobs starts a guard: a process that holds nothing but the end of
// a pipe, and cancels the jobs when the host has ended and has not said that they are over.

// recordExt ends the names of files with the commands that cancel the jobs in a queue.
const recordExt = ".job"

// record keeps the command that cancels a job, for the guard.
func (h *hub) record(t *try, cancel []string) error {
	text, err := json.Marshal(cancel)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.dir, t.Name+recordExt), text, 0o600)
}

// forget removes the command: the job has ended, or is being cancelled.
func (h *hub) forget(t *try) { _ = os.Remove(filepath.Join(h.dir, t.Name+recordExt)) }

// startGuard starts the guard of the jobs whose files are in h.dir. It ends when what is
// returned is closed.
func (h *hub) startGuard(self string) (io.Closer, error) {
	command := launch.Grouped(context.Background(), []string{self, "node-exec", "--guard", h.dir, h.parent})
	alive, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() { _ = command.Wait() }()
	return alive, nil
}

// cancelTime is how long the guard waits for one cancellation.
const cancelTime = 30 * time.Second

// guard is the main function of the guard: it waits until the host has ended.
func guard(dir, parent string) {
	signal.Ignore(os.Interrupt, syscall.SIGHUP, syscall.SIGTERM) // it ends when the host does, and is needed if both are told to end
	_, _ = io.Copy(io.Discard, os.Stdin)
	records, _ := filepath.Glob(filepath.Join(dir, "*"+recordExt)) // none, if the host has ended by itself
	for _, path := range records {
		var argv []string
		if text, err := os.ReadFile(path); err != nil || json.Unmarshal(text, &argv) != nil || len(argv) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
		_ = exec.CommandContext(ctx, argv[0], argv[1:]...).Run() // nobody is there to hear of an error
		cancel()
	}
	_ = os.RemoveAll(dir)
	if parent != "" {
		_ = syscall.Rmdir(parent)
	}
}
