// Command lorenz96 serves the plugin lorenz96 to plume.
package main

import (
	"github.com/plume-da/plume/plugins/lorenz96"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(lorenz96.Plugin()) }
