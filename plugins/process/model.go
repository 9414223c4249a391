package process

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
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
	Spacing    []float64 `param:"spacing"`
	Points     string    `param:"points"`
	Period     []float64 `param:"period"`
	Mode       string    `param:"mode"`
	Input      string    `param:"input"`
	Template   string    `param:"template"`
	Output     string    `param:"output"`
	Files      []string  `param:"files"`
	Env        []string  `param:"env"`
	ExitCodes  []int     `param:"exit_codes"`
	Timeout    float64   `param:"timeout"`
	Retries    int       `param:"retries"`
	Parallel   int       `param:"parallel"`
	Keep       string    `param:"keep"`
	WorkDir    string    `param:"work_dir"`

	dir       string // directory at which relative paths start
	layout    *sdk.Layout
	program   string // absolute
	arguments []*template.Template
	env       []*template.Template
	files     []string // absolute
	input     codec
	output    codec
	turns     chan struct{} // one token for every current run
}

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
	for _, check := range []func() error{m.setCommand, m.setEnvironment, m.setFiles, m.setCodecs, m.setWorkDir, m.rehearse} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if m.Parallel == 0 {
		m.Parallel = runtime.GOMAXPROCS(0)
	}
	m.turns = make(chan struct{}, m.Parallel)
	return m, nil
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
		return config("command", "cannot run %q: %v", m.Command[0], err).
			WithHint("a program with a slash is relative to %s, one without is looked up on $PATH", m.dir)
	}
	m.arguments, err = templates("command", m.Command[1:])
	return err
}

var assignmentRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

func (m *model) setEnvironment() error {
	for _, e := range m.Env {
		if !assignmentRule.MatchString(e) {
			return config("env", "got %q, want NAME=value", e)
		}
	}
	var err error
	m.env, err = templates("env", m.Env)
	return err
}

// The files with the output of a command.
const stdoutFile, stderrFile = "stdout.txt", "stderr.txt"

func (m *model) setFiles() error {
	taken := []string{stdoutFile, stderrFile}
	for _, f := range []struct{ where, name string }{{"input", m.Input}, {"output", m.Output}} {
		switch {
		case !filepath.IsLocal(f.name) || filepath.Clean(f.name) == ".":
			return config(f.where, "got %q, want the name of a file in the working directory", f.name)
		case slices.Contains(taken, filepath.Clean(f.name)):
			return config(f.where, "the name %q is taken", f.name).
				WithHint("%s and %s hold the output of the command; input and output must be different files", stdoutFile, stderrFile)
		}
		top, _, _ := strings.Cut(filepath.Clean(f.name), string(filepath.Separator))
		taken = append(taken, filepath.Clean(f.name), top)
	}
	for _, f := range m.Files {
		f = m.path(f)
		if _, err := os.Stat(f); err != nil {
			return config("files", "%v", err)
		}
		if slices.Contains(taken, filepath.Base(f)) {
			return config("files", "the name %s is taken", filepath.Base(f))
		}
		taken, m.files = append(taken, filepath.Base(f)), append(m.files, f)
	}
	return nil
}

func (m *model) setCodecs() error {
	m.input, m.output = codecOf(m.Input, m.layout, nil), codecOf(m.Output, m.layout, nil)
	if _, text := m.input.(textCodec); text != (m.Template != "") {
		if text {
			return config("template", "is missing: %s needs one", m.Input).WithHint("known formats are .csv, .npy, .json and .arrows")
		}
		return config("template", "is set, but %s has a format of its own", m.Input)
	}
	if m.Template == "" {
		return nil
	}
	text, err := os.ReadFile(m.path(m.Template))
	if err != nil {
		return config("template", "%v", err)
	}
	parsed, err := templates("template", []string{string(text)})
	if err == nil {
		m.input = codecOf(m.Input, m.layout, parsed[0])
	}
	return err
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

// rehearse executes all templates for a state of zeros, so that their mistakes are found
// before anything runs.
func (m *model) rehearse() error {
	zeros := &sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(1, m.layout.Size(), nil)}
	t := m.tasks(zeros)[0]
	if err := m.input.encode(io.Discard, t); err != nil {
		return config("template", "%v", err)
	}
	if _, err := m.expand(m.arguments, t); err != nil {
		return config("command", "%v", err)
	}
	if _, err := m.expand(m.env, t); err != nil {
		return config("env", "%v", err)
	}
	return nil
}

func templates(where string, texts []string) ([]*template.Template, error) {
	var all []*template.Template
	for _, text := range texts {
		t, err := template.New(where).Option("missingkey=error").Parse(text)
		if err != nil {
			return nil, config(where, "%v", err)
		}
		all = append(all, t)
	}
	return all, nil
}

// expand executes templates for a task. In addition to its values they see the names of
// the files input and output.
func (m *model) expand(all []*template.Template, t *task) ([]string, error) {
	values := t.values()
	values["input"], values["output"] = m.Input, m.Output
	var texts []string
	for _, one := range all {
		var b strings.Builder
		if err := one.Execute(&b, values); err != nil {
			return nil, err
		}
		texts = append(texts, b.String())
	}
	return texts, nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout { return m.layout }

// Forecast implements sdk.Model. It runs the command for every member, or once for all of
// them, m.Parallel runs at a time. A member whose runs all failed is listed as failed; in
// batch mode the call returns an error.
func (m *model) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.To < r.From {
		return nil, config("time", "got a forecast from %g back to %g, want one forward in time", r.From, r.To)
	}
	place, err := m.newPlace(r.Cycle)
	if err != nil {
		return nil, err
	}
	defer place.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tasks := m.tasks(r)
	failures := make([]*failure, len(tasks))
	var runs sync.WaitGroup
	for i, t := range tasks {
		runs.Go(func() {
			select {
			case m.turns <- struct{}{}:
				defer func() { <-m.turns }()
			case <-ctx.Done():
				return
			}
			into := mat.NewDense(len(t.seeds), m.layout.Size(), nil)
			f, err := m.try(ctx, place, t, into)
			if err != nil {
				cancel(err)
				return
			}
			if failures[i] = f; f == nil {
				rowsOf(r.Into, t.first-r.First, len(t.seeds)).Copy(into)
			}
		})
	}
	runs.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return m.result(tasks, failures)
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
