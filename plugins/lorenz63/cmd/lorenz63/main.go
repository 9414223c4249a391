// Command lorenz63 serves the plugin lorenz63 to plume.
package main

import (
	"github.com/plume-da/plume/plugins/lorenz63"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(lorenz63.Plugin()) }
