package cli

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/remote"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

// sitePath returns the path of the site file: given, if it is not empty, that of
// $PLUME_SITE, or that of the user; "" if there is none.
func sitePath(given string) string {
	if given != "" {
		return given
	}
	if path := os.Getenv("PLUME_SITE"); path != "" {
		return path
	}
	if dir, err := os.UserConfigDir(); err == nil {
		path := filepath.Join(dir, "plume", "plume.toml")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// executors returns the executors that w names, by name. The error is a *findings. The site
// file is read only if the workflow needs it.
func (s *source) executors(w *workflow.Workflow) (map[string]launch.Executor, error) {
	if !w.NamesExecutors() {
		return nil, nil
	}
	site, err := s.readSite()
	if err != nil {
		return nil, err
	}
	executors, found := remote.Resolve(w, site)
	if len(found) > 0 {
		return nil, &findings{found, s.format}
	}
	return executors, nil
}

// sayWaiting prints what waits for a place, on a line of its own if a bar is drawn.
func (a *app) sayWaiting(sentence string) {
	if a.quiet {
		return
	}
	clear := ""
	if widthOf(a.stderr) > 0 {
		clear = "\r\x1b[K"
	}
	fmt.Fprintln(raw(a.stderr), clear+fold(printable(sentence), widthOf(a.stderr)))
}

// readSite reads the site file; nil if there is none. The error is a *findings.
func (s *source) readSite() (*workflow.Site, error) {
	path := sitePath(s.site)
	if path == "" {
		return nil, nil
	}
	site, found := workflow.LoadSite(path)
	if len(found) > 0 {
		return nil, &findings{found, s.format}
	}
	return site, nil
}

// away returns the executor of whole trials. The error is a *findings.
func (s *source) away() (*remote.Executor, error) {
	site, err := s.readSite()
	if err != nil {
		return nil, err
	}
	x, found := remote.Named(s.trials, diag.Span{Layer: "--executor " + s.trials}, site)
	if len(found) > 0 {
		return nil, &findings{found, s.format}
	}
	return x, nil
}

// asking is what one part of a workflow asks of an executor.
type asking struct {
	Part     string `json:"part"` // model, the label of a stream or filter, reference, or whole trials
	Plugin   string `json:"plugin"`
	Executor string `json:"executor"`
	Replicas int    `json:"replicas"`
	remote.Asked
}

// askings returns what w asks of executors.
func askings(w *workflow.Workflow, executors map[string]launch.Executor) []asking {
	var list []asking
	add := func(part string, c *workflow.Component, replicas int) {
		if e, ok := executors[c.Executor].(*remote.Executor); ok {
			list = append(list, asking{part, c.Plugin, c.Executor, max(1, replicas), e.Asks(c.Plugin)})
		}
	}
	add("model", &w.Model.Component, w.Model.Replicas)
	for i := range w.Observations {
		add(cmp.Or(w.Observations[i].Label, "observations"), &w.Observations[i].Component, w.Observations[i].Replicas)
	}
	for i := range w.Filters {
		add(w.Filters[i].Label, &w.Filters[i].Component, 1)
	}
	if w.Reference != nil {
		add("reference", &w.Reference.Component, 1)
	}
	return list
}

// wholeTrials is the part of a workflow that workers run.
const wholeTrials = "whole trials"

// askWorkers returns what workers ask of the executor of whole trials.
func (s *source) askWorkers() ([]asking, error) {
	x, err := s.away()
	if err != nil {
		return nil, err
	}
	return []asking{{wholeTrials, "worker", s.trials, s.workers, x.Asks("worker")}}, nil
}

// asked returns the lines of a plan about executors.
func asked(list []asking) (lines [][]string) {
	for _, a := range list {
		who := diag.Plural(a.Replicas, "replica") + " of " + a.Plugin
		if a.Part == wholeTrials {
			who = diag.Plural(a.Replicas, a.Plugin)
		}
		lines = append(lines,
			[]string{"executor", fmt.Sprintf("%s for %s: %s, each with %s", a.Executor, a.Part, who, a.Asked)},
			[]string{"", strings.Join(a.Command, " ")})
		for line := range strings.Lines(a.Script) {
			lines = append(lines, []string{"", "  " + strings.TrimRight(line, "\n")})
		}
	}
	return lines
}

// completeExecutors offers the executors of the site file and the engines.
func completeExecutors(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names := append(remote.Engines(), "local")
	if path := sitePath(""); path != "" {
		if site, found := workflow.LoadSite(path); len(found) == 0 {
			names = slices.AppendSeq(names, maps.Keys(site.Executors))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
