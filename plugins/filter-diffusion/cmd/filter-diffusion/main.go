// Command filter-diffusion serves the plugin filter-diffusion to plume.
package main

import (
	"github.com/plume-da/plume/plugins/filter-diffusion"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(filterdiffusion.Plugin()) }
