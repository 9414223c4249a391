package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is the version of the release that these sources are or will become. It is only
// stated here: the Makefile and the Python package read it from this line.
const version = "0.1.0"

// build is set by the Makefile: version, or a development version with its commit.
var build string

// versionText returns the version of this build: build if it is set, otherwise version,
// marked as a development version unless go install built the release.
func versionText() string {
	if build != "" {
		return build
	}
	installed := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		installed = strings.TrimPrefix(info.Main.Version, "v")
	}
	switch installed {
	case version:
		return version
	case "", "(devel)":
		return version + "-dev"
	}
	return version + "-dev+" + installed
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
