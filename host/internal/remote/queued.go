package remote

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// patience is how long nothing runs until who waits for it is told why. A variable for tests.
var patience = 5 * time.Second

// Tell makes e call say with a sentence when what it has asked for waits and nothing runs, so
// that a full queue does not look like a program that hangs. It is called before Start.
func (e *Executor) Tell(say func(sentence string)) { e.say = say }

// wait notes that t waits until done is called.
func (e *Executor) wait(t *try) (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queued = append(e.queued, t); len(e.queued) == 1 && e.say != nil {
		e.notice = time.AfterFunc(patience, e.tell)
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.queued = slices.DeleteFunc(e.queued, func(other *try) bool { return other == t })
		if len(e.queued) == 0 && e.notice != nil {
			e.notice.Stop()
		}
	}
}

// tell says what waits, if nothing runs.
func (e *Executor) tell() {
	if sentence := e.waiting(); sentence != "" {
		e.say(sentence)
	}
}

// shownJobs is how many numbers of jobs a sentence has at most.
const shownJobs = 4

// waiting returns a sentence about what waits; "" if something runs.
func (e *Executor) waiting() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queued) == 0 || e.running > 0 {
		return ""
	}
	if e.recipe.attached() {
		return fmt.Sprintf("executor %s has not started anything yet: it waits for %s", e.name, e.recipe.Start[0])
	}
	var jobs []string
	for _, t := range e.queued {
		if t.ID != "" {
			jobs = append(jobs, t.ID)
		}
	}
	if len(jobs) == 0 {
		return fmt.Sprintf("executor %s has not submitted a job yet: it waits for %s", e.name, e.recipe.Submit[0])
	}
	slices.Sort(jobs)
	what := "job " + jobs[0] + " waits to be"
	if more := len(jobs) - shownJobs; more > 0 {
		jobs = append(jobs[:shownJobs], fmt.Sprintf("%d more", more))
	}
	if last := len(jobs) - 1; last > 0 {
		what = "jobs " + strings.Join(jobs[:last], ", ") + " and " + jobs[last] + " wait to be"
	}
	return fmt.Sprintf("executor %s: %s started", e.name, what)
}
