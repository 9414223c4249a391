package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far a run is: trials and cycles that are done, the rate and
// the time left, as a bar on a terminal and as a plain line now and then elsewhere.
// It is safe for concurrent use.
type progress struct {
	w              io.Writer
	quiet          bool
	trials, cycles int
	bars           *mpb.Progress // nil: plain lines
	bar            *mpb.Bar

	mu                          sync.Mutex
	trialsDone, failed, counted int
	done, missing               int // cycles; missing ones will not be run
	start, said                 time.Time
}

// plainEvery is the shortest time between two plain lines.
const plainEvery = 5 * time.Second

func newProgress(w io.Writer, quiet bool, trials, cycles int) *progress {
	p := &progress{w: w, quiet: quiet, trials: trials, cycles: cycles, start: time.Now(), said: time.Now()}
	if f, ok := w.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))
		p.bar = p.bars.AddBar(int64(cycles), mpb.BarFillerTrim(), // narrow terminals have no room for it
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return p.trialsText() + " " })),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + p.rateText() })),
		)
	}
	return p
}

// watcher shows a run to the person who began it.
type watcher struct {
	app *app
	*progress
}

// Begin implements [experiment.Observer].
func (w *watcher) Begin(b experiment.Beginning) {
	w.app.say("%s: %s of %s, %d at a time\nresults: %s", b.Name, plural(b.Trials, "trial"), plural(b.Cycles/b.Trials, "cycle"), b.Workers, b.Dir)
	w.progress = newProgress(w.app.stderr, w.app.quiet, b.Trials, b.Cycles)
}

// Cycle counts one cycle.
func (p *progress) Cycle() { p.count(1, 1, 0, 0, nil) }

// Recalled counts what was done before the run was resumed.
func (p *progress) Recalled(cycles, trials int) { p.count(cycles, 0, 0, trials, nil) }

// Ended counts a trial; missing cycles of it were not run.
func (p *progress) Ended(missing int, err error) { p.count(0, 0, missing, 1, err) }

func (p *progress) count(done, counted, missing, trials int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.counted, p.missing, p.trialsDone = p.done+done, p.counted+counted, p.missing+missing, p.trialsDone+trials
	if err != nil {
		p.failed++
	}
	switch {
	case p.bar != nil:
		p.bar.IncrBy(done)
	case !p.quiet && (time.Since(p.said) >= plainEvery || p.trialsDone == p.trials && trials > 0):
		p.said = time.Now()
		fmt.Fprintf(p.w, "%s, %d/%d cycles, %s\n", p.texts(), p.done, p.cycles, p.rate())
	}
}

func (p *progress) trialsText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts()
}

func (p *progress) rateText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate()
}

func (p *progress) texts() string {
	text := fmt.Sprintf("%d/%d trials", p.trialsDone, p.trials)
	if p.failed > 0 {
		text += fmt.Sprintf(", %d stopped", p.failed)
	}
	return text
}

// rate says how fast it goes and how long the rest takes at this rate.
func (p *progress) rate() string {
	elapsed := time.Since(p.start)
	rest := p.cycles - p.done - p.missing
	if p.counted == 0 || rest == 0 {
		return roughly(elapsed)
	}
	left := time.Duration(float64(elapsed) / float64(p.counted) * float64(rest))
	return fmt.Sprintf("%.0f/s, %s left", float64(p.counted)/elapsed.Seconds(), left.Round(time.Second))
}

// End returns when the bar has been drawn for the last time.
func (p *progress) End() {
	if p.bar == nil {
		return
	}
	if !p.bar.Completed() {
		p.bar.Abort(false)
	}
	p.bars.Wait()
}
