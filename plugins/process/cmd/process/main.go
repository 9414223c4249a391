// Command process serves the plugin process to plume.
package main

import (
	"github.com/plume-da/plume/plugins/process"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(process.Plugin()) }
