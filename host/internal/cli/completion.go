package cli

import (
	"path/filepath"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/spf13/cobra"
)

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
