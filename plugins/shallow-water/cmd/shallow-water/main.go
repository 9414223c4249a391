// Command shallow-water serves the plugin shallow-water to plume.
package main

import (
	"github.com/plume-da/plume/plugins/shallow-water"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(shallowwater.Plugin()) }
