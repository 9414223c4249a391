// Command filter-pf is the bootstrap particle filter as a plume plugin.
package filterpf

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
