package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

// resolvedFile is the workflow of a run directory, with all that was in force.
const resolvedFile = "workflow.resolved.toml"

// source is how a user names a workflow: a file and what goes over it.
type source struct {
	path    string
	profile string
	set     []string
	sweep   []string
	format  string // of findings

	inProcess bool // plugins that are part of plume run in its process
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

// linkedFlag adds the flag of inProcess to c.
func (s *source) linkedFlag(c *cobra.Command) {
	c.Flags().BoolVar(&s.inProcess, "in-process", false, "run plugins that are built into plume in its own process: the same results sooner, but a plugin that dies takes plume with it")
}

// load reads the workflow; an error is a *findings.
func (s *source) load() (*workflow.Workflow, error) {
	if !slices.Contains([]string{"human", "json", "github"}, s.format) {
		return nil, usage("--format must be human, json or github, but is %q", s.format)
	}
	w, found := workflow.Load(s.path, workflow.Options{Profile: s.profile, Set: s.set, Sweep: s.sweep})
	if len(found) > 0 {
		return nil, &exitError{exitWorkflow, &findings{found, s.format}}
	}
	return w, nil
}

// opened is a workflow with its plugins running and its plan made.
type opened struct {
	workflow *workflow.Workflow
	sweep    *plan.Sweep
	pool     *launch.Pool
	linked   bool              // see source.inProcess
	plugins  []*launch.Process // in the order they were first needed
}

// open starts the plugins of the workflow and makes the plan. Close the result.
func (s *source) open(ctx context.Context, log func(launch.Record)) (*opened, error) {
	w, err := s.load()
	if err != nil {
		return nil, err
	}
	if s.inProcess && !launch.HasLinked() {
		return nil, usage("--in-process: this plume was built without plugins; make build links them in")
	}
	pool, err := launch.NewPool(launch.Options{Log: log})
	if err != nil {
		return nil, err
	}
	o := &opened{workflow: w, pool: pool, linked: s.inProcess}
	sweep, found := plan.Make(ctx, w, o.plugin)
	if len(found) > 0 {
		code := exitWorkflow
		if slices.ContainsFunc(found, plan.IsPluginFault) {
			code = exitPlugin
		}
		return nil, errors.Join(o.close(), &exitError{code, &findings{found, s.format}})
	}
	o.sweep = sweep
	return o, nil
}

func (o *opened) close() error { return o.pool.Close() }

// plugin implements plan.Open.
func (o *opened) plugin(ctx context.Context, c workflow.Component, s plan.Spread) (*sdk.Plugin, error) {
	program, err := o.program(c.Plugin)
	if err != nil {
		return nil, err
	}
	care := launch.Care{Timeout: c.Timeout, Replicas: s.Replicas, Retries: c.Retries, MaxFailed: s.MaxFailed}
	p, err := o.pool.Plugin(ctx, program, care)
	if err != nil {
		return nil, err
	}
	process, err := o.pool.Start(ctx, program) // has been started
	if err != nil {
		return nil, err
	}
	if !slices.Contains(o.plugins, process) {
		o.plugins = append(o.plugins, process)
	}
	return p, nil
}

// program finds the program of a plugin: what the workflow says, plume itself where
// the plugin is linked in and shall run there, or what is on the plugin path.
func (o *opened) program(name string) (*launch.Program, error) {
	given, ok := o.workflow.Plugins[name]
	if !ok {
		if o.linked {
			if p, err := launch.Linked(name); p != nil || err != nil {
				return p, err
			}
		}
		return launch.DefaultPath().Find(name)
	}
	dir := filepath.Dir(o.workflow.File)
	var program *launch.Program
	var err error
	if given.Python != "" {
		program, err = launch.Script(name, given.Python, dir)
	} else {
		program, err = launch.Command(name, given.Command, dir)
	}
	if err != nil {
		return nil, err
	}
	program.TCP = given.Network == "tcp"
	if given.SHA256 != "" {
		return program, program.Verify(given.SHA256)
	}
	return program, nil
}

// pluginInfo identifies the plugins for a run's manifest.
func (o *opened) pluginInfo() []archive.PluginInfo {
	var list []archive.PluginInfo
	for _, p := range o.plugins {
		m := p.Manifest()
		list = append(list, archive.PluginInfo{
			Name: m.Name, Version: m.Version, Program: filepath.Base(p.Program().Command[0]),
			SHA256: p.Program().SHA256, Manifest: p.ManifestSHA256(),
		})
	}
	return list
}

// readWorkflow returns the text of the workflow file as it was given.
func readWorkflow(w *workflow.Workflow) ([]byte, error) { return os.ReadFile(w.File) }
