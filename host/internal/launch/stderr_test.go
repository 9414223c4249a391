package launch

import (
	"fmt"
	"strings"
	"testing"
)

func TestTailKeepsTheLastLines(t *testing.T) {
	var all []string
	to := &tail{each: func(line string) { all = append(all, line) }}
	w := &lineWriter{to: to}
	for i := range 50 {
		fmt.Fprintf(w, "line %d\n", i)
	}
	fmt.Fprint(w, "half")
	fmt.Fprint(w, " a line")
	w.flush(false)
	lines := strings.Split(to.String(), "\n")
	if len(lines) != tailLines || lines[0] != "line 31" || lines[tailLines-1] != "half a line" {
		t.Errorf("got %q", lines)
	}
	if len(all) != 51 {
		t.Errorf("%d lines were handed on, want 51", len(all))
	}
}

// The message of a Go panic stands above a trace of any length.
func TestTailKeepsThePanic(t *testing.T) {
	to := &tail{}
	w := &lineWriter{to: to}
	fmt.Fprint(w, "before\npanic: boom\n", strings.Repeat("main.f()\n", 30), "exit status 2\n")
	got := to.String()
	if !strings.HasPrefix(got, "panic: boom\n...\nmain.f()") || !strings.HasSuffix(got, "exit status 2") {
		t.Errorf("got %q", got)
	}
	to = &tail{}
	fmt.Fprint(&lineWriter{to: to}, "before\npanic: boom\nmain.f()\n")
	if got, want := to.String(), "before\npanic: boom\nmain.f()"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinesAreBoundedAndPrintable(t *testing.T) {
	to := &tail{}
	w := &lineWriter{to: to}
	fmt.Fprintf(w, "%s", strings.Repeat("x", 300<<10))
	fmt.Fprint(w, "\n\x1b[31mred\xff\x00\r\n\nΔx = 1\n")
	w.flush(false)
	lines := strings.Split(to.String(), "\n")
	want := []string{strings.Repeat("x", lineBytes) + "... (307200 bytes)", "\uFFFD[31mred\uFFFD\uFFFD", "", "Δx = 1"}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("got %q\nwant %q", lines, want)
	}
	if cap(w.line) > 2*lineBytes {
		t.Errorf("a long line took a buffer of %d bytes", cap(w.line))
	}
}
