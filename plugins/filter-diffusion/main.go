// Command filter-diffusion is a filter plugin: it draws the analysis by taking the
// noise away from a latent with a score known in closed form.
package main

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.FilterPlugin(manifest, newFilter)) }
