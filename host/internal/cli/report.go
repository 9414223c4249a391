package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/report"
	"github.com/spf13/cobra"
)

// watchEvery is the time between two reports of a run in progress.
const watchEvery = 5 * time.Second

// opening is how long a program that opens a page has for it, after which it is taken to be the
// browser.
const opening = 5 * time.Second

func (a *app) reportCommand() *cobra.Command {
	var root, figures, output string
	var watch, open bool
	c := &cobra.Command{
		Use:   "report RUN [RUN...]",
		Short: "Write a page and figures about a run, or several",
		Long: `Report writes one self-contained HTML page into the run directory, report.html,
and prints its path. The page needs no network and can be sent by mail. With
--figures it also writes figures for a paper into the folder figures of the run.
For a run that is running, was killed or was stopped, the report shows what has
been written so far.

Of several runs it writes one page, comparison.html in the current directory:
their filters next to one another, the label of each after the letter of its
run, and paired differences from the filter of the same name in the first run if
the truths are the same, as plume compare takes them.

RUN is a path, @last, or the first characters of the name of a run.`,
		Example: `  plume report @last
  plume report @last --figures svg
  plume report @last --open
  plume report @last --watch
  plume report 20260301T1200 20260301T1215 --output tuning.html`,
		Args: oneOrMore("runs"),
		RunE: func(c *cobra.Command, args []string) error {
			dirs, err := findRuns(root, args)
			if err != nil {
				return err
			}
			if len(dirs) > report.MostRuns {
				return usage("report takes at most %d runs, got %d", report.MostRuns, len(dirs))
			}
			if watch && (len(dirs) > 1 || output != "") {
				return usage("--watch writes the page into one run; it cannot be combined with several runs or --output")
			}
			if len(dirs) > 1 {
				output = cmp.Or(output, "comparison.html")
			}
			r, page, err := a.writeReport(c.Context(), dirs, output, watch)
			if err == nil && open {
				err = openPage(page)
			}
			if err != nil || figures == "" {
				return err
			}
			folder := ""
			if output != "" {
				folder = strings.TrimSuffix(output, filepath.Ext(output)) + "-figures"
			}
			paths, err := r.Figures(folder, figures)
			for _, path := range paths {
				err = errors.Join(err, a.printFile(path))
			}
			if errors.Is(err, report.ErrFormat) {
				return usage("--figures: %v", err)
			}
			return err
		},
	}
	c.ValidArgsFunction = completeRuns(&root)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory that contains the runs")
	c.Flags().StringVar(&figures, "figures", "", "also write figures: svg, png or pdf")
	completeFlag(c, "figures", words("svg", "png", "pdf"))
	c.Flags().StringVarP(&output, "output", "o", "", "write the page to this file, and figures into a folder named after it")
	c.Flags().BoolVar(&open, "open", false, "show the page in the browser")
	c.Flags().BoolVar(&watch, "watch", false, fmt.Sprintf("write the page again every %v until the run has ended", watchEvery))
	return c
}

// writeReport writes the page of runs, once or until the one run has ended, and prints and
// returns its path.
func (a *app) writeReport(ctx context.Context, dirs []string, output string, watch bool) (*report.Report, string, error) {
	var runs []*storedRun
	for _, dir := range dirs {
		s, err := openRun(dir)
		if err != nil {
			return nil, "", err
		}
		runs = append(runs, s)
	}
	var r *report.Report
	var err error
	path := cmp.Or(output, filepath.Join(dirs[0], archive.ReportFile))
	if watch {
		written := func(path string) { a.say("%s  %s", time.Now().Format(time.TimeOnly), path) }
		r, err = report.Watch(ctx, dirs[0], runs[0].reported(), watchEvery, written)
	} else {
		r, err = pageOf(runs, path)
	}
	if err != nil {
		return nil, "", err
	}
	return r, path, a.printFile(path)
}

// pageOf writes the page of runs with what stands out.
func pageOf(runs []*storedRun, path string) (*report.Report, error) {
	var parts []*report.Report
	for _, s := range runs {
		report.CheckAhead(s.Reader)
		setup := s.reported()
		if setup != nil {
			hint, err := s.hint()
			if err != nil {
				return nil, err
			}
			setup.Hint = hint
		}
		r, err := report.Read(s.Reader, setup)
		if err != nil {
			return nil, err
		}
		parts = append(parts, r)
	}
	r, err := parts[0], error(nil)
	if len(parts) > 1 {
		r, err = report.Join(parts)
	}
	if err == nil {
		_, err = r.Write(path)
	}
	return r, err
}

// openPage shows a page in the browser of the desktop.
func openPage(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	program := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if program == nil {
		program = []string{"xdg-open"}
	}
	said, err := os.CreateTemp("", "plume-open-*") // a file: nobody waits until the browser has closed it
	if err != nil {
		return err
	}
	defer func() { _, _ = said.Close(), os.Remove(said.Name()) }()
	c := exec.Command(program[0], append(program[1:], path)...)
	c.Stdout, c.Stderr = said, said
	ended := make(chan error, 1)
	if err = c.Start(); err == nil {
		go func() { ended <- c.Wait() }()
		select {
		case err = <-ended:
		case <-time.After(opening): // it is the browser itself
		}
	}
	if err == nil {
		return nil
	}
	text := make([]byte, 4<<10)
	n, _ := said.ReadAt(text, 0) // without it the error says what it is
	return fmt.Errorf("--open: %s: %w: %s; open %s yourself", program[0], err, strings.TrimSpace(string(text[:n])), path)
}

// reported returns what a report takes from the workflow; nil if this version cannot read
// the workflow.
func (s *storedRun) reported() *report.Setup {
	w := s.workflow
	if w == nil {
		return nil
	}
	to := &report.Setup{
		Setup: s.setup(), Description: w.Experiment.Description,
		Model: w.Model.Plugin, Cycles: w.Time.Cycles, Interval: w.Time.Interval,
		Parameters: slices.Sorted(maps.Keys(w.Model.Estimate)),
	}
	var clocks []string
	for _, o := range w.Observations {
		if o.Plugin != "" {
			to.Operators = append(to.Operators, o.Plugin)
		}
		if o.File != "" {
			clocks = append(clocks, o.Time.Column)
		}
	}
	if clocks = slices.Compact(clocks); len(clocks) == 1 && !w.Time.Start.Dated {
		to.Clock = clocks[0]
	}
	for _, replicate := range w.Replicates() { // in the order of plan.Make
		for _, setting := range w.Settings() {
			for _, v := range setting.Variants {
				f := v.Filters[v.Filter]
				id := archive.TrialID{Trial: len(to.Trials) + 1, Replicate: replicate, Filter: f.Label}
				to.Trials = append(to.Trials, archive.TrialRow{TrialID: id, Plugin: f.Plugin, Size: f.Size, Values: v.Values})
			}
		}
	}
	return to
}
