package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/spf13/cobra"
)

func (a *app) runs() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use:   "runs",
		Short: "List runs",
		Long: `Runs lists the runs below a directory, oldest first: what they are called, how they
ended, when they began and how large they are. Stopped means that the program was killed;
such a run, and one that was interrupted, can be resumed.`,
		Example: `  plume runs
  plume runs --run-dir results --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return a.listRuns(root) },
	}
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory below which runs are")
	return c
}

// runLine is a run in the list of runs.
type runLine struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Status  string    `json:"status"`
	Started time.Time `json:"started"`
	Bytes   int64     `json:"bytes"`
	Dir     string    `json:"dir"`
}

func (a *app) listRuns(root string) error {
	dirs := archive.List(root)
	out := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	resumable := ""
	var unread error // what is wrong with one run hides no other
	for _, dir := range dirs {
		info, err := archive.ReadStatus(dir)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		line := runLine{filepath.Base(dir), info.Name, string(info.Status), info.Started, bytesBelow(dir), dir}
		if info.Status == archive.Stopped || info.Resumable {
			resumable = dir
		}
		if a.json {
			if err := a.printJSON(line); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", line.ID, line.Name, line.Status, line.Started.Format(time.DateTime), size(line.Bytes))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	switch {
	case len(dirs) == 0:
		a.say("there are no runs below %s", root)
		a.next("run", "WORKFLOW")
	case resumable != "":
		a.next("resume", resumable)
	default:
		a.next("report", dirs[len(dirs)-1])
	}
	return unread
}

// bytesBelow returns the size of all files below dir; what cannot be read counts
// as 0, for a run may be under way.
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
