package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/names"
	"github.com/plume-da/plume/host/internal/scaffold"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

func (a *app) init() *cobra.Command {
	p, d := scaffold.Plugin{}, scaffold.Data{Taken: names.Taken()}
	c := &cobra.Command{
		Use:   "init [DIR] [--from FILE | --plugin ROLE --lang LANGUAGE NAME]",
		Short: "Write a workflow to start from, or a plugin",
		Long: `Init writes DIR/workflow.toml, a workflow that can be run as it is. The default
for DIR is the working directory.

Init --from FILE writes one for a text file of observations, such as a CSV file
with a line of names. It guesses the column of time and its format, the columns
of values with their units (as in "level (m)"), the marks of missing values, the
interval, and a model in which each column is a random walk, or the plugin that
--model names. Remarks in the workflow say what has been guessed.

Init --plugin writes a plugin into a new folder NAME: its code, its tests, a
workflow that uses it and a page about it. The plugin passes plume's conformance
suite.

Existing files are not overwritten.`,
		Example: `  plume init my-experiment
  plume init --from gauge.csv my-gauge
  plume init --plugin model --lang python lake
  plume init --plugin obs --lang go gauge`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case p.Role == "" && (p.Lang != "" || p.Plume != ""):
				return usage("--lang and --plume are for plugins: add --plugin %s", strings.Join(scaffold.Roles, "|"))
			case d.File != "" && p.Role != "":
				return usage("--from writes a workflow, and --plugin a plugin: give one of them")
			case d.File == "" && d.Model != "":
				return usage("--model is for a workflow with observations: add --from FILE")
			case p.Role == "" && len(args) > 1:
				return usage("plume init takes at most one directory, got %d arguments; see plume init --help", len(args))
			case p.Role == "":
				return nil
			case !slices.Contains(scaffold.Roles, p.Role):
				return usage("--plugin must be %s, but is %q", strings.Join(scaffold.Roles, ", "), p.Role)
			case !slices.Contains(scaffold.Langs, p.Lang):
				return usage("--lang must be %s, but is %q", strings.Join(scaffold.Langs, " or "), p.Lang)
			case len(args) != 1:
				return usage("plume init --plugin takes the name of the plugin, got %d arguments; see plume init --help", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if d.File != "" {
				return a.initFrom(c.Context(), d, append(args, ".")[0])
			}
			if p.Role == "" {
				return a.initWorkflow(append(args, ".")[0])
			}
			p.Name = args[0]
			return a.initPlugin(p)
		},
	}
	c.Flags().StringVar(&d.File, "from", "", "write a workflow for the observations in `FILE`")
	c.Flags().StringVar(&d.Model, "model", "", "with --from, the `NAME` of the plugin of the model")
	c.Flags().StringVar(&p.Role, "plugin", "", "write a plugin: `model`, obs or filter")
	c.Flags().StringVar(&p.Lang, "lang", "", "language of the plugin: `go` or python")
	c.Flags().StringVar(&p.Plume, "plume", "", "build the plugin against the checkout of plume in `DIR` instead of the published version")
	completeFlag(c, "plugin", words(scaffold.Roles...))
	completeFlag(c, "lang", words(scaffold.Langs...))
	return c
}

func (a *app) initWorkflow(dir string) error {
	files, err := scaffold.Workflow(dir)
	if err != nil {
		return usage("%v", err)
	}
	a.next("run", files[0])
	return a.started(files)
}

// initFrom writes a workflow for a file of observations.
func (a *app) initFrom(ctx context.Context, d scaffold.Data, dir string) (err error) {
	if d.Model != "" {
		if d.Variables, err = scalars(ctx, d.Model); err != nil {
			return err
		}
	}
	files, err := d.Write(dir)
	if err != nil {
		return usage("%v", err)
	}
	a.next("plan", files[0])
	return a.started(files)
}

// scalars returns the variables of a model with its default parameters.
func scalars(ctx context.Context, name string) (names []string, err error) {
	err = withPlugin(ctx, name, callTimeout, func(p *sdk.Plugin) error {
		if p.Manifest.Role != sdk.RoleModel {
			return usage("--model: %s is a %s plugin, not a model", name, p.Manifest.Role)
		}
		params, err := p.Manifest.Resolve(nil)
		if err != nil {
			return usage("--model: %s needs parameters, so its variables are not known: %v; write the workflow without --model, and the model by hand", name, err)
		}
		step, err := p.Manifest.ResolveStep(0)
		if err != nil {
			return err
		}
		model, err := p.NewModel(ctx, sdk.ModelConfig{Params: params, Step: step})
		if err != nil {
			return err
		}
		for _, v := range model.Layout().Variables {
			if v.Size() != 1 {
				return usage("--model: %s has %d values in the variable %s, and a column is one value; write the workflow without --model, and the model and map by hand", name, v.Size(), v.Name)
			}
			names = append(names, v.Name)
		}
		return nil
	})
	return names, err
}

func (a *app) initPlugin(p scaffold.Plugin) error {
	files, err := p.Write(p.Name)
	if err != nil {
		return usage("%v", err)
	}
	defer a.say("next: cd %s, and follow %s", p.Name, filepath.Join(p.Name, "README.md"))
	return a.started(files)
}

// started prints the names of the files that were written.
func (a *app) started(files []string) error {
	for _, f := range files {
		if err := a.printFile(f); err != nil {
			return err
		}
	}
	return nil
}
