package launch

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The room of a process is that of the narrowest of the control groups that hold it, of
// either version.
func TestGroupRoom(t *testing.T) {
	for name, c := range map[string]struct {
		groups string
		files  map[string]string
		want   float64
	}{
		"none":      {"0::/", nil, math.Inf(1)},
		"unlimited": {"0::/job", map[string]string{"job/memory.max": "max\n", "job/memory.current": "500\n"}, math.Inf(1)},
		"version 2": {"0::/job", map[string]string{"job/memory.max": "1000\n", "job/memory.current": "500\n", "job/memory.stat": "anon 400\ninactive_file 80\n"}, 580},
		"parent": {"0::/slurm/step", map[string]string{"slurm/memory.max": "900", "slurm/memory.current": "600", "slurm/step/memory.max": "1000",
			"slurm/step/memory.current": "1"}, 300},
		"of a container": {"0::/", map[string]string{"memory.max": "1000", "memory.current": "1"}, 999},
		"version 1": {"9:cpu:/\n8:memory:/job\n", map[string]string{"memory/job/memory.limit_in_bytes": "1000", "memory/job/memory.usage_in_bytes": "300",
			"memory/job/memory.stat": "total_inactive_file 100\n"}, 800},
		"full": {"0::/job", map[string]string{"job/memory.max": "1000", "job/memory.current": "1200"}, 0},
	} {
		root := t.TempDir()
		write := func(name, text string) string {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		for file, text := range c.files {
			write(file, text)
		}
		if got := groupRoom(write("groups", c.groups), root); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestHeld(t *testing.T) {
	before, room := Self(), Machine()
	if before.Resident < 1<<20 || before.Addresses < before.Resident || room.All < 1<<20 || room.Why == "" {
		t.Errorf("got %+v and %+v", before, room)
	}
	block := make([]byte, 64<<20)
	for i := range block {
		block[i] = 1
	}
	if grown := Self().Resident - before.Resident; grown < 60<<20 {
		t.Errorf("64 MiB more: %v bytes", grown)
	}
}

// A plugin that is refused memory says so in one line, in Go and in Python.
func TestOutOfMemory(t *testing.T) {
	for text, want := range map[string]bool{
		"fatal error: runtime: out of memory\n\ngoroutine 1": true, "fatal error: runtime: cannot allocate memory": true,
		"Traceback\n  File\nMemoryError": true, "MemoryError: Unable to allocate 8 GiB": true,
		"panic: out of memory": false, "out of memory, it says": false, "": false,
	} {
		if got := outOfMemory(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
