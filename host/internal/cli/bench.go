package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/workflows"
	"github.com/spf13/cobra"
)

func (a *app) bench() *cobra.Command {
	b := benching{source: source{format: "human"}}
	c := &cobra.Command{
		Use:   "bench [NAME]",
		Short: "Run a published experiment, with filters of your own",
		Long: `Bench runs an experiment that others have published numbers for: its filters,
as they were tuned there, and those of --filter on the same truths and
observations. It prints the table of plume compare: the published number next to
the measured one, and the difference of every filter from the first --filter
with as many members. Without NAME, or with --list, it lists the experiments.

A --filter is a Python file, a program (a path with a slash), or the name of a
plugin, followed by its parameters if they are not the defaults. It runs with
every number of members that the experiment has. plume writes the workflow that
it runs next to the run: with --seeds and --cycles as options it is an ordinary
one for plume run, and plume resume continues the run.

Experiments can take an hour; --cycles shortens them, --size runs a part.`,
		Example: `  plume bench --list
  plume bench sakov2008-lorenz96 --filter my.py --cycles 1000
  plume bench sakov2012-lorenz63 --filter filter-enkf:scheme=enkf-n --size 10
  plume bench grid-lorenz63-x --filter my.py:inflation=1.1 --size 10 --seeds 10`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s takes the name of one experiment, got %d arguments; see %s --help", c.CommandPath(), len(args), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if b.list || len(args) == 0 {
				return a.listTables()
			}
			return a.runTable(c.Context(), args[0], b)
		},
	}
	c.ValidArgsFunction = func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, t := range tables() {
			names = append(names, t.Experiment.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	c.Flags().BoolVar(&b.list, "list", false, "list the experiments")
	c.Flags().StringArrayVar(&b.filters, "filter", nil, "a filter to compare: `FILE|PLUGIN[:key=value,...]`; may be repeated")
	c.Flags().IntVar(&b.seeds, "seeds", 1, "run the seeds 1 to K, each with a truth of its own")
	c.Flags().IntVar(&b.cycles, "cycles", 0, "number of cycles; 0 means as many as the experiment has")
	c.Flags().IntVar(&b.size, "size", 0, "run only filters with this number of members; 0 means all")
	c.Flags().StringVar(&b.root, "run-dir", defaultRoot, "directory for the run directories")
	b.how.flags(c)
	b.comparing.formatFlag(c)
	b.linkedFlag(c)
	completeFlag(c, "filter", completePlugins)
	return c
}

// benching is what the flags of bench say.
type benching struct {
	source
	comparing
	how                 running
	list                bool
	filters             []string
	seeds, cycles, size int
	root                string
}

// tables returns the experiments with published numbers, by name.
func tables() []*workflow.Workflow {
	entries, err := workflows.Files.ReadDir(".")
	if err != nil {
		panic(err) // a bug: the program holds them
	}
	var list []*workflow.Workflow
	for _, entry := range entries {
		if w, found := workflow.Parse(entry.Name(), tableText(entry.Name()), workflow.Options{}); len(found) == 0 && w.Published != nil {
			list = append(list, w)
		}
	}
	return list
}

// tableText returns a workflow without its first line, which names a schema by its place.
func tableText(file string) []byte {
	text, err := workflows.Files.ReadFile(file)
	if err != nil {
		panic(err) // a bug: the program holds it
	}
	return []byte(strings.TrimPrefix(string(text), "#:schema ../docs/schema/plume.schema.json\n"))
}

// sizesOf returns the numbers of members of the filters of w, in order.
func sizesOf(w *workflow.Workflow) []int {
	var sizes []int
	for _, f := range w.Filters {
		sizes = append(sizes, f.Size)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

func (a *app) listTables() error {
	columns := []column{{head: "experiment"}, {head: "filters", right: true, drop: 1}, {head: "members", drop: 2}, {head: "", fold: true}}
	var rows [][]string
	for _, w := range tables() {
		if a.json {
			err := a.printJSON(struct {
				Name        string `json:"name"`
				Description string `json:"description"`
				Filters     int    `json:"filters"`
				Members     []int  `json:"members"`
				Source      string `json:"source"`
				Differs     string `json:"differs,omitempty"`
			}{w.Experiment.Name, w.Experiment.Description, len(w.Filters), sizesOf(w), w.Published.Source, w.Published.Differs})
			if err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{w.Experiment.Name, fmt.Sprint(len(w.Filters)), commas(sizesOf(w)), w.Experiment.Description})
	}
	if a.json {
		return nil
	}
	return printTable(a.stdout, columns, rows)
}

// runTable runs the experiment called name and compares its filters.
func (a *app) runTable(ctx context.Context, name string, b benching) error {
	if err := b.check(); err != nil {
		return err
	}
	var names []string
	var w *workflow.Workflow
	for _, t := range tables() {
		names = append(names, t.Experiment.Name)
		if t.Experiment.Name == name {
			w = t
		}
	}
	if w == nil {
		hint := "see plume bench --list"
		if meant := diag.Suggest(name, names); meant != "" {
			hint = fmt.Sprintf("did you mean %q?", meant)
		}
		return usage("there is no experiment %q; %s", name, hint)
	}
	if err := b.compose(w); err != nil {
		return err
	}
	r, err := a.perform(ctx, &b.source, b.root, b.how)
	if r == nil || r.Resumable {
		return a.conclude(&b.source, r, err)
	}
	a.warn(r.Warnings...)
	if a.json {
		err = errors.Join(err, a.printRun(r.Dir, r.Status, nil))
	}
	a.say("")
	err = errors.Join(err, a.printComparison([]string{r.Dir}, b.comparing))
	a.next("compare", r.Dir)
	a.next("report", r.Dir)
	return err
}

// compose writes the workflow that is run, and sets the options to run it with.
func (b *benching) compose(w *workflow.Workflow) error {
	if b.seeds < 1 || b.cycles < 0 || b.size < 0 {
		return usage("--seeds, --cycles and --size: got %d, %d and %d, want at least 1, 0 and 0", b.seeds, b.cycles, b.size)
	}
	sizes, labels := sizesOf(w), w.Labels()
	if b.size > 0 {
		if !slices.Contains(sizes, b.size) {
			return usage("--size: %s has no filter with %d members; it has %s", w.Experiment.Name, b.size, commas(sizes))
		}
		sizes, labels = []int{b.size}, nil
		for _, f := range w.Filters {
			if f.Size == b.size {
				labels = append(labels, f.Label)
			}
		}
	}
	taken := w.Labels()
	text := string(tableText(w.File))
	for i, spec := range b.filters {
		f, err := contenderOf(spec, taken)
		if err != nil {
			return err
		}
		taken, labels = append(taken, f.label), append(labels, f.label)
		added, err := f.text(sizes[0])
		if err != nil {
			return err
		}
		text += added
		b.sweep = append(b.sweep, b.given("filter", spec, fmt.Sprintf("filter.%s.size=[%s]", f.label, commas(sizes))))
		if i == 0 {
			b.set = append(b.set, b.given("filter", spec, "verify.baseline="+f.label))
		}
	}
	if b.cycles > 0 {
		b.set = append(b.set, b.given("cycles", strconv.Itoa(b.cycles), fmt.Sprintf("time.cycles=%d", b.cycles)))
	}
	if b.size > 0 {
		b.sweep = append(b.sweep, b.given("size", strconv.Itoa(b.size), fmt.Sprintf(`filter=["%s"]`, strings.Join(labels, `","`))))
	}
	if b.seeds > 1 {
		seeds := make([]int, b.seeds)
		for i := range seeds {
			seeds[i] = i + 1
		}
		b.sweep = append(b.sweep, b.given("seeds", strconv.Itoa(b.seeds), "experiment.seed=["+commas(seeds)+"]"))
	}
	return b.write(w.Experiment.Name, text)
}

// write writes the workflow into the folder of its runs, under a name that is the same for the same
// text, so that an earlier run can be resumed with its own.
func (b *benching) write(name, text string) error {
	dir := filepath.Join(b.root, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b.path = filepath.Join(dir, fmt.Sprintf("bench-%.4x.toml", sha256.Sum256([]byte(text))))
	return os.WriteFile(b.path, []byte(text), 0o644)
}

// commas returns numbers with commas between them.
func commas(numbers []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]")
}

// contender is a filter that is compared with those of an experiment.
type contender struct {
	label, plugin string
	start         string // key of [plugins] that starts the file
	file          string // absolute; empty: a plugin on the plugin path
	params        map[string]any
}

// notInLabels matches what a label does not hold.
var notInLabels = regexp.MustCompile(`[^a-z0-9_-]+`)

// paramName matches the names that parameters may have.
var paramName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// contenderOf reads the value of --filter. Its label is the name of the file or plugin, with a number
// if that is taken.
func contenderOf(spec string, taken []string) (*contender, error) {
	name, params, _ := strings.Cut(spec, ":")
	f := &contender{plugin: name, params: map[string]any{}}
	label := strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))), "-"), "-_")
	f.label = cmp.Or(label, "filter")
	for n := 2; slices.Contains(taken, f.label); n++ {
		f.label = fmt.Sprintf("%s-%d", cmp.Or(label, "filter"), n)
	}
	if python := filepath.Ext(name) == ".py"; python || strings.ContainsRune(name, filepath.Separator) {
		file, err := filepath.Abs(name)
		if err == nil {
			_, err = os.Stat(file)
		}
		if err != nil {
			return nil, usage("--filter: %v", err)
		}
		f.plugin, f.file, f.start = "bench-"+f.label, file, "command"
		if python {
			f.start = "python"
		}
	}
	for _, setting := range strings.FieldsFunc(params, func(r rune) bool { return r == ',' }) {
		key, value, ok := strings.Cut(setting, "=")
		if key = strings.TrimSpace(key); !ok || !paramName.MatchString(key) {
			return nil, usage("--filter: got %q after %s, want key=value", setting, name)
		}
		f.params[key] = typed(strings.TrimSpace(value))
	}
	return f, nil
}

// typed returns a value as what it looks like: a whole number, a number, true or false, or a text.
func typed(value string) any {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return n
	}
	if x, err := strconv.ParseFloat(value, 64); err == nil {
		return x
	}
	if value == "true" || value == "false" {
		return value == "true"
	}
	return value
}

// text returns the tables of a workflow about f.
func (f *contender) text(size int) (string, error) {
	var b strings.Builder
	if f.start != "" {
		var start any = f.file
		if f.start == "command" {
			start = []string{f.file}
		}
		value, err := tomltext.Inline(start)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n[plugins.%s]\n%s = %s\n", f.plugin, f.start, value)
	}
	fmt.Fprintf(&b, "\n[[filter]]\nlabel = %q\nplugin = %q\nsize = %d\n", f.label, f.plugin, size)
	for _, key := range slices.Sorted(maps.Keys(f.params)) {
		value, err := tomltext.Inline(f.params[key])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "params.%s = %s\n", key, value)
	}
	return b.String(), nil
}
