// Command obs-umbridge serves the plugin obs-umbridge to plume.
package main

import (
	"github.com/plume-da/plume/plugins/obs-umbridge"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(obsumbridge.Plugin()) }
