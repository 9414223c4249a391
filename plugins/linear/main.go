// Command linear is a model of linear dynamics as a plume plugin.
package main

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.ModelPlugin(manifest, newModel)) }
