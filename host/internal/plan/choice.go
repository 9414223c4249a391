package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
)

// written are the columns that a run writes before the values of its members. A file with
// the first four is taken for one of a run.
var written = []string{"cycle", "stage", "member", "log_weight", "time", "parent", "trial", "replicate", "filter"}

// chooser chooses the rows of one cycle and stage from a file of a run. The zero value
// chooses all rows.
type chooser struct {
	table                *tabular.Table
	choice               workflow.Choice
	cycle, stage, weight int // cells
	ofRun                bool

	first, last int // cycles of the rows so far
	nearest     int // of these, to the one that is wanted
	stages      []string
	newest      int // the last cycle of the stage so far
	found       bool
}

// newChooser returns the chooser for t, of which the columns names are read. It is an error
// if another column is neither ignored nor one that a run writes.
func newChooser(t *tabular.Table, choice workflow.Choice, names []string) (*chooser, error) {
	c := &chooser{table: t, choice: choice}
	has := func(name string) bool { return slices.Contains(t.Names(), name) && !slices.Contains(names, name) }
	c.ofRun = !slices.ContainsFunc(written[:4], func(name string) bool { return !has(name) })
	known := slices.Concat(choice.Ignore, t.Selected())
	if c.ofRun {
		known = append(known, written...)
	}
	if err := unused(t.Names(), known); err != nil {
		return nil, err
	}
	if !c.ofRun {
		if choice.Cycle != 0 || choice.Stage != "" {
			return nil, &tabular.Error{What: "has no columns " + list(written[:4]) + ", from which cycle and stage choose", Label: "not a file of a run",
				Hint: "remove cycle and stage, or name a file of a run"}
		}
		return c, nil
	}
	var err error
	for name, cell := range map[string]*int{"cycle": &c.cycle, "stage": &c.stage, "log_weight": &c.weight} {
		if *cell, err = t.Column(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// unused returns an error that names the columns that are not known. A column of lists is
// known if one of its items is.
func unused(columns, known []string) error {
	base := func(name string) string {
		name, _, _ = strings.Cut(name, "[")
		return name
	}
	for i, name := range known {
		known[i] = base(name)
	}
	var left []string
	for _, name := range columns {
		if name = base(name); !slices.Contains(known, name) && !slices.Contains(left, name) {
			left = append(left, name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	quoted := make([]string, len(left))
	for i, name := range left {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return &tabular.Error{What: fmt.Sprintf("the column %s is of no variable, and not used", list(left)), Label: "not used",
		Hint: "write ignore = [" + strings.Join(quoted, ", ") + "] if that is right; the value of an estimated parameter is taken from the file if the parameter has no init"}
}

// row reports whether the current row is chosen. If it is of a later cycle than those of r,
// where the last one is wanted, r is emptied.
func (c *chooser) row(r *read) (bool, error) {
	if !c.ofRun {
		return true, nil
	}
	number, err := c.table.Number(c.cycle)
	if err != nil {
		return false, err
	}
	cycle, stage := int(number), c.table.Cell(c.stage).Text
	if len(c.stages) == 0 {
		c.first, c.last, c.nearest = cycle, cycle, cycle
	}
	c.first, c.last = min(c.first, cycle), max(c.last, cycle)
	if far := func(k int) int { return max(k-c.choice.Cycle, c.choice.Cycle-k) }; far(cycle) < far(c.nearest) {
		c.nearest = cycle
	}
	if !slices.Contains(c.stages, stage) {
		c.stages = append(c.stages, stage)
	}
	if c.choice.Stage != "" && stage != c.choice.Stage {
		return false, nil
	}
	if c.choice.Cycle == -1 && (!c.found || cycle > c.newest) {
		c.newest, r.values, r.logWeights, r.left = cycle, r.values[:0], r.logWeights[:0], 0
	}
	chosen := c.choice.Cycle == 0 || c.choice.Cycle == cycle || c.choice.Cycle == -1 && cycle == c.newest
	c.found = c.found || chosen
	return chosen, nil
}

// weigh adds the weight of the current row to r.
func (c *chooser) weigh(r *read) error {
	if !c.ofRun {
		return nil
	}
	cell := c.table.Cell(c.weight)
	if cell.Kind == tabular.Number { // also -Inf, of a member without weight
		r.logWeights = append(r.logWeights, cell.Number)
		return nil
	}
	w, err := c.table.Number(c.weight)
	r.logWeights = append(r.logWeights, w)
	return err
}

// fault returns an error if the rows are of several cycles or stages, or none was chosen.
func (c *chooser) fault() error {
	if !c.ofRun || len(c.stages) == 0 {
		return nil
	}
	switch {
	case c.choice.Stage == "" && len(c.stages) > 1:
		return &tabular.Error{What: "has the members of " + strings.Join(c.stages, " and "), Label: "which stage?", Hint: "write stage = \"analysis\" or stage = \"forecast\""}
	case c.choice.Stage != "" && !slices.Contains(c.stages, c.choice.Stage):
		return &tabular.Error{What: fmt.Sprintf("has no members of stage %q, only of %s", c.choice.Stage, strings.Join(c.stages, ", ")), Label: "not stored",
			Hint: "remove stage; output.ensemble says which stages a run stores"}
	case c.choice.Cycle == 0 && c.first != c.last:
		return &tabular.Error{What: fmt.Sprintf("has the members of several cycles, %d to %d", c.first, c.last), Label: "which cycle?",
			Hint: fmt.Sprintf("write cycle = %d, or cycle = -1 for the last one", c.last)}
	case !c.found:
		only := "only of"
		if c.first < c.choice.Cycle && c.choice.Cycle < c.last { // as with output.ensemble_every
			only = "only of some from"
		}
		return &tabular.Error{What: fmt.Sprintf("has no members of cycle %d, %s %d to %d", c.choice.Cycle, only, c.first, c.last), Label: "not there",
			Hint: fmt.Sprintf("write cycle = %d, the nearest one, or cycle = -1 for the last one, which is %d; output.ensemble_every says which cycles a run stores", c.nearest, c.last)}
	}
	return nil
}

// inRun adds to the error of a file of members what to write if it is the directory of a run.
func inRun(path string, err error) error {
	var e *tabular.Error
	if _, missing := os.Stat(filepath.Join(path, "run.json")); missing == nil && errors.As(err, &e) {
		e.What, e.Label, e.Hint = "is the directory of a run", "which trial?", "write trial = 1 to take the members of trial 1"
	}
	return err
}
