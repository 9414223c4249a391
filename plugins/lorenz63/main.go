// Command lorenz63 is the Lorenz-63 model as a plume plugin.
package main

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.ModelPlugin(manifest, newModel)) }
