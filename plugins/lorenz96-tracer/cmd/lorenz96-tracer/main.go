// Command lorenz96-tracer serves the plugin lorenz96-tracer to plume.
package main

import (
	"github.com/plume-da/plume/plugins/lorenz96-tracer"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(lorenz96tracer.Plugin()) }
