package launch

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode"
)

const (
	tailLines = 20   // how many lines of standard error an error shows
	lineBytes = 1024 // how much of a line is kept
)

// tail keeps the last lines a plugin wrote and passes every line on. A Go panic
// begins with its message and may have a longer trace than fits, so its first
// line is kept in addition.
type tail struct {
	mu    sync.Mutex
	lines []string // a ring once it is full; lines[next] is the oldest
	next  int
	panic string // the line that began a panic; empty: none, or still in lines
	age   int    // lines since the panic began
	each  func(line string)
}

func (t *tail) add(line string) {
	t.mu.Lock()
	if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
		t.panic, t.age = line, 0
	}
	t.age++
	if len(t.lines) < tailLines {
		t.lines = append(t.lines, line)
	} else {
		t.lines[t.next] = line
		t.next = (t.next + 1) % tailLines
	}
	t.mu.Unlock()
	if t.each != nil {
		t.each(line)
	}
}

// String returns the last lines, oldest first, without a newline at the end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := append(t.lines[t.next:len(t.lines):len(t.lines)], t.lines[:t.next]...)
	if t.panic != "" && t.age > tailLines {
		lines = append([]string{t.panic, "..."}, lines...)
	}
	return strings.Join(lines, "\n")
}

// lineWriter cuts what is written to it into lines for a tail. Lines of any
// length and any bytes cost bounded memory and come out as printable text.
type lineWriter struct {
	to   *tail
	line []byte // at most lineBytes of the line so far
	size int    // its true length
}

// Write never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.grow(p)
			return n, nil
		}
		w.grow(p[:i])
		w.flush(true)
		p = p[i+1:]
	}
}

func (w *lineWriter) grow(p []byte) {
	w.size += len(p)
	w.line = append(w.line, p[:min(len(p), lineBytes-len(w.line))]...)
}

// flush ends the line; without a newline, only if there is something in it.
func (w *lineWriter) flush(newline bool) {
	if w.size == 0 && !newline {
		return
	}
	line := printable(w.line)
	if w.size > len(w.line) {
		line += fmt.Sprintf("... (%d bytes)", w.size)
	}
	w.line, w.size = w.line[:0], 0
	w.to.add(line)
}

// printable returns text as one line that is safe to show: bytes that are not
// UTF-8 and control characters become U+FFFD.
func printable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(strings.TrimSuffix(string(text), "\r"), "\uFFFD"))
}
