package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/plugins/internal/children"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// server is a command that keeps running and answers one line on its standard output for
// every line on its standard input: mode "server".
type server struct {
	*children.Child
	key    string // of the configuration it was started for
	dir    string // its working directory
	input  io.WriteCloser
	pipe   *os.File // that output reads from
	output *bufio.Reader
}

// idle are the servers of this process that wait for work, the longest idle first. Models
// with one configuration share them: a server may not remember what it was asked.
var idle struct {
	sync.Mutex
	servers []*server
}

// takeServer returns an idle server of m, or starts one.
func (m *model) takeServer() (*server, error) {
	idle.Lock()
	i := len(idle.servers) - 1
	for i >= 0 && idle.servers[i].key != m.key {
		i--
	}
	if i >= 0 {
		s := idle.servers[i]
		idle.servers = slices.Delete(idle.servers, i, i+1)
		idle.Unlock()
		return s, nil
	}
	idle.Unlock()
	return m.startServer()
}

// giveBack makes s idle, and ends servers that have been idle for long if there are many.
func (m *model) giveBack(s *server) {
	idle.Lock()
	idle.servers = append(idle.servers, s)
	surplus := max(0, len(idle.servers)-2*max(processors, m.Parallel))
	ended := slices.Clone(idle.servers[:surplus])
	idle.servers = slices.Delete(idle.servers, 0, surplus)
	idle.Unlock()
	for _, s := range ended {
		s.retire()
	}
}

// startServer starts the command in a working directory of its own.
func (m *model) startServer() (_ *server, err error) {
	dir, err := os.MkdirTemp(m.WorkDir, "plume-process-server-")
	if err != nil {
		return nil, resource(err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
			children.Disinherit(dir)
		}
	}()
	if err := children.Inherit(dir); err != nil {
		return nil, err
	}
	if err := m.furnish(dir); err != nil {
		return nil, resource(err)
	}
	cmd, err := m.command(dir, m.blank())
	if err != nil {
		return nil, err
	}
	messages, err := os.Create(filepath.Join(dir, stderrFile))
	if err != nil {
		return nil, resource(err)
	}
	defer messages.Close() // the command has its own
	cmd.Stderr = messages
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, resource(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, resource(err)
	}
	p, err := children.Start(cmd)
	var e *sdk.Error
	switch {
	case errors.As(err, &e):
		return nil, err
	case err != nil:
		return nil, config("command", "cannot be run: %v", err)
	}
	return &server{Child: p, key: m.key, dir: dir, input: input, pipe: output.(*os.File), output: bufio.NewReader(output)}, nil
}

// kill ends the server with all processes of its group. Whoever waits for its pipes goes on,
// also where a process that has left the group keeps their other ends open.
func (s *server) kill() {
	s.Kill()
	_ = s.input.Close()
	_ = s.pipe.Close()
}

// retire ends a server that waits for a line, gently at first.
func (s *server) retire() {
	_ = s.input.Close()
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, s.output)
		_ = s.Wait() // how it ends says nothing
		close(ended)
	}()
	for _, ask := range []func(){s.Ask, s.kill} {
		select {
		case <-ended:
		case <-time.After(children.Grace):
			ask()
		}
	}
	<-ended
	s.end(false)
}

// end ends the server, and removes its directory unless it is to be kept.
func (s *server) end(keep bool) {
	s.kill()
	_ = s.Wait() // killed
	s.Leave()
	if !keep {
		_ = os.RemoveAll(s.dir)
	}
	children.Disinherit(s.dir)
}

// ask is a [forecaster]: it has a server do t. A server that failed is ended.
func (m *model) ask(ctx context.Context, t *task, into *outcome, last bool) (*failure, error) {
	s, err := m.takeServer()
	if err != nil {
		return nil, err
	}
	limited, cancel := m.limited(ctx)
	defer cancel()
	killed := make(chan struct{})
	stop := context.AfterFunc(limited, func() { s.kill(); close(killed) })
	f := m.exchange(s, t, into)
	if f == nil {
		into.carry, f = m.carried(s.dir)
	}
	if !stop() {
		<-killed
		f = m.silent()
	}
	if err := context.Cause(ctx); err != nil {
		s.end(m.Keep != "none" && errors.Is(err, context.DeadlineExceeded))
		return nil, err
	}
	if f == nil {
		m.giveBack(s)
		return nil, nil
	}
	f.command = m.shown(s.Cmd)
	f.last = lastLines(filepath.Join(s.dir, stderrFile))
	f.advice = m.notFound(s.dir, f.last)
	keep := last && m.Keep != "none"
	if keep {
		f.dir = s.dir
	}
	s.end(keep)
	return f, nil
}

// exchange sends t as a line to the server and reads its answer.
func (m *model) exchange(s *server, t *task, into *outcome) *failure {
	if n := s.output.Buffered(); n > 0 {
		text, _ := s.output.Peek(n)
		return &failure{what: fmt.Sprintf("printed %q after its answer, want one line for each line", said(text))}
	}
	line, err := m.line(s, t)
	if err != nil {
		return &failure{what: fmt.Sprintf("cannot be asked: %v", err)}
	}
	asked := sync.OnceValue(func() error { _, err := s.input.Write(line); return err })
	go func() { _ = asked() }() // what the server prints before it has read the line may be more than its pipe holds
	most := boundOf(mostAnswer, into.states)
	answer, err := readLine(s.output, most)
	switch {
	case errors.Is(err, errLong):
		return &failure{what: fmt.Sprintf("printed more than %d bytes without a line break, which begin with %q; want one line of JSON such as {\"state\": ...}", most, said(answer[:min(len(answer), 2*brieflyShown)]))}
	case err != nil:
		return m.gone(s, asked)
	}
	var head struct {
		Error *string `json:"error"`
	}
	if err := json.Unmarshal(answer, &head); err != nil {
		return &failure{what: fmt.Sprintf("printed %q, want one line of JSON such as {\"state\": ...}; %s", said(answer), notJSON(answer))}
	}
	if head.Error != nil {
		return &failure{what: fmt.Sprintf("answered with the error %q", said([]byte(*head.Error)))}
	}
	if asked() != nil {
		return m.gone(s, asked)
	}
	if len(m.outputs) > 0 {
		return m.collect(s.dir, t, into)
	}
	if err := (jsonCodec{}).decode(bytes.NewReader(answer), t, into.states); err != nil {
		return &failure{what: fmt.Sprintf("gave an invalid answer: %v", err)}
	}
	return m.finite(t, into.states)
}

// silent returns the failure of a server that did not answer within m.Timeout.
func (m *model) silent() *failure {
	f := m.overdue()
	f.what += ", before it answered; " + promptness
	return f
}

// promptness is what a server lacks that does not answer.
const promptness = "it must flush after each answer, and read lines as they come (mawk does with -W interactive)"

// notJSON says what to do about an answer that is not in JSON.
func notJSON(answer []byte) string {
	if bytes.HasPrefix(answer, []byte("{")) && notFinite.Match(answer) {
		return "numbers that are not finite have no form in JSON: answer {\"error\": ...} for such a member"
	}
	return "it must print anything else to standard error"
}

// notFinite matches what programs write for numbers that are not finite.
var notFinite = regexp.MustCompile(`(?i)[:\[,]\s*[-+]?(nan|inf)`)

// listen gives the server a moment to print more than one line for a line, which the next
// exchange would take for its answer.
func (s *server) listen() {
	_ = s.pipe.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = s.output.Peek(1) // an error but that of the deadline is met again
	_ = s.pipe.SetReadDeadline(time.Time{})
}

// said returns what a server printed, for a message.
func said(text []byte) string { return brief(strings.TrimSpace(printable(string(text)))) }

// line returns the line that asks for t, and writes the input if it is a file. The result of
// an earlier question is removed.
func (m *model) line(s *server, t *task) ([]byte, error) {
	values := t.values()
	if len(m.inputs) > 0 || m.restarts() {
		delete(values, "state")
	}
	for _, name := range names(m.outputs) {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return nil, err
		}
	}
	if err := m.restore(s.dir, t); err != nil {
		return nil, err
	}
	if err := m.write(s.dir, t); err != nil {
		return nil, err
	}
	m.nameFiles(values)
	line, err := json.Marshal(values)
	return append(line, '\n'), err
}

// gone returns the failure of a server that has closed its output or input. Where asked returns
// an error it has not read its line.
func (m *model) gone(s *server, asked func() error) *failure {
	exited := make(chan struct{})
	go func() {
		_ = s.Wait() // judged by its state
		close(exited)
	}()
	select {
	case <-exited:
	case <-time.After(time.Second): // it has only closed them
		s.kill()
		<-exited
	}
	when := "before it answered"
	if asked() != nil {
		when = "before it was asked"
	}
	if f := m.judge(context.Background(), s.Cmd, nil); f != nil {
		f.what += " " + when
		return f
	}
	return &failure{what: "ended " + when + "; it must answer a line of standard input, flush, and wait for the next"}
}

// remembers asks one server for t twice more, and returns an error if an answer is not the one
// in first: one of the two comes after another number of lines than that. A model must depend on
// its input and seed alone: which server is asked for which member differs from run to run.
func (m *model) remembers(ctx context.Context, t *task, first []float64) error {
	s, err := m.takeServer()
	if err != nil {
		return err
	}
	s.listen()
	m.giveBack(s)
	for range 2 {
		if err := m.askAgain(ctx, t, first); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) askAgain(ctx context.Context, t *task, first []float64) error {
	again := &outcome{states: mat.NewDense(1, len(first), nil)}
	f, err := m.ask(ctx, t, again, true) // the same server, the last that became idle
	switch {
	case err != nil:
		return err
	case f != nil:
		return sdk.Errorf(sdk.KindExternal, "command", "%s, when it was asked again for member %d", f, t.members[0])
	}
	for j, v := range again.states.RawRowView(0) {
		if v != first[j] {
			return sdk.Errorf(sdk.KindExternal, "command", "gave %s = %v for member %d, but %v when it was asked again", valueNames(m.layout)[j], first[j], t.members[0], v).
				WithHint("a server must not remember anything from one line to the next, and its random numbers must depend on seed alone")
		}
	}
	return nil
}
