package process

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/number"
	"gonum.org/v1/gonum/mat"
)

// plain is a number in a template: {{.interval}} writes 1000000 where fmt writes 1e+06.
type plain float64

// String returns v as [number.Append] writes it.
func (v plain) String() string { return string(number.Append(nil, float64(v))) }

// line is the values of a field of one dimension, and lines those of more dimensions:
// {{.state.T}} writes numbers with blanks between them, each row on a line of its own.
type (
	line  []plain
	lines []any
)

// String returns the values of l with blanks between them.
func (l line) String() string {
	var b []byte
	for i, v := range l {
		if i > 0 {
			b = append(b, ' ')
		}
		b = number.Append(b, float64(v))
	}
	return string(b)
}

// String returns the items of l, each on a line of its own.
func (l lines) String() string { return joined(l, "\n") }

// functions are those that templates have in addition to the ones of Go.
var functions = template.FuncMap{"join": join}

// join returns the values of a field with a text between them.
func join(field any, separator string) (string, error) {
	switch f := field.(type) {
	case line:
		return joined(f, separator), nil
	case lines:
		return joined(f, separator), nil
	}
	return "", fmt.Errorf("got %v, want a field, as in {{join .state.T \", \"}}", field)
}

func joined[T any](items []T, separator string) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = fmt.Sprint(item)
	}
	return strings.Join(texts, separator)
}

// inline reports whether a template is its own text, and not the name of a file.
func inline(text string) bool { return strings.Contains(text, "\n") || strings.Contains(text, "{{") }

// oneBrace matches what is in one pair of braces instead of two, and would be passed on.
var oneBrace = regexp.MustCompile(`(?:^|[^{])\{\.((?:(?:state|param)\.\w+)|from|to|interval|cycle|seed|member|input|output)\}(?:$|[^}])`)

// parse returns the templates in texts, which parameter where holds.
func (m *model) parse(where string, texts []string) ([]*template.Template, error) {
	var all []*template.Template
	for _, text := range texts {
		if found := oneBrace.FindStringSubmatch(text); found != nil {
			return nil, config(where, "got {.%s}, want {{.%[1]s}}", found[1])
		}
		t, err := template.New(where).Funcs(functions).Funcs(template.FuncMap{"date": m.date}).Option("missingkey=error").Parse(text)
		if err != nil {
			return nil, m.mistake(where, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// expand executes templates for a task.
func (m *model) expand(all []*template.Template, t *task) ([]string, error) {
	values := m.named(t)
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

// named returns the values of a task with the names of the files input and output. A server
// is started before there is a task: its arguments have only the names.
func (m *model) named(t *task) map[string]any {
	values := map[string]any{}
	if m.Mode != "server" {
		values = t.values()
	}
	m.nameFiles(values)
	return values
}

// nameFiles adds the names of input and output to values.
func (m *model) nameFiles(values map[string]any) {
	for key, name := range map[string]string{"input": m.Input, "output": m.Output} {
		if name != "" {
			values[key] = name
		}
	}
}

// The errors of Go's templates, in which the position is followed by what was executed and
// what happened.
var (
	goMistake   = regexp.MustCompile(`(?s)^(?:\S+: )?template: [^:]*:(\d+)(?::\d+)?: (?:executing ".*?" at <(.*?)>: )?(.*)$`)
	noSuchKey   = regexp.MustCompile(`map has no entry for key "(.*)"`)
	noSuchWord  = regexp.MustCompile(`function "(.*)" not defined`)
	noSuchField = regexp.MustCompile(`can't evaluate field (\S+)`)
)

// mistake returns the error of a template in parameter where, with what it could contain.
func (m *model) mistake(where string, err error) *sdk.Error {
	parts := goMistake.FindStringSubmatch(err.Error())
	if parts == nil {
		return config(where, "%v", err)
	}
	at, expression, what := "line "+parts[1]+": ", parts[2], parts[3]
	if !strings.HasPrefix(where, "template") {
		at = ""
	}
	switch name := noSuchWord.FindStringSubmatch(what); {
	case expression == ".from_date" || expression == ".to_date":
		return config(where, "%sthere is no {{%s}}", at, expression).WithHint("%s", noDates)
	case name != nil:
		return config(where, "%sthere is no function %s", at, name[1]).WithHint("write {{.NAME}} for a value: %s", m.known(where))
	case noSuchKey.MatchString(what), noSuchField.MatchString(what):
		return config(where, "%sthere is no {{%s}}", at, expression).WithHint("there are %s", m.known(where))
	case expression != "":
		return config(where, "%s{{%s}}: %s", at, expression, what)
	}
	return config(where, "%s%s", at, what)
}

// inFile returns an error of one of several templates with the name of its file.
func inFile(file string, err error) error {
	var e *sdk.Error
	if errors.As(err, &e) {
		e.What = file + ": " + e.What
	}
	return err
}

// known lists what the templates in parameter where may contain.
func (m *model) known(where string) string {
	const most = 8 // variables
	values := m.named(m.blank())
	if strings.HasPrefix(where, "template") { // which is the input
		values = m.blank().values()
	}
	delete(values, "members")
	_, states := values["state"]
	delete(values, "state")
	delete(values, "param")
	names := slices.Sorted(maps.Keys(values))
	if m.Mode == "server" && !states {
		return "." + strings.Join(names, ", .") + "; a server gets the others in its lines"
	}
	var state []string
	for i, v := range m.layout.Prognostic().Variables {
		if i == most {
			state = append(state, "...")
			break
		}
		state = append(state, ".state."+v.Name)
	}
	for _, p := range m.declared {
		state = append(state, ".param."+p.name)
	}
	text := "." + strings.Join(names, ", .") + ", " + strings.Join(state, ", ")
	if m.Mode == "batch" {
		text = "." + strings.Join(names, ", .") + ", .members, and in {{range .members}} ... {{end}} .member, .seed, " + strings.Join(state, ", ")
	}
	return text
}

// rehearse executes all templates for states of zeros, so that their mistakes are found
// before anything runs. Every variable and every parameter must have an effect on what is
// written: a program whose input lacks one cannot depend on it, so that its results would be
// wrong in silence.
func (m *model) rehearse() error {
	t := m.blank()
	before, err := m.written(t)
	if err != nil {
		return err
	}
	affects := func(set func(v float64)) bool {
		return slices.ContainsFunc([]float64{1, -1e6, 1e6}, func(v float64) bool {
			set(v)
			now, err := m.written(t)
			return err != nil || now != before
		})
	}
	var unused []string
	if !m.givesAll() {
		row := t.states.RawRowView(0)
		for _, v := range m.layout.Prognostic().Variables {
			own := row[:v.Size()]
			row = row[v.Size():]
			if !affects(func(value float64) {
				for i := range own {
					own[i] = value
				}
			}) {
				unused = append(unused, "state."+v.Name)
			}
			clear(own)
		}
	}
	if m.Mode != "server" && !slices.ContainsFunc(m.inputs, func(in exchanged) bool { return in.codec == jsonCodec{} }) { // both have them
		for _, p := range m.declared {
			if !affects(func(value float64) { t.params[0][p.name] = plain(value) }) {
				unused = append(unused, "param."+p.name)
			}
			t.params[0][p.name] = plain(p.value)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	return m.unused(unused)
}

// isText reports whether a codec writes what a template says, and not all values.
func isText(c codec) bool {
	switch c.(type) {
	case textCodec, *pestTemplate:
		return true
	}
	return false
}

// givesAll reports whether the program gets every value of the state, whatever templates hold.
func (m *model) givesAll() bool {
	return m.restarts() || m.Mode == "server" && len(m.inputs) == 0 ||
		slices.ContainsFunc(m.inputs, func(in exchanged) bool { return !isText(in.codec) })
}

// unused returns the error of a template that lacks variables or parameters, by the words that it has for them.
func (m *model) unused(words []string) error {
	var names []string
	for _, word := range words {
		_, name, _ := strings.Cut(word, ".")
		names = append(names, name)
	}
	where, what, pest := "template", "does not contain", ""
	switch {
	case m.Template == "" && len(m.Templates) > 0:
		where, what, pest = "templates", "do not contain", ", or let the file begin with ptf and the character around its markers if it is one of PEST"
	case m.Template == "":
		where, what = "parameters", "neither command nor env contains"
	}
	return config(where, "%s %s, so the program cannot depend on %s", what, strings.Join(names, ", "), map[bool]string{true: "it", false: "them"}[len(names) == 1]).
		WithHint("write %s%s; if the program needs no such input, write it in a comment", m.example(words[0]), pest)
}

// example returns what a template writes for a word.
func (m *model) example(word string) string {
	if m.Mode == "batch" {
		return "{{range .members}}{{." + word + "}}{{end}}"
	}
	return "{{." + word + "}}"
}

// blank returns a task for one member whose values are 0.
func (m *model) blank() *task {
	return m.tasks(&sdk.ForecastRequest{To: 1, Ensemble: mat.NewDense(1, m.layout.Size(), nil)})[0]
}

// written returns all that is written for t: the text of the input, if it has a template, the
// arguments and the environment.
func (m *model) written(t *task) (string, error) {
	var b strings.Builder
	for _, in := range m.inputs {
		if !isText(in.codec) {
			continue
		}
		if err := in.codec.encode(&b, t); err != nil {
			if in.name == m.Input {
				return "", m.mistake("template", err)
			}
			return "", inFile(in.name+".tpl", m.mistake("templates", err))
		}
	}
	for _, p := range []struct {
		where string
		all   []*template.Template
	}{{"command", m.arguments}, {"env", m.env}} {
		texts, err := m.expand(p.all, t)
		if err != nil {
			return "", m.mistake(p.where, err)
		}
		fmt.Fprintf(&b, "%q", texts)
	}
	return b.String(), nil
}
