// Command filter-enkf is the ensemble Kalman filter as a plume plugin.
package filterenkf

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin, for a plume that has it linked in.
func Plugin() (*sdk.Plugin, error) { return sdk.FilterPlugin(manifest, newFilter) }

func main() { serve.Main(Plugin()) }
