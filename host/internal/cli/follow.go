package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

func (a *app) follow() *cobra.Command {
	f := &follower{app: a, source: &source{}}
	c := &cobra.Command{
		Use:   "follow WORKFLOW",
		Short: "Assimilate observations as they arrive",
		Long: `Follow runs a workflow with observations from files, and continues the run, as
plume continue does, whenever rows are added to the files, until it is stopped.
For every cycle and filter it prints a line of JSON on standard output: mean,
standard deviation and 5 and 95 % quantiles of the forecast and the analysis of
every described value.

With --stdin, rows come from standard input, one a line and without a header.
They are appended to the file of the workflow, which must exist and have its
header, so that they outlive the process; at the end of the input, follow ends.

Follow may be stopped and killed at any time. The next one goes on with the last
run of the workflow. The line of the last cycle is not final, since rows may be
added to it: it is printed again, with "final": true, when a later cycle has
begun. So are the lines of cycles that are made again because of late rows, see
plume continue. After a kill lines may be repeated, but none is left out. The
last line of a cycle and filter counts.

A row is read when its line has ended, or five seconds later. Follow then works
until all rows are assimilated, which takes longer the longer the record is, and
waits at least as long as that took: rows that arrive quickly are assimilated
together.`,
		Example: `  plume follow gauge.toml --in-process
  tail -n +2 -f logger.csv | plume follow gauge.toml --stdin`,
		Args: exactly(1, "one workflow file"),
		RunE: func(c *cobra.Command, args []string) error {
			f.source.path = args[0]
			if err := checkLate(f.late); err != nil {
				return err
			}
			return f.run(c.Context(), c.InOrStdin())
		},
	}
	f.source.flags(c)
	c.Flags().StringVar(&f.root, "run-dir", defaultRoot, "directory for the run directories")
	c.Flags().BoolVar(&f.stdin, "stdin", false, "append rows from standard input to the file of observations")
	c.Flags().StringVar(&f.late, "late", "", "what happens with late rows: refuse, ignore or rerun; if omitted, what the workflow says")
	f.how.flags(c)
	f.source.linkedFlag(c)
	return c
}

// follower follows the observations of a workflow.
type follower struct {
	app        *app
	source     *source
	how        running
	root, late string
	stdin      bool

	path    string // of the workflow, absolute
	dir     string // of the run; empty: there is none yet
	waiting bool   // for the first observation

	mu       sync.Mutex
	recalled []int // cycles after which the trials of a run were continued
}

const (
	poll       = 100 * time.Millisecond // how often files are looked at
	unfinished = 5 * time.Second        // how long the rest of a line is waited for
)

// run follows until it is stopped or the input has ended.
func (f *follower) run(ctx context.Context, in io.Reader) (err error) {
	if f.path, err = filepath.Abs(f.source.path); err != nil {
		return err
	}
	w, err := f.source.load()
	if err != nil {
		return err
	}
	files, err := f.files(w)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	if f.stdin {
		go func() { ended <- appendRows(files[0], in) }()
	}
	f.dir = lastRunOf(f.root, f.path)
	for last := []int64(nil); ; {
		var done bool
		select {
		case err := <-ended: // all rows are in the file
			if err != nil {
				return err
			}
			done = true
		default:
		}
		took := time.Now()
		if sizes := written(files); sizes != nil && !slices.Equal(sizes, last) {
			if err := f.advance(ctx, sizes); err != nil {
				return err
			}
			last = sizes
		}
		if done {
			return nil
		}
		if err := f.wait(ctx, max(poll, time.Since(took))); err != nil {
			return err
		}
	}
}

// wait waits, unless the user stops it.
func (f *follower) wait(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); ; {
		if err := cmp.Or(f.app.stop.Err(), context.Cause(ctx)); err != nil {
			return err
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(left, poll)):
		}
	}
}

// files returns the files of the observations of w, or says why they cannot be followed.
func (f *follower) files(w *workflow.Workflow) (files []string, err error) {
	if !w.Real() {
		return nil, usage("%s has no observations from files to follow", f.source.path)
	}
	if w.Output.Variables == 0 {
		return nil, usage("%s describes no value that could be printed: output.variables is 0", f.source.path)
	}
	for _, o := range w.Observations {
		files = append(files, w.Path(o.File))
	}
	if !f.stdin {
		return files, nil
	}
	if len(files) > 1 {
		return nil, usage("--stdin: %s has %d streams; rows from standard input are those of one", f.source.path, len(files))
	}
	if !isText(files[0]) {
		return nil, usage("--stdin: %s is not a text file, so no row can be appended", files[0])
	}
	if _, err := os.Stat(files[0]); err != nil {
		return nil, usage("--stdin: %s must exist and have its header: %v", files[0], err)
	}
	return files, nil
}

// appendRows appends the lines of in to a file, as many at a time as there are. The last line of
// the file is ended first, so that no row becomes part of it.
func appendRows(file string, in io.Reader) error {
	out, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	err = endLine(out)
	lines := bufio.NewReaderSize(in, 1<<16)
	for err == nil {
		var rows []byte
		for err == nil && (len(rows) == 0 || lines.Buffered() > 0 && len(rows) < 1<<16) {
			var line []byte
			line, err = lines.ReadBytes('\n')
			rows = append(rows, line...)
		}
		if n := len(rows); n > 0 && rows[n-1] != '\n' {
			rows = append(rows, '\n')
		}
		if _, failed := out.Write(rows); failed != nil {
			err = failed
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, out.Sync(), out.Close())
}

// endLine ends the last line of a file, unless that has been done.
func endLine(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

// written returns how many bytes of each file are read: all complete lines, and also the last one
// if it has not changed for a while. It returns nil if a file does not exist or has none.
func written(files []string) []int64 {
	var sizes []int64
	for _, file := range files {
		size, err := wholeLines(file)
		if err != nil || size == 0 {
			return nil
		}
		sizes = append(sizes, size)
	}
	return sizes
}

func wholeLines(file string) (size int64, err error) {
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	if !isText(file) || time.Since(info.ModTime()) > unfinished {
		return info.Size(), nil
	}
	end := make([]byte, min(info.Size(), 1<<16))
	if _, err := in.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return 0, err
	}
	return info.Size() - int64(len(end)) + int64(bytes.LastIndexByte(end, '\n')+1), nil
}

// isText reports whether a file of observations is text, to which lines may be appended.
func isText(file string) bool {
	return !slices.Contains([]string{".parquet", ".arrow", ".feather"}, strings.ToLower(filepath.Ext(file)))
}

// lastRunOf returns the last run of a workflow below root that can be continued; empty if there is none.
func lastRunOf(root, path string) string {
	for _, dir := range slices.Backward(archive.List(root)) {
		if info, err := archive.ReadInfo(dir); err == nil && info.Source == path && info.Arrivals != nil {
			return dir
		}
	}
	return ""
}

// advance assimilates the rows in the first bytes of the files and prints the cycles.
func (f *follower) advance(ctx context.Context, bytes []int64) error {
	w, o, err := f.app.prepare(f.source, f.how)
	if err != nil {
		return err
	}
	o.Observer, o.Bytes, f.recalled = f, bytes, nil
	var r *experiment.Result
	if f.dir == "" {
		r, err = experiment.Run(ctx, w, f.root, experiment.Source{Path: f.path, Profile: f.source.profile, Set: f.source.set, Sweep: f.source.sweep}, o)
	} else {
		r, err = experiment.Continue(ctx, w, f.dir, experiment.Again{Path: f.path}, f.late, o)
	}
	switch {
	case errors.Is(err, experiment.ErrNothingNew):
		return f.print(archive.Followed(f.dir))
	case f.dir == "" && tooFew(err):
		if !f.waiting {
			f.app.say("waiting for observations")
		}
		f.waiting = true
		return nil
	case err != nil:
		return f.source.shown(err)
	case f.dir == "":
		f.app.say("%s", r.Dir)
	}
	f.dir = r.Dir
	from := 0
	if len(f.recalled) == len(r.Trials) {
		from = slices.Min(f.recalled)
	}
	return f.print(min(from, archive.Followed(f.dir)))
}

// tooFew reports whether err is about too few observations, of which there may be more later.
func tooFew(err error) bool {
	var found *experiment.FindingsError
	return errors.As(err, &found) && len(found.Diagnostics) > 0 && found.Diagnostics[0].Code == "E408" ||
		found != nil && strings.Contains(found.Diagnostics[0].Message, "`time.burn_in` must be less than the number of cycles")
}

// followedLine is what is printed for a cycle of a trial.
type followedLine struct {
	Cycle    int                      `json:"cycle"`
	Time     float64                  `json:"time"`
	Date     *time.Time               `json:"date,omitempty"`
	Trial    int                      `json:"trial"`
	Filter   string                   `json:"filter"`
	Final    bool                     `json:"final"`
	Forecast map[string]followedValue `json:"forecast"`
	Analysis map[string]followedValue `json:"analysis"`
}

// followedValue is the distribution of a value; null is not a finite number.
type followedValue struct {
	Mean *float64 `json:"mean"`
	SD   *float64 `json:"sd"`
	Q05  *float64 `json:"q05"`
	Q95  *float64 `json:"q95"`
}

// print prints the cycles of the run after one.
func (f *follower) print(after int) error {
	reader, err := archive.Open(f.dir)
	if err != nil {
		return err
	}
	last := reader.Info.Arrivals[len(reader.Info.Arrivals)-1].Last
	lines, err := followedLines(reader, after, last)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if err := f.app.printJSON(line); err != nil {
			return err
		}
	}
	return archive.SetFollowed(f.dir, max(0, last-1))
}

// followedLines returns the lines of the cycles after one, up to last, in order of cycles.
func followedLines(reader *archive.Reader, after, last int) (lines []*followedLine, err error) {
	type key struct{ cycle, trial int32 }
	known := map[key]*followedLine{}
	for b, err := range reader.Variables() {
		if err != nil {
			return nil, err
		}
		for i, cycle := range b.Cycle {
			if int(cycle) <= after || int(cycle) > last {
				continue
			}
			k := key{cycle, b.Trial[i]}
			line := known[k]
			if line == nil {
				line = &followedLine{Cycle: int(cycle), Time: b.Time[i], Trial: int(b.Trial[i]), Filter: b.Filter[i], Final: int(cycle) < last,
					Forecast: map[string]followedValue{}, Analysis: map[string]followedValue{}}
				if date, ok := reader.Info.Dates.At(line.Time); ok {
					line.Date = &date
				}
				known[k], lines = line, append(lines, line)
			}
			of := line.Forecast
			if b.Stage[i] == archive.Analysis {
				of = line.Analysis
			}
			of[valueName(b.Variable[i], int(b.Index[i]))] = followedValue{finite(b.Mean[i]), finite(b.Spread[i]), finite(b.Q05[i]), finite(b.Q95[i])}
		}
	}
	slices.SortStableFunc(lines, func(a, b *followedLine) int { return cmp.Or(a.Cycle-b.Cycle, a.Trial-b.Trial) })
	return lines, nil
}

// Begin implements [experiment.Observer], as do the other methods; the cycles are printed later.
func (f *follower) Begin(b experiment.Beginning) { f.app.unfinished.Store(&b.Dir) }

// Cycle does nothing.
func (f *follower) Cycle() {}

// Recalled stores from where a trial goes on. If that is before what has been printed, these
// cycles are to be printed again, also if this process is killed.
func (f *follower) Recalled(cycles, _ int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.recalled = append(f.recalled, cycles); cycles < archive.Followed(f.dir) {
		_ = archive.SetFollowed(f.dir, cycles) // it matters only if the process is killed
	}
}

// More does nothing.
func (f *follower) More(int) {}

// Ended does nothing.
func (f *follower) Ended(archive.Status, int) {}

// Joining does nothing.
func (f *follower) Joining() {}

// End does nothing.
func (f *follower) End() {}
