package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
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

A row is read when its line has ended, or five seconds later. With one filter
and no window the run stays open while rows come: each is assimilated as it
arrives, at a cost that does not grow with the record. When none comes for a
while the tables are completed, which takes longer the longer the record is.
Other runs are continued again and again, with the rows that have come since.`,
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

	path    string     // of the workflow, absolute
	files   []string   // of the observations
	last    []seen     // of these, which have been assimilated
	ended   chan error // of standard input, when all of its rows are in the file
	done    bool       // it has ended
	dir     string     // of the run; empty: there is none yet
	waiting bool       // for the first observation

	mu       sync.Mutex
	recalled []int // cycles after which the trials of a run were continued

	fed     bool // the run tells of its cycles
	printed int  // cycle
	info    *archive.Info
	failed  error // in printing
	begun   time.Time
	joining time.Time
	joined  time.Duration // how long it took to complete the run directory
}

const (
	poll       = 100 * time.Millisecond // how often files are looked at
	unfinished = 5 * time.Second        // how long the rest of a line is waited for
	settling   = time.Second            // after which a file is known to have no other size
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
	if f.files, err = f.filesOf(w); err != nil {
		return err
	}
	f.ended = make(chan error, 1)
	if f.stdin {
		go func() { f.ended <- appendRows(f.files[0], in) }()
	}
	f.dir = lastRunOf(f.root, f.path)
	for {
		done, err := f.inputEnded()
		if err != nil {
			return err
		}
		pause := poll
		if now := written(f.files); differ(f.last, now) {
			f.last = now
			if err := f.advance(ctx); err != nil {
				return err
			}
			pause = max(poll, f.joined)
		}
		if done {
			return nil
		}
		if err := f.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// inputEnded reports whether standard input has ended, and all of its rows are in the file.
func (f *follower) inputEnded() (bool, error) {
	select {
	case err := <-f.ended:
		f.done = true
		return true, err
	default:
		return f.done, nil
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

// filesOf returns the files of the observations of w, or says why they cannot be followed.
func (f *follower) filesOf(w *workflow.Workflow) (files []string, err error) {
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
			rows, err = appendLine(rows, lines)
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

// mostLine is how many bytes a line of rows may have; a variable for tests.
var mostLine = 64 << 20

// appendLine appends the next line of in to rows.
func appendLine(rows []byte, in *bufio.Reader) ([]byte, error) {
	for from := len(rows); ; {
		piece, err := in.ReadSlice('\n')
		rows = append(rows, piece...)
		switch {
		case len(rows)-from > mostLine:
			return rows[:from], fmt.Errorf("standard input: got a line of more than %d bytes, want rows of observations", mostLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return rows, err
		}
	}
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

// seen is what there is of a file.
type seen struct {
	lines    int64 // bytes that are read: all complete lines, and also the last one if it has not changed for a while
	complete bool  // they end with a line
	bytes    int64
	modified time.Time
}

// differ reports whether files have to be read: the lines are more or fewer than they were, or a file has been
// written again with as many bytes.
func differ(was, now []seen) bool {
	return now != nil && !slices.EqualFunc(was, now, func(a, b seen) bool { return a.lines == b.lines && !a.rewritten(b) })
}

// rewritten reports whether there is a later time and no other size. While a program writes to a file the time may
// be a little ahead of the size.
func (s seen) rewritten(now seen) bool {
	return s.bytes == now.bytes && !s.modified.Equal(now.modified) && time.Since(now.modified) > settling
}

// written returns what there is of each file. It returns nil if one does not exist or has no lines.
func written(files []string) []seen {
	var all []seen
	for _, file := range files {
		s, err := look(file)
		if err != nil || s.lines == 0 {
			return nil
		}
		all = append(all, s)
	}
	return all
}

func look(file string) (s seen, err error) {
	in, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return s, err
	}
	s.bytes, s.modified = info.Size(), info.ModTime()
	if s.lines = s.bytes; !isText(file) {
		return s, nil
	}
	end := make([]byte, min(s.bytes, 1<<16))
	if _, err := in.ReadAt(end, s.bytes-int64(len(end))); err != nil {
		return s, err
	}
	whole := s.bytes - int64(len(end)) + int64(bytes.LastIndexByte(end, '\n')+1)
	if s.complete = whole == s.bytes; !s.complete && time.Since(s.modified) <= unfinished {
		s.lines, s.complete = whole, true
	}
	return s, nil
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

// advance assimilates the rows of the files and prints the cycles.
func (f *follower) advance(ctx context.Context) error {
	w, o, err := f.app.prepare(f.source, f.how)
	if err != nil {
		return err
	}
	o.Observer, o.Feed, o.Bytes = f, f, sizes(f.last)
	f.recalled, f.fed, f.failed = nil, false, nil
	first := f.dir == ""
	var r *experiment.Result
	if first {
		r, err = experiment.Run(ctx, w, f.root, experiment.Source{Path: f.path, Profile: f.source.profile, Set: f.source.set, Sweep: f.source.sweep}, o)
	} else {
		r, err = experiment.Continue(ctx, w, f.dir, experiment.Again{Path: f.path}, f.late, o)
	}
	if !f.joining.IsZero() {
		f.joined, f.joining = time.Since(f.joining), time.Time{}
	}
	switch {
	case errors.Is(err, experiment.ErrNothingNew):
		return f.print(archive.Followed(f.dir))
	case first && tooFew(err):
		if !f.waiting {
			f.app.say("waiting for observations")
		}
		f.waiting = true
		return nil
	case err != nil || f.failed != nil:
		return cmp.Or(f.failed, f.source.shown(err))
	case first:
		f.app.say("%s", r.Dir)
	}
	if f.fed {
		return archive.SetFollowed(f.dir, max(0, f.printed-1))
	}
	from := 0
	if len(f.recalled) == len(r.Trials) {
		from = slices.Min(f.recalled)
	}
	return f.print(min(from, archive.Followed(f.dir)))
}

func sizes(files []seen) []int64 {
	list := make([]int64, len(files))
	for i, s := range files {
		list[i] = s.lines
	}
	return list
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

func newFollowedLine(dates *archive.Dates, cycle int, time float64, trial int, filter string, final bool) *followedLine {
	line := &followedLine{Cycle: cycle, Time: time, Trial: trial, Filter: filter, Final: final, Forecast: map[string]followedValue{}, Analysis: map[string]followedValue{}}
	if date, ok := dates.At(time); ok {
		line.Date = &date
	}
	return line
}

// set sets the distribution of a value at a stage.
func (l *followedLine) set(stage, name string, v followedValue) {
	switch stage {
	case archive.Forecast:
		l.Forecast[name] = v
	case archive.Analysis:
		l.Analysis[name] = v
	}
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

// Rows implements [experiment.Feed]: it waits for more lines, about as long as it takes to complete the run directory
// as far as that is known, and a tenth of the time for which the run has been open.
func (f *follower) Rows(ctx context.Context) []int64 {
	if f.failed = cmp.Or(f.failed, archive.SetFollowed(f.dir, f.printed)); f.failed != nil {
		return nil
	}
	for end := time.Now().Add(max(poll, f.joined, time.Since(f.begun)/10)); ; {
		done, err := f.inputEnded()
		if err != nil {
			f.failed = err
			return nil
		}
		if now := written(f.files); differ(f.last, now) {
			if !longer(f.last, now) {
				return nil
			}
			f.last = f.few(now)
			return sizes(f.last)
		}
		if done || time.Now().After(end) || f.wait(ctx, poll/5) != nil {
			return nil
		}
	}
}

// most is how many bytes an open run reads at a time, if it has fallen behind.
const most = 1 << 18

// few returns now with no more new lines than are to be read at a time. Of several files all are read, since the times
// of their rows belong together.
func (f *follower) few(now []seen) []seen {
	if len(now) > 1 || now[0].lines-f.last[0].lines <= most {
		return now
	}
	in, err := os.Open(f.files[0])
	if err != nil {
		return now
	}
	defer func() { _ = in.Close() }() // it was only read
	next := make([]byte, most)
	if _, err := in.ReadAt(next, f.last[0].lines); err != nil {
		return now
	}
	if end := bytes.LastIndexByte(next, '\n'); end >= 0 {
		now[0].lines = f.last[0].lines + int64(end) + 1
	}
	return now
}

// longer reports whether no file has changed but by lines that have been added to it.
func longer(was, now []seen) bool {
	for i, w := range was {
		if n := now[i]; !w.complete || !n.complete || n.lines < w.lines || w.rewritten(n) {
			return false
		}
	}
	return true
}

// Described implements [experiment.Feed]: it prints a cycle, after those that have not been printed since the process
// was killed.
func (f *follower) Described(d experiment.Described) {
	if !f.fed {
		f.fed, f.printed = true, archive.Followed(f.dir)
		if f.info, f.failed = archive.ReadInfo(f.dir); f.failed == nil && d.Cycle > f.printed+1 {
			f.failed = f.catchUp(d.Cycle)
		}
	}
	if f.failed != nil {
		return
	}
	line := newFollowedLine(f.info.Dates, d.Cycle, d.Time, d.Trial.Trial, d.Trial.Filter, d.Settled)
	for _, stage := range d.Stages {
		for i, v := range d.Values {
			q := stage.Quantiles[i*len(archive.Quantiles):]
			line.set(stage.Stage, valueName(v.Variable, v.Index), followedValue{finite(stage.Mean[i]), finite(stage.Spread[i]), finite(q[0]), finite(q[len(archive.Quantiles)-1])})
		}
	}
	f.printed, f.failed = d.Cycle, f.app.printJSON(line)
}

// catchUp prints the cycles before one that the tables have.
func (f *follower) catchUp(cycle int) error {
	reader, err := archive.Open(f.dir)
	if err != nil {
		return err
	}
	lines, err := followedLines(reader, f.printed, cycle)
	for _, line := range lines {
		if line.Final {
			err = errors.Join(err, f.app.printJSON(line))
		}
	}
	return err
}

// followedLines returns the lines of the cycles after one, up to last, in order of cycles.
func followedLines(reader *archive.Reader, after, last int) (lines []*followedLine, err error) {
	type key struct{ cycle, trial int32 }
	known := map[key]*followedLine{}
	filters, err := filtersOf(reader)
	if err != nil {
		return nil, err
	}
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
				line = newFollowedLine(reader.Info.Dates, int(cycle), b.Time[i], int(b.Trial[i]), filters[b.Trial[i]], int(cycle) < last)
				known[k], lines = line, append(lines, line)
			}
			line.set(b.Stage[i], valueName(b.Variable[i], int(b.Index[i])), followedValue{finite(b.Mean[i]), finite(b.Spread[i]), finite(b.Q05[i]), finite(b.Q95[i])})
		}
	}
	slices.SortStableFunc(lines, func(a, b *followedLine) int { return cmp.Or(a.Cycle-b.Cycle, a.Trial-b.Trial) })
	return lines, nil
}

// filtersOf returns the labels of the filters of trials.
func filtersOf(reader *archive.Reader) (map[int32]string, error) {
	rows, _, err := reader.Trials()
	if err == nil && rows == nil { // the run has not ended
		rows, err = reader.Begun()
	}
	labels := map[int32]string{}
	for _, t := range rows {
		labels[int32(t.Trial)] = t.Filter
	}
	return labels, err
}

// Begin implements [experiment.Observer], as do the other methods; the cycles are printed later.
func (f *follower) Begin(b experiment.Beginning) {
	f.app.unfinished.Store(&b.Dir)
	f.dir, f.begun = b.Dir, time.Now()
}

// Simulated does nothing.
func (f *follower) Simulated() {}

// Cycle does nothing.
func (f *follower) Cycle(int) {}

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

// Joining notes the time.
func (f *follower) Joining() { f.joining = time.Now() }

// End does nothing.
func (f *follower) End() {}
