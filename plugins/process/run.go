package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/plume-da/plume/plugins/internal/children"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// failure is a run that did not give a result.
type failure struct {
	command   string
	what      string
	exitCode  *int     // of a command that ended by itself
	last      []string // last lines that it printed
	dir       string   // directory of its files; empty if they were removed
	advice    string   // what may help
	retryable bool     // the cause was outside of the command
}

// String returns the failure in one line.
func (f *failure) String() string {
	s := fmt.Sprintf("%q %s", f.command, f.what)
	if len(f.last) > 0 {
		s += fmt.Sprintf("; it printed %q", strings.Join(f.last, " | "))
	}
	if f.dir != "" {
		s += "; files in " + f.dir
	}
	if f.advice != "" {
		s += "; " + f.advice
	}
	return s
}

// err returns the failure as the error of a call.
func (f *failure) err(t *task) error {
	short := *f
	short.last = nil
	e := sdk.Errorf(sdk.KindExternal, fmt.Sprintf("members %d to %d", t.members[0], t.members[len(t.members)-1]), "%s", short.String())
	e.ExitCode, e.Stderr = f.exitCode, strings.Join(f.last, "\n")
	return e
}

// outcome is the result of a task.
type outcome struct {
	states *mat.Dense // one row per member
	carry  []byte     // of its only member
}

// forecaster does a task once, and writes the results to into. The files of a failure are
// kept, as m.Keep says, only if it is the last attempt. An error is about this machine or
// the end of ctx.
type forecaster func(ctx context.Context, t *task, into *outcome, last bool) (*failure, error)

// try does t until it succeeds or has been repeated m.Retries times.
func (m *model) try(ctx context.Context, do forecaster, t *task, into *outcome) (*failure, error) {
	for attempt := 0; ; attempt++ {
		last := attempt == m.Retries
		f, err := do(ctx, t, into, last)
		if err != nil || f == nil || last {
			return f, err
		}
	}
}

// once runs the command for t in a directory of its own.
func (p *place) once(ctx context.Context, t *task, into *outcome, last bool) (*failure, error) {
	dir, err := p.prepare(t)
	var f *failure
	switch {
	case errors.As(err, new(unfit)):
		f, err = &failure{command: brief(strings.Join(p.m.Command, " ")), what: fmt.Sprintf("was not run: %v", err), dir: dir}, nil
	case err == nil:
		f, err = p.m.run(ctx, dir, t, into)
	}
	if f != nil && p.m.Keep == "none" {
		f.dir = ""
	}
	late := errors.Is(err, context.DeadlineExceeded)
	if cleared := p.clear(dir, last && f != nil || late); err == nil {
		err = cleared
	}
	return f, err
}

// run runs the command once in dir.
func (m *model) run(ctx context.Context, dir string, t *task, into *outcome) (*failure, error) {
	cmd, err := m.command(dir, t)
	if err != nil {
		return nil, err
	}
	limited, cancel := m.limited(ctx)
	defer cancel()
	err = execute(limited, cmd, dir)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var e *sdk.Error
	if errors.As(err, &e) {
		return nil, err
	}
	f := m.judge(limited, cmd, err)
	if f == nil {
		f = m.collect(dir, t, into)
	}
	if f == nil {
		into.carry, f = m.carried(dir)
	}
	if f != nil {
		f.command, f.dir = m.shown(cmd), dir
		f.last = lastLines(filepath.Join(dir, stderrFile), filepath.Join(dir, stdoutFile))
		f.advice = cmp.Or(f.advice, m.notFound(dir, f.last))
	}
	return f, nil
}

// limited returns a context for one run.
func (m *model) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.Timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, sdk.Seconds(m.Timeout))
}

// overdue returns the failure of a run that took longer than m.Timeout.
func (m *model) overdue() *failure {
	return &failure{what: fmt.Sprintf("was ended after %g s", m.Timeout), retryable: true}
}

// command returns the command for t, ready to start in dir.
func (m *model) command(dir string, t *task) (*exec.Cmd, error) {
	arguments, err := m.expand(m.arguments, t)
	if err != nil {
		return nil, config("command", "%v", err)
	}
	env, err := m.expand(m.env, t)
	if err != nil {
		return nil, config("env", "%v", err)
	}
	cmd := exec.Command(m.program, arguments...)
	if m.script {
		cmd = exec.Command("/bin/sh", slices.Concat([]string{m.program}, arguments)...)
	}
	cmd.Dir, cmd.Env = dir, append(children.Environment(), env...)
	return cmd, nil
}

// shown returns the text of a command for a message.
func (m *model) shown(cmd *exec.Cmd) string {
	arguments := cmd.Args[len(cmd.Args)-len(m.arguments):]
	return brief(strings.Join(append(m.Command[:1:1], arguments...), " "))
}

// execute runs cmd in a process group of its own, with its output in files and no input. When
// it has ended, or ctx is done, no process of the group is left. An error of type *sdk.Error
// is about this machine, any other about the command.
func execute(ctx context.Context, cmd *exec.Cmd, dir string) error {
	for name, to := range map[string]*io.Writer{stdoutFile: &cmd.Stdout, stderrFile: &cmd.Stderr} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return resource(err)
		}
		defer f.Close()
		*to = f
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := children.Start(cmd)
	if err != nil {
		return err
	}
	defer p.Leave()
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			p.Kill()
		case <-ended:
		}
	})
	exit := cmd.Wait()
	close(ended)
	watch.Wait()
	p.Kill() // processes that it left behind
	return exit
}

// judge returns the failure of a command that has ended, or nil.
func (m *model) judge(limited context.Context, cmd *exec.Cmd, err error) *failure {
	state := cmd.ProcessState
	if state == nil {
		return &failure{what: fmt.Sprintf("cannot be run: %v", err)}
	}
	status := state.Sys().(syscall.WaitStatus)
	code := status.ExitStatus()
	switch {
	case status.Signaled() && limited.Err() != nil:
		return m.overdue()
	case status.Signaled():
		return &failure{what: fmt.Sprintf("was ended by signal %d (%v)", status.Signal(), status.Signal()), retryable: true}
	case !slices.Contains(m.ExitCodes, code):
		return &failure{what: fmt.Sprintf("exited with code %d", code), exitCode: &code}
	}
	return nil
}

// collect reads the results that a command left in dir.
func (m *model) collect(dir string, t *task, into *outcome) *failure {
	for _, out := range m.outputs {
		if f := m.read(dir, out, t, into); f != nil {
			return f
		}
	}
	return m.finite(t, into.states)
}

// read reads one of the results.
func (m *model) read(dir string, out exchanged, t *task, into *outcome) *failure {
	f, err := os.Open(filepath.Join(dir, out.name))
	if err != nil {
		f := &failure{what: fmt.Sprintf("left no %s: %s", out.name, m.contents(dir))}
		if info, err := os.Stat(filepath.Join(dir, stdoutFile)); err == nil && info.Size() > 0 {
			f.advice = fmt.Sprintf("output = %q takes what it prints", stdoutFile)
		}
		return f
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.ModTime().Equal(untouched) {
		return &failure{what: fmt.Sprintf("has not written %s, which still holds the state before it", out.name)}
	}
	if err := out.codec.decode(f, t, into.states); err != nil {
		return &failure{what: fmt.Sprintf("left an invalid %s: %v", out.name, err)}
	}
	return nil
}

// finite returns the failure of results that are not finite numbers, or nil.
func (m *model) finite(t *task, into *mat.Dense) *failure {
	for i := range t.seeds {
		if v, j, found := nonFinite(into.RawRowView(i)); found {
			return &failure{what: fmt.Sprintf("gave %s = %v for member %d", valueNames(m.layout)[j], v, t.members[i])}
		}
	}
	return nil
}

// notFound says which file next to the workflow a command that failed in dir names, in its
// arguments or in the last lines that it printed, and did not find there.
func (m *model) notFound(dir string, last []string) string {
	words := strings.FieldsFunc(strings.Join(slices.Concat(m.Command[1:], last), " "), func(c rune) bool {
		return unicode.IsSpace(c) || strings.ContainsRune("'\"`<>|;:,&()", c)
	})
	for _, name := range words {
		if filepath.Base(name) != name {
			continue
		}
		info, err := os.Stat(filepath.Join(m.dir, name))
		if _, missing := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() && missing != nil {
			return fmt.Sprintf("%s is next to the workflow: name it in files", name)
		}
	}
	return ""
}

// lastLines returns the last lines of the first file that has any.
func lastLines(paths ...string) []string {
	const lines, most = 5, 4096
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if size, err := f.Seek(0, io.SeekEnd); err == nil {
			_, _ = f.Seek(max(0, size-most), io.SeekStart)
		}
		text, _ := io.ReadAll(io.LimitReader(f, most))
		_ = f.Close()
		if isBinary(string(text)) {
			return []string{"binary data, in " + filepath.Base(path)}
		}
		if all := strings.FieldsFunc(printable(string(text)), func(c rune) bool { return c == '\n' }); len(all) > 0 {
			return all[max(0, len(all)-lines):]
		}
	}
	return nil
}

// isBinary reports whether text is none: a fifth of it cannot be shown.
func isBinary(text string) bool {
	odd, all := 0, 0
	for _, c := range text {
		if all++; c == utf8.RuneError || unicode.IsControl(c) && !unicode.IsSpace(c) {
			odd++
		}
	}
	return 5*odd > all
}

// printable returns text without control characters and empty lines.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || unicode.IsPrint(c) {
			return c
		}
		return -1
	}, strings.ReplaceAll(text, "\t", " "))
}
