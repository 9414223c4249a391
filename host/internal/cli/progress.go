package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far several tasks are: bars on a terminal, a plain line now
// and then elsewhere. It is safe for concurrent use.
type progress struct {
	bars  *mpb.Progress // nil: plain lines
	w     io.Writer
	quiet bool
	mu    sync.Mutex
}

// plainEvery is the shortest time between two plain lines of one task.
const plainEvery = 5 * time.Second

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet}
	if f, ok := w.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))
	}
	return p
}

// task is one line of progress.
type task struct {
	name  string
	total int
	p     *progress
	bar   *mpb.Bar

	mu    sync.Mutex
	done  int
	start time.Time
	said  time.Time
}

// task starts a task of total steps.
func (p *progress) task(name string, total int) *task {
	t := &task{name: name, total: total, p: p, start: time.Now(), said: time.Now()}
	if p.bars != nil {
		t.bar = p.bars.AddBar(int64(total),
			mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.CountersNoUnit("%d/%d cycles", decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.AverageSpeed(0, "%.0f/s", decor.WCSyncSpace), decor.Name(" left "), decor.AverageETA(decor.ET_STYLE_GO)),
		)
	}
	return t
}

// step counts one step.
func (t *task) step() {
	if t.bar != nil {
		t.bar.Increment()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if t.p.quiet || t.done < t.total && time.Since(t.said) < plainEvery {
		return
	}
	t.said = time.Now()
	elapsed := time.Since(t.start)
	t.p.line("%s: %d/%d cycles, %s", t.name, t.done, t.total, elapsed.Round(time.Millisecond))
}

// stop ends a task that did not reach its total.
func (t *task) stop() {
	if t.bar != nil && !t.bar.Completed() {
		t.bar.Abort(false)
	}
}

func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// wait returns when all bars have been drawn for the last time.
func (p *progress) wait() {
	if p.bars != nil {
		p.bars.Wait()
	}
}
