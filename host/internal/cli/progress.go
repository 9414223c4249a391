package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/experiment"
	"golang.org/x/sys/unix"
)

// progress shows the progress of a run: trials and cycles that are done, the rate and the
// time left, as a bar on a terminal and otherwise as a plain line every few seconds.
//
// Counting never waits for drawing: one goroutine draws, from a copy of the counters, and
// a terminal that accepts no more text stops only the bar. It is safe for concurrent use.
type progress struct {
	w     io.Writer
	bar   bool // otherwise plain lines
	quit  chan struct{}
	drawn chan struct{} // closed after the last drawing

	mu  sync.Mutex // never held across a call
	now counters
}

// counters is the progress of a run.
type counters struct {
	trials, cycles      int // of the run
	trialsDone, stopped int
	done, missing       int // cycles; missing ones will not be run
	counted             int // cycles done in this process
}

const (
	drawEvery  = 100 * time.Millisecond
	plainEvery = 5 * time.Second // the shortest time between two plain lines
	suspension = 2 * time.Second // a longer wait for the next drawing means that the process was suspended
	patience   = time.Second     // how long to wait for a terminal that does not accept the last drawing
	barWidth   = 40
)

// newProgress shows a run on w until End is called.
func newProgress(w io.Writer, quiet bool, trials, cycles int) *progress {
	p := &progress{w: w, bar: widthOf(w) > 0 && os.Getenv("TERM") != "dumb", quit: make(chan struct{}), drawn: make(chan struct{}), now: counters{trials: trials, cycles: cycles}}
	if quiet {
		close(p.drawn)
	} else {
		go p.draw()
	}
	return p
}

// watcher shows a run to the person who started it.
type watcher struct {
	app *app
	*progress
}

// Begin implements [experiment.Observer].
func (w *watcher) Begin(b experiment.Beginning) {
	w.app.say("%s: %s of %s, %d at a time\nresults: %s", b.Name, plural(b.Trials, "trial"), plural(b.Cycles/b.Trials, "cycle"), b.Workers, b.Dir)
	w.progress = newProgress(raw(w.app.stderr), w.app.quiet, b.Trials, b.Cycles)
}

// Cycle counts one cycle.
func (p *progress) Cycle() { p.count(counters{done: 1, counted: 1}) }

// Recalled counts what was done before the run was resumed.
func (p *progress) Recalled(cycles, trials int) { p.count(counters{done: cycles, trialsDone: trials}) }

// Ended counts a trial; missing cycles of it were not run.
func (p *progress) Ended(missing int, err error) {
	more := counters{missing: missing, trialsDone: 1}
	if err != nil {
		more.stopped = 1
	}
	p.count(more)
}

func (p *progress) count(more counters) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.done += more.done
	p.now.counted += more.counted
	p.now.missing += more.missing
	p.now.trialsDone += more.trialsDone
	p.now.stopped += more.stopped
}

func (p *progress) counters() counters {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// End returns after the run has been shown for the last time.
func (p *progress) End() {
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
		switch c := p.counters(); {
		case p.bar && more && !inForeground(p.w):
		case p.bar:
			fmt.Fprintf(p.w, "\r%s\x1b[K", c.line(elapsed, widthOf(p.w)))
		case !more || elapsed-said >= plainEvery:
			said = elapsed
			fmt.Fprintf(p.w, "%s, %d/%d cycles, %s\n", c.trialsText(), c.done, c.cycles, c.rate(elapsed))
		}
		last = time.Now()
		elapsed += last.Sub(woken) // the run continued while this goroutine waited for the terminal
	}
	if p.bar {
		fmt.Fprintln(p.w)
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
func (c counters) line(elapsed time.Duration, width int) string {
	before, after := c.trialsText()+" ", " "+c.rate(elapsed)
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
	text := fmt.Sprintf("%d/%d trials", c.trialsDone, c.trials)
	if c.stopped > 0 {
		text += fmt.Sprintf(", %d stopped", c.stopped)
	}
	return text
}

// rate returns the rate and the time that the rest takes at this rate, in words.
func (c counters) rate(elapsed time.Duration) string {
	rest := c.cycles - c.done - c.missing
	if c.counted == 0 || rest == 0 {
		return roughly(elapsed)
	}
	left := time.Duration(float64(elapsed) / float64(c.counted) * float64(rest))
	return fmt.Sprintf("%.0f/s, %s left", float64(c.counted)/elapsed.Seconds(), left.Round(time.Second))
}
