package remote

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/plume-da/plume/host/internal/workflow"
)

//go:embed engines/*.toml
var engineFiles embed.FS

// Engines returns the names of the engines that plume knows, sorted. Each is also the name
// of an executor that says nothing else.
func Engines() []string {
	entries, err := engineFiles.ReadDir("engines")
	if err != nil {
		panic(err) // they are part of this program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}

// recipe is the commands of an engine. Each word, and the script, is a template of package
// text/template that is filled in with a [try]; a word that is then empty is left out.
type recipe struct {
	workflow.Commands
	pattern   map[string]*template.Template // by text
	fault     *regexp.Regexp                // nil: none
	permanent []*regexp.Regexp
	id        *regexp.Regexp
}

// newRecipe returns the recipe of an executor of a site: that of its engine, or its own.
func newRecipe(e *workflow.Executor) (*recipe, error) {
	r := &recipe{Commands: e.Commands}
	if e.Engine != "" {
		if !r.isEmpty() {
			return nil, errors.New("it has an engine and commands of its own: remove one of them")
		}
		if err := r.read(e.Engine); err != nil {
			return nil, err
		}
	}
	return r, r.compile()
}

// hopeless returns the line of what start or submit has printed that says that another try would fail
// as well; "" if none does.
func (r *recipe) hopeless(said string) string {
	for line := range strings.Lines(said) {
		if slices.ContainsFunc(r.permanent, func(p *regexp.Regexp) bool { return p.MatchString(line) }) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func (r *recipe) isEmpty() bool {
	return len(r.Start) == 0 && len(r.Submit) == 0 && len(r.Cancel) == 0 && r.Script == "" && r.Inside == "" && r.Fault == "" && len(r.Permanent) == 0 && r.ID == ""
}

// read reads the file of an engine: one of plume's, or of a site if its name has a slash.
func (r *recipe) read(engine string) error {
	text, err := engineFiles.ReadFile("engines/" + engine + ".toml")
	if filepath.IsAbs(engine) {
		text, err = os.ReadFile(engine)
	}
	if err != nil && !filepath.IsAbs(engine) {
		return fmt.Errorf("there is no engine %q: plume knows %s, and a path names the file of another", engine, strings.Join(Engines(), ", "))
	}
	if err != nil {
		return err
	}
	meta, err := toml.Decode(string(text), &r.Commands)
	if err != nil {
		return fmt.Errorf("engine %s: %w", engine, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("engine %s: unknown key %s; it takes inside, start, submit, id, cancel, script, fault and permanent", engine, unknown[0])
	}
	return nil
}

// compile parses the templates and tries them.
func (r *recipe) compile() error {
	if len(r.Start) == 0 && len(r.Submit) == 0 {
		return errors.New("it has neither an engine nor a command: add engine, start or submit")
	}
	if len(r.Submit) > 0 && (len(r.Cancel) == 0 || r.Script == "") {
		return errors.New("submit needs script, which is what is submitted, and cancel")
	}
	r.pattern = map[string]*template.Template{}
	for _, text := range slices.Concat(r.Start, r.Submit, r.Cancel, []string{r.Script}) {
		t, err := template.New("").Option("missingkey=error").Parse(text)
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		r.pattern[text] = t
		if err := t.Execute(io.Discard, &try{}); err != nil {
			return fmt.Errorf("%q: %w", text, plainly(err))
		}
	}
	var err error
	if r.Fault != "" {
		if r.fault, err = regexp.Compile(r.Fault); err != nil {
			return err
		}
	}
	for _, text := range r.Permanent {
		p, err := regexp.Compile(text)
		if err != nil {
			return err
		}
		r.permanent = append(r.permanent, p)
	}
	if r.id, err = regexp.Compile(cmp.Or(r.ID, `(\S+)`)); err == nil && r.id.NumSubexp() == 0 {
		err = fmt.Errorf("id %q has no group: put the part that is the number of the job in parentheses", r.ID)
	}
	return err
}

// unknownField matches what package text/template says of a name that it does not know.
var unknownField = regexp.MustCompile(`can't evaluate field (\w+)`)

// plainly returns the error of a template in words for who wrote it.
func plainly(err error) error {
	if found := unknownField.FindStringSubmatch(err.Error()); found != nil {
		return fmt.Errorf("there is no .%s; the reference of the site file lists the names", found[1])
	}
	return err
}

// attached reports whether plugins are started by a command that stays attached, here and
// now, rather than by a job.
func (r *recipe) attached() bool {
	if len(r.Start) == 0 {
		return false
	}
	return len(r.Submit) == 0 || r.Inside == "" || os.Getenv(r.Inside) != ""
}

// words fills in the words of a command. A word that is exactly {{.Args}} or {{.Command}}
// is as many words as there are.
func (r *recipe) words(command []string, t *try) []string {
	var out []string
	for _, text := range command {
		switch text {
		case "{{.Args}}":
			out = append(out, t.Args...)
		case "{{.Command}}":
			out = append(out, t.Command...)
		default:
			if word := r.text(text, t); word != "" {
				out = append(out, word)
			}
		}
	}
	return out
}

// text fills in a template that compile has tried.
func (r *recipe) text(text string, t *try) string {
	var b strings.Builder
	if err := r.pattern[text].Execute(&b, t); err != nil {
		panic(err)
	}
	return b.String()
}

// try is one start of a plugin: what templates are filled in with.
type try struct {
	Name    string   // of the job, unique
	Host    string   // one of the hosts of the executor; empty: it has none
	Command []string // to run on the node
	Args    []string // further arguments of the site
	Cores   int
	Memory  Memory
	Time    Span
	GPUs    int
	Exclude string // nodes that shall not be used, with commas between
	ID      string // of the job, once it is submitted
	File    string // of the script
	Log     string // file for what the job writes

	judged bool // who asked for it says whether it works on its node
}

// Shell returns the command for a shell.
func (t *try) Shell() string {
	var words []string
	for _, w := range t.Command {
		words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// Memory is a number of bytes.
type Memory int64

// MB returns m in units of 2^20 bytes, rounded up, as most engines count.
func (m Memory) MB() int64 { return (int64(m) + 1<<20 - 1) >> 20 }

// KB returns m in units of 2^10 bytes, rounded up.
func (m Memory) KB() int64 { return (int64(m) + 1<<10 - 1) >> 10 }

// Span is a time limit.
type Span time.Duration

// Minutes returns s in minutes, rounded up.
func (s Span) Minutes() int64 { return int64((time.Duration(s) + time.Minute - 1) / time.Minute) }

// Seconds returns s in seconds, rounded up.
func (s Span) Seconds() int64 { return int64((time.Duration(s) + time.Second - 1) / time.Second) }

// Clock returns s as hours, minutes and seconds, such as 36:00:00.
func (s Span) Clock() string {
	n := s.Seconds()
	return fmt.Sprintf("%02d:%02d:%02d", n/3600, n/60%60, n%60)
}
