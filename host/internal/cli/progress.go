package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"golang.org/x/sys/unix"
)

// progress shows the progress of a run: trials and cycles that are done, the rate and the
// time left, as a bar on a terminal and otherwise as a plain line every few seconds, or for
// a program as lines of JSON.
//
// Counting never waits for drawing: one goroutine draws, from a copy of the counters, and
// a terminal that accepts no more text stops only the bar. It is safe for concurrent use.
type progress struct {
	w     io.Writer
	bar   bool  // otherwise plain lines
	lines *feed // lines of JSON in their place; nil: none
	quit  chan struct{}
	drawn chan struct{} // closed after the last drawing

	mu  sync.Mutex // never held across a call
	now counters
}

// counters is the progress of a run.
type counters struct {
	trials, cycles             int // of the run
	ended, failed, interrupted int // trials; failed ones have ended
	done, missing              int // cycles; missing ones will not be run
	counted                    int // cycles done in this process
	simulated                  int // cycles of truths
	runs                       int // of the model in them, over a cycle each; with windows there are more than cycles
}

const (
	drawEvery  = 100 * time.Millisecond
	plainEvery = 5 * time.Second // the shortest time between two plain lines
	jsonEvery  = time.Second     // the longest time between two lines of JSON
	suspension = 2 * time.Second // a longer wait for the next drawing means that the process was suspended
	patience   = time.Second     // how long to wait for a terminal that does not accept the last drawing, or to say nothing
	barWidth   = 40
)

// newProgress shows a run on w until end is called: as lines of JSON if lines is not nil,
// and otherwise as text unless quiet.
func newProgress(w io.Writer, quiet bool, lines *feed, trials, cycles int) *progress {
	p := &progress{w: w, bar: widthOf(w) > 0 && os.Getenv("TERM") != "dumb", lines: lines, quit: make(chan struct{}), drawn: make(chan struct{}), now: counters{trials: trials, cycles: cycles}}
	if quiet && lines == nil {
		close(p.drawn)
	} else {
		go p.draw()
	}
	return p
}

// watcher shows a run to the person who started it.
type watcher struct {
	app  *app
	json bool // the person is a program
	*progress
	joining *time.Timer
}

// Begin implements [experiment.Observer].
func (w *watcher) Begin(b experiment.Beginning) {
	w.app.say("%s: %s of %s, %d at a time\n%s\nresults: %s", b.Name, diag.Plural(b.Trials, "trial"), diag.Plural(b.Cycles/b.Trials, "cycle"), b.Workers, needs(b.Memory, b.Stored), b.Dir)
	w.app.unfinished.Store(&b.Dir)
	var lines *feed
	if w.json {
		lines = &feed{name: b.Name, dir: b.Dir, gone: func() { w.app.stop.Ask(interruptError{syscall.SIGHUP}) }}
	}
	w.progress = newProgress(raw(w.app.stderr), w.app.quiet, lines, b.Trials, b.Cycles)
}

// Joining implements [experiment.Observer].
func (w *watcher) Joining() {
	w.progress.end()
	w.joining = w.app.sayIfSlow("joining the tables of all trials")
}

// End implements [experiment.Observer].
func (w *watcher) End() { w.joining.Stop() }

// needs says how much memory a run needs and how much it stores.
func needs(m *experiment.Memory, stored float64) string {
	return fmt.Sprintf("memory: about %s, disk: about %s", experiment.Bytes(m.Total()), experiment.Bytes(stored)) + processes(m)
}

// processes lists processes with their memory, on lines of their own.
func processes(m *experiment.Memory) (text string) {
	for i, process := range m.List() {
		switch last := text[strings.LastIndexByte(text, '\n')+1:]; {
		case i == 0 || len(last)+len(process) > 75:
			text += strings.Repeat(",", min(i, 1)) + "\n  " + process
		default:
			text += ", " + process
		}
	}
	return text
}

// Simulated counts one cycle of a truth.
func (p *progress) Simulated() { p.count(counters{simulated: 1}) }

// Cycle counts one cycle, in so many runs of the model.
func (p *progress) Cycle(runs int) { p.count(counters{done: 1, counted: 1, runs: runs}) }

// More counts cycles in addition to those of the run.
func (p *progress) More(cycles int) { p.count(counters{cycles: cycles}) }

// Recalled counts what was done before the run was resumed.
func (p *progress) Recalled(cycles, trials int) { p.count(counters{done: cycles, ended: trials}) }

// Ended counts a trial; missing cycles of it were not run.
func (p *progress) Ended(status archive.Status, missing int) {
	switch status {
	case archive.Interrupted:
		p.count(counters{missing: missing, interrupted: 1})
	case archive.Failed:
		p.count(counters{missing: missing, ended: 1, failed: 1})
	default:
		p.count(counters{ended: 1})
	}
}

func (p *progress) count(more counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.cycles += more.cycles
	p.now.done += more.done
	p.now.counted += more.counted
	p.now.simulated += more.simulated
	p.now.runs += more.runs
	p.now.missing += more.missing
	p.now.ended += more.ended
	p.now.failed += more.failed
	p.now.interrupted += more.interrupted
}

func (p *progress) counters() counters {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// end returns after the run has been shown for the last time.
func (p *progress) end() {
	close(p.quit)
	select {
	case <-p.drawn:
	case <-time.After(patience):
	}
}

// draw shows the run repeatedly. Time in which the process was suspended is not counted.
// Text that cannot be written is lost: the results are in files.
func (p *progress) draw() {
	defer close(p.drawn)
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	var elapsed, said time.Duration
	var first pacer
	for last, more := time.Now(), true; more; {
		select {
		case <-ticker.C:
		case <-p.quit:
			more = false
		}
		if pause := time.Since(last); pause < suspension {
			elapsed += pause
		}
		woken := time.Now()
		c := p.counters()
		pace := first.text(c, elapsed)
		switch {
		case p.lines != nil:
			p.lines.write(p.w, c, &first, elapsed, !more)
		case p.bar && more && !inForeground(p.w):
		case p.bar:
			fmt.Fprintf(p.w, "\r%s\x1b[K", c.line(pace, widthOf(p.w)))
		case !more || elapsed-said >= plainEvery:
			said = elapsed
			fmt.Fprintf(p.w, "%s, %d/%d cycles%s, %s\n", c.trialsText(), c.done, c.cycles, c.runsText(), pace)
		}
		last = time.Now()
		elapsed += last.Sub(woken) // the run continued while this goroutine waited for the terminal
	}
	if p.bar && p.lines == nil {
		fmt.Fprintln(p.w)
	}
}

// feed writes the progress of a run as JSON, one object per line. A program reads it: when
// it is gone, nobody waits for the run.
type feed struct {
	name, dir string
	gone      func() // called once, when the lines can no longer be written
	last      counters
	said      time.Duration // when the last line was written
	begun     bool
	closed    bool
}

// progressLine is a line of a feed.
type progressLine struct {
	Run         string   `json:"run"` // its directory
	Name        string   `json:"name"`
	Trials      int      `json:"trials"` // of the run
	Ended       int      `json:"ended"`  // trials; failed ones have ended
	Failed      int      `json:"failed"`
	Interrupted int      `json:"interrupted"`
	Cycles      int      `json:"cycles"`     // of the run
	Done        int      `json:"done"`       // cycles
	Simulated   int      `json:"simulated"`  // cycles of truths in this process
	ModelRuns   int      `json:"model_runs"` // in this process, over a cycle each
	Seconds     float64  `json:"seconds"`
	Left        *float64 `json:"left"` // seconds; null: not known
}

// write writes a line if there is something to say: another count, that the run still goes
// on, or that it has ended.
func (f *feed) write(w io.Writer, c counters, pace *pacer, elapsed time.Duration, last bool) {
	if f.closed || f.begun && !last && c == f.last && elapsed-f.said < jsonEvery {
		return
	}
	line := progressLine{f.dir, f.name, c.trials, c.ended, c.failed, c.interrupted, c.cycles, c.done, c.simulated, c.runs, float64(elapsed.Milliseconds()) / 1000, nil}
	if _, left, ok := pace.estimate(c, elapsed); ok {
		seconds := left.Seconds()
		line.Left = &seconds
	}
	text, err := json.Marshal(struct {
		Progress progressLine `json:"progress"`
	}{line})
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", text)
	}
	f.begun, f.last, f.said = true, c, elapsed
	if f.closed = err != nil; f.closed {
		f.gone()
	}
}

// inForeground reports whether this program may draw on a terminal, because no shell has
// it in the background.
func inForeground(terminal io.Writer) bool {
	group, err := unix.IoctlGetInt(int(terminal.(*os.File).Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// line returns the counters as one line that is shorter than width, with a bar if there
// is room.
func (c counters) line(pace string, width int) string {
	before, after := c.trialsText()+c.runsText()+" ", " "+pace
	room := min(barWidth, width-1-len(before)-len(after)-len("[]"))
	if room < barWidth/4 {
		text := before + after[1:]
		return text[:min(len(text), max(0, width-1))]
	}
	full := room * c.done / max(1, c.cycles)
	bar := strings.Repeat("=", full) + strings.Repeat("-", room-full)
	if 0 < full && full < room {
		bar = bar[:full-1] + ">" + bar[full:]
	}
	return before + "[" + bar + "]" + after
}

func (c counters) trialsText() string {
	text := fmt.Sprintf("%d/%d trials", c.ended, c.trials)
	if c.failed > 0 {
		text += fmt.Sprintf(", %d failed", c.failed)
	}
	if c.interrupted > 0 {
		text += fmt.Sprintf(", %d interrupted", c.interrupted)
	}
	return text
}

// runsText says how often the model was run, if that is more often than cycles were.
func (c counters) runsText() string {
	if c.runs <= c.counted {
		return ""
	}
	return fmt.Sprintf(", %d model runs", c.runs)
}

// pacer estimates how fast a run is. It ignores the time before the first cycle, in which
// plugins start and truths are made.
type pacer struct {
	begun   bool
	elapsed time.Duration // when it saw the first cycles
	counted int           // how many it saw
}

// settled is the time after which a pacer estimates.
const settled = time.Second

// estimate returns the rate, cycles per second, and the time that the rest takes at this
// rate; false if nothing is known yet, or nothing is left.
func (p *pacer) estimate(c counters, elapsed time.Duration) (rate float64, left time.Duration, ok bool) {
	if !p.begun && c.counted > 0 {
		*p = pacer{true, elapsed, c.counted}
	}
	counted, since := c.counted-p.counted, elapsed-p.elapsed
	rest := c.cycles - c.done - c.missing
	if counted == 0 || since < settled || rest == 0 {
		return 0, 0, false
	}
	rate = float64(counted) / since.Seconds()
	return rate, time.Duration(float64(since) / float64(counted) * float64(rest)).Round(time.Second), true
}

// text returns the estimate in words; without an estimate, the time that has elapsed.
func (p *pacer) text(c counters, elapsed time.Duration) string {
	rate, left, ok := p.estimate(c, elapsed)
	switch {
	case c.done == 0 && c.ended == 0 && elapsed >= settled && c.simulated > 0:
		return fmt.Sprintf("truth: %s, %s", diag.Plural(c.simulated, "cycle"), roughly(elapsed))
	case c.done == 0 && c.ended == 0 && elapsed >= settled:
		return "no cycle yet, " + roughly(elapsed)
	case !ok:
		return roughly(elapsed)
	case rate < 10:
		return fmt.Sprintf("%.2g cycles/s, %s left", rate, left)
	}
	return fmt.Sprintf("%.0f cycles/s, %s left", rate, left)
}
