// Command obs-nonlinear serves the plugin obs-nonlinear to plume.
package main

import (
	"github.com/plume-da/plume/plugins/obs-nonlinear"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(obsnonlinear.Plugin()) }
