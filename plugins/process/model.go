package process

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// model is a program that a workflow describes.
type model struct {
	Command    []string  `param:"command"`
	Variables  []string  `param:"variables"`
	Dimensions []string  `param:"dimensions"`
	Units      []string  `param:"units"`
	Parameters []string  `param:"parameters"`
	Spacing    []float64 `param:"spacing"`
	Points     string    `param:"points"`
	Period     []float64 `param:"period"`
	Mode       string    `param:"mode"`
	Input      string    `param:"input"`
	Template   string    `param:"template"`
	Output     string    `param:"output"`
	Read       []string  `param:"read"`
	Rows       string    `param:"rows"`
	Files      []string  `param:"files"`
	Copies     []string  `param:"copies"`
	Carry      []string  `param:"carry"`
	Env        []string  `param:"env"`
	ExitCodes  []int     `param:"exit_codes"`
	Timeout    float64   `param:"timeout"`
	Retries    int       `param:"retries"`
	Parallel   int       `param:"parallel"`
	Keep       string    `param:"keep"`
	WorkDir    string    `param:"work_dir"`

	dir       string // directory at which relative paths start
	layout    *sdk.Layout
	declared  []parameter
	program   string // absolute
	script    bool   // whether program is one for the shell, without saying so
	arguments []*template.Template
	env       []*template.Template
	files     []string         // absolute
	copies    []string         // absolute
	traces    map[string]trace // of the linked files, by path
	input     codec
	output    codec
	turns     chan struct{} // one token for every current run
	key       string        // of the servers that may be used
	asked     atomic.Bool   // whether a server has been asked twice
}

// processors is the number of processors that this process was started with. It uses fewer
// while its calls are short, which says nothing about those that programs may use.
var processors = runtime.GOMAXPROCS(0)

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{dir: c.Dir}
	c.Params.Decode(m)
	var err error
	if m.dir, err = filepath.Abs(m.dir); err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "working directory", "%v", err)
	}
	if m.layout, err = m.newLayout(); err != nil {
		return nil, err
	}
	m.setParameters(c.PerMember)
	m.setExchange()
	for _, check := range []func() error{m.setCommand, m.setEnvironment, m.setFiles, m.setCodecs, m.setWorkDir, m.rehearse} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if m.Parallel == 0 {
		m.Parallel = processors
	}
	m.turns = make(chan struct{}, m.Parallel)
	return m, nil
}

// setExchange names the files that states are exchanged in. A server without them gets and
// gives states in its lines.
func (m *model) setExchange() {
	if m.Mode != "server" {
		m.Input, m.Output = cmp.Or(m.Input, "state.csv"), cmp.Or(m.Output, "result.csv")
		return
	}
	key, _ := json.Marshal(m) // parameters are texts and finite numbers
	m.key = m.dir + string(key)
}

// path returns an absolute path for one that is relative to the workflow.
func (m *model) path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(m.dir, path)
}

func (m *model) setCommand() error {
	if len(m.Command) == 0 || m.Command[0] == "" {
		return config("command", "is empty")
	}
	m.program = m.Command[0]
	if strings.ContainsRune(m.program, filepath.Separator) {
		m.program = m.path(m.program)
	}
	var err error
	if m.program, err = exec.LookPath(m.program); err != nil {
		return config("command", "cannot run %q: %v", m.Command[0], err).WithHint("%s", m.remedy(err))
	}
	m.script = isScript(m.program)
	m.arguments, err = m.parse("command", m.Command[1:])
	return err
}

// isScript reports whether a program is a text that does not name its interpreter. The system
// does not run it; a shell takes it for a script of its own.
func isScript(program string) bool {
	f, err := os.Open(program)
	if err != nil {
		return false // it may be run all the same
	}
	defer f.Close()
	head := make([]byte, 128)
	n, _ := io.ReadFull(f, head)
	return !bytes.HasPrefix(head, []byte("#!")) && !bytes.Contains(head[:n], []byte{0})
}

// remedy says what to do about a program that cannot be run.
func (m *model) remedy(err error) string {
	switch words := strings.Fields(m.Command[0]); {
	case errors.Is(err, fs.ErrPermission):
		return "make it executable with chmod +x, or name its interpreter first, as in [\"sh\", \"run.sh\"]"
	case len(words) > 1:
		return fmt.Sprintf("each argument is an item of the list: [\"%s\"]", strings.Join(words, "\", \""))
	}
	return fmt.Sprintf("a program with a slash is relative to %s, one without is looked up on $PATH", m.dir)
}

var assignmentRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

func (m *model) setEnvironment() error {
	for _, e := range m.Env {
		if !assignmentRule.MatchString(e) {
			return config("env", "got %q, want NAME=value", e)
		}
	}
	var err error
	m.env, err = m.parse("env", m.Env)
	return err
}

func (m *model) setCodecs() error {
	if err := m.setOutput(); err != nil {
		return err
	}
	m.input = m.codecOf(m.Input)
	if _, text := m.input.(textCodec); text != (m.Template != "") {
		if text {
			return config("template", "is missing: %s needs one", m.Input).WithHint("known formats are .csv, .npy, .json and .arrows")
		}
		return config("template", "is set, but %s has a format of its own", m.Input).WithHint("set input to the name of the file that the program reads")
	}
	if m.Template == "" {
		return nil
	}
	text := m.Template
	if !inline(text) {
		read, err := os.ReadFile(m.path(text))
		if err != nil {
			return config("template", "%v", err).WithHint("template is the name of a file, or a text with {{ or several lines")
		}
		text = string(read)
	}
	parsed, err := m.parse("template", []string{text})
	if err == nil {
		m.input = textCodec{template: parsed[0]}
	}
	return err
}

func (m *model) setOutput() error {
	m.output = m.codecOf(m.Output)
	switch c := m.output.(type) {
	case csvCodec:
		t, err := m.newTable(true)
		m.output = csvCodec{c.names, t}
		return err
	case textCodec:
		c.last = m.Rows == "last"
		m.output = c
		if len(m.Read) == 0 {
			return nil
		}
		t, err := m.newTable(false)
		c.table = t
		m.output = c
		return err
	}
	switch {
	case len(m.Read) > 0:
		return config("read", "is set, but %s has a format of its own", m.Output)
	case m.Rows != "all":
		return config("rows", "is set, but %s has a format of its own", m.Output)
	}
	return nil
}

func (m *model) setWorkDir() error {
	if m.WorkDir == "" {
		m.WorkDir = os.TempDir()
		return nil
	}
	m.WorkDir = m.path(m.WorkDir)
	if err := os.MkdirAll(m.WorkDir, 0o755); err != nil {
		return config("work_dir", "%v", err)
	}
	return nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model. It runs the command for every member, or once for all of
// them, m.Parallel runs at a time. A member whose runs all failed is listed as failed; in
// batch mode the call returns an error. So it does if the runs take longer than the call may,
// and if a linked file has changed.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.To < r.From {
		return nil, config("time", "got a forecast from %g back to %g, want one forward in time", r.From, r.To)
	}
	do := m.ask
	if m.Mode != "server" {
		place, err := m.newPlace(r.Cycle)
		if err != nil {
			return nil, err
		}
		defer place.leave()
		do = place.once
	}
	tasks := m.tasks(r)
	progress := m.newProgress(len(tasks))
	ctx, cancel := progress.limit(ctx)
	defer cancel(nil)
	defer progress.announce(os.Stderr, r.Cycle, firstWord)()
	failures, carry := make([]*failure, len(tasks)), make([][]byte, len(tasks))
	var runs sync.WaitGroup
	for i, t := range tasks {
		runs.Go(func() {
			select {
			case m.turns <- struct{}{}:
				defer func() { <-m.turns }()
			case <-ctx.Done():
				return
			}
			into := &outcome{states: mat.NewDense(len(t.seeds), m.layout.Size(), nil)}
			ended := progress.begin()
			f, err := m.try(ctx, do, t, into)
			if err != nil {
				cancel(err)
				return
			}
			ended()
			if failures[i] = f; f == nil {
				rowsOf(r.Into, t.first-r.First, len(t.seeds)).Copy(into.states)
				carry[i] = into.carry
			}
		})
	}
	runs.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := m.unchanged(); err != nil {
		return nil, err
	}
	if first := slices.Index(failures, nil); m.Mode == "server" && first >= 0 && !m.asked.Swap(true) {
		if err := m.remembers(ctx, tasks[first], r.Into.RawRowView(first)); err != nil {
			return nil, err
		}
	}
	res, err := m.result(tasks, failures)
	if err == nil && len(m.Carry) > 0 {
		res.Carry = carry
	}
	return res, err
}

func rowsOf(e *mat.Dense, from, rows int) *mat.Dense {
	_, n := e.Dims()
	return e.Slice(from, from+rows, 0, n).(*mat.Dense)
}

func (m *model) result(tasks []*task, failures []*failure) (*sdk.ForecastResult, error) {
	res := &sdk.ForecastResult{}
	for i, f := range failures {
		switch {
		case f == nil:
		case tasks[i].batch:
			return nil, f.err(tasks[i])
		default:
			res.Failures = append(res.Failures, sdk.MemberFailure{Member: i, Reason: f.String(), Retryable: f.retryable})
		}
	}
	return res, nil
}
