// Command process runs any program as a model plugin of plume.
package process

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() {
	reapWhenAsked()
	serve.Main(sdk.ModelPlugin(manifest, newModel))
}
