//go:build linux

package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// flipped flips bits of files below a directory, one at a time.
type flipped struct {
	random *rand.Rand
	from   string // what is copied and then damaged
	files  []string
}

func newFlipped(t *testing.T, from string, random *rand.Rand) *flipped {
	t.Helper()
	f := &flipped{random: random, from: from}
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			name, _ := filepath.Rel(from, path)
			f.files = append(f.files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// copyTo copies the directory to dir and flips one bit of one file there, which it
// returns.
func (f *flipped) copyTo(t *testing.T, dir string) string {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(f.from)); err != nil {
		t.Fatal(err)
	}
	name := f.files[f.random.IntN(len(f.files))]
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at, bit := f.random.IntN(len(text)), f.random.IntN(8)
	text[at] ^= 1 << bit
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s, bit %d of byte %d of %d", name, bit, at, len(text))
}

// flips returns how many bits a test flips; PLUME_FLIPS says how many in a long form.
func flips(short int) int {
	if n, err := strconv.Atoi(os.Getenv("PLUME_FLIPS")); err == nil {
		return n
	}
	return short
}

// tally counts what a test has seen.
type tally map[string]int

func (c tally) log(t *testing.T) {
	var text []string
	for what, n := range c {
		text = append(text, fmt.Sprintf("%s: %d", what, n))
	}
	slices.Sort(text)
	t.Log(strings.Join(text, ", "))
}

// flipWorkflow has all that a run can store, in little.
var flipWorkflow = strings.NewReplacer("cycles = 100", "cycles = 40", "size = 300", "size = 60", "store = 50", "store = 20").Replace(stopsWorkflow)

// A run that was stopped or killed and then damaged, in one bit of any of its files, has
// the tables of one that was never stopped when it is resumed, or says that it cannot.
func TestFlippedBitsInStoppedRuns(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "stops.toml")
	if err := os.WriteFile(file, []byte(flipWorkflow), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := uninterrupted(t, file, root).dir(t)
	random := rand.New(rand.NewPCG(11, 12))
	var from []*flipped
	for _, how := range []string{"SIGINT to the host", "SIGKILL to the host"} {
		from = append(from, newFlipped(t, halfDone(t, file, filepath.Join(root, how), how), random))
	}
	count := tally{}
	for i := range flips(16) {
		dir := filepath.Join(root, "copy", "stops", "20260102T030405Z-0001")
		what := from[i%len(from)].copyTo(t, dir)
		code, _, stderr := plumeHere(t, nil, "resume", dir, "-q")
		lines, err := archive.Compare(whole, dir)
		switch {
		case code != exitOK:
			count["refused"]++
			if stderr == "" {
				t.Errorf("%s: exit code %d without a word", what, code)
			}
		case err == nil && len(lines) == 0:
			count["identical"]++
		case stderr != "":
			count["different, with a word"]++
		default:
			count["different, without a word"]++
			t.Errorf("%s: %v\n%s", what, err, strings.Join(lines, "\n"))
		}
	}
	count.log(t)
}

// halfDone returns a run that was stopped when some of its trials had ended and another
// one had a checkpoint.
func halfDone(t *testing.T, file, root, how string) string {
	t.Helper()
	for attempt := range 20 {
		r := stopsRun(t, file, filepath.Join(root, fmt.Sprint(attempt)), "--in-process", "--checkpoint", "1ms")
		dir := r.dir(t)
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && !r.halts(dir); {
			time.Sleep(time.Millisecond)
		}
		r.stop(how, nil)
		_ = r.Process.Signal(syscall.SIGCONT)
		r.wait(t)
		points, _ := filepath.Glob(filepath.Join(dir, "checkpoint", "trial=*[0-9]"))
		if info := infoOf(t, dir); info.Status != archive.OK && len(points) > 0 {
			return dir
		}
		t.Logf("attempt %d, %s: %s", attempt, how, stored(dir))
	}
	t.Fatal("no run was stopped with a checkpoint")
	return ""
}

// halts stops the process of a run, which would otherwise end before a signal reaches it, where
// some of its trials have ended and another one has a checkpoint. It reports whether the process
// is stopped, or the run has ended.
func (s *stopped) halts(dir string) bool {
	halfway := func() bool {
		ends, _ := filepath.Glob(filepath.Join(dir, "checkpoint", "trial=*.end"))
		points, _ := filepath.Glob(filepath.Join(dir, "checkpoint", "trial=*[0-9]"))
		return len(ends) >= 2 && len(points) >= 1
	}
	if !halfway() {
		info, err := archive.ReadInfo(dir)
		return err == nil && info.Status == archive.OK
	}
	if s.Process.Signal(syscall.SIGSTOP) != nil || halfway() {
		return true
	}
	_ = s.Process.Signal(syscall.SIGCONT)
	return false
}

// A finished run that was damaged is shown as it is, or it is said that it is damaged: no
// command prints another number without a word.
func TestFlippedBitsInFinishedRuns(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "stops.toml")
	if err := os.WriteFile(file, []byte(flipWorkflow), 0o600); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(13, 14))
	from := newFlipped(t, uninterrupted(t, file, root).dir(t), random)
	dir, out := filepath.Join(root, "copy", "stops", "20260102T030405Z-0001"), filepath.Join(root, "out")
	commands := [][]string{
		{"verify", dir}, {"compare", dir, "-q"}, {"compare", dir, "-q", "--format", "csv"}, {"runs", "--run-dir", filepath.Join(root, "copy")},
		{"export", dir, "-q", "--to", out, "--format", "csv"}, {"report", dir, "-q"}, {"report", dir, "-q", "--figures", "svg"},
	}
	// seen is what a command prints and leaves for people, and what it says next to that.
	seen := func(args []string) (code int, shown, said string) {
		var stdout, stderr bytes.Buffer
		code = Main(args, &stdout, &stderr)
		shown = stdout.String()
		for _, left := range []string{out, filepath.Join(dir, "report.html"), filepath.Join(dir, "figures")} {
			_ = filepath.WalkDir(left, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					text, _ := os.ReadFile(path)
					shown += path + string(text)
				}
				return nil
			})
			_ = os.RemoveAll(left)
		}
		return code, shown, stderr.String()
	}
	type sight struct {
		code        int
		shown, said string
	}
	var want []sight
	if err := os.CopyFS(dir, os.DirFS(from.from)); err != nil {
		t.Fatal(err)
	}
	for _, args := range commands {
		code, shown, said := seen(args)
		if code != exitOK {
			t.Fatal(args, said)
		}
		want = append(want, sight{code, shown, said})
	}
	count := tally{}
	for range flips(24) {
		what := from.copyTo(t, dir)
		for k, args := range commands {
			switch code, shown, said := seen(args); {
			case code != exitOK:
				count[args[0]+" refused"]++
			case shown == want[k].shown:
				count[args[0]+" the same"]++
			case said != want[k].said:
				count[args[0]+" different, with a word"]++
			default:
				count[args[0]+" different, without a word"]++
				t.Errorf("%s: %v", what, args)
			}
		}
	}
	count.log(t)
}
