package children

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/plugins/internal/children/childrentest"
	"github.com/plume-da/plume/sdk"
)

// The reaper ends what a plugin has left, gently at first: programs can say how in the file said.
func TestReap(t *testing.T) {
	for name, tt := range childrentest.Programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			orders, give := io.Pipe()
			take, answers := io.Pipe()
			dir := t.TempDir()
			work := filepath.Join(dir, "work")
			if err := os.Mkdir(work, 0o755); err != nil {
				t.Fatal(err)
			}
			reaped := make(chan struct{})
			go func() {
				reap(orders, answers)
				close(reaped)
			}()
			r := &reaper{orders: give, answers: bufio.NewReader(take)}
			group, err := r.take()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.inherit(work); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", tt.Text)
			cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true, Pgid: group}
			input, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			_ = input.Close()
			_ = give.Close()
			_ = cmd.Wait()
			<-reaped
			if text, _ := os.ReadFile(filepath.Join(dir, "said")); strings.TrimSpace(string(text)) != tt.Said {
				t.Errorf("it said %q, want %q", text, tt.Said)
			}
			if _, err := os.Stat(work); err == nil {
				t.Error("its directory is still there")
			}
		})
	}
}

// What keeps the reaper from making a group is the error of the call.
func TestReaperWithoutGroup(t *testing.T) {
	r := &reaper{orders: io.Discard, answers: bufio.NewReader(strings.NewReader("fork/exec /bin/sh: resource temporarily unavailable\n"))}
	if group, err := r.take(); sdk.KindOf(err) != sdk.KindResource || !strings.Contains(fmt.Sprint(err), "resource temporarily unavailable") {
		t.Errorf("got group %d, %v", group, err)
	}
}
