package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// child is a plugin that a node holds.
type child struct {
	executor *Executor
	try      *try
	line     *line
	to       *sender

	outOf, errOf *io.PipeWriter
	out, err     *io.PipeReader
	said         lastLines // of the launcher
	own          bool      // the plugin is a part of plume
	works        bool      // the plugin has introduced itself; read alone uses it

	ready chan struct{} // closed by the answer of the node
	place launch.Place  // when ready
	ended chan struct{} // closed when exit is set
	exit  launch.Exit
	once  sync.Once
	heard chan struct{} // a sign of life
}

var _ launch.Child = (*child)(nil)

func newChild(e *Executor, t *try, l *line) *child {
	c := &child{executor: e, try: t, line: l, to: &sender{to: l.in}, ready: make(chan struct{}), ended: make(chan struct{}), heard: make(chan struct{}, 1)}
	c.out, c.outOf = io.Pipe()
	c.err, c.errOf = io.Pipe()
	return c
}

// read reads what the node and the launcher say until one of them ends.
func (c *child) read() {
	go c.watch()
	var launcher sync.WaitGroup
	if c.line.also != nil {
		launcher.Go(func() { c.lines(c.line.also, c.log) })
	}
	c.lines(c.line.out, func(text []byte) {
		if m, ok := parse(text); ok {
			c.hear(m)
		} else {
			c.log(text)
		}
	})
	launcher.Wait()
	c.finish(c.lost(c.line.exit()))
}

// longest is the length of the longest line that a node writes.
const longest = 1 << 20

// lines calls do for every line, and closes from at its end.
func (c *child) lines(from io.ReadCloser, do func([]byte)) {
	defer from.Close()
	in := bufio.NewScanner(from)
	in.Buffer(nil, longest)
	for in.Scan() {
		do(in.Bytes())
	}
	_, _ = io.Copy(io.Discard, from) // after a line that is too long
}

// log keeps a line that is not a message, and passes it on once the child is there to be
// read.
func (c *child) log(text []byte) {
	c.said.add(string(text))
	if closed(c.ready) {
		_, _ = c.errOf.Write(append(bytes.Clone(text), '\n'))
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// hear does what a message asks for.
func (c *child) hear(m message) {
	select {
	case c.heard <- struct{}{}:
	default:
	}
	switch {
	case m.Hello != nil:
		c.place = m.Hello.Place
		c.place.Job = cmp.Or(c.place.Job, c.try.ID) // of an engine whose variables are not known
		if m.Hello.Protocol != protocol {
			c.finish(launch.Exit{What: fmt.Sprintf("plume on %s is another version", c.place.Node), Hint: "install this one there"})
			return
		}
		if here := c.executor.version; c.own && here != "" && here != m.Hello.Plume {
			c.finish(launch.Exit{
				What: fmt.Sprintf("plume on %s is %s, but %s here", c.place.Node, cmp.Or(m.Hello.Plume, "another version"), here),
				Hint: "results could differ: install this version there",
			})
			return
		}
		c.executor.count(1)
		close(c.ready)
		c.compare()
	case m.Handshake != "":
		c.works = true
		if !c.try.judged {
			c.executor.learn(c.place.Node, true)
		}
		_, _ = io.WriteString(c.outOf, m.Handshake)
	case m.Output != nil:
		_, _ = io.WriteString(c.errOf, *m.Output+"\n")
	case m.Exit != nil:
		if !c.works && !closed(c.ended) {
			c.executor.learn(c.place.Node, false)
		}
		m.Exit.What += " on " + c.place.Node
		c.conclude(*m.Exit, true)
	}
}

// watch ends the child when nothing has been heard of its node for too long. A host that
// was suspended, as by Ctrl-Z, gives the node another chance.
func (c *child) watch() {
	for {
		asked := time.Now()
		select {
		case <-c.heard:
		case <-c.ended:
			return
		case <-time.After(silence):
			if closed(c.ready) && time.Since(asked) < silence+beat { // until it is ready it waits for a place
				c.finish(launch.Exit{
					What: fmt.Sprintf("was lost with %s, of which nothing has been heard for %v", c.place.Node, silence),
					Hint: "the machine, its network or its job may be down",
				})
				return
			}
		}
	}
}

// lost says how a child ended whose node did not say it.
func (c *child) lost(how string) launch.Exit {
	last := c.said.last()
	if last != "" {
		how += ": " + last
	}
	if !closed(c.ready) {
		return launch.Exit{What: how}
	}
	return launch.Exit{What: fmt.Sprintf("was lost on %s: %s", c.place.Node, how)}
}

// finish ends the child: the first caller says how.
func (c *child) finish(exit launch.Exit) { c.conclude(exit, false) }

func (c *child) conclude(exit launch.Exit, said bool) {
	c.once.Do(func() {
		c.exit = exit
		c.executor.ends.Go(func() { c.line.end(said) })
		if closed(c.ready) {
			c.executor.count(-1)
		}
		close(c.ended)
		_ = c.outOf.Close()
		_ = c.errOf.Close()
	})
}

// compare logs what was asked for and not granted.
func (c *child) compare() {
	if asked, got := c.try.Cores, c.place.Cores; got > 0 && asked > got {
		c.log(fmt.Appendf(nil, "plume: asked for %d cores, %s grants %d", asked, c.place.Node, got))
	}
	if asked, got := int64(c.try.Memory), c.place.Memory; got > 0 && asked > got {
		c.log(fmt.Appendf(nil, "plume: asked for %.1f GB, %s grants %.1f GB", float64(asked)/1e9, c.place.Node, float64(got)/1e9))
	}
	if asked, got := c.try.GPUs, c.place.GPUs; asked > got {
		c.log(fmt.Appendf(nil, "plume: asked for %d GPUs, %s shows %d", asked, c.place.Node, got))
	}
}

// Place returns where the child runs.
func (c *child) Place() launch.Place {
	if !closed(c.ready) {
		return launch.Place{}
	}
	return c.place
}

// Judge records whether the child can do its work on its node.
func (c *child) Judge(works bool) { c.executor.learn(c.Place().Node, works) }

// ID implements [launch.Child].
func (c *child) ID() string { return fmt.Sprintf("job %s on %s", c.try.Name, c.place.Node) }

// Stdout implements [launch.Child].
func (c *child) Stdout() io.ReadCloser { return c.out }

// Stderr implements [launch.Child].
func (c *child) Stderr() io.ReadCloser { return c.err }

// Terminate implements [launch.Child].
func (c *child) Terminate() { _ = c.to.send(message{Terminate: true}) }

// Kill implements [launch.Child]. The node kills the plugin when the line ends, which is
// not waited for: it may be gone.
func (c *child) Kill() {
	_ = c.line.in.Close()
	c.finish(launch.Exit{What: "was ended"})
}

// Wait implements [launch.Child].
func (c *child) Wait() launch.Exit {
	<-c.ended
	return c.exit
}

// lastLines keeps the last lines of a text.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lastLines) add(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	const most = 20
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > most {
		l.lines = l.lines[1:]
	}
}

func (l *lastLines) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return ""
	}
	return l.lines[len(l.lines)-1]
}

// String returns the lines.
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
