package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/spf13/cobra"
)

func (a *app) runs() *cobra.Command {
	var root, name, status string
	c := &cobra.Command{
		Use:   "runs",
		Short: "List runs",
		Long: `Runs lists the runs below a directory, newest first: name, status, start, the
first score of the best filter, and size. Every run is in the folder
DIRECTORY/NAME/RUN. The status "stopped" means that the program was killed: its
process is gone. Such a run, and one that was interrupted, can be resumed. A run
in which trials diverged is ok, and its status says how many did.`,
		Example: `  plume runs
  plume runs --name lorenz63 --status ok
  plume runs --run-dir results --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if status != "" && !slices.Contains(runStatuses, status) {
				return usage("--status: got %q, want one of %s", status, strings.Join(runStatuses, ", "))
			}
			return a.listRuns(root, func(r *archive.Info) bool {
				return strings.Contains(r.Name, name) && (status == "" || status == string(r.Status))
			})
		},
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&name, "name", "", "only runs of experiments whose name contains this text")
	c.Flags().StringVar(&status, "status", "", "only runs with this status: "+strings.Join(runStatuses, ", "))
	completeFlag(c, "status", words(runStatuses...))
	return c
}

// runStatuses are the statuses that a run may have.
var runStatuses = []string{
	string(archive.Running), string(archive.OK), string(archive.SomeFailed), string(archive.Failed), string(archive.Interrupted), string(archive.Stopped),
}

// runLine is a run in the list of runs.
type runLine struct {
	ID      string                 `json:"id"`
	Name    string                 `json:"name"`
	Status  string                 `json:"status"`
	Trials  map[archive.Status]int `json:"trials,omitempty"`
	Started time.Time              `json:"started"`
	Bytes   int64                  `json:"bytes"`
	Dir     string                 `json:"dir"`
	Score   *runScore              `json:"score,omitempty"`
}

// runScore is a score of one filter in a run, the mean over replicates.
type runScore struct {
	Metric string  `json:"metric"`
	Stage  string  `json:"stage"`
	Value  float64 `json:"value"`
	Filter string  `json:"filter"`
}

func (a *app) listRuns(root string, wanted func(*archive.Info) bool) error {
	dirs := archive.List(root)
	slices.Reverse(dirs)
	var rows [][]string
	newest, resumable := "", ""
	var unread error // an error in one run does not hide the others
	for _, dir := range dirs {
		info, err := archive.ReadStatus(dir)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		if !wanted(info) {
			continue
		}
		newest = cmp.Or(newest, dir)
		if info.Status == archive.Stopped || info.Resumable {
			resumable = cmp.Or(resumable, dir)
		}
		score, err := firstScore(dir)
		if errors.Is(err, archive.ErrDamaged) {
			unread = errors.Join(unread, err)
		}
		line := runLine{filepath.Base(dir), info.Name, string(info.Status), info.Trials, info.Started, bytesBelow(dir), dir, score}
		if a.json {
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{line.ID, line.Name, info.StatusText(), line.Started.Format(time.DateTime), line.Score.String(), experiment.Bytes(float64(line.Bytes))})
	}
	columns := []column{{head: "run"}, {head: "name"}, {head: "status", fold: true, style: statusStyle}, {head: "started", drop: 1}, {head: "score"}, {head: "size", right: true, drop: 2}}
	if len(rows) > 0 {
		if err := printTable(a.stdout, columns, rows); err != nil {
			return err
		}
	}
	switch {
	case len(dirs) == 0:
		a.say("there are no runs below %s", root)
		a.next("run", "WORKFLOW")
	case newest == "":
		a.say("none of %s below %s has this name and status", diag.Plural(len(dirs), "run"), root)
	case resumable != "":
		a.next("resume", resumable)
	default:
		a.next("report", newest)
	}
	return unread
}

// firstScore returns the score that a comparison of the run shows first, for the filter for
// which it is best; nil if there is none or it cannot be read.
func firstScore(dir string) (*runScore, error) {
	s, err := endedRun(dir)
	if err != nil {
		return nil, err
	}
	r, err := s.scores()
	if err != nil {
		return nil, err
	}
	m := r.Opening("")
	best, mean, err := r.Best(m)
	if v := finite(mean.Value); err == nil && v != nil && mean.OK > 0 {
		return &runScore{m.Name, m.Stage, *v, best.Filter}, nil
	}
	return nil, err
}

func (s *runScore) String() string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%s %.4g %s", compare.Metric{Name: s.Metric, Stage: s.Stage}.Label(), s.Value, s.Filter)
}

// bytesBelow returns the size of all files below dir; files that cannot be read count as
// 0, because the run may be running.
func bytesBelow(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}
