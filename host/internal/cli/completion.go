package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/spf13/cobra"
)

func (a *app) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completion script of a shell",
		Long: `Completion prints a script that lets a shell complete commands, flags, workflow files,
keys for --set and --sweep, profiles, plugins and runs.`,
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
			return usage("%s knows %s, not %q", c.CommandPath(), strings.Join(shells, ", "), args[0])
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

// completePlugins completes the names of the plugins on the plugin path.
func completePlugins(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return launch.DefaultPath().List(), cobra.ShellCompDirectiveDefault
}

// completeKeys completes the keys of the workflow a command line names, each
// followed by an equals sign.
func completeKeys(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var labels, keys []string
	if len(args) > 0 {
		if w, found := workflow.Load(args[0], workflow.Options{}); len(found) == 0 {
			for _, f := range w.Filters {
				labels = append(labels, f.Label)
			}
		}
	}
	for _, key := range workflow.Keys() {
		rest, ofFilter := strings.CutPrefix(key, "filter.")
		if !ofFilter {
			keys = append(keys, key+"=")
			continue
		}
		for _, label := range labels {
			keys = append(keys, fmt.Sprintf("filter.%s.%s=", label, rest))
		}
	}
	return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}
