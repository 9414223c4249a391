// Command umbridge makes the model of an UM-Bridge server a model plugin of plume.
package umbridge

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.ModelPlugin(manifest, newModel)) }
