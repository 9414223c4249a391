// Command obs-umbridge makes the model of an UM-Bridge server an observation
// operator plugin of plume.
package obsumbridge

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.OperatorPlugin(manifest, newOperator)) }
