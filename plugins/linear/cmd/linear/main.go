// Command linear serves the plugin linear to plume.
package main

import (
	"github.com/plume-da/plume/plugins/linear"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(linear.Plugin()) }
