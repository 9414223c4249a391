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
	Command      []string  `param:"command"`
	Variables    []string  `param:"variables"`
	Diagnostics  []string  `param:"diagnostics"`
	Dimensions   []string  `param:"dimensions"`
	Units        []string  `param:"units"`
	Parameters   []string  `param:"parameters"`
	Spacing      []float64 `param:"spacing"`
	Points       string    `param:"points"`
	Period       []float64 `param:"period"`
	Mode         string    `param:"mode"`
	Input        string    `param:"input"`
	Template     string    `param:"template"`
	Output       string    `param:"output"`
	Templates    []string  `param:"templates"`
	Instructions []string  `param:"instructions"`
	Read         []string  `param:"read"`
	Rows         string    `param:"rows"`
	Files        []string  `param:"files"`
	Copies       []string  `param:"copies"`
	Carry        []string  `param:"carry"`
	Env          []string  `param:"env"`
	ExitCodes    []int     `param:"exit_codes"`
	Timeout      float64   `param:"timeout"`
	Retries      int       `param:"retries"`
	Parallel     int       `param:"parallel"`
	Keep         string    `param:"keep"`
	WorkDir      string    `param:"work_dir"`

	dates     *sdk.Dates
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
	inputs    []exchanged
	outputs   []exchanged
	turns     chan struct{} // one token for every current run
	key       string        // of the servers that may be used
	asked     atomic.Bool   // whether a server has been asked again
}

// processors is the number of processors that this process was started with. It uses fewer
// while its calls are short, which says nothing about those that programs may use.
var processors = runtime.GOMAXPROCS(0)

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{dir: c.Dir, dates: c.Dates}
	c.Params.Decode(m)
	var err error
	if m.dir, err = filepath.Abs(m.dir); err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "working directory", "%v", err)
	}
	if m.layout, err = m.newLayout(); err != nil {
		return nil, err
	}
	m.setParameters(c.PerMember)
	for _, check := range []func() error{m.setExchange, m.setCommand, m.setEnvironment, m.setCodecs, m.setFiles, m.setWorkDir, m.rehearse} {
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

// exchanged is a file that states are written to or results are read from.
type exchanged struct {
	name  string
	codec codec
}

// setExchange names the files that states are exchanged in, where the workflow leaves them out. A
// server without them gets and gives states in its lines.
func (m *model) setExchange() error {
	if len(m.Instructions) > 0 && m.Output != "" {
		return config("instructions", "cannot be combined with output; want one of them")
	}
	if m.Mode == "server" {
		key, _ := json.Marshal(m) // parameters are texts and finite numbers
		m.key = m.dir + string(key)
		return nil
	}
	if len(m.Instructions) == 0 {
		m.Output = cmp.Or(m.Output, "result.csv")
	}
	if len(m.Templates) == 0 && !m.restarts() {
		m.Input = cmp.Or(m.Input, "state.csv")
	}
	return nil
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
	if err := m.setInputs(); err != nil {
		return err
	}
	if len(m.Instructions) > 0 {
		return m.setInstructions()
	}
	c, err := m.outputCodec()
	if m.Output != "" { // otherwise it is the answer of a server
		m.outputs = []exchanged{{m.Output, c}}
	}
	return err
}

// setInputs sets the codecs of the files that are written before a run.
func (m *model) setInputs() error {
	c := m.codecOf(m.Input)
	_, netcdf := c.(netcdfCodec)
	switch _, text := c.(textCodec); {
	case netcdf:
		return config("input", "got %s, which plume does not write", m.Input).
			WithHint("a restart file that holds the state is output and in carry; .npy is for a program that reads arrays")
	case text && m.Template == "":
		return config("template", "is missing: %s needs one", m.Input).WithHint("known formats are .csv, .npy, .json and .arrows")
	case !text && m.Template != "":
		return config("template", "is set, but %s has a format of its own", cmp.Or(m.Input, "a line")).WithHint("set input to the name of the file that the program reads")
	case text:
		source := m.Template
		if !inline(source) {
			var err error
			if source, err = readFile(m.path(source)); err != nil {
				return config("template", "%v", err).WithHint("template is the name of a file, or a text with {{ or several lines")
			}
		}
		var err error
		if c, err = m.templateIn("template", source); err != nil {
			return err
		}
	}
	if m.Input != "" {
		m.inputs = []exchanged{{m.Input, c}}
	}
	for _, file := range m.Templates {
		name, text, err := m.textFor("templates", file, ".tpl")
		if err != nil {
			return err
		}
		c, err := m.templateIn("templates", text)
		if err != nil {
			return inFile(file, err)
		}
		m.inputs = append(m.inputs, exchanged{name, c})
	}
	return nil
}

// templateIn returns the codec of a text, which is a template of PEST if its first line says so.
func (m *model) templateIn(where, text string) (codec, error) {
	if delimiter, lines, ok := pestHeader(text, "ptf"); ok {
		if m.Mode == "batch" {
			return nil, config(where, "is one of PEST, which has no members for mode = \"batch\"")
		}
		c, err := m.newPestTemplate(delimiter, lines)
		if err != nil {
			return nil, config(where, "%v", err)
		}
		return c, nil
	}
	parsed, err := m.parse(where, []string{text})
	if err != nil {
		return nil, err
	}
	return textCodec{template: parsed[0]}, nil
}

// setInstructions sets the outputs that instruction files read. Together they must hold every
// value once.
func (m *model) setInstructions() error {
	switch {
	case m.Mode == "batch":
		return config("instructions", "read one member, not those of mode = \"batch\"")
	case len(m.Read) > 0 || m.Rows != "all":
		return config("instructions", "cannot be combined with read and rows; want one of them")
	}
	state, times := pestNames(m.layout), make([]int, m.layout.Size())
	for _, file := range m.Instructions {
		name, text, err := m.textFor("instructions", file, ".ins")
		if err != nil {
			return err
		}
		ins, err := newInstructions(text, state)
		if err != nil {
			return config("instructions", "%s: %v", file, err)
		}
		for _, at := range ins.values {
			times[at]++
		}
		m.outputs = append(m.outputs, exchanged{name, instructed{ins}})
	}
	for i, n := range times {
		if n != 1 {
			return config("instructions", "%s is read %s, want once", valueNames(m.layout)[i], plural(n, "time"))
		}
	}
	return nil
}

// outputCodec returns the codec of the file output, or of the answer of a server.
func (m *model) outputCodec() (codec, error) {
	c := m.codecOf(m.Output)
	switch text := c.(type) {
	case netcdfCodec:
		return m.newNetcdf()
	case csvCodec:
		t, err := m.newTable(true)
		return csvCodec{text.names, t}, err
	case textCodec:
		text.last = m.Rows == "last"
		if len(m.Read) == 0 {
			return text, nil
		}
		t, err := m.newTable(false)
		text.table = t
		return text, err
	}
	switch {
	case len(m.Read) > 0:
		return nil, config("read", "is set, but %s has a format of its own", cmp.Or(m.Output, "an answer"))
	case m.Rows != "all":
		return nil, config("rows", "is set, but %s has a format of its own", cmp.Or(m.Output, "an answer"))
	}
	return c, nil
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
				rowsOf(r.Into, t.row, len(t.seeds)).Copy(into.states)
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
