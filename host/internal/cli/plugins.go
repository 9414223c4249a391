package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
	"github.com/spf13/cobra"
)

// callTimeout bounds the calls of commands that do not have a workflow.
const callTimeout = 30 * time.Second

func (a *app) plugins() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugins",
		Short: "List, describe and test plugins",
		Long: `Plume looks for plugins in the directory of $PLUME_ATTACH, in which a program
that starts plume says which plugins it serves itself, in the directories of
$PLUME_PLUGINS, in the folder plugins next to the plume program, and in plume
itself.`,
		Example: `  plume plugins list
  plume plugins describe lorenz63`,
		Args:                       noSuchCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.pluginsList(), a.pluginsDescribe(), a.pluginsTest())
	return c
}

// withPlugin starts the plugin called name, or the program or Python script at that path,
// and calls do with it.
func withPlugin(ctx context.Context, name string, timeout time.Duration, do func(*sdk.Plugin) error) (err error) {
	var program *launch.Program
	switch {
	case strings.HasSuffix(name, ".py"):
		program, err = launch.Script(name, name, ".")
	case strings.ContainsRune(name, '/'):
		program, err = launch.Command("", []string{name}, ".")
	default:
		program, err = launch.DefaultPath().Find(name)
	}
	if err != nil {
		return err
	}
	pool, err := launch.NewPool(launch.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	plugin, err := pool.Plugin(ctx, program, launch.RetryPolicy{Timeout: timeout})
	if err != nil {
		return err
	}
	return do(plugin)
}

func (a *app) pluginsList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the plugins that workflows can name",
		Example: `  plume plugins list
  plume plugins list --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			names := launch.DefaultPath().List()
			if len(names) == 0 {
				a.say("there are no plugins in %s", strings.Join(launch.DefaultPath(), ", "))
				return nil
			}
			var faults []error
			var rows [][]string
			for _, name := range names {
				faults = append(faults, withPlugin(c.Context(), name, callTimeout, func(p *sdk.Plugin) error {
					if a.json {
						return a.printJSON(faceOf(p.Manifest))
					}
					rows = append(rows, []string{name, string(p.Manifest.Role), p.Manifest.Version, p.Manifest.Summary})
					return nil
				}))
			}
			return errors.Join(append(faults, printTable(a.stdout, []column{{}, {}, {}, {fold: true}}, rows))...)
		},
	}
}

// pluginFace is a plugin in JSON.
type pluginFace struct {
	Name    string      `json:"name"`
	Role    sdk.Role    `json:"role"`
	Version string      `json:"version"`
	Summary string      `json:"summary"`
	Params  []paramFace `json:"params"`
}

type paramFace struct {
	Name     string        `json:"name"`
	Type     sdk.ParamType `json:"type"`
	Default  any           `json:"default,omitempty"`
	Required bool          `json:"required"`
	Choices  []string      `json:"choices,omitempty"`
	Min      *float64      `json:"min,omitempty"`
	Max      *float64      `json:"max,omitempty"`
	Above    *float64      `json:"above,omitempty"`
	Below    *float64      `json:"below,omitempty"`
	Unit     string        `json:"unit,omitempty"`
	Doc      string        `json:"doc"`

	When map[string][]string `json:"when,omitempty"`
}

func faceOf(m *sdk.Manifest) pluginFace {
	face := pluginFace{m.Name, m.Role, m.Version, m.Summary, []paramFace{}}
	for _, p := range m.Params {
		face.Params = append(face.Params, paramFace{p.Name, p.Type, p.Default, p.Required, p.Choices, p.Min, p.Max, p.Above, p.Below, p.Unit, p.Doc, p.When})
	}
	return face
}

func (a *app) pluginsDescribe() *cobra.Command {
	var markdown, source bool
	c := &cobra.Command{
		Use:   "describe NAME|PROGRAM",
		Short: "Show a plugin's parameters",
		Example: `  plume plugins describe lorenz63
  plume plugins describe ./my-model`,
		Args:              exactly(1, "one plugin"),
		ValidArgsFunction: completePlugins,
		RunE: func(c *cobra.Command, args []string) error {
			return withPlugin(c.Context(), args[0], callTimeout, func(p *sdk.Plugin) error {
				if a.json {
					return a.printJSON(faceOf(p.Manifest))
				}
				text := p.Manifest.Describe()
				switch {
				case markdown:
					text = p.Manifest.Markdown()
				case source:
					text = p.Manifest.Text
				}
				_, err := fmt.Fprint(a.stdout, text)
				return err
			})
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "print the parameter table of a README")
	c.Flags().BoolVar(&source, "toml", false, "print plugin.toml")
	return c
}

// showTested prints the result of the conformance suite for a plugin.
func (a *app) showTested(name string, found error) error {
	if a.json {
		faults := []string{}
		if found != nil {
			faults = strings.Split(found.Error(), "\n")
		}
		return a.printJSON(struct {
			Plugin string   `json:"plugin"`
			OK     bool     `json:"ok"`
			Faults []string `json:"faults"` // one line each
		}{name, found == nil, faults})
	}
	text := fmt.Sprintf("ok    %s", name)
	if found != nil {
		text = fmt.Sprintf("FAIL  %s\n%s", name, indent(found.Error()))
	}
	_, err := fmt.Fprintln(a.stdout, fold(text, widthOf(a.stdout)))
	return err
}

func (a *app) pluginsTest() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "test NAME|PROGRAM...",
		Short: "Run the conformance suite on plugins, over their sockets",
		Example: `  plume plugins test filter-enkf
  plume plugins test ./my-model my_model.py`,
		ValidArgsFunction: completePlugins,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("%s takes at least one plugin; see %s --help", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			failed := 0
			for _, name := range args {
				err := withPlugin(c.Context(), name, timeout, func(p *sdk.Plugin) error { return plugintest.CheckContext(c.Context(), p) })
				if err != nil {
					failed++
				}
				if err := a.showTested(name, err); err != nil {
					return err
				}
			}
			if failed > 0 {
				return fmt.Errorf("%s of %d did not pass", diag.Plural(failed, "plugin"), len(args))
			}
			return nil
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", callTimeout, "time limit of one call")
	return c
}
