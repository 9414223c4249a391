// Command kuramoto-sivashinsky serves the plugin kuramoto-sivashinsky to plume.
package main

import (
	"github.com/plume-da/plume/plugins/kuramoto-sivashinsky"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(kuramotosivashinsky.Plugin()) }
