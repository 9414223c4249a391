// Command obs-nonlinear observes states through a function of each value, as a
// plume plugin.
package obsnonlinear

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin, for a plume that has it linked in.
func Plugin() (*sdk.Plugin, error) { return sdk.OperatorPlugin(manifest, newOperator) }

func main() { serve.Main(Plugin()) }
