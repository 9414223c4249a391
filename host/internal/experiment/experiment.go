// Package experiment runs workflows: it starts their plugins, schedules the trials, scores
// every cycle, writes checkpoints, and estimates the cost of a run. It prints nothing: a
// caller that wants to follow the progress of a run gives an [Observer].
package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/pace"
)

// Experiment is a workflow with its plugins running and its plan made.
type Experiment struct {
	Workflow *workflow.Workflow
	Sweep    *plan.Sweep

	pool    *launch.Pool
	meter   *launch.Meter              // of what runs on other machines
	linked  bool                       // built-in plugins run in this process
	places  map[string]launch.Executor // by the names that the workflow uses; the others are this machine
	plugins []*launch.Process          // in the order in which they were first needed
	names   map[*launch.Process]string // by which the workflow calls them
	away    map[*launch.Process]bool   // it runs on another machine, or stands for one that will
	remote  int                        // workers on other machines, which run the trials; 0: they run here
	carried float64                    // bytes that the members of a trial carry at a time, as far as trials were tried
}

// FindingsError is the error of a workflow whose plugins do not fit.
type FindingsError struct {
	Diagnostics diag.Findings
}

func (e *FindingsError) Error() string { return fmt.Sprintf("%d findings", len(e.Diagnostics)) }

// Open starts the plugins of w, all of them on this machine, and makes the plan. If
// inProcess, built-in plugins run in this process. If parts do not fit together the error is a [*FindingsError]. Close the
// result.
func Open(ctx context.Context, w *workflow.Workflow, inProcess bool) (*Experiment, error) {
	return open(ctx, w, observations.Known{}, inProcess, nil, nil)
}

// open is Open with what is known of the observations, with executors, by name, and with a
// function that receives the log records of plugins; both may be nil.
func open(ctx context.Context, w *workflow.Workflow, known observations.Known, inProcess bool, places map[string]launch.Executor, log func(launch.Record)) (*Experiment, error) {
	meter := launch.NewMeter()
	pool, err := launch.NewPool(launch.Options{Log: log, Meter: meter})
	if err != nil {
		return nil, err
	}
	e := &Experiment{Workflow: w, pool: pool, meter: meter, linked: inProcess, places: places, names: map[*launch.Process]string{}, away: map[*launch.Process]bool{}}
	sweep, found := plan.Make(ctx, w, e.plugin, known)
	if len(found) > 0 {
		return nil, errors.Join(e.Close(), &FindingsError{found})
	}
	e.Sweep = sweep
	return e, nil
}

// workers returns how many trials run at a time where n are asked for; 0: one per processor.
func (e *Experiment) workers(n int) int { return cmp.Or(n, pace.Processors()) }

// Close stops the plugins.
func (e *Experiment) Close() error {
	err := e.pool.Close()
	for _, place := range e.places {
		err = errors.Join(err, closeExecutor(place))
	}
	return err
}

// closeExecutor closes x if it has to be closed.
func closeExecutor(x launch.Executor) error {
	if c, ok := x.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// lossRetries is how often a call is repeated at least if it ran on another machine, for
// machines are lost.
const lossRetries = 2

// plugin implements plan.Open.
func (e *Experiment) plugin(ctx context.Context, c workflow.Component, s plan.Replication) (*sdk.Plugin, error) {
	place := e.places[c.Executor]
	program, err := e.program(c.Plugin, e.linked && place == nil)
	if err != nil {
		return nil, err
	}
	policy := launch.RetryPolicy{Timeout: c.Timeout, Replicas: s.Replicas, Retries: c.Retries, MaxFailed: s.MaxFailed}
	away := c.Executor != "" && c.Executor != "local"
	if away && place == nil {
		policy.Replicas = 1 // it only stands for those that will be elsewhere
	}
	if place != nil && program.Executor == nil { // one that is attached is where it is
		elsewhere := *program
		elsewhere.Executor, elsewhere.TCP = place, true
		program, policy.Retries = &elsewhere, max(lossRetries, c.Retries)
	}
	p, err := e.pool.Plugin(ctx, program, policy)
	if err != nil {
		return nil, err
	}
	process, err := e.pool.Start(ctx, program) // already started
	if err != nil {
		return nil, err
	}
	if !slices.Contains(e.plugins, process) {
		e.plugins, e.names[process], e.away[process] = append(e.plugins, process), c.Plugin, away
	}
	return p, nil
}

// program finds the program of a plugin: the one that is attached, the one in the workflow,
// plume itself if the plugin is built in and linked, to run in this process, or the one that
// [launch.Path.Find] finds.
func (e *Experiment) program(name string, linked bool) (*launch.Program, error) {
	if p, err := launch.Attached(name); p != nil || err != nil {
		return p, err
	}
	given, ok := e.Workflow.Plugins[name]
	if !ok {
		if linked {
			if p, err := launch.InProcess(name); p != nil || err != nil {
				return p, err
			}
		}
		return launch.DefaultPath().Find(name)
	}
	dir := filepath.Dir(e.Workflow.File)
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
func (e *Experiment) pluginInfo() ([]archive.PluginInfo, error) {
	var list []archive.PluginInfo
	for _, p := range e.plugins {
		m := p.Manifest()
		sum, err := p.Program().SHA256()
		if err != nil {
			return nil, err
		}
		list = append(list, archive.PluginInfo{
			Name: m.Name, Version: m.Version, Program: filepath.Base(p.Program().Command[0]),
			SHA256: sum, Manifest: p.ManifestSHA256(),
		})
	}
	return list, nil
}

// keepOf says what is stored for trial t of p in addition to its scores.
func (e *Experiment) keepOf(p *plan.Plan, t *plan.Trial) archive.Keep {
	output := e.Workflow.Output
	analysis := output.Ensemble == "analysis" || output.Ensemble == "both"
	return archive.Keep{
		Scored:   p.Scored,
		Forecast: output.Ensemble == "forecast" || output.Ensemble == "both", Analysis: analysis, Smoothed: analysis && t.Smooth > 0, Every: output.Every,
		Only: output.Only, Size: t.Size, Members: output.Members, Single: output.Precision == workflow.Float32,
		Variables: output.Variables, HeldOut: holdsOut(e.Workflow), Rejected: p.Checked, Fit: t.Whole(),
		Ahead: p.Ahead != nil, Exceed: p.Ahead != nil && len(p.Ahead.Exceed) > 0,
	}
}

// Warnings returns what plans warn of, and whether estimates of memory hold.
func (e *Experiment) Warnings() []string {
	all := e.said((*plan.Plan).Warnings)
	if gogc := os.Getenv("GOGC"); gogc != "" {
		all = append(all, fmt.Sprintf("GOGC is set to %q, so more memory may be taken than is estimated: plume and its plugins collect garbage as it says, and never if it is off; unset it", gogc))
	}
	return all
}

// notes returns remarks on the scores of a run.
func (e *Experiment) notes() []string { return e.said((*plan.Plan).ScoreNotes) }

// said returns what plans say, each text once.
func (e *Experiment) said(by func(*plan.Plan) []string) []string {
	var all []string
	for _, planned := range e.Sweep.Scenarios {
		for _, p := range planned.Plans {
			for _, text := range by(p) {
				if !slices.Contains(all, text) {
					all = append(all, text)
				}
			}
		}
	}
	return all
}
