// Command obs-nonlinear observes states through a function of each value, as a
// plume plugin.
package main

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.OperatorPlugin(manifest, newOperator)) }
