// Command filter-pf is the bootstrap particle filter as a plume plugin.
package main

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.FilterPlugin(manifest, newFilter)) }
