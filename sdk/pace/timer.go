package pace

import "time"

// suspension is how late a timer is when the whole process has been suspended.
const suspension = time.Second

// AfterFunc calls f after d, like [time.AfterFunc]. If the process was suspended meanwhile, as by
// Ctrl-Z, a container that is paused or an engine that lets another job run, d begins again: what
// the process waits for may be there when it looks. The Stop of the timer is too late then, so f must
// bear being called when nothing waits for it any more.
func AfterFunc(d time.Duration, f func()) *time.Timer {
	due := time.Now().Add(d)
	return time.AfterFunc(d, func() {
		if time.Since(due) < suspension {
			f()
		} else {
			AfterFunc(d, f)
		}
	})
}
