// Command lorenz05 serves the plugin lorenz05 to plume.
package main

import (
	"github.com/plume-da/plume/plugins/lorenz05"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(lorenz05.Plugin()) }
