package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/workflow"
)

// storedRun is a run directory with its workflow.
type storedRun struct {
	*archive.Reader
	workflow *workflow.Workflow // nil if this version cannot read it
	findings error              // the reason
}

// openRun opens the run directory dir and reads its workflow.
func openRun(dir string) (*storedRun, error) {
	r, err := archive.Open(dir)
	if err != nil {
		return nil, err
	}
	s := &storedRun{Reader: r}
	return s, s.load()
}

// load reads the workflow, which a report does not need.
func (s *storedRun) load() error {
	if err := s.Check(archive.ResolvedFile); errors.Is(err, os.ErrNotExist) {
		s.findings = err
		return nil
	} else if err != nil {
		return err
	}
	w, found := workflow.Load(filepath.Join(s.Dir, archive.ResolvedFile), workflow.Options{})
	if len(found) > 0 {
		s.findings = &findings{found, "human"}
		return nil
	}
	s.workflow = w
	return nil
}

// endedRun opens a run directory for a comparison; the run must have ended.
func endedRun(dir string) (*storedRun, error) {
	s, err := openRun(dir)
	if err == nil && s.Info.Status != archive.Interrupted {
		err = mustEnd("compare", dir, s.Info)
	}
	return s, err
}

// mustEnd returns an error if a run that a command reads has not come to its end.
func mustEnd(command, dir string, info *archive.Info) error {
	why, hint := info.Unended(), ""
	if why == "" {
		return nil
	}
	if info.Status != archive.Running {
		hint = fmt.Sprintf("; plume resume %s continues it", dir)
	}
	return fmt.Errorf("%s: %s, but %s needs a run that has ended%s", dir, why, command, hint)
}

// scores reads the scores of a run whose workflow can be read.
func (s *storedRun) scores() (*compare.Run, error) {
	if s.workflow == nil {
		return nil, s.findings
	}
	return compare.Read(s.Reader, s.setup())
}

func (s *storedRun) setup() compare.Setup {
	setup := compare.Setup{BurnIn: s.workflow.Time.BurnIn, Baseline: s.workflow.Verify.Baseline, Axes: s.workflow.Axes()}
	if s.workflow.Published == nil {
		return setup
	}
	for _, p := range s.workflow.Published.Scores {
		of := compare.Published{Filter: cmp.Or(p.Filter, p.Method), Size: p.Size, Metric: p.Metric, Value: p.Value, Absent: p.Method != ""}
		for _, f := range s.workflow.Filters {
			if f.Label == p.Filter {
				of.Size = cmp.Or(of.Size, f.Size)
			}
		}
		setup.Published = append(setup.Published, of)
	}
	return setup
}

// sayNotes prints the notes on the scores of a run, and what is missing from the tables
// that have been read.
func (a *app) sayNotes(s *storedRun) {
	for _, note := range s.Info.Notes {
		a.say("%s: %s", s.Dir, note)
	}
	for _, line := range s.Missing() {
		a.say("%s: %s: the run was written by another version of plume, %s", s.Dir, line, s.Info.Plume)
	}
}
