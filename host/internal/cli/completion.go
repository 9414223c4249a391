package cli

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"github.com/spf13/cobra"
)

func (a *app) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Completion prints a script with which a shell completes commands, flags and
their values, workflow files, profiles, keys and values for --set and --sweep,
plugins and runs. Profiles and keys are those of the workflow, so name it first:
plume run twin.toml --set TAB.`,
		Example: `  source <(plume completion bash)
  plume completion zsh > "${fpath[1]}/_plume"
  plume completion fish > ~/.config/fish/completions/plume.fish`,
		Args:      exactly(1, "the name of a shell"),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usage("%s supports %s, not %q", c.CommandPath(), strings.Join(shells, ", "), args[0])
		},
	}
}

// completeWorkflows completes the names of workflow files.
func completeWorkflows(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeRuns completes the names of the runs below root.
func completeRuns(root *string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names := []string{archive.Last}
		for _, dir := range archive.List(*root) {
			names = append(names, filepath.Base(dir))
		}
		return names, cobra.ShellCompDirectiveDefault
	}
}

// completeWorkflowsAndRuns completes the arguments of verify.
func completeWorkflowsAndRuns(root *string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		names, files := completeRuns(root)(c, args, toComplete)
		workflows, err := filepath.Glob(toComplete + "*.toml")
		if err != nil { // toComplete is not a valid pattern
			return names, files
		}
		return append(names, workflows...), files
	}
}

// completePlugins completes the names of the plugins on the plugin path.
func completePlugins(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return launch.DefaultPath().List(), cobra.ShellCompDirectiveDefault
}

// completeProfiles completes the profiles of the workflow on the command line.
func completeProfiles(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return workflow.Profiles(args[0]), cobra.ShellCompDirectiveNoFileComp
}

// completeLabels completes the filters of the run on the command line.
func completeLabels(root *string) cobra.CompletionFunc {
	return completeOfRun(root, (*workflow.Workflow).Labels)
}

// completeMetrics completes the scores of the run on the command line.
func completeMetrics(root *string) cobra.CompletionFunc {
	return completeOfRun(root, (*workflow.Workflow).Metrics)
}

func completeOfRun(root *string, words func(*workflow.Workflow) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		dir, err := archive.Find(*root, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		s, err := openRun(dir)
		if err != nil || s.workflow == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(s.workflow), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag sets the function that completes the flag name of c.
func completeFlag(c *cobra.Command, name string, complete cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // a bug in this package: the flag does not exist, or already has one
	}
}

// words completes one of the words in list.
func words(list ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// completeKeys completes the keys of the workflow on the command line, each followed by an
// equals sign. It completes parameters only of plugins on the plugin path.
func completeKeys(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	var keys []string
	for key := range settingsOf(c, args, toComplete) {
		if !strings.HasSuffix(key, ".") {
			key += "="
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completeSettings completes keys as [completeKeys] does and, after the equals sign, the
// words that the value of the key may be.
func completeSettings(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	key, _, valued := strings.Cut(toComplete, "=")
	if !valued {
		return completeKeys(c, args, toComplete)
	}
	var settings []string
	for _, word := range settingsOf(c, args, key)[key] {
		settings = append(settings, key+"="+word)
	}
	return settings, cobra.ShellCompDirectiveNoFileComp
}

// settingsOf returns the keys that start with beginning, each with the words that its value
// may be; none if it is not a choice. Keys before the parameters of a plugin end in a
// point; the parameters themselves are included if beginning has that point.
func settingsOf(c *cobra.Command, args []string, beginning string) map[string][]string {
	w := &workflow.Workflow{}
	if len(args) > 0 {
		if named, found := workflow.Load(args[0], workflow.Options{}); len(found) == 0 {
			w = named
		}
	}
	plugins, settings := pluginsByKey(w), map[string][]string{}
	for key, words := range workflow.Keys() {
		head, rest, inner := strings.Cut(key, ".")
		if !inner || head != "filter" && head != "observations" || len(w.Observations) == 0 && head == "observations" {
			settings[key] = words
			continue
		}
		for path := range plugins {
			if path == head || strings.HasPrefix(path, head+".") {
				settings[path+"."+rest] = words
			}
		}
	}
	settings["verify.baseline"] = w.Labels()
	for _, key := range slices.Collect(maps.Keys(settings)) {
		if strings.HasSuffix(key, ".plugin") {
			settings[key] = launch.DefaultPath().List()
		}
		if part, ok := strings.CutSuffix(key, ".params"); ok {
			delete(settings, key)
			settings[key+"."] = nil
			if strings.HasPrefix(beginning, key+".") {
				maps.Copy(settings, paramSettings(c.Context(), key+".", plugins[part]))
			}
		}
	}
	return settings
}

// pluginsByKey returns the plugins of w by the key of the table that names them.
func pluginsByKey(w *workflow.Workflow) map[string]string {
	plugins := map[string]string{"model": w.Model.Plugin, "truth": w.Model.Plugin}
	if w.Truth != nil && w.Truth.Plugin != "" {
		plugins["truth"] = w.Truth.Plugin
	}
	for _, o := range w.Observations {
		plugins[strings.TrimSuffix("observations."+o.Label, ".")] = o.Plugin
	}
	for _, f := range w.Filters {
		plugins["filter."+f.Label] = f.Plugin
	}
	if w.Reference != nil {
		plugins["reference"] = w.Reference.Plugin
	}
	return plugins
}

// completionTimeout is how long a plugin may take to return its parameters.
const completionTimeout = 3 * time.Second

// paramSettings returns the words that the parameters of a plugin may be, by key; none if
// the plugin is not on the plugin path: completion does not run programs of a workflow.
func paramSettings(ctx context.Context, prefix, plugin string) map[string][]string {
	if !slices.Contains(launch.DefaultPath().List(), plugin) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	settings := map[string][]string{}
	_ = withPlugin(ctx, plugin, completionTimeout, func(p *sdk.Plugin) error { // a plugin that does not start has none
		for _, param := range p.Manifest.Params {
			switch param.Type {
			case sdk.String:
				settings[prefix+param.Name] = param.Choices
			case sdk.Bool:
				settings[prefix+param.Name] = []string{"true", "false"}
			default:
				settings[prefix+param.Name] = nil
			}
		}
		return nil
	})
	return settings
}
