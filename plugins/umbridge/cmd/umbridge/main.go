// Command umbridge serves the plugin umbridge to plume.
package main

import (
	"github.com/plume-da/plume/plugins/umbridge"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(umbridge.Plugin()) }
