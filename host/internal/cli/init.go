package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/scaffold"
	"github.com/spf13/cobra"
)

func (a *app) init() *cobra.Command {
	p := scaffold.Plugin{}
	c := &cobra.Command{
		Use:   "init [DIR | --plugin ROLE --lang LANGUAGE NAME]",
		Short: "Write a workflow to start from, or a plugin",
		Long: `Init writes DIR/workflow.toml, a workflow that can be run as it is. The default
for DIR is the working directory.

Init --plugin writes a plugin into a new folder NAME: its code, its tests, a
workflow that uses it and a page about it. The plugin passes plume's conformance
suite.

Existing files are not overwritten.`,
		Example: `  plume init my-experiment
  plume init --plugin model --lang python lake
  plume init --plugin obs --lang go gauge`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case p.Role == "" && (p.Lang != "" || p.Plume != ""):
				return usage("--lang and --plume are for plugins: add --plugin %s", strings.Join(scaffold.Roles, "|"))
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
		RunE: func(_ *cobra.Command, args []string) error {
			if p.Role == "" {
				return a.initWorkflow(append(args, ".")[0])
			}
			p.Name = args[0]
			return a.initPlugin(p)
		},
	}
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
