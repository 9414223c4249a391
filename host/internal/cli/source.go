package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/remote"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

// defaultRoot is the directory for runs, below the working directory.
const defaultRoot = "runs"

// source is a workflow on the command line: a file with profile, --set and --sweep.
type source struct {
	path    string
	profile string
	set     []string
	sweep   []string
	typed   map[string]string // what of both was typed as another option, by value
	format  string            // of findings
	site    string            // site file; empty: the default
	place   string            // executor of the model; empty: as the workflow says
	trials  string            // executor of whole trials; empty: they run here
	workers int               // there

	offline   bool // plugins are not started
	inProcess bool // built-in plugins run in this process

	executed map[string]launch.Executor // what the workflow names, once it is open
}

// flags adds the flags of a source to c.
func (s *source) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.profile, "profile", "", "use the overrides of [profile.`NAME`]")
	c.Flags().StringArrayVar(&s.set, "set", nil, "override one value, `key=value`, such as time.cycles=50; may be repeated")
	c.Flags().StringArrayVar(&s.sweep, "sweep", nil, "run several values, `key=[list]`, such as 'ensemble.size=[20, 50]' or replicate=1..10; may be repeated")
	c.ValidArgsFunction = completeWorkflows
	c.Flags().StringVar(&s.format, "format", "human", "how to show findings: human, json or github")
	completeFlag(c, "profile", completeProfiles)
	completeFlag(c, "set", completeSettings)
	completeFlag(c, "sweep", completeKeys)
	completeFlag(c, "format", words("human", "json", "github"))
}

// args returns the arguments of a command line for the source.
func (s *source) args() []string {
	args := []string{s.path}
	if s.profile != "" {
		args = append(args, "--profile", s.profile)
	}
	args = append(args, s.there()...)
	if s.place != "" {
		args = append(args, "--executor", s.place)
	}
	for _, set := range s.set {
		args = append(args, "--set", set)
	}
	for _, sweep := range s.sweep {
		args = append(args, "--sweep", sweep)
	}
	return args
}

// placeFlags adds the flags that say where plugins run.
func (s *source) placeFlags(c *cobra.Command) {
	c.Flags().StringVar(&s.place, "executor", "", "run the model on executor `NAME` of the site file, on an engine such as slurm, or on local: the same as --set model.executor=NAME; with --workers, whole trials run there")
	c.Flags().StringVar(&s.site, "site", "", "the site `FILE`; if omitted, $PLUME_SITE or plume/plume.toml in the user's configuration folder")
	completeFlag(c, "executor", completeExecutors)
}

// elsewhere has whole trials run on the executor, if there are to be workers there.
func (s *source) elsewhere(workers int) {
	if workers > 0 && s.place != "" && s.place != "local" {
		s.trials, s.workers, s.place = s.place, workers, ""
	}
}

// there returns the flags that say where trials run, as far as no value of --set does.
func (s *source) there() (args []string) {
	if s.site != "" {
		args = append(args, "--site", s.site)
	}
	if s.trials != "" {
		args = append(args, "--executor", s.trials, "--workers", strconv.Itoa(s.workers))
	}
	return args
}

// settings returns the values of --set, with that of --executor.
func (s *source) settings() []string {
	if s.place == "" {
		return s.set
	}
	return append(slices.Clone(s.set), s.given("executor", s.place, "model.executor="+s.place))
}

// given returns a value of --set or --sweep that an option stands for, and remembers that.
func (s *source) given(option, value, setting string) string {
	if s.typed == nil {
		s.typed = map[string]string{}
	}
	s.typed[setting] = "--" + option + " " + value
	return setting
}

// linkedFlag adds the flag of inProcess to c.
func (s *source) linkedFlag(c *cobra.Command) {
	c.Flags().BoolVar(&s.inProcess, "in-process", false, "run the built-in plugins in plume's own process: faster, with the same results, but if such a plugin crashes, plume does too")
}

// load reads the workflow; its error is a *findings.
func (s *source) load() (*workflow.Workflow, error) {
	if !slices.Contains([]string{"human", "json", "github"}, s.format) {
		return nil, usage("--format must be human, json or github, but is %q", s.format)
	}
	options := workflow.Options{Profile: s.profile, Set: s.settings(), Sweep: s.sweep, Typed: s.typed}
	if !s.offline {
		options.Plugin = func(found *diag.Findings, name string, at diag.Span) {
			if _, err := launch.DefaultPath().Find(name); err != nil {
				plan.AddPluginFault(found, at, err)
			}
		}
	}
	w, found := workflow.Load(s.path, options)
	if len(found) > 0 {
		return nil, &findings{found, s.format}
	}
	return w, nil
}

// open reads the workflow, starts its plugins and makes the plan. Close the result.
func (s *source) open(ctx context.Context) (*experiment.Experiment, error) {
	w, err := s.load()
	if err != nil {
		return nil, err
	}
	if s.trials != "" {
		w = w.Anywhere()
	}
	if s.executed, err = s.executors(w); err != nil {
		return nil, err
	}
	e, err := experiment.Open(ctx, w, s.inProcess)
	if err == nil && s.trials != "" {
		e.RunElsewhere(s.workers)
	}
	return e, s.shown(err)
}

// close stops the plugins of e. It only warns about a plugin that does not end, because the
// result of the command is known.
func (a *app) close(e *experiment.Experiment) {
	if err := e.Close(); err != nil {
		a.warn(err.Error())
	}
}

// shown sets the format in which findings are shown.
func (s *source) shown(err error) error {
	var found *experiment.FindingsError
	if errors.As(err, &found) {
		return &findings{found.Diagnostics, s.format}
	}
	return err
}

// running says how a run is executed; the results do not depend on it.
type running struct {
	workers    int           // trials at a time; 0: as many as fit
	checkpoint time.Duration // between checkpoints of a trial
	acceptSize bool          // run even if memory or disk are estimated to be too small
	progress   string        // how it is shown: text or json
}

func (r *running) flags(c *cobra.Command) {
	c.Flags().IntVar(&r.workers, "workers", 0, "number of trials that run at the same time, with --executor on so many workers there; 0 means as many as memory allows, up to one per processor")
	c.Flags().DurationVar(&r.checkpoint, "checkpoint", 5*time.Second, "time between two checkpoints of a trial, from which resume continues")
	c.Flags().BoolVar(&r.acceptSize, "accept-size", false, "run although more memory or disk is estimated to be needed than there is")
	c.Flags().StringVar(&r.progress, "progress", "text", "how to show the progress: text, or json for a program: one object per line on standard error, at least one per second")
	completeFlag(c, "progress", words("text", "json"))
}

// perform runs s and writes a run directory below root. If some trials failed, it returns
// a result and an error.
func (a *app) perform(ctx context.Context, s *source, root string, how running) (*experiment.Result, error) {
	w, o, err := a.prepare(s, how)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(s.path)
	if err != nil {
		return nil, err
	}
	r, err := experiment.Run(ctx, w, root, experiment.Source{Path: path, Profile: s.profile, Set: s.settings(), Sweep: s.sweep}, o)
	return r, s.shown(err)
}

// prepare reads the workflow and returns it with the options to run it with.
func (a *app) prepare(s *source, how running) (*workflow.Workflow, experiment.Options, error) {
	o, err := a.options(s, how)
	if err != nil {
		return nil, o, err
	}
	s.elsewhere(how.workers)
	w, err := s.load()
	if err != nil {
		return nil, o, err
	}
	if s.trials != "" {
		x, err := s.away()
		if err != nil {
			return nil, o, err
		}
		x.Tell(a.sayWaiting)
		o.Away = x
		return w, o, nil
	}
	o.Executors, err = s.executors(w)
	for _, e := range o.Executors {
		if x, ok := e.(*remote.Executor); ok {
			x.Tell(a.sayWaiting)
			x.Require(versionText())
		}
	}
	return w, o, err
}

// options returns the options of a run that s and r ask for, without the executors of the workflow.
func (a *app) options(s *source, r running) (experiment.Options, error) {
	switch {
	case r.workers < 0:
		return experiment.Options{}, usage("--workers: got %d, want 0 or more", r.workers)
	case r.checkpoint < 0:
		return experiment.Options{}, usage("--checkpoint: got %v, want 0 or more", r.checkpoint)
	case r.progress != "text" && r.progress != "json":
		return experiment.Options{}, usage("--progress: got %q, want text or json", r.progress)
	}
	return experiment.Options{
		Workers: r.workers, Checkpoint: r.checkpoint, AcceptSize: r.acceptSize, InProcess: s.inProcess, Plume: versionText(), Stop: a.stop, Observer: &watcher{app: a, json: r.progress == "json"},
	}, nil
}
