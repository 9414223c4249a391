// Package report presents a run directory: as one self-contained HTML page, and as
// figures for a paper in SVG, PNG or PDF. If a run is running, was killed, or was written
// by an older version, the report shows what has been written.
//
// The way of the data:
//
//	compare     means and paired differences, which report only shows
//	read        tables of the run directory -> Report: trials and their series
//	axes        settings as positions on the axes of a sweep
//	trajectory  quantiles of ensembles, fields over time
//	series      scores by cycle, and thin: long series shortened while they are read, without losing extremes
//	page        all of it as HTML; the charts are drawn by web/page.js
//	figures     the same as files
//
// The same run gives the same bytes.
package report

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
)

// Setup is what a report takes from the workflow of a run.
type Setup struct {
	compare.Setup
	Description string
	Model       string   // plugin
	Operators   []string // plugins
	Cycles      int      // 0: as many as there are observations for
	Interval    float64  // 0: when there are observations
	Clock       string   // what the observations call model time; empty: nothing, or times are dates
	Parameters  []string // of the model, that are estimated, sorted
	Hint        string   // what stands out, as plume why says; empty: nothing
}

// Write writes the page and returns its path, which by default is that in the run. An existing
// page is replaced atomically.
func (r *Report) Write(path string) (string, error) { return r.write(path, 0) }

// Watch writes the page of the run in dir repeatedly, at intervals of every, until the run
// has ended, in any way, or ctx is done. Such a page reloads itself. written is called
// after each page. It returns the report of the run that has ended.
func Watch(ctx context.Context, dir string, setup *Setup, every time.Duration, written func(path string)) (*Report, error) {
	for {
		reader, err := archive.Open(dir)
		if err != nil {
			return nil, err
		}
		running, reload := reader.Info.Status == archive.Running, time.Duration(0)
		if running {
			reload = every
		}
		r, err := Read(reader, setup)
		if err == nil {
			var path string
			if path, err = r.write("", reload); err == nil {
				written(path)
			}
		}
		if !running {
			return r, err
		}
		select { // also after an error: a table was being renamed or merged, and can be read in the next round
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(every):
		}
	}
}

func (r *Report) write(path string, reload time.Duration) (string, error) {
	text, err := r.page(reload)
	if err != nil {
		return "", fmt.Errorf("report of %s: %w", r.reader.Dir, err)
	}
	path = cmp.Or(path, filepath.Join(r.reader.Dir, archive.ReportFile))
	return path, replace(path, text)
}

// replace writes a file atomically.
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
