// Package report makes figures of a run directory: one self-contained HTML page, and
// figures for a paper as SVG, PNG or PDF. It reads what there is: a run that goes on,
// was killed, or is of an older version gives a report of what it holds.
//
// The way of the data:
//
//	read        tables of the run directory -> run: trials, settings, series
//	scores      time means by setting, paired differences
//	trajectory  quantiles of ensembles, fields over time
//	thin        long series shortened without losing extremes
//	page        all of it as HTML; the charts are drawn by web/page.js
//	figures     the same as files
//
// The same run gives the same bytes.
package report

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
)

// Setup is what a report takes from the workflow of a run.
type Setup struct {
	Description string
	Model       string   // plugin
	Operators   []string // plugins
	Cycles      int      // 0: as many as there are observations for
	BurnIn      int      // cycles left out of every time mean
	Interval    float64  // 0: when there are observations
	Axes        []string // keys of the sweep's axes
	Trials      []Trial  // all that were asked for: while a run goes on no table lists them
	Baseline    string   // label of the filter the others are compared with; empty: the first
}

// Trial is one trial that a workflow asks for.
type Trial struct {
	Number, Replicate int
	Filter, Plugin    string
	Size              int
	Values            map[string]any // of the axes that concern it
}

// Write writes the page of the run in dir and returns its path. setup may be nil when
// the workflow cannot be read; the page says what is missing for that. A page that is
// there is replaced in one step.
func Write(dir string, setup *Setup) (string, error) { return write(dir, setup, 0) }

// Watch writes the page of a run again and again, every so often, until the run has
// ended, in whatever way, or ctx is done. Such a page loads itself again. written is called after each.
func Watch(ctx context.Context, dir string, setup *Setup, every time.Duration, written func(path string)) error {
	for {
		info, err := archive.ReadStatus(dir)
		if err != nil {
			return err
		}
		if info.Status != archive.Running {
			path, err := write(dir, setup, 0)
			if err == nil {
				written(path)
			}
			return err
		}
		if path, err := write(dir, setup, every); err == nil {
			written(path)
		} // else a table was being renamed or merged; the next round reads it
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

func write(dir string, setup *Setup, reload time.Duration) (string, error) {
	r, err := read(dir, setup)
	if err != nil {
		return "", fmt.Errorf("report of %s: %w", dir, err)
	}
	text, err := r.page(reload)
	if err != nil {
		return "", fmt.Errorf("report of %s: %w", dir, err)
	}
	path := filepath.Join(dir, archive.ReportFile)
	return path, replace(path, text)
}

// replace writes a file in one step.
func replace(path string, text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	if _, err := next.Write(text); err != nil {
		next.Close()
		return err
	}
	if err := next.Chmod(0o644); err != nil {
		next.Close()
		return err
	}
	if err := next.Close(); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
