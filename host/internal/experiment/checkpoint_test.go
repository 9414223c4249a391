package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/workflow"
)

// killed asks a run of one trial to stop after so many cycles, so that there is a checkpoint of the
// last of them, and copies the run directory when the trial has ended but that has not been recorded:
// as a process leaves it that is killed then.
type killed struct {
	after
	dir, into string
	err       error
}

func (k *killed) Begin(b Beginning) { k.dir = b.Dir }

func (k *killed) Ended(archive.Status, int) { k.err = os.CopyFS(k.into, os.DirFS(k.dir)) }

// killedAfter runs w up to cycle at and returns a copy of the run directory as a kill leaves it.
func killedAfter(t *testing.T, w *workflow.Workflow, at int64) string {
	t.Helper()
	o := Options{Workers: 1, InProcess: true, Stop: NewStop()}
	k := &killed{after: after{at: at, do: func() { o.Stop.Ask(errEnough) }}, into: filepath.Join(t.TempDir(), "killed")}
	o.Observer = k
	if _, err := Run(t.Context(), w, t.TempDir(), Source{}, o); err != nil && !errors.Is(err, errEnough) || k.err != nil {
		t.Fatalf("killed after cycle %d: %v, %v", at, err, k.err)
	}
	return k.into
}

// A run that is killed right after the checkpoint of any cycle near the end of its record is, when rows
// are added, that of the whole record, and without these what it would have been: the last cycle
// with observations has a forecast because it is the last, and those after it have no scores. The
// rows that are added come after a gap, in which cycles have been run.
func TestKilledNearTheEnd(t *testing.T) {
	const rows = 30
	const ahead = "\n[forecast]\nhorizon = 3.0\nstep = 1.0\nevery = 4\nexceed = [{ variable = \"x\", above = [0.5] }]\n"
	for _, timing := range []string{"burn_in = 10", "burn_in = 10, interval = 1.0, cycles = 41"} {
		for _, filter := range []string{filterOf("nudge"), strings.Replace(filterOf("weigh"), "plugin", "window = { length = \"all\", passes = 1 }\nplugin", 1)} {
			text := strings.Replace(recorded(t, "x"), "burn_in = 10", timing, 1) + oneModel + ahead + filter
			leaveGap(t, text, rows, 4)
			whole := ran(t, text, Options{})
			restore := shorten(t, text, rows)
			all := &after{at: -1}
			part := ran(t, text, Options{Observer: all})
			restore()
			total, twice := all.cycles.Load(), int64(0) // cycles that are run twice: a whole record begins with its first run
			if strings.Contains(filter, "window") {
				twice = int64(part.Trials[0].Cycles)
			}
			for at := total - 13; at <= total; at++ {
				t.Run(fmt.Sprintf("%s, %.16s, cycle %d", timing, filter[len("[[filter]]\n"):], at), func(t *testing.T) {
					restore := shorten(t, text, rows)
					w := loadText(t, text, workflow.Options{})
					same, grown := killedAfter(t, w, at), filepath.Join(t.TempDir(), "grown")
					if err := os.CopyFS(grown, os.DirFS(same)); err != nil {
						t.Fatal(err)
					}
					left := &after{at: -1}
					sameRun(t, part.Dir, resumed(t, w, same, Options{Observer: left}).Dir)
					if got := left.cycles.Load(); got != twice+total-at {
						t.Errorf("resumed with %d cycles to run, want %d", got, twice+total-at)
					}
					restore()
					if _, err := Continue(t.Context(), loadText(t, text, workflow.Options{}), grown, Again{}, "", Options{InProcess: true}); err != nil {
						t.Fatal(err)
					}
					sameRun(t, whole.Dir, grown)
				})
			}
		}
	}
}

// leaveGap removes n rows after the first ones from the file of observations of a workflow.
func leaveGap(t *testing.T, text string, rows, n int) {
	t.Helper()
	path := regexp.MustCompile(`file = "(.*?)"`).FindStringSubmatch(text)[1]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Delete(strings.SplitAfter(string(whole), "\n"), 1+rows, 1+rows+n)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}
