package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/compare"
	"github.com/plume-da/plume/host/internal/why"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

func (a *app) why() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use:   "why RUN",
		Short: "Say what is likely to be wrong with a run",
		Long: `Why says, for every filter and setting, what the numbers of a run point to: a
spread or an observation error that is too small or too large, too few members
for what each value is updated with, a biased model, observations in another
unit, a value that does not change any more, a filter that ignores its
observations. It shows the numbers with their standard errors, what they should
be, and a key to try. It does not use the truth, so that the answer is the same
for real observations, and says so if it cannot tell. Of a twin experiment it
only adds where the time mean of the truth is a better estimate. Of a run that
has not ended it says what there is so far, and how much that is.

The answer is an indication: try one change at a time. RUN is a path, @last, or
the first characters of the name of a run.`,
		Example: `  plume why @last
  plume why @last --json`,
		Args: exactly(1, "one run"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := archive.Find(root, args[0])
			if err != nil {
				return usage("%v", err)
			}
			s, err := openRun(dir)
			if err != nil {
				return err
			}
			verdicts, axes, err := s.why()
			if err != nil {
				return err
			}
			a.sayNotes(s)
			return a.printVerdicts(verdicts, axes)
		},
	}
	c.ValidArgsFunction = completeRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	return c
}

// why returns what the numbers of the run point to, and the axes of its settings. The run
// need not have ended.
func (s *storedRun) why() (verdicts []why.Verdict, axes []string, err error) {
	if s.workflow == nil {
		return nil, nil, s.findings
	}
	scores, err := compare.Read(s.Reader, s.reported().Setup)
	if err != nil {
		return nil, nil, err
	}
	verdicts, err = why.Explain(s.Reader, scores, s.explained())
	return verdicts, scores.Axes, err
}

// hinted bounds the tables that are read for a hint. Longer ones take seconds.
const hinted = 1 << 28

// hint returns what stands out in one line; empty if nothing does, or if the tables are
// long.
func (s *storedRun) hint() (string, error) {
	size := bytesBelow(filepath.Join(s.Dir, "innovations.arrow")) + bytesBelow(filepath.Join(s.Dir, "innovations"))
	if s.workflow == nil || size > hinted {
		return "", nil
	}
	verdicts, _, err := s.why()
	return why.Hint(verdicts), err
}

// hint prints one line below a table of scores if something stands out.
func (a *app) hint(s *storedRun) error {
	if a.quiet {
		return nil
	}
	line, err := s.hint()
	if line != "" {
		a.say("%s", line)
		a.next("why", s.Dir)
	}
	return err
}

// explained returns what an explanation takes from the workflow.
func (s *storedRun) explained() why.Setup {
	w := s.workflow
	to := why.Setup{BurnIn: w.Time.BurnIn, Cycles: w.Time.Cycles, Params: map[string]map[string]any{}, Every: map[string]int{}}
	for _, f := range w.Filters {
		to.Params[f.Label], to.Every[f.Label] = f.Params, f.Every
	}
	for _, o := range w.Observations {
		key := "observations."
		if o.Label != "" {
			key += o.Label + "."
		}
		stream := why.Stream{Label: o.Label, Checked: o.QC.Background > 0, Tails: !slices.Contains([]string{"normal", "uniform"}, o.Error.Dist)}
		switch {
		case o.Error.Relative > 0: // each value has its own
		case slices.ContainsFunc(o.Map, func(m workflow.Map) bool { return m.SD != "" }): // each row has its own
		case len(o.Error.SD) == 1:
			stream.Error = key + "error.sd"
		case len(o.Error.Variance) == 1:
			stream.Error = key + "error.variance"
		}
		to.Streams = append(to.Streams, stream)
	}
	return to
}

// evidenceJSON and verdictJSON are verdicts for machines; unknown numbers are null.
type evidenceJSON struct {
	Name  string   `json:"name"`
	Value *float64 `json:"value"`
	SE    *float64 `json:"se"`
	About string   `json:"about"`
}

type verdictJSON struct {
	Filter   string            `json:"filter"`
	Members  int               `json:"members"`
	Setting  map[string]string `json:"setting,omitempty"`
	Cause    why.Cause         `json:"cause"`
	Verdict  string            `json:"verdict"`
	Evidence []evidenceJSON    `json:"evidence"`
	Try      []string          `json:"try"`
	Notes    []string          `json:"notes"`
}

// printVerdicts prints what stands out, and which filters do not.
func (a *app) printVerdicts(verdicts []why.Verdict, axes []string) error {
	if a.json {
		for _, v := range verdicts {
			if err := a.printJSON(verdictObject(v, axes)); err != nil {
				return err
			}
		}
		return nil
	}
	short := widthOf(a.stdout) > 0
	fine := map[string][]string{} // by what would stand out
	var kinds []string
	first := true
	for _, v := range verdicts {
		name := groupText(v.Group, axes, short)
		if v.Cause == why.None && len(v.Evidence) == 0 {
			notes := strings.Join(v.Doubts, "\n")
			if fine[notes] == nil {
				kinds = append(kinds, notes)
			}
			fine[notes] = append(fine[notes], name)
			continue
		}
		if !first {
			fmt.Fprintln(a.stdout)
		}
		first = false
		if err := a.printVerdict(name, v); err != nil {
			return err
		}
	}
	for _, notes := range kinds {
		if !first {
			fmt.Fprintln(a.stdout)
		}
		first = false
		if err := printTable(a.stdout, []column{{}, {fold: true}}, [][]string{{"nothing stands out:", strings.Join(fine[notes], "; ")}}); err != nil {
			return err
		}
		var rows [][]string
		for line := range strings.Lines(notes) {
			rows = append(rows, []string{"  note", strings.TrimSuffix(line, "\n")})
		}
		if len(rows) > 0 {
			if err := printTable(a.stdout, []column{{}, {fold: true}}, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) printVerdict(name string, v why.Verdict) error {
	rows := [][]string{{name + ":", v.Text}}
	if err := printTable(a.stdout, []column{{}, {fold: true}}, rows); err != nil {
		return err
	}
	rows = nil
	for _, e := range v.Evidence {
		rows = append(rows, []string{"  " + e.Name, e.Value.Text(), e.About})
	}
	if len(rows) > 0 {
		if err := printTable(a.stdout, []column{{}, {right: true}, {fold: true}}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, text := range v.Try {
		rows = append(rows, []string{"  try", text})
	}
	for _, text := range v.Doubts {
		rows = append(rows, []string{"  note", text})
	}
	if len(rows) == 0 {
		return nil
	}
	return printTable(a.stdout, []column{{}, {fold: true}}, rows)
}

// groupText names a group: its filter, members and setting.
func groupText(g *compare.Group, axes []string, short bool) string {
	text := g.Filter
	if slices.ContainsFunc(axes, compare.IsSize) {
		text += fmt.Sprintf(", %d members", g.Size)
	}
	if setting := settingText(g.Filter, axes, g.Values, short); setting != "" {
		text += ", " + setting
	}
	return text
}

func verdictObject(v why.Verdict, axes []string) verdictJSON {
	object := verdictJSON{Filter: v.Filter, Members: v.Size, Setting: settingOf(axes, v.Group), Cause: v.Cause, Verdict: v.Text,
		Evidence: []evidenceJSON{}, Try: append([]string{}, v.Try...), Notes: append([]string{}, v.Doubts...)}
	for _, e := range v.Evidence {
		object.Evidence = append(object.Evidence, evidenceJSON{e.Name, finite(e.Value.Value), finite(e.Value.SE), e.About})
	}
	return object
}
