// Command lorenz96 is the Lorenz-96 model as a plume plugin.
package lorenz96

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin, for a plume that has it linked in.
func Plugin() (*sdk.Plugin, error) { return sdk.ModelPlugin(manifest, newModel) }

func main() { serve.Main(Plugin()) }
