// Command linear is a model of linear dynamics as a plume plugin.
package linear

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
