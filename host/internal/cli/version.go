package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is the version the Makefile stamps in.
var build string

// versionText returns the version of this build: the stamp, the module version,
// or "devel".
func versionText() string {
	if build != "" {
		return build
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func versionLine() string {
	return fmt.Sprintf("plume %s, protocol plume.v1, %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Example: `  plume version
  plume version --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(struct {
					Plume    string `json:"plume"`
					Protocol string `json:"protocol"`
					Go       string `json:"go"`
				}{versionText(), "plume.v1", runtime.Version()})
			}
			_, err := fmt.Fprint(a.stdout, versionLine())
			return err
		},
	}
}
