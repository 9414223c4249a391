package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/spf13/cobra"
)

func (a *app) run() *cobra.Command {
	s := &source{}
	var root string
	var how running
	c := &cobra.Command{
		Use:   "run WORKFLOW",
		Short: "Run a workflow and write a run directory",
		Long: `Run checks a workflow, starts its plugins, runs every filter on the same truth
and observations, and writes a run directory of Arrow tables. It prints the path
of that directory on standard output; everything else goes to standard error.

Run first says how much memory and disk it needs, see plume plan, and refuses if
there is less; --accept-size runs all the same. What a plugin needs for its own
work is known only if its manifest says so.

With --executor the replicas of the model, see model.replicas, run on the nodes
of a cluster. With --executor and --workers whole trials do, with all their
plugins: that is for sweeps, and for models that are fast. The tables are the
same, byte for byte, for any number of workers and replicas, wherever they run.
Ctrl-C finishes the current cycle and closes all files, and so does closing the
terminal; a second Ctrl-C stops within a second. plume resume continues a run,
however it was stopped, here or on any executor.

With --progress json a program can follow the run: lines of standard error that
begin with {"progress": have the directory (run), the numbers of trials and of
those that ended, failed or were interrupted, of cycles and of those done, of
cycles of truths (simulated), of model runs, of which a window takes several a
cycle, and seconds, so far and left (null if not known). When nobody reads them
any more, the run stops as after Ctrl-C.`,
		Example: `  plume run workflows/lorenz63-quick.toml
  plume run twin.toml --set time.cycles=50 --set experiment.seed=7
  plume run twin.toml --profile short --workers 1
  plume run twin.toml --executor slurm --set model.replicas=16
  plume run twin.toml --executor slurm --workers 64
  plume run twin.toml --sweep replicate=1..5 --sweep 'filter=["enkf"]'`,
		Args: exactly(1, "one workflow file"),
		RunE: func(c *cobra.Command, args []string) error {
			s.path = args[0]
			r, err := a.perform(c.Context(), s, root, how)
			return a.conclude(s, r, err)
		},
	}
	s.flags(c)
	c.Flags().StringVar(&root, "run-dir", defaultRoot, "directory for the run directories")
	how.flags(c)
	s.placeFlags(c)
	s.linkedFlag(c)
	return c
}

// conclude prints the result of a run of a workflow: its directory on standard output, the rest on
// standard error.
func (a *app) conclude(from *source, r *experiment.Result, err error) error {
	if r == nil {
		return err
	}
	s, shown := a.show(r)
	err = cmp.Or(err, shown)
	a.warn(r.Warnings...)
	counts := map[archive.Status]int{}
	begun := false
	for _, t := range r.Trials {
		counts[t.Status]++
		begun = begun || t.Cycles > 0
	}
	if counts[archive.Failed] > 0 && counts[archive.Interrupted] == 0 && !begun {
		a.next("run", from.args()...) // with the cause fixed; resume would refuse a program that has changed
	} else if r.Resumable {
		a.next("resume", append([]string{r.Dir}, from.there()...)...)
	} else if r.Retryable {
		a.next("resume", append([]string{r.Dir, "--retry-failed"}, from.there()...)...)
	}
	if len(r.Metrics) > 0 {
		a.next("report", r.Dir)
	}
	if counts[archive.OK]+counts[archive.Diverged] > 0 {
		a.next("compare", r.Dir)
	}
	if err == nil && s.workflow != nil && s.workflow.Expect != nil && len(s.workflow.Axes()) == 0 {
		a.next("verify", r.Dir)
	}
	return errors.Join(err, a.printRun(r.Dir, r.Status, counts))
}

// printRun prints a run that has ended, and the number of its trials by status.
func (a *app) printRun(dir string, status archive.Status, trials map[archive.Status]int) error {
	if a.json {
		return a.printJSON(struct {
			Run    string                 `json:"run"`
			Status archive.Status         `json:"status"`
			Trials map[archive.Status]int `json:"trials,omitempty"`
		}{dir, status, trials})
	}
	_, err := fmt.Fprintln(a.stdout, dir)
	return err
}

func (a *app) validate() *cobra.Command {
	s := &source{}
	c := &cobra.Command{
		Use:   "validate WORKFLOW",
		Short: "Check a workflow without running it",
		Long: `Validate checks a workflow in three layers: the text, the keys and values, and
the plugins it names with their parameters, sizes and capabilities. All findings
of the first layer that has any are shown, with their place and a remedy;
findings of the second layer are shown together with missing plugins.

The third layer starts the plugins, among them the programs that [plugins]
names. To check a workflow that you do not trust, use --offline, which starts
nothing.`,
		Example: `  plume validate twin.toml
  plume validate twin.toml --format github
  plume validate stranger.toml --offline`,
		Args: exactly(1, "one workflow file"),
		RunE: func(c *cobra.Command, args []string) error {
			s.path = args[0]
			if s.offline {
				if _, err := s.load(); err != nil {
					return err
				}
			} else {
				e, err := s.open(c.Context())
				if err != nil {
					return err
				}
				a.warn(e.Warnings()...)
				a.close(e)
			}
			a.say("%s is valid", s.path)
			a.next("plan", s.args()...)
			a.next("run", s.args()...)
			if a.json {
				return a.printJSON(struct {
					Workflow string `json:"workflow"`
					Valid    bool   `json:"valid"`
				}{s.path, true})
			}
			return nil
		},
	}
	s.flags(c)
	c.Flags().BoolVar(&s.offline, "offline", false, "do not start plugins: check only text, keys and values")
	return c
}
